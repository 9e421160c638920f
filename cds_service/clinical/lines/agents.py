"""Which uses are agents of a line at all: not conditioning, lymphodepletion or bridging."""

from __future__ import annotations

from datetime import date, timedelta

from cds_service.clinical.lines.course import Course
from cds_service.clinical.record import Exposure

LYMPHODEPLETION_DAYS = 14
CONDITIONING_DAYS = 30


def is_agent(exposure: Exposure, course: Course) -> bool:
    """Whether a use is one of an agent against this disease, given as a therapy of its own."""
    return not (_is_no_agent(exposure, course) or _is_bridging(exposure, course))


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
