"""What stands beside the evidence of a line: asked for every progression, gathered once."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import date
from decimal import Decimal
from functools import cached_property
from itertools import accumulate
from operator import attrgetter, itemgetter
from typing import TypeVar

from cds_service.clinical.evidence import Values
from cds_service.clinical.evidence.series import Series
from cds_service.clinical.lines import AgentUse, Line
from cds_service.clinical.record import Cancer, Event, Exposure, Record
from cds_service.dates import PartialDate

T = TypeVar("T")
LOCAL_THERAPY = frozenset({"radiotherapy", "surgery-resection", "ablation", "embolisation"})


class Beside:
    """The record of a line's cancer by what is asked of it: days in order, extremes as they run."""

    def __init__(
        self, record: Record, cancer: Cancer, line: Line, values: Values | None = None
    ) -> None:
        self._record = record
        self._cancer = cancer
        self._line = line
        self._values = values or Values(record.measurements)
        self._covered: dict[str, Covered] = {}
        self._answers: dict[Hashable, object] = {}

    def once(self, question: Hashable, answer: Callable[[], T]) -> T:
        """The answer to a question that no finding changes, worked out at its first asking."""
        if question not in self._answers:
            self._answers[question] = answer()
        return self._answers[question]  # type: ignore[return-value]

    @cached_property
    def _own_events(self) -> Sequence[Event]:
        named = self._cancer.named
        return [
            e for e in self._record.events if not e.conditions or not named.isdisjoint(e.conditions)
        ]

    @cached_property
    def _local_days(self) -> Sequence[date]:
        return sorted([e.on.first for e in self._own_events if e.kind in LOCAL_THERAPY])

    @cached_property
    def _irradiated(self) -> Sequence[tuple[date, date]]:
        days = [(e.on.first, e.until.last) for e in self._own_events if e.kind == "radiotherapy"]
        return running_latest(days)

    def local_therapy_from(self, day: date) -> date | None:
        """The first day of local therapy of this cancer, from a day on."""
        place = bisect_left(self._local_days, day)
        return self._local_days[place] if place < len(self._local_days) else None

    def irradiated_until(self, day: date) -> date | None:
        """The latest day of any radiotherapy of this cancer that had begun by a day."""
        return latest_by(self._irradiated, day)

    def highest_near(self, marker: str, on: date, within_days: int) -> Decimal | None:
        """The highest of the values nearest to a day and not older than so many days."""
        values = self._values.once(("highest by day", marker), lambda: self._highest(marker))
        after = bisect_right(values, on, key=_first_of)
        near = list(values[after : after + 1])
        if after and (on - values[after - 1][0].first).days <= within_days:
            day = values[after - 1][0].first
            near.append(values[bisect_left(values, day, key=_first_of)])
        if not near:
            return None
        return min(near, key=lambda told: (abs((on - told[0].first).days), told[0]))[1]

    def _highest(self, marker: str) -> Sequence[tuple[PartialDate, Decimal]]:
        highest: dict[PartialDate, Decimal] = {}
        for m in self._values.of(marker):
            if m.quantity is not None:
                highest[m.on] = max(highest.get(m.on, m.quantity.value), m.quantity.value)
        return sorted(highest.items())

    def course_by(self, marker: str, day: date) -> Series:
        """Of the values of a marker by a day: the baseline, and the last two days."""
        return self._values.ends(marker, self._line.start.first, day)

    def covered(self, use: AgentUse) -> Covered:
        """The uses of an agent that cover a time: between single doses there is no break."""
        name = use.drug.name
        if name not in self._covered:
            own = (e for e in self._line.exposures if e.drug == name)
            self._covered[name] = Covered([e for e in own if e.kind != "administration"])
        return self._covered[name]


class Covered:
    """Times that the uses of one agent cover."""

    def __init__(self, uses: Sequence[Exposure]) -> None:
        self._firsts = sorted(e.start.first for e in uses)
        self._ends = running_latest((e.start.first, e.end.last) for e in uses if e.end is not None)
        self._ongoing_from = min((e.start.first for e in uses if e.end is None), default=None)
        self._uses = uses

    def pause_about(self, day: date) -> int | None:
        """Days of the pause that a day lies in; None where it lies in none, or in the last."""
        before = latest_by(self._ends, day)
        after = bisect_right(self._firsts, day)
        is_ongoing = self._ongoing_from is not None and self._ongoing_from <= day
        if before is None or before >= day or is_ongoing or after == len(self._firsts):
            return None
        return (self._firsts[after] - before).days - 1

    def resumed_after(self, day: date, pause_days: int) -> date | None:
        """The latest day of taking a drug again after a longer pause that began before a day."""
        if pause_days not in self._resumed:
            self._resumed[pause_days] = running_latest(self._pauses(pause_days))
        return _before(self._resumed[pause_days], day)

    @cached_property
    def _resumed(self) -> dict[int, Sequence[tuple[date, date]]]:
        return {}

    def _pauses(self, longer_than: int) -> Iterable[tuple[date, date]]:
        """The last day before, and the first one after it; none once a use has no end."""
        in_order = sorted(self._uses, key=attrgetter("start"))
        last: date | None = None
        place = 0
        for again in in_order:
            while in_order[place].start < again.start:
                end = in_order[place].end
                if end is None:
                    return
                last = end.last if last is None else max(last, end.last)
                place += 1
            if last is not None and (again.start.first - last).days > longer_than:
                yield last, again.start.first


def running_latest(told: Iterable[tuple[date, date]]) -> Sequence[tuple[date, date]]:
    """In order of the first days, each with the latest of the second ones so far."""
    in_order = sorted(told)
    latest = accumulate((last for _, last in in_order), max)
    return list(zip((first for first, _ in in_order), latest, strict=True))


def latest_by(steps: Sequence[tuple[date, date]], day: date) -> date | None:
    begun = bisect_right(steps, day, key=itemgetter(0))
    return steps[begun - 1][1] if begun else None


def _before(steps: Sequence[tuple[date, date]], day: date) -> date | None:
    begun = bisect_left(steps, day, key=itemgetter(0))
    return steps[begun - 1][1] if begun else None


def _first_of(told: tuple[PartialDate, Decimal]) -> date:
    return told[0].first
