"""The engine's own values in a line each: uses, lines, evidence, records, cases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

from cds_service import shipped_knowledge
from cds_service.clinical.evidence import Evidence, Finding, Kind
from cds_service.clinical.evidence.evidence import (
    CHANGE,
    FORMAL,
    IMAGED,
    JUDGED,
    MARKER,
    MILESTONE,
    RESPONSES,
)
from cds_service.clinical.lines import AgentUse, Line
from cds_service.clinical.lines.line import Intent, Setting
from cds_service.clinical.record import (
    Cancer,
    Event,
    Exposure,
    Measurement,
    Patient,
    Record,
)
from cds_service.clinical.status import Case, LineStatus
from cds_service.dates import PartialDate
from cds_service.quantities import Quantity

KNOWLEDGE: Final = shipped_knowledge()
CONDITION: Final = "Condition/c1"
RANKS: Final[dict[Kind, int]] = {
    "disease-status": JUDGED,
    "response-category": FORMAL,
    "imaging": IMAGED,
    "condition": JUDGED,
    "tumour-marker": MARKER,
    "haematology": MARKER,
    "molecular": MILESTONE,
    "treatment-change": CHANGE,
}


def on(text: str) -> PartialDate:
    return PartialDate.parse(text)


def day(text: str) -> date:
    return date.fromisoformat(text)


def use(
    drug: str,
    first: str,
    last: str | None = None,
    *,
    doses: Sequence[str] = (),
    cycle_days: int = 21,
    is_continuous: bool = False,
    stopped_for: Iterable[str] = (),
    breaks: Sequence[tuple[str, str]] = (),
    as_of: str = "2024-12-31",
) -> AgentUse:
    """A drug from its first to its last day; without a last one it goes on, as far as `as_of`."""
    return AgentUse(
        drug=KNOWLEDGE.terms.drugs[drug],
        first=on(first),
        last=on(last or as_of),
        is_ongoing=last is None,
        doses=tuple(map(day, doses or [first])),
        is_continuous=is_continuous,
        cycle_days=cycle_days,
        stop_reasons=frozenset(stopped_for),
        breaks=tuple((day(first), day(last)) for first, last in breaks),
    )


def line(
    *uses: AgentUse,
    number: int = 1,
    setting: Setting | None = "advanced",
    intent: Intent | None = "palliative",
    regimen: str | None = None,
    next_start: str | None = None,
    transplant_on: str | None = None,
    exposures: Iterable[Exposure] = (),
) -> Line:
    start = min((each.first for each in uses), default=on("2024-01-05"))
    is_ongoing = any(each.is_ongoing for each in uses)
    last = max((each.last for each in uses), default=start)
    return Line(
        number=number,
        uses=uses,
        start=start,
        end=None if is_ongoing else last,
        is_ongoing=is_ongoing,
        intent=intent,
        setting=setting,
        regimen=regimen,
        flags=(),
        exposures=tuple(exposures),
        next_start=day(next_start) if next_start else None,
        transplant_on=day(transplant_on) if transplant_on else None,
    )


def seen(finding: Finding, when: str, kind: Kind = "disease-status", **said: Any) -> Evidence:
    """Evidence of a day; named by what it is, ranked as its kind is, unless told otherwise."""
    given: dict[str, Any] = {
        "resource": f"Observation/{kind}-{finding}-{when}",
        "detail": finding,
        "rank": RANKS[kind],
        "is_response": finding in RESPONSES,
        "is_unconfirmed": finding in ("unconfirmed-progression", "stopped-for-progression"),
        "is_formal": kind in ("response-category", "molecular"),
    }
    return Evidence(on=on(when), kind=kind, finding=finding, **(given | said))


def value(
    marker: str,
    when: str,
    amount: str | None,
    *,
    uln: str | None = None,
    lab: str = "",
    resource: str = "",
) -> Measurement:
    """A result in the marker's unit, "<0.1" a bound; None is one that cannot be converted."""
    unit = KNOWLEDGE.terms.markers[marker].unit
    comparator = (amount or "").rstrip("0123456789.")
    number = (amount or "")[len(comparator) :]
    return Measurement(
        resource=resource or f"Observation/{marker}-{when}-{amount}",
        on=on(when),
        marker=marker,
        quantity=Quantity(Decimal(number), unit, comparator) if amount else None,
        uln=Decimal(uln) if uln else None,
        laboratory=lab,
    )


def event(kind: str, when: str, until: str | None = None, *conditions: str) -> Event:
    return Event(f"Procedure/{kind}-{when}", kind, on(when), on(until or when), conditions)


def record(as_of: str = "2024-12-31", **members: Any) -> Record:
    return Record(patient=Patient("Patient/p1"), as_of=day(as_of), **members)


def cancer(disease: str, **members: Any) -> Cancer:
    return Cancer(CONDITION, (CONDITION,), disease, **members)


def case(
    disease: str,
    of_line: Line,
    evidence: Iterable[Evidence] = (),
    *,
    chart: Record | None = None,
    earlier: Iterable[tuple[Line, LineStatus]] = (),
    had_control: bool = False,
    **of_cancer: Any,
) -> Case:
    """One line of one cancer, to be judged; `of_cancer` are members of its `Cancer`."""
    return Case(
        record=chart or record(),
        cancer=cancer(disease, **of_cancer),
        disease=KNOWLEDGE.disease(disease),
        knowledge=KNOWLEDGE,
        line=of_line,
        evidence=tuple(evidence),
        earlier=tuple(earlier),
        had_control=had_control,
    )
