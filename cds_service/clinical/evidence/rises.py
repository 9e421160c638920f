"""The rise in a series of one marker: from which value, on which day, confirmed by which."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import accumulate
from operator import attrgetter

import msgspec

from cds_service.clinical.evidence.series import Day, Point, Series
from cds_service.knowledge.model import MarkerRule

_on = attrgetter("on")
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
    alone: Rise | None = None
    rise = _find(course)
    while rise is not None and _stands_alone(rise, course):
        alone = alone or rise
        others = tuple([day for day in course.series.days if day.on != rise.reference.on])
        course = msgspec.structs.replace(course, series=Series(others, course.series.start))
        rise = _find(course)
    if alone is None or (rise is not None and rise.confirmed_by is not None):
        return rise
    return msgspec.structs.replace(alone, confirmed_by=None, stands_alone=True)


def _find(course: Course) -> Rise | None:
    """The first confirmed rise; else the unconfirmed one that the series ends with."""
    rule, series, satisfies = course.rule, course.series, course.satisfies
    found: Rise | None = None
    run: _Run | None = None
    laboratories = _Laboratories(series.days)
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
                found = Rise(day, before, None, _differ(before, day))
                run = _Run(found, rule, laboratories)
            continue
        if run is None or not all(satisfies(point, found.reference) for point in day.points):
            # a value that is no lower than the first keeps the suspicion, without confirming it
            if day.lowest.value < found.first.lowest.value:
                found = None
            continue
        first = run.confirmed_by(day)
        if first is not None:
            return msgspec.structs.replace(found, first=first, confirmed_by=day)
        run.add(day)
    return found


class _Laboratories:
    """Which laboratory measured on which days of a series."""

    def __init__(self, days: Sequence[Day]) -> None:
        self._all = days

    def second_after(self, day: Day) -> date:
        """The second day after a day on which its laboratory measured again."""
        days = self._days[day.named.laboratory]
        second = bisect_right(days, day.on) + 1
        return days[second] if second < len(days) else date.max

    @cached_property
    def _days(self) -> Mapping[str, Sequence[date]]:
        days: dict[str, list[date]] = {}
        for each in self._all:
            days.setdefault(each.named.laboratory, []).append(each.on)
        return days


class _Run:
    """The days of a suspicion, each of which a later value may confirm.

    There may be thousands, so that beside each stands the least of what it and those before it ask.
    """

    def __init__(self, rise: Rise, rule: MarkerRule, laboratories: _Laboratories) -> None:
        self._rise = rise
        self._rule = rule
        self._days: list[Day] = []
        self._lowest: list[Decimal] = []
        self._due: list[date] = []
        """Where laboratories differ: from when on the later one has a second value."""
        self._laboratories = laboratories
        self.add(rise.first)

    def add(self, day: Day) -> None:
        self._days.append(day)
        value, due = day.named.value, self._due_of(day)
        self._lowest.append(min(self._lowest[-1], value) if self._lowest else value)
        self._due.append(min(self._due[-1], due) if self._due else due)

    def _due_of(self, day: Day) -> date:
        if not self._rise.is_across_laboratories:
            return date.min
        return self._laboratories.second_after(day)

    def confirmed_by(self, day: Day) -> Day | None:
        """The first that lies at the right distance, is lower if that is asked, and is due."""
        rule, value = self._rule, day.lowest.value
        if (day.on - self._rise.reference.on).days < rule.span_days:
            return None
        end = bisect_right(self._days, day.on - timedelta(max(rule.confirm_days, 1)), key=_on)
        begin = bisect_left(self._due, True, key=lambda due: due <= day.on)
        if rule.confirm_within_days:
            since = day.on - timedelta(rule.confirm_within_days)
            begin = max(begin, bisect_left(self._days, since, key=_on))
        if rule.each_is_higher:
            begin = max(begin, bisect_left(self._lowest, True, key=lambda low: low < value))
        for first in self._days[begin:end]:
            is_higher = not rule.each_is_higher or first.named.value < value
            if is_higher and self._due_of(first) <= day.on:
                return first
        return None


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
