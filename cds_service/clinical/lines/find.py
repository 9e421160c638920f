"""Exposures → lines of therapy: one pass over the uses of one cancer, in order of their dates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import groupby

from cds_service.clinical.record import Cancer, Event, Exposure, Record
from cds_service.dates import PartialDate
from cds_service.knowledge.model import Agents, Disease, Knowledge
from cds_service.knowledge.terms import Drug

GRACE_DAYS = 28
"""A drug that goes on without a longer pause is carried across; its use is no re-challenge."""
BREAK_LIMIT_DAYS = 365
"""A planned break that is longer than this is a new line in any disease."""
BACKBONE_CARRY_DAYS = 120
"""A depot of a backbone drug is taken to act this long after its last recorded dose."""
RECHALLENGE_DAYS = 60
"""After progression, the same drug resumed after a longer pause than this is a re-challenge."""
SURGERY_DAYS = 120
"""From the last neoadjuvant dose to surgery, and from surgery to the first adjuvant dose."""
LYMPHODEPLETION_DAYS = 14
CONDITIONING_DAYS = 30
ADDITION_WINDOW_DAYS = 60


@dataclass(slots=True)
class Building:
    """A line while it is put together."""

    start: date
    exposures: list[Exposure] = field(default_factory=list)
    induction: set[str] = field(default_factory=set)
    flags: set[str] = field(default_factory=set)
    is_maintenance: bool = False

    def drugs(self) -> set[str]:
        return {exposure.drug for exposure in self.exposures}

    def last_covered(self, as_of: date, drugs: Iterable[str] | None = None) -> date:
        wanted = None if drugs is None else set(drugs)
        ends = (
            as_of if e.end is None else e.end.last
            for e in self.exposures
            if wanted is None or e.drug in wanted
        )
        return max(ends, default=self.start)

    def has(self, agents: Agents, course: Course) -> bool:
        drugs = (course.drug(name) for name in self.drugs())
        return any(drug is not None and agents.include(drug) for drug in drugs)


@dataclass(frozen=True, slots=True)
class Course:
    """What a decision about the next use looks at, besides the line that runs."""

    record: Record
    cancer: Cancer
    disease: Disease
    knowledge: Knowledge
    signs: tuple[PartialDate, ...]
    """Days on which the chart speaks of progression."""
    transplants: tuple[date, ...]
    surgeries: tuple[date, ...]
    infusions: tuple[date, ...]
    """Days of CAR-T infusions."""

    def drug(self, name: str) -> Drug | None:
        return self.knowledge.terms.drugs.get(name)

    def progressed(self, after: date, until: date) -> bool:
        """Whether the chart speaks of progression after one day and up to another."""
        return any(after < sign.last and sign.first <= until for sign in self.signs)


def build_lines(course: Course, exposures: Sequence[Exposure]) -> list[Building]:
    """The lines of one cancer, in order of their starts.

    Each use either belongs to the line that runs or starts the next one. The first rule that
    speaks decides: same drug, window, substitution, backbone, maintenance, addition, transplant,
    curative bundle; otherwise a drug that was not there before is a new line.

    Source: Meng 2019 and 2021 (window, gap, substitution); Saini 2021; Rajkumar 2015 (myeloma).
    """
    lines: list[Building] = []
    agents = [e for e in exposures if not (_is_no_agent(e, course) or _is_bridging(e, course))]
    for _, same_day in groupby(agents, key=lambda e: e.start.first):
        day = list(same_day)
        opening = _opening(day, lines[-1], course) if lines else day[0]
        if opening is not None:
            # what is given on the first day of a line belongs to it, old drugs too
            lines.append(_open(opening, day, lines, course))
            day.remove(opening)
        for exposure in day:
            _join(exposure, lines[-1])
    return [line for line in lines if not _is_steroid_alone(line, course)]


def _opening(day: Sequence[Exposure], line: Building, course: Course) -> Exposure | None:
    """The first use of a day that does not belong to the line that runs."""
    return next((e for e in day if not _belongs(e, line, course)), None)


def _open(
    exposure: Exposure, opening: Sequence[Exposure], lines: Sequence[Building], course: Course
) -> Building:
    """A new line, with the drugs of the last one that go on."""
    start = exposure.start.first
    new = Building(start, [exposure], {exposure.drug})
    if lines:
        new.flags |= _opening_flags(exposure, lines[-1], course)
        new.exposures += _carried(opening, lines[-1], course)
        new.is_maintenance = "late-maintenance" in new.flags
    if not exposure.drug:
        new.flags.add("investigational")
    return new


def _join(exposure: Exposure, line: Building) -> None:
    if (exposure.start.first - line.start).days <= 28:
        line.induction.add(exposure.drug)
    line.exposures.append(exposure)
    if not exposure.drug:
        line.flags.add("investigational")


def _belongs(exposure: Exposure, line: Building, course: Course) -> bool:
    """Whether a use belongs to the line that runs."""
    rules = course.disease.lines
    if _is_other_intent(exposure, line, course):
        return False
    if exposure.drug in line.drugs():
        return _goes_on(exposure, line, course)
    if (exposure.start.first - line.start).days <= rules.window_days:
        return True
    drug = course.drug(exposure.drug)
    if drug is None:
        return False
    if rules.backbone.include(drug):
        return True
    if course.progressed(line.start, exposure.start.first):
        return False
    return (
        _is_substitute(exposure, drug, line, course)
        or _is_maintenance(exposure, drug, line, course)
        or _is_addition(exposure, drug, line, course)
        or _follows_transplant(exposure, line, course)
        or _is_curative_bundle(exposure, line, course)
        or _is_steroid_with_line(exposure, drug, line, course)
    )


def _goes_on(exposure: Exposure, line: Building, course: Course) -> bool:
    """The same drug again: a hold, a planned break, or a new line after a gap."""
    rules = course.disease.lines
    start = exposure.start.first
    drug = course.drug(exposure.drug)
    if drug is not None and rules.backbone.include(drug):
        return True
    last = line.last_covered(course.record.as_of)
    gap = (start - last).days
    own = line.last_covered(course.record.as_of, [exposure.drug])
    if course.progressed(own, start) and (start - own).days > RECHALLENGE_DAYS:
        return False
    if _gap_limit(line, course) >= gap:
        return True
    if drug is not None and rules.gap_exempt.include(drug):
        return True
    if rules.resumes_after_break and gap <= BREAK_LIMIT_DAYS:
        return not course.progressed(line.start, start)
    return _follows_transplant(exposure, line, course)


def _gap_limit(line: Building, course: Course) -> int:
    rules = course.disease.lines
    if rules.long_gap_days:
        drugs = [drug for name in line.drugs() if (drug := course.drug(name)) is not None]
        if drugs and all(rules.long_gap_agents.include(drug) for drug in drugs):
            return rules.long_gap_days
    return rules.gap_days


def _is_other_intent(exposure: Exposure, line: Building, course: Course) -> bool:
    """Palliative treatment never continues a curative line, nor the other way round."""
    said = {e.intent for e in line.exposures} & {"curative", "palliative"}
    return (
        exposure.intent in ("curative", "palliative") and bool(said) and exposure.intent not in said
    )


def _is_substitute(exposure: Exposure, drug: Drug, line: Building, course: Course) -> bool:
    """A swap within a group: for tolerability, supply, route or brand, without progression."""
    start = exposure.start.first
    for name in sorted(line.drugs()):
        last = line.last_covered(course.record.as_of, [name])
        if (start - last).days > course.disease.lines.gap_days:
            continue
        if drug.name in _equivalents(name, course, toxicity=False):
            return True
        if drug.name in _equivalents(name, course, toxicity=True):
            if course.disease.lines.lenient_swaps.include(drug):
                return not _stopped_for(line, "progression")
            if _was_not_tolerated(line, name):
                line.flags.add("toxicity-switch")
                return True
    return False


def _equivalents(name: str, course: Course, *, toxicity: bool) -> frozenset[str]:
    drug = course.drug(name)
    if drug is None or (toxicity and course.disease.lines.new_line_for_toxicity):
        return frozenset()
    return drug.toxicity_equivalents if toxicity else drug.backbone_equivalents


def _was_not_tolerated(line: Building, name: str) -> bool:
    """Whether a drug was stopped for toxicity or supply, or for a reason in unknown words."""
    return any(
        e.stop_reason in ("toxicity", "adherence") or (e.stop_text and not e.stop_reason)
        for e in line.exposures
        if e.drug == name
    )


def _is_maintenance(exposure: Exposure, drug: Drug, line: Building, course: Course) -> bool:
    """A listed drug begun soon after the induction, all of whose drugs have ended by then."""
    start = exposure.start.first
    if course.disease.lines.new_line_for_toxicity and _stopped_for(line, "toxicity"):
        return False
    for rule in course.disease.lines.maintenance:
        if not rule.agents.include(drug):
            continue
        induction = [n for n in line.drugs() if (d := course.drug(n)) and rule.after.include(d)]
        if not induction or _goes_on_after(start, induction, course):
            continue
        last = line.last_covered(course.record.as_of, induction)
        if 0 <= (start - last).days <= rule.days:
            return True
    return False


def _goes_on_after(start: date, drugs: Sequence[str], course: Course) -> bool:
    """Whether one of the drugs is still given in the two months from a day on."""
    until = start + timedelta(days=RECHALLENGE_DAYS)
    return any(e.drug in drugs and start <= e.start.first < until for e in course.record.exposures)


def _is_addition(exposure: Exposure, drug: Drug, line: Building, course: Course) -> bool:
    return any(
        rule.agents.include(drug)
        and line.has(rule.to, course)
        and (exposure.start.first - line.start).days <= rule.days
        for rule in course.disease.lines.additions
    )


def _follows_transplant(exposure: Exposure, line: Building, course: Course) -> bool:
    """Consolidation or maintenance after the transplant that belongs to the line."""
    days = course.disease.lines.transplant_days
    start = exposure.start.first
    last = line.last_covered(course.record.as_of)
    return bool(days) and any(
        line.start <= on <= start
        and (start - on).days <= days
        and ((on - last).days <= days or last >= on)
        and not course.progressed(line.start, start)
        for on in course.transplants
    )


def _is_curative_bundle(exposure: Exposure, line: Building, course: Course) -> bool:
    """Neoadjuvant, surgery or radiotherapy, adjuvant: one curative line without recurrence."""
    if not is_curative(line.exposures, line.start, course):
        return False
    start = exposure.start.first
    last = line.last_covered(course.record.as_of)
    surgery = max((day for day in course.surgeries if last <= day <= start), default=last)
    limit = course.disease.lines.curative_gap_days
    return (start - surgery).days <= limit and (surgery - last).days <= limit


def _is_steroid_with_line(exposure: Exposure, drug: Drug, line: Building, course: Course) -> bool:
    """A corticosteroid never starts a line beside a regimen that runs."""
    last = line.last_covered(course.record.as_of)
    return drug.is_corticosteroid and (exposure.start.first - last).days <= GRACE_DAYS


def is_curative(exposures: Sequence[Exposure], start: date, course: Course) -> bool:
    """Whether a line is meant to cure: by its recorded intent, else by surgery around it.

    Surgery counts up to 120 days before the start, or up to 365 after it without a longer pause
    and without progression before it; never once distant spread is on record.
    """
    said = {e.intent for e in exposures}
    if said & {"curative", "preventive"}:
        return True
    if "palliative" in said or not course.disease.lines.surgery_means_curative:
        return False
    spread = course.cancer.metastatic_since
    if spread is not None and spread.first <= start:
        return False
    return any(_frames(day, start, exposures, course) for day in course.surgeries)


def _frames(surgery: date, start: date, exposures: Sequence[Exposure], course: Course) -> bool:
    if 0 <= (start - surgery).days <= SURGERY_DAYS:
        return True
    if not 0 < (surgery - start).days <= 365 or course.progressed(start, surgery):
        return False
    before = [e for e in course.record.exposures if start <= e.start.first <= surgery]
    last = max(((e.end or e.start).last for e in before), default=start)
    return (surgery - min(last, surgery)).days <= SURGERY_DAYS


def _opening_flags(exposure: Exposure, last: Building, course: Course) -> set[str]:
    """Why a new line began without progression, where that can be told."""
    flags: set[str] = set()
    start = exposure.start.first
    covered = last.last_covered(course.record.as_of)
    gap = (start - covered).days
    if exposure.drug in last.drugs() and not course.progressed(last.start, start):
        return {"gap-split"}
    if course.progressed(last.start, start) or _stopped_for(last, "progression"):
        return flags
    drug = course.drug(exposure.drug)
    if _stopped_for(last, "toxicity"):
        flags.add("toxicity-switch")
    if drug is None:
        return flags
    rules = course.disease.lines
    late = {
        rule.late_flag
        for rule in rules.additions
        if rule.late_flag and rule.agents.include(drug) and last.has(rule.to, course)
    }
    if late:
        return flags | late
    if any(r.agents.include(drug) and last.has(r.after, course) for r in rules.maintenance) and (
        gap > 0
    ):
        return flags | {"late-maintenance"}
    if not flags and gap <= GRACE_DAYS and (start - last.start).days <= ADDITION_WINDOW_DAYS:
        flags.add("late-addition")
    return flags


def _stopped_for(line: Building, reason: str) -> bool:
    return any(e.stop_reason == reason for e in line.exposures)


def _carried(opening: Sequence[Exposure], last: Building, course: Course) -> list[Exposure]:
    """Uses of the last line that go on in the new one, which begins with the `opening` ones."""
    start = opening[0].start.first
    drugs = [drug for use in opening if (drug := course.drug(use.drug)) is not None]
    begun = {drug.name for drug in drugs}
    groups = {drug.class_group for drug in drugs}
    kept = []
    for use in last.exposures:
        drug = course.drug(use.drug)
        if drug is None or use.drug in begun:
            continue
        if course.disease.lines.backbone.include(drug):
            reaches = use.end is None or (start - use.end.last).days <= BACKBONE_CARRY_DAYS
        elif use.end is None:
            # an order that nobody closed: taken to go on, unless its like replaces it, or the
            # disease has progressed on chemotherapy
            is_over = drug.superclass == "cytotoxic" and course.progressed(last.start, start)
            reaches = not is_over and drug.class_group not in groups
        else:
            reaches = (use.end.last - start).days >= GRACE_DAYS
        if reaches:
            kept.append(use)
    return kept


def _is_no_agent(exposure: Exposure, course: Course) -> bool:
    """A drug that is never an agent of this disease, or part of a transplant or infusion."""
    drug = course.drug(exposure.drug)
    if drug is None:
        return bool(exposure.drug)
    rules = course.disease.lines
    if drug.is_corticosteroid and not rules.counts_corticosteroids:
        return True
    if rules.never_agents.include(drug):
        return True
    start = exposure.start.first
    if rules.conditioning.include(drug) and any(
        0 <= (day - start).days <= CONDITIONING_DAYS for day in course.transplants
    ):
        return _is_brief(exposure)
    return rules.lymphodepletion.include(drug) and any(
        0 <= (day - start).days <= LYMPHODEPLETION_DAYS for day in course.infusions
    )


def _is_brief(exposure: Exposure) -> bool:
    """A few days, as conditioning takes, rather than cycles; an order without an end is open."""
    if exposure.is_estimated or exposure.end is None:
        return True
    return (exposure.end.last - exposure.start.first).days <= 7


def _is_bridging(exposure: Exposure, course: Course) -> bool:
    """Given to hold the disease until a CAR-T infusion: an event of that line."""
    drug = course.drug(exposure.drug)
    if drug is None or course.disease.lines.cellular.include(drug):
        return False
    start = exposure.start.first
    for infusion in course.infusions:
        window = infusion - timedelta(days=course.disease.lines.bridging_days)
        if window <= start < infusion and course.progressed(date.min, start):
            signs = [s.last for s in course.signs if s.first <= start]
            earlier = [
                e
                for e in course.record.exposures
                if e.drug == exposure.drug and max(signs) < e.start.first < window
            ]
            return not earlier
    return False


def _is_steroid_alone(line: Building, course: Course) -> bool:
    drugs = [course.drug(name) for name in line.drugs()]
    return all(drug is not None and drug.is_corticosteroid for drug in drugs)


def event_days(events: Iterable[Event], kind: str) -> tuple[date, ...]:
    return tuple(event.on.first for event in events if event.kind == kind)
