"""A series of one marker during one line, day by day, and the reference that it is read against."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

import msgspec

from cds_service.quantities import Quantity

BASELINE_DAYS = 90
"""The last value before a line is its baseline if it is at most this old."""


class Point(msgspec.Struct, frozen=True, gc=False):
    """One value on one day; `is_implied`: not measured, but what a recorded remission means."""

    on: date
    quantity: Quantity
    resource: str
    uln: Decimal | None
    laboratory: str
    is_implied: bool = False

    @property
    def value(self) -> Decimal:
        return self.quantity.value

    def is_below(self, limit: Decimal) -> bool:
        """Whether it lies under the limit: "<5" does under 5, "<=5" may not."""
        return self.value < limit or (self.value == limit and self.quantity.comparator == "<")


class Day(msgspec.Struct, frozen=True, gc=False):
    """All values of one day; a rise needs all of them, the lowest is the nadir."""

    on: date
    points: tuple[Point, ...]

    @property
    def lowest(self) -> Point:
        return min(self.points, key=lambda p: (p.value, p.resource))

    @property
    def named(self) -> Point:
        """The value that stands for the day: the last in order of references."""
        return max(self.points, key=lambda p: p.resource)


class Series(msgspec.Struct, frozen=True, gc=False):
    """Days of values in order, at most the first of them no later than the start."""

    days: tuple[Day, ...]
    start: date

    @property
    def baseline(self) -> Day | None:
        return self.days[0] if self.days else None

    def after_start(self) -> tuple[Day, ...]:
        days = self.days
        return days if not days or days[0].on > self.start else days[1:]


def with_remissions(
    series: Series, remissions: Iterable[tuple[date, str]], below: Decimal, unit: str
) -> Series:
    """The series with a zero on each day of a recorded remission (its day and resource).

    Only where no value under `below` was measured by then, and none at all on that day.
    """
    low = next((day.on for day in series.days if day.lowest.is_below(below)), date.max)
    measured = {day.on for day in series.days}
    implied = tuple(
        Day(on, (Point(on, Quantity(Decimal(0), unit), resource, None, "", is_implied=True),))
        for on, resource in dict(sorted(remissions, reverse=True)).items()
        if on < low and on not in measured
    )
    return Series(tuple(sorted((*series.days, *implied), key=lambda day: day.on)), series.start)


def by_day(points: Sequence[Point]) -> tuple[Day, ...]:
    """The days of values in order; equal values of one day count once."""
    days: dict[date, dict[tuple[Decimal, str], Point]] = {}
    for point in sorted(points, key=lambda p: (p.on, p.resource)):
        key = (point.value, point.quantity.comparator)
        days.setdefault(point.on, {}).setdefault(key, point)
    return tuple(Day(on, tuple(days[on].values())) for on in sorted(days))
