"""The rise in a series of one marker: from which value, on which day, confirmed by which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate

import msgspec

from cds_service.clinical.evidence.series import Day, Point, Series
from cds_service.knowledge.model import MarkerRule

Satisfies = Callable[[Point, Point], bool]
"""(value, reference) → whether the value is progression against the reference."""


class Course(msgspec.Struct, frozen=True, gc=False):
    """A series with the reading of a rule that was made for it."""

    series: Series
    rule: MarkerRule
    satisfies: Satisfies


class Rise(msgspec.Struct, frozen=True, gc=False):
    """A run of values that satisfy a rule: its first day, and the day that confirmed it.

    `stands_alone`: the lowest value is one that nothing else in the series bears out.
    """

    first: Day
    reference: Point
    confirmed_by: Day | None
    is_across_laboratories: bool = False
    stands_alone: bool = False


def rise_in(whole: Course, apart: Sequence[Course]) -> Rise | None:
    """The rise of a marker: confirmed within one laboratory, else as all values together tell.

    `apart` are the courses of the single laboratories, where there are several. A suspicion that a
    laboratory has by its own values too is comparable, whatever another one measured between them.
    """
    own = [rise for course in apart if (rise := _rise(course)) is not None]
    together = _rise(whole)
    confirmed = [rise for rise in (together, *own) if rise is not None and rise.confirmed_by]
    if confirmed:
        return min(confirmed, key=lambda rise: (rise.is_across_laboratories, rise.first.on))
    if together is not None and together.is_across_laboratories:
        return next((rise for rise in own if rise.first.on == together.first.on), together)
    return together


def lowest_before(days: Sequence[Day]) -> Point:
    """The value that a rise is measured from: the lowest of these days, the earliest of equals."""
    return min((day.lowest for day in days), key=lambda point: point.value)


def _lower(one: Point, other: Point) -> Point:
    """The lower of two values; of equals the one that comes first."""
    return other if other.value < one.value else one


def _rise(course: Course) -> Rise | None:
    """The rise of one course.

    From a lowest value that stands alone it is a suspicion, unless without it there is a full one.
    """
    rise = _find(course)
    if rise is None or not _stands_alone(rise, course):
        return rise
    others = tuple(day for day in course.series.days if day.on != rise.reference.on)
    without = _rise(msgspec.structs.replace(course, series=Series(others, course.series.start)))
    if without is not None and without.confirmed_by is not None:
        return without
    return msgspec.structs.replace(rise, confirmed_by=None, stands_alone=True)


def _find(course: Course) -> Rise | None:
    """The first confirmed rise; else the unconfirmed one that the series ends with."""
    rule, series, satisfies = course.rule, course.series, course.satisfies
    found: Rise | None = None
    run: list[Day] = []
    references = accumulate((day.lowest for day in series.days), _lower)
    reference = next(references, None)
    for day in series.days[1:]:
        before, reference = reference, next(references)
        if day.on <= series.start or before is None:
            continue
        if found is None:
            if (day.on - series.start).days < rule.ignore_first_days:
                continue
            if all(satisfies(point, before) for point in day.points):
                found, run = Rise(day, before, None, _differ(before, day)), [day]
            continue
        if not all(satisfies(point, found.reference) for point in day.points):
            # a value that is no lower than the first keeps the suspicion, without confirming it
            if day.lowest.value < found.first.lowest.value:
                found = None
            continue
        for first in run:
            if _confirms(msgspec.structs.replace(found, first=first), day, series, rule):
                return msgspec.structs.replace(found, first=first, confirmed_by=day)
        run.append(day)
    return found


def _confirms(rise: Rise, day: Day, series: Series, rule: MarkerRule) -> bool:
    """At the right distance; and, where laboratories differ, a second value of the later one."""
    days = (day.on - rise.first.on).days
    if days < max(rule.confirm_days, 1) or 0 < rule.confirm_within_days < days:
        return False
    if (day.on - rise.reference.on).days < rule.span_days:
        return False
    if rule.each_is_higher and day.lowest.value <= rise.first.named.value:
        return False
    if not rise.is_across_laboratories:
        return True
    laboratory = rise.first.named.laboratory
    same = [
        d
        for d in series.days
        if rise.first.on < d.on <= day.on and d.named.laboratory == laboratory
    ]
    return len(same) >= 2


def _differ(reference: Point, day: Day) -> bool:
    there = reference.laboratory
    return bool(there) and any(p.laboratory and p.laboratory != there for p in day.points)


def _stands_alone(rise: Rise, course: Course) -> bool:
    """Whether the lowest value is a lone dip, where the rule asks for a confirmed one.

    No other value lies within the rule's least rise of it, and the course goes on where it was:
    the value before it and the rise after it lie within the least rise of each other.
    """
    low, delta = rise.reference, course.rule.min_delta
    if not course.rule.is_nadir_confirmed:
        return False
    days = course.series.days
    if any(day.on != low.on and day.lowest.value <= low.value + delta for day in days):
        return False
    before = [day.lowest.value for day in days if day.on < low.on]
    return bool(before) and abs(before[-1] - rise.first.lowest.value) <= delta
