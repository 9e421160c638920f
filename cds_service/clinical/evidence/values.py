"""The values of markers as lines ask for them: by marker, in order of days, each sought once."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import cached_property
from operator import attrgetter
from typing import TypeVar

from cds_service.clinical.evidence.marker_criteria import difference_of_light_chains
from cds_service.clinical.evidence.series import BASELINE_DAYS, Day, Point, Series, by_day
from cds_service.clinical.record import Measurement
from cds_service.knowledge.model import FLC, LIGHT_CHAINS

T = TypeVar("T")
LONGEST_DATE = 366
"""Days of a date that is known to the year alone; no date is any longer."""
_on = attrgetter("on")


class Values:
    """Values of markers, and what comes of them on whatever line it is asked.

    A chart may have hundreds of lines beside thousands of values.
    """

    def __init__(self, measurements: Iterable[Measurement]) -> None:
        self._of: dict[str, Sequence[Measurement]] = {}
        of: dict[str, list[Measurement]] = {}
        for each in measurements:
            of.setdefault(each.marker, []).append(each)
        self._of.update(of)
        self._days: dict[tuple[str, str], Sequence[Day]] = {}
        self._answers: dict[Hashable, object] = {}

    @cached_property
    def has_unreadable(self) -> bool:
        """Whether any of them could not be converted."""
        return any(m.quantity is None for of in self._of.values() for m in of)

    def once(self, question: Hashable, answer: Callable[[], T]) -> T:
        """The answer to a question that is the same for every line."""
        if question not in self._answers:
            self._answers[question] = answer()
        return self._answers[question]  # type: ignore[return-value]

    def of(self, marker: str) -> Sequence[Measurement]:
        """All values of a marker, as they were given; of free light chains their difference."""
        if marker == FLC and marker not in self._of:
            chains = [value for chain in LIGHT_CHAINS for value in self._of.get(chain, ())]
            self._of[FLC] = difference_of_light_chains(chains)
        return self._of.get(marker, ())

    def within(self, marker: str, start: date, until: date) -> Sequence[Measurement]:
        """Those that may be of a day after `start` and up to `until`, usable or not."""
        found = self.once(("in order", marker), lambda: sorted(self.of(marker), key=_on))
        since = start - min(timedelta(LONGEST_DATE), start - date.min)
        first = bisect_left(found, since, key=_first_day)
        last = bisect_right(found, until, key=_first_day)
        return [m for m in found[first:last] if m.on.last > start]

    def series(self, marker: str, start: date, until: date, laboratory: str = "") -> Series:
        """The usable values: the baseline, then those of the line up to `until`.

        Left out: values that cannot be converted, and dates known to the month only, since a rise
        needs an order of days. Equal values of one day count once.
        """
        days = self.days(marker, laboratory)
        first, end = _places(days, start, until)
        return Series(tuple(days[first:end]), start)

    def ends(self, marker: str, start: date, until: date) -> Series:
        """Of the same the first day, and the last two."""
        days = self.days(marker)
        first, end = _places(days, start, until)
        ends = *days[first : min(first + 1, end)], *days[max(end - 2, first + 1) : end]
        return Series(ends, start)

    def days(self, marker: str, laboratory: str = "") -> Sequence[Day]:
        """The days of usable values, of one laboratory or of all."""
        known = self._days.get((marker, laboratory))
        if known is None:
            of = self._by_laboratory(marker)[laboratory] if laboratory else self._usable(marker)
            points = [
                Point(m.on.first, m.quantity, m.resource, m.uln, m.laboratory)
                for m in of
                if m.quantity is not None
            ]
            known = self._days[marker, laboratory] = by_day(points)
        return known

    def laboratories(self, marker: str, start: date, until: date) -> Sequence[str]:
        """Those that measured it in a line, if ever more than one did."""
        known = self.once(
            ("laboratories", marker), lambda: {m.laboratory for m in self.of(marker)} - {""}
        )
        if len(known) < 2:
            return ()
        usable = self._usable(marker)
        first = bisect_right(usable, start, key=_first_day)
        last = bisect_right(usable, until, key=_first_day)
        return sorted({m.laboratory for m in usable[first:last]} - {""})

    def _usable(self, marker: str) -> Sequence[Measurement]:
        return self.once(
            ("usable", marker),
            lambda: sorted(
                (m for m in self.of(marker) if m.quantity is not None and m.on.is_exact), key=_on
            ),
        )

    def _by_laboratory(self, marker: str) -> Mapping[str, Sequence[Measurement]]:
        return self.once(("by laboratory", marker), lambda: _apart(self._usable(marker)))


def _places(days: Sequence[Day], start: date, until: date) -> tuple[int, int]:
    """Where a line begins among days, with its baseline, and where it ends."""
    begun = bisect_right(days, start, key=_on)
    has_baseline = begun > 0 and (start - days[begun - 1].on).days <= BASELINE_DAYS
    return begun - has_baseline, max(begun, bisect_right(days, until, key=_on))


def _apart(values: Iterable[Measurement]) -> Mapping[str, Sequence[Measurement]]:
    apart: dict[str, list[Measurement]] = {}
    for each in values:
        apart.setdefault(each.laboratory, []).append(each)
    return apart


def _first_day(value: Measurement) -> date:
    return value.on.first
