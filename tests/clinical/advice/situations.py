"""One line in a line: the situation in which advice is chosen, from words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from clinical.values import CONDITION, KNOWLEDGE, cancer, case, day, line, on, record, seen, use

from cds_service.clinical.advice.around import Around
from cds_service.clinical.advice.situation import EarlierCards, Judged, Situation
from cds_service.clinical.evidence import Evidence
from cds_service.clinical.record import Cancer, Caution, CautionKind, Fact, Patient
from cds_service.clinical.status import Composites, LineStatus

AS_OF: Final = "2024-06-30"
PROGRESSED: Final = "2024-06-01"
LEADS_TO_TRIAL: Final = Composites(("triple-class-refractory",), leads_to_trial=True)


def stands(status: str, confidence: str | None = None, *caveats: str, **more: Any) -> LineStatus:
    """Where a line stands; a progression lies on `PROGRESSED` unless told otherwise."""
    progressed = None if status in ("responding", "stable", "no-evidence") else day(PROGRESSED)
    given: dict[str, Any] = {"progressed_on": progressed, "rules": ("nsclc.palliative-90-days",)}
    return LineStatus(
        status=status,  # type: ignore[arg-type]
        confidence=confidence,  # type: ignore[arg-type]
        caveats=tuple(caveats),  # type: ignore[arg-type]
        **(given | more),
    )


def fact(name: str, value: str, when: str | None = "2024-06-10") -> Fact:
    return Fact(f"Observation/{name}-{value}-{when}", name, value, on(when) if when else None)


def caution(kind: CautionKind, when: str | None = None, resource: str = "") -> Caution:
    return Caution(resource or f"Condition/{kind}", kind, on(when) if when else None)


def situation(
    status: LineStatus,
    disease: str = "nsclc",
    *,
    evidence: Iterable[Evidence] | None = None,
    composites: Composites | None = None,
    progressed_lines: int = 1,
    is_latest: bool = True,
    earlier: EarlierCards | None = None,
    as_of: str = AS_OF,
    born: str | None = None,
    others: Iterable[Cancer] = (),
    advice: dict[str, Any] | None = None,
    is_deceased: bool = False,
    **chart: Any,
) -> Situation:
    """A line of docetaxel since January; the chart holds what `chart` names, and nothing else."""
    definition = KNOWLEDGE.disease(disease)
    if advice:
        definition = replace(definition, advice=replace(definition.advice, **advice))
    found = [seen("progression", PROGRESSED)] if evidence is None else list(evidence)
    own = cancer(disease)
    patient = Patient("Patient/p1", on(born) if born else None, is_deceased)
    docetaxel = line(use("docetaxel", "2024-01-05", "2024-05-20"))
    told = replace(record(as_of, cancers=(own, *others), **chart), patient=patient)
    return Situation(
        record=told,
        cancer=own,
        disease=definition,
        judged=Judged(docetaxel, tuple(found), status, case(disease, docetaxel, found)),
        composites=composites or Composites((), leads_to_trial=False),
        progressed_lines=progressed_lines,
        is_latest=is_latest,
        around=Around(told, own),
        earlier_cards=earlier or EarlierCards(),
    )


__all__ = [
    "AS_OF",
    "CONDITION",
    "LEADS_TO_TRIAL",
    "PROGRESSED",
    "caution",
    "fact",
    "situation",
    "stands",
]
