"""A series of one marker during one line, day by day, and the reference that it is read against."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

import msgspec

from cds_service.clinical.record import Measurement
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
    """Days of values from the baseline on; `baseline` is the first of them where it is one."""

    days: tuple[Day, ...]
    start: date

    @property
    def baseline(self) -> Day | None:
        return self.days[0] if self.days else None

    def after_start(self) -> tuple[Day, ...]:
        return tuple(day for day in self.days if day.on > self.start)


def series_of(marker: str, measurements: Iterable[Measurement], start: date, until: date) -> Series:
    """The usable values of one marker: the baseline, then those of the line up to `until`.

    Left out: values that cannot be converted, and dates known to the month only, since a rise needs
    an order of days. Equal values of one day count once.
    """
    usable = [
        (m.on.first, m)
        for m in measurements
        if m.marker == marker and m.quantity is not None and m.on.first == m.on.last
    ]
    baseline = max([on for on, _ in usable if on <= start], default=None)
    if baseline is not None and (start - baseline).days > BASELINE_DAYS:
        baseline = None
    own = [
        Point(on, m.quantity, m.resource, m.uln, m.laboratory)
        for on, m in usable
        if m.quantity is not None and (start < on <= until or on == baseline)
    ]
    return Series(_by_day(own), start)


def with_remissions(
    series: Series, remissions: Iterable[tuple[date, str]], below: Decimal, unit: str
) -> Series:
    """The series with a zero on each day of a recorded remission (its day and resource).

    Only where no value under `below` was measured by then, and none at all on that day.
    """
    measured = [day for day in series.days if day.lowest.is_below(below)]
    implied = tuple(
        Day(on, (Point(on, Quantity(Decimal(0), unit), resource, None, "", is_implied=True),))
        for on, resource in dict(sorted(remissions, reverse=True)).items()
        if not any(day.on <= on for day in measured)
        if all(day.on != on for day in series.days)
    )
    return Series(tuple(sorted((*series.days, *implied), key=lambda day: day.on)), series.start)


def _by_day(points: Sequence[Point]) -> tuple[Day, ...]:
    days: dict[date, dict[tuple[Decimal, str], Point]] = {}
    for point in sorted(points, key=lambda p: (p.on, p.resource)):
        key = (point.value, point.quantity.comparator)
        days.setdefault(point.on, {}).setdefault(key, point)
    return tuple(Day(on, tuple(days[on].values())) for on in sorted(days))
