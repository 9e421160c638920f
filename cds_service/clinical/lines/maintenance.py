"""Whether a drug begun after an induction keeps what that has reached, and so is of its line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from cds_service.clinical.lines.agents import is_agent
from cds_service.clinical.lines.course import Building, Course, stopped_for
from cds_service.clinical.record import Exposure
from cds_service.knowledge.model import Maintenance
from cds_service.knowledge.terms import Drug

GOES_ON_DAYS = 60
"""An induction whose drugs are given again within these days has not ended."""


def is_maintenance(exposure: Exposure, drug: Drug, line: Building, course: Course) -> bool:
    """A listed drug begun soon after the induction, without progression."""
    return any(
        gap <= rule.days and (gap >= 0 or rule.may_overlap)
        for rule, gap in _rules(exposure, drug, line, course)
    )


def is_late_maintenance(exposure: Exposure, drug: Drug, line: Building, course: Course) -> bool:
    """What would have been maintenance, had it begun earlier."""
    return any(gap > rule.days for rule, gap in _rules(exposure, drug, line, course))


def _rules(
    exposure: Exposure, drug: Drug, line: Building, course: Course
) -> Iterator[tuple[Maintenance, int]]:
    """Rules by which a drug can be maintenance here, and the days since the induction ended."""
    start = exposure.start.first
    if course.disease.lines.new_line_for_toxicity and stopped_for(line, "toxicity"):
        return
    for rule in course.disease.lines.maintenance:
        induction = [n for n in line.drugs() if (d := course.drug(n)) and rule.after.include(d)]
        if not induction or not rule.agents.include(drug):
            continue
        if not rule.may_overlap and _goes_on_after(start, induction, course):
            continue
        if rule.is_single and not _begins_alone(exposure, line, course):
            continue
        if rule.after_response and not course.may_have_responded(line.start, start):
            continue
        yield rule, (start - line.last_covered(course.as_of, induction)).days


def _goes_on_after(start: date, drugs: Sequence[str], course: Course) -> bool:
    """Whether one of the drugs is still given in the two months from a day on."""
    until = start + timedelta(days=GOES_ON_DAYS)
    last = until - timedelta(days=1)
    return any(e.drug in drugs for e in course.begun_between(start, last))


def _begins_alone(exposure: Exposure, line: Building, course: Course) -> bool:
    """Whether no other new drug begins with it, within the days in which a regimen is put together.

    Drugs of the line and corticosteroids are not new; what follows progression is another matter.
    """
    start = exposure.start.first
    until = start + timedelta(days=course.disease.lines.window_days)
    return not any(
        e.drug != exposure.drug
        and e.drug not in line.drugs()
        and not course.progressed(start, e.start.first)
        and not _is_corticosteroid(e, course)
        and is_agent(e, course)
        for e in course.begun_between(start, until)
    )


def _is_corticosteroid(exposure: Exposure, course: Course) -> bool:
    drug = course.drug(exposure.drug)
    return drug is not None and drug.is_corticosteroid
