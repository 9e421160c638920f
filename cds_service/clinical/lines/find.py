"""Exposures → lines of therapy: one pass over the uses of one cancer, in order of their dates."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from cds_service.clinical.lines.agents import is_agent
from cds_service.clinical.lines.belongs import GRACE_DAYS, belongs
from cds_service.clinical.lines.course import Building, Course, stopped_for
from cds_service.clinical.lines.maintenance import is_late_maintenance
from cds_service.clinical.lines.restart import begun_before
from cds_service.clinical.lines.second_course import has_second_course
from cds_service.clinical.lines.steroids import is_steroid, of_the_line
from cds_service.clinical.record import Exposure

BACKBONE_CARRY_DAYS = 120
"""A depot of a backbone drug is taken to act this long after its last recorded dose."""
ADDITION_WINDOW_DAYS = 60
GOES_ON_DAYS = 28
"""Use that is recorded so long beyond the start of the next line goes on in it."""


def build_lines(course: Course, exposures: Sequence[Exposure]) -> list[Building]:
    """The lines of one cancer, in order of their starts.

    Each use either belongs to the line that runs or starts the next one. The first rule that
    speaks decides: same drug, window, substitution, backbone, maintenance, addition, transplant,
    curative bundle; otherwise a drug that was not there before is a new line.

    Source: Meng 2019 and 2021 (window, gap, substitution); Saini 2021; Rajkumar 2015 (myeloma).
    """
    lines: list[Building] = []
    waiting: list[Exposure] = []
    agents = [e for e in exposures if is_agent(e, course)]
    for _, same_day in groupby(agents, key=lambda e: e.start.first):
        day = list(same_day)
        new = [e for e in day if not lines or not belongs(e, lines[-1], course)]
        steroids = [e for e in new if is_steroid(e.drug, course)]
        if len(steroids) < len(new):
            # what is given on the first day of a line belongs to it, old drugs too
            opening = next(e for e in new if e not in steroids)
            lines.append(_open(opening, day, lines, waiting, agents, course))
            waiting.clear()
            day.remove(opening)
        elif steroids:
            waiting += steroids
            day = [e for e in day if e not in steroids]
        for exposure in day:
            _join(exposure, lines[-1])
    for line in lines:
        if has_second_course(line, course):
            line.flags.add("second-course")
    return lines


def _open(
    exposure: Exposure,
    day: Sequence[Exposure],
    lines: Sequence[Building],
    waiting: Sequence[Exposure],
    agents: Sequence[Exposure],
    course: Course,
) -> Building:
    """A new line, with the drugs of the last one that go on, and the uses that began it before."""
    start = exposure.start.first
    new = Building(start, [exposure], {exposure.drug})
    begun, runs = of_the_line(waiting, start, agents, course)
    if lines:
        new.flags |= _opening_flags(exposure, lines[-1], course)
        new.is_maintenance = "late-maintenance" in new.flags
        shared = begun_before(start, lines[-1], agents, course)
        lines[-1].exposures = [e for e in lines[-1].exposures if e not in shared]
        new.exposures += _carried(day, lines[-1], course)
        begun += shared
    new.start = min((start, *(e.start.first for e in begun)))
    new.induction |= {e.drug for e in begun}
    new.exposures += [*begun, *runs]
    if not exposure.drug:
        new.flags.add("investigational")
    return new


def _join(exposure: Exposure, line: Building) -> None:
    if (exposure.start.first - line.start).days <= 28:
        line.induction.add(exposure.drug)
    line.exposures.append(exposure)
    if not exposure.drug:
        line.flags.add("investigational")


def _opening_flags(exposure: Exposure, last: Building, course: Course) -> set[str]:
    """Why a new line began without progression, where that can be told."""
    flags: set[str] = set()
    start = exposure.start.first
    covered = last.last_covered(course.as_of)
    gap = (start - covered).days
    if exposure.drug in last.drugs() and not course.progressed(last.start, start):
        known = course.drug(exposure.drug)
        is_finite = known is not None and course.disease.lines.retreatment.include(known)
        return {"rechallenge" if is_finite else "gap-split"}
    if course.progressed(last.start, start) or stopped_for(last, "progression"):
        return flags
    drug = course.drug(exposure.drug)
    if stopped_for(last, "toxicity"):
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
    if is_late_maintenance(exposure, drug, last, course):
        return flags | {"late-maintenance"}
    if not flags and gap <= GRACE_DAYS and (start - last.start).days <= ADDITION_WINDOW_DAYS:
        flags.add("late-addition")
    return flags


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
            reaches = (use.end.last - start).days >= GOES_ON_DAYS
        if reaches:
            kept.append(use)
    return kept
