"""Which uses are agents of a line at all: not what prepares for cells that are given."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import date, timedelta

from cds_service.clinical.lines.course import Course
from cds_service.clinical.lines.infusions import CELLS
from cds_service.clinical.record import Exposure
from cds_service.knowledge.terms import Drug

LYMPHODEPLETION_DAYS = 14
CONDITIONING_DAYS = 30
BRIEF_DAYS = 7
"""As long as conditioning or mobilisation takes; cycles take longer."""


def is_agent(exposure: Exposure, course: Course) -> bool:
    """Whether a use is one of an agent against this disease, given as a therapy of its own."""
    if exposure.drug == CELLS:
        return True
    if _is_no_agent(exposure, course):
        return False
    return not (course.infusions and _is_bridging(exposure, course))


def _is_no_agent(exposure: Exposure, course: Course) -> bool:
    """A drug that is never an agent of this disease, or part of a transplant or infusion."""
    drug = course.drug(exposure.drug)
    if drug is None:
        return bool(exposure.drug)
    if not drug.may_treat((course.cancer.disease, *course.cancer.alternatives)):
        return True
    rules = course.disease.lines
    if drug.is_corticosteroid and not rules.counts_corticosteroids:
        return True
    if rules.never_agents.include(drug):
        return True
    if drug.is_supportive and not rules.supportive_agents.include(drug):
        return True
    if (course.transplants or course.collections) and (
        _is_conditioning(exposure, drug, course) or _is_mobilisation(exposure, drug, course)
    ):
        return True
    return (
        bool(course.infusions)
        and rules.lymphodepletion.include(drug)
        and _is_followed(exposure, course.infusions, LYMPHODEPLETION_DAYS)
    )


def _is_followed(exposure: Exposure, days: Sequence[date], within: int) -> bool:
    """Whether one of the days, in order, comes so soon after the start of a use, or on it."""
    return bool(_soon_after(exposure.start.first, days, within))


def _soon_after(start: date, days: Sequence[date], within: int) -> Sequence[date]:
    """Those of the days, in order, that come so soon after a day, or on it."""
    until = start + min(timedelta(days=within), date.max - start)
    return days[bisect_left(days, start) : bisect_right(days, until)]


def _is_conditioning(exposure: Exposure, drug: Drug, course: Course) -> bool:
    return (
        course.disease.lines.conditioning.include(drug)
        and _is_followed(exposure, course.transplants, CONDITIONING_DAYS)
        and _is_brief(exposure)
    )


def _is_mobilisation(exposure: Exposure, drug: Drug, course: Course) -> bool:
    """Given once, alone, before the stem cells are collected or given back.

    A drug of the regimen around it, or a combination of chemotherapy, is treatment.
    """
    rules = course.disease.lines.mobilisation
    if not rules.agents.include(drug) or not _is_brief(exposure):
        return False
    start = exposure.start.first
    aims = [
        *_soon_after(start, course.transplants, rules.days)[-1:],
        *_soon_after(start, course.collections, rules.collection_days)[-1:],
    ]
    if not aims:
        return False
    last = max(aims)
    until = min(last, start + min(timedelta(days=BRIEF_DAYS), date.max - start))
    since = start - min(timedelta(days=BRIEF_DAYS), start - date.min)
    same = [e for e in course.of_drug.get(exposure.drug, ()) if e.start.first <= last]
    around = (*same, *course.begun_between(since, until))
    return not any(_makes_it_treatment(other, exposure, course) for other in around)


def _makes_it_treatment(other: Exposure, exposure: Exposure, course: Course) -> bool:
    """Whether another use shows a cycle: the same drug again, or chemotherapy beside it."""
    rules = course.disease.lines.mobilisation
    drug = course.drug(other.drug)
    if drug is None or _is_conditioning(other, drug, course):
        return False
    start = exposure.start.first
    is_beside = abs((other.start.first - start).days) <= BRIEF_DAYS
    if other.drug == exposure.drug:
        reaches = other.end is None or (start - other.end.last).days <= rules.days
        return reaches and not is_beside
    return is_beside and drug.superclass == "cytotoxic" and not rules.agents.include(drug)


def _is_brief(exposure: Exposure) -> bool:
    """A few days, as conditioning takes, rather than cycles; an order without an end is open."""
    if exposure.is_estimated or exposure.end is None:
        return True
    return (exposure.end.last - exposure.start.first).days <= BRIEF_DAYS


def _is_bridging(exposure: Exposure, course: Course) -> bool:
    """Given to hold the disease until a CAR-T infusion: an event of that line."""
    drug = course.drug(exposure.drug)
    if drug is None or course.disease.lines.cellular.include(drug):
        return False
    start, days = exposure.start.first, course.disease.lines.bridging_days
    sign = course.last_sign(start)
    soon = _soon_after(start + min(timedelta(1), date.max - start), course.infusions, days - 1)
    if sign is None or sign == date.min or not soon:
        return False
    window = soon[0] - timedelta(days=days)
    earlier = course.of_drug.get(exposure.drug, ())
    first = bisect_right(earlier, sign, key=_first_day)
    return first == len(earlier) or earlier[first].start.first >= window


def _first_day(use: Exposure) -> date:
    return use.start.first
