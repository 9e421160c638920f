"""The five stages on one page: record → lines → evidence → status → advice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from cds_service.clinical.advice import (
    NO_EARLIER_CARDS,
    Advice,
    EarlierCards,
    Judged,
    choose_advice,
)
from cds_service.clinical.evidence import (
    OfCancer,
    Values,
    gather_evidence,
    is_about,
    unlinked_evidence,
)
from cds_service.clinical.lines import Line, find_lines
from cds_service.clinical.record import AnyResource, Cancer, Issue, Record, read_record
from cds_service.clinical.status import (
    Answer,
    Case,
    ClassRefractory,
    Composites,
    History,
    LineStatus,
    decide_status,
    explain_composites,
    find_composites,
    refractory_classes,
    unknown_facts,
    without_adult_label,
)
from cds_service.knowledge.model import Disease, Knowledge


@dataclass(frozen=True, slots=True)
class CancerAssessment:
    """One cancer: its lines with where each stands, the labels over them, and the advice.

    `unknown_facts`: what guides its treatment, and the chart tells nothing of.
    """

    cancer: Cancer
    disease: Disease
    judged: tuple[Judged, ...]
    composites: Composites
    advice: tuple[Advice, ...]
    unknown_facts: tuple[str, ...]

    @property
    def answers(self) -> tuple[Answer, ...]:
        """What every composite said; worked out anew, as nothing decides by it."""
        if not self.judged:
            return ()
        case = self.judged[0].case
        told = [(judged.line, judged.status) for judged in self.judged]
        return explain_composites(
            History(case.record, self.cancer, self.disease, case.knowledge, told)
        )

    @property
    def notation(self) -> str:
        """LoT N (CLoT + PLoT); a line of unknown intent counts among the latter.

        Source: Saini & Twelves 2021.
        """
        curative = sum(j.line.intent == "curative" for j in self.judged)
        total = len(self.judged)
        return f"LoT {total} ({curative} + {total - curative})"

    @property
    def refractory_classes(self) -> tuple[ClassRefractory, ...]:
        """The classes to which it is possibly refractory, over all lines."""
        return refractory_classes((j.line, j.status) for j in self.judged)


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the chart of one patient says on one day, by one state of the knowledge."""

    patient: str
    as_of: date
    knowledge_version: str
    knowledge_digest: str
    cancers: tuple[CancerAssessment, ...]
    issues: tuple[Issue, ...]
    record: Record = field(compare=False)

    @property
    def used(self) -> tuple[str, ...]:
        """References of the resources that it rests on, sorted."""
        return tuple(sorted({reference for reference, _ in self.record.sources}))


@dataclass(frozen=True, slots=True)
class CancerStudied:
    """One cancer before anything is advised; `is_followed`: by a line against what it became."""

    cancer: Cancer
    disease: Disease
    judged: tuple[Judged, ...]
    composites: Composites
    unknown_facts: tuple[str, ...]
    is_followed: bool


@dataclass(frozen=True, slots=True)
class Studied:
    """All that a chart says on one day, whatever was advised before."""

    record: Record
    cancers: tuple[CancerStudied, ...]
    issues: tuple[Issue, ...]
    knowledge_version: str
    knowledge_digest: str


def assess(
    resources: Iterable[AnyResource],
    as_of: date,
    knowledge: Knowledge,
    patient: str | None = None,
    earlier_cards: EarlierCards = NO_EARLIER_CARDS,
) -> Assessment:
    """Lines of therapy, where each stands, and advice, for one patient's chart up to `as_of`.

    Pure: the same answer for the same input, whatever the order of the resources.
    """
    return advise(study(resources, as_of, knowledge, patient), earlier_cards)


def study(
    resources: Iterable[AnyResource],
    as_of: date,
    knowledge: Knowledge,
    patient: str | None = None,
) -> Studied:
    """Lines of therapy and where each stands: nearly all of the work, and none of the advice."""
    record = read_record(resources, as_of, knowledge, patient)
    lines = find_lines(record, knowledge)
    values = Values(record.measurements)
    cancers = tuple(
        studied
        for cancer in record.cancers
        if (studied := _study_cancer(cancer, lines.of, record, values, knowledge))
    )
    issues = {*record.issues, *lines.issues, *unlinked_evidence(record)}
    return Studied(record, cancers, tuple(sorted(issues)), knowledge.version, knowledge.digest)


def advise(studied: Studied, earlier_cards: EarlierCards = NO_EARLIER_CARDS) -> Assessment:
    """The assessment of a chart, with advice that takes earlier cards into account."""
    return Assessment(
        patient=studied.record.patient.reference,
        as_of=studied.record.as_of,
        knowledge_version=studied.knowledge_version,
        knowledge_digest=studied.knowledge_digest,
        cancers=tuple(_advise(one, studied.record, earlier_cards) for one in studied.cancers),
        issues=studied.issues,
        record=studied.record,
    )


def _advise(
    studied: CancerStudied, record: Record, earlier_cards: EarlierCards
) -> CancerAssessment:
    advice = choose_advice(
        record,
        studied.cancer,
        studied.disease,
        studied.judged,
        studied.composites,
        earlier_cards,
        is_followed=studied.is_followed,
    )
    return CancerAssessment(
        studied.cancer,
        studied.disease,
        studied.judged,
        studied.composites,
        advice,
        studied.unknown_facts,
    )


def _study_cancer(
    cancer: Cancer,
    lines: Mapping[str, Sequence[Line]],
    record: Record,
    values: Values,
    knowledge: Knowledge,
) -> CancerStudied | None:
    """Evidence and status of each line in turn, then what holds over all of them.

    None for a cancer that is history or in remission, unless a line runs or newer evidence exists.
    """
    disease = knowledge.disease(cancer.disease)
    judged: list[Judged] = []
    earlier: list[tuple[Line, LineStatus]] = []
    had_control = any(e.kind == "surgery-resection" for e in record.events)
    own = OfCancer(record, cancer, values)
    for line in lines[cancer.condition]:
        evidence = gather_evidence(record, cancer, line, knowledge, own)
        case = Case(
            record, cancer, disease, knowledge, line, evidence, tuple(earlier), had_control,
            values=values,
        )  # fmt: skip
        status = without_adult_label(decide_status(case), record.patient, record.as_of, disease)
        judged.append(Judged(line, evidence, status, case))
        earlier.append((line, status))
        had_control = (
            had_control
            or line.is_curative
            or any(e.is_response or e.finding == "stable" for e in evidence)
        )
    if not _is_live(cancer, judged, record):
        return None
    return CancerStudied(
        cancer,
        disease,
        tuple(judged),
        find_composites(History(record, cancer, disease, knowledge, earlier, values)),
        unknown_facts(record, disease, knowledge),
        _is_followed(cancer, lines, record, knowledge),
    )


def _is_followed(
    cancer: Cancer, lines: Mapping[str, Sequence[Line]], record: Record, knowledge: Knowledge
) -> bool:
    """Whether a line against what the cancer has become was begun after its own last one."""
    into = knowledge.disease(cancer.disease).transforms_into
    last = max((line.start.first for line in lines[cancer.condition]), default=record.as_of)
    return any(
        line.start.first > last
        for other in record.cancers
        if other.disease in into and other.is_newer_than(cancer)
        for line in lines[other.condition]
    )


def _is_live(cancer: Cancer, judged: Sequence[Judged], record: Record) -> bool:
    """Whether a cancer is assessed: active; or quiet, but treated, or with newer evidence."""
    if not (cancer.is_history or cancer.is_in_remission):
        return True
    if cancer.is_in_remission and any(j.line.is_ongoing for j in judged):
        return True
    said = [(s.on, s.category) for s in record.statements if is_about(s, cancer, record)]
    said += [
        (e.on, e.finding)
        for j in judged
        for e in j.evidence
        if e.kind in ("tumour-marker", "molecular")
    ]
    complete = [on for on, category in said if category == "complete-response"]
    since = max(complete, default=cancer.remission_on)
    return any(since is None or on > since for on, what in said if what != "complete-response")
