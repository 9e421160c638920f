"""The second stage: `Record` → the lines of therapy of each cancer."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import msgspec

from cds_service.clinical.lines.assign import exposures_by_cancer, without_shadows
from cds_service.clinical.lines.course import Building, Course, event_days, steps_of
from cds_service.clinical.lines.find import build_lines
from cds_service.clinical.lines.infusions import CELLS, MANUFACTURE_DAYS, with_infusions
from cds_service.clinical.lines.intent import intent_and_setting
from cds_service.clinical.lines.line import CURATIVE_SETTINGS, AgentUse, Line
from cds_service.clinical.lines.rechallenge import EarlierUses
from cds_service.clinical.lines.regimen import Regimens
from cds_service.clinical.lines.withheld import as_carried_out
from cds_service.clinical.record import Cancer, Event, Exposure, Issue, Record, Statement
from cds_service.dates import PartialDate
from cds_service.knowledge.model import Disease, Knowledge
from cds_service.knowledge.terms import Drug, Regimen

__all__ = ["CURATIVE_SETTINGS", "AgentUse", "Line", "Lines", "find_lines"]


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of every cancer, under the reference of its Condition, and what was left over."""

    of: dict[str, tuple[Line, ...]]
    issues: tuple[Issue, ...]


def find_lines(record: Record, knowledge: Knowledge) -> Lines:
    """The lines of therapy of each cancer in the chart, numbered in time order."""
    if not record.cancers:
        return Lines({}, ())
    assigned, issues = exposures_by_cancer(record, knowledge)
    return Lines(
        {
            c.condition: _lines_of(c, assigned[c.condition], record, knowledge)
            for c in record.cancers
        },
        tuple(sorted(issues)),
    )


def _lines_of(
    cancer: Cancer, exposures: Sequence[Exposure], record: Record, knowledge: Knowledge
) -> tuple[Line, ...]:
    disease = knowledge.disease(cancer.disease)
    drugs = knowledge.terms.drugs
    events = [
        e for e in record.events if not e.conditions or not cancer.named.isdisjoint(e.conditions)
    ]
    carried_out = as_carried_out(exposures, record.withheld)
    uses = with_infusions(
        _until_death(
            without_shadows(carried_out, record.as_of, disease.lines.gap_days, knowledge), record
        ),
        _infusions(events, disease, record, knowledge),
        disease.lines.cellular,
        drugs,
    )
    transplants = event_days(events, "stem-cell-transplant")
    infusions = tuple(
        e.start.first
        for e in uses
        if e.drug == CELLS or (e.drug in drugs and disease.lines.cellular.include(drugs[e.drug]))
    )
    statements = tuple(s for s in record.statements if _speaks_of(s, cancer, record))
    signs = signs_of_progression(statements, uses)
    course = Course(
        as_of=record.as_of,
        exposures=uses,
        of_drug=_by_drug(uses),
        cancer=cancer,
        disease=disease,
        knowledge=knowledge,
        statements=statements,
        signs=signs,
        sign_steps=steps_of(signs),
        transplants=transplants,
        collections=_collections(events, infusions),
        surgeries=event_days(events, "surgery-resection"),
        radiotherapies=tuple(
            (e.on.first, e.until.last)
            for e in events
            if e.kind == "radiotherapy" and e.intent != "palliative"
        ),
        infusions=infusions,
        regimens=_regimens(cancer, knowledge),
    )
    built = build_lines(course, uses)
    earlier, finished = EarlierUses(course), []
    for number, line in enumerate(built, 1):
        finished.append(_finish(number, line, built, course, events, earlier))
        if number < len(built):
            earlier.add(line)
    return tuple(finished)


def _regimens(cancer: Cancer, knowledge: Knowledge) -> Sequence[Regimen]:
    of = knowledge.terms.regimens_of
    return [r for disease in (cancer.disease, *cancer.alternatives) for r in of.get(disease, ())]


def _by_drug(uses: Sequence[Exposure]) -> dict[str, list[Exposure]]:
    by_drug: dict[str, list[Exposure]] = {}
    for use in uses:
        by_drug.setdefault(use.drug, []).append(use)
    return by_drug


def _until_death(exposures: Sequence[Exposure], record: Record) -> list[Exposure]:
    """The uses, none of which goes on after the patient has died."""
    died = record.patient.died
    if died is None or died.first > record.as_of:
        return list(exposures)
    return [
        msgspec.structs.replace(use, end=died, is_open_ended=False, is_active=False)
        if use.start <= died and (use.end is None or use.end.last > died.last)
        else use
        for use in exposures
    ]


def _infusions(
    events: Sequence[Event], disease: Disease, record: Record, knowledge: Knowledge
) -> list[Event]:
    """Procedures that infused cells against this cancer; unlinked ones only where no other can be.

    A procedure does not name its target.
    """
    if disease.lines.cellular.is_empty:
        return []
    targets = [c for c in record.cancers if not _lacks_cells(c, knowledge)]
    return [e for e in events if e.kind == "car-t-infusion" and (e.conditions or len(targets) == 1)]


def _lacks_cells(cancer: Cancer, knowledge: Knowledge) -> bool:
    return knowledge.disease(cancer.disease).lines.cellular.is_empty


def _collections(events: Sequence[Event], infusions: Sequence[date]) -> tuple[date, ...]:
    """Days on which stem cells were collected, rather than lymphocytes for an infusion."""
    return tuple(
        day
        for day in event_days(events, "leukapheresis")
        if not any(0 <= (infusion - day).days <= MANUFACTURE_DAYS for infusion in infusions)
    )


def signs_of_progression(
    statements: Sequence[Statement], exposures: Sequence[Exposure]
) -> tuple[PartialDate, ...]:
    """Days on which the chart speaks of progression of this cancer: as a status, or as a reason."""
    said = [s.on for s in statements if s.category == "progression"]
    said += [e.end or e.start for e in exposures if e.stop_reason == "progression"]
    return tuple(sorted(said))


def _speaks_of(statement: Statement, cancer: Cancer, record: Record) -> bool:
    if statement.focus:
        return not cancer.named.isdisjoint(statement.focus)
    if statement.disease:
        return statement.disease == cancer.disease
    return len(record.cancers) == 1


def _finish(
    number: int,
    line: Building,
    built: Sequence[Building],
    course: Course,
    events: Sequence[Event],
    earlier: EarlierUses,
) -> Line:
    following = built[number] if number < len(built) else None
    next_start = following.start if following else None
    cut = _cut(line, next_start, course)
    regimens = Regimens(line, course)
    uses = _agent_uses(line, cut, next_start, regimens.cycle_days(), course)
    unnamed = [e for e in line.exposures if not e.drug]
    goes_on = any(use.is_ongoing for use in uses) or any(_goes_on(e, course) for e in unnamed)
    is_ongoing = following is None and goes_on
    ends = [use.last for use in uses]
    ends += [_last_day(e, cut, next_start, course.as_of) for e in unnamed]
    starts = [use.first for use in uses] + [e.start for e in unnamed]
    start = min(starts, default=PartialDate.on(line.start))
    end = bisect_left(events, next_start or date.max, key=_first_day)
    within = events[bisect_left(events, line.start, key=_first_day) : end]
    intent, setting = intent_and_setting(line, number, built, course, within)
    regimen = regimens.of_line()
    return Line(
        number=number,
        uses=uses,
        start=start,
        end=None if is_ongoing else max(ends, default=start, key=lambda day: day.last),
        is_ongoing=is_ongoing,
        intent=intent,
        setting=setting,
        regimen=regimen.name if regimen else None,
        flags=tuple(sorted(line.flags | _evidence_flags(line, earlier))),
        exposures=tuple(line.exposures),
        next_start=next_start,
        transplant_on=next((e.on.first for e in within if e.kind == "stem-cell-transplant"), None),
        events=tuple(within),
    )


def _first_day(event: Event) -> date:
    return event.on.first


def _cut(line: Building, next_start: date | None, course: Course) -> date | None:
    """The last day that an order without an end can still cover, once another line has begun."""
    if next_start is None:
        return None
    sign = course.last_sign(next_start)
    if sign is None or sign <= line.start:
        return next_start - timedelta(days=1)
    return min(sign, next_start)


def _agent_uses(
    line: Building, cut: date | None, next_start: date | None, cycle: int, course: Course
) -> tuple[AgentUse, ...]:
    by_drug: dict[str, list[Exposure]] = {}
    for exposure in line.exposures:
        if course.drug(exposure.drug) is not None:
            by_drug.setdefault(exposure.drug, []).append(exposure)
    return tuple(
        _agent_use(
            course.knowledge.terms.drugs[name], by_drug[name], line, cut, next_start, cycle, course
        )
        for name in sorted(by_drug)
    )


def _agent_use(
    drug: Drug,
    exposures: Sequence[Exposure],
    line: Building,
    cut: date | None,
    next_start: date | None,
    cycle_days: int,
    course: Course,
) -> AgentUse:
    as_of = course.as_of
    # what was carried over from the line before covers this one from its first day
    start = PartialDate.on(line.start)
    firsts = [max(e.start, start) if e.start.last < line.start else e.start for e in exposures]
    lasts = [_last_day(e, cut, next_start, as_of) for e in exposures]
    order = max(range(len(lasts)), key=lambda i: (lasts[i].last, lasts[i].first))
    open_ended = any(_goes_on(e, course) for e in exposures)
    explicit = [e.cycle_days for e in exposures if e.cycle_days]
    return AgentUse(
        drug=drug,
        first=min(firsts),
        last=max(lasts[order], min(firsts)),
        is_ongoing=next_start is None and open_ended,
        doses=tuple(sorted({first.first for first in firsts})),
        is_continuous=any(_is_continuous(e) for e in exposures),
        cycle_days=min(explicit) if explicit else cycle_days,
        stop_reasons=frozenset(e.stop_reason for e in exposures if e.stop_reason),
        breaks=_breaks(drug, exposures, course),
        daily_doses=tuple(
            sorted(
                (e.start.first, e.daily_dose_mg) for e in exposures if e.daily_dose_mg is not None
            )
        ),
    )


def _last_day(
    exposure: Exposure, cut: date | None, next_start: date | None, as_of: date
) -> PartialDate:
    """The last day that one use covers, as far as the lines let it."""
    if exposure.end is None:
        return PartialDate.on(max(cut or as_of, exposure.start.first))
    if next_start is None or exposure.end.last <= next_start:
        return exposure.end
    if exposure.end.first >= next_start:
        return PartialDate.on(max(next_start - timedelta(days=1), exposure.start.first))
    return PartialDate(exposure.end.first, next_start)


def _goes_on(exposure: Exposure, course: Course) -> bool:
    """Whether a use has no end, or one that is still to come on the day asked."""
    if exposure.end is None or exposure.is_open_ended:
        return True
    return (
        exposure.end.last >= course.as_of
        and exposure.is_active
        and exposure.kind in ("order", "statement")
    )


def _is_continuous(exposure: Exposure) -> bool:
    return exposure.end is None or exposure.end != exposure.start


def _breaks(
    drug: Drug, exposures: Sequence[Exposure], course: Course
) -> tuple[tuple[date, date], ...]:
    """Runs of uncovered days between uses of tablets whose supply is on record.

    One in which a transplant or a resection lies is planned, and none.
    """
    if "oral" not in drug.routes:
        return ()
    known = [e for e in exposures if e.kind == "dispense" and not e.is_estimated]
    planned = (*course.transplants, *course.surgeries)
    found, covered = [], None
    for exposure in sorted(known, key=lambda e: e.start):
        start = exposure.start.first
        if covered is not None and (start - covered).days > 1:
            found.append((covered + timedelta(days=1), start - timedelta(days=1)))
        end = exposure.end.last if exposure.end else course.as_of
        covered = end if covered is None else max(covered, end)
    return tuple(
        (first, last) for first, last in found if not any(first <= day <= last for day in planned)
    )


def _evidence_flags(line: Building, earlier: EarlierUses) -> set[str]:
    flags = set()
    if all(e.kind == "order" for e in line.exposures):
        flags.add("ordered-not-confirmed")
    if any(not e.start.is_exact for e in line.exposures):
        flags.add("partial-date")
    if any(earlier.is_rechallenge(e, line) for e in line.exposures):
        flags.add("rechallenge")
    return flags
