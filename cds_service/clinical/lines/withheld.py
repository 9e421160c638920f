"""Orders as far as they were carried out: not beyond a stop, and not where no dose was given."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from operator import attrgetter

from msgspec.structs import replace

from cds_service.clinical.lines.assign import CONFIRMED_USE, EARLY_DAYS, lies_under
from cds_service.clinical.record import Exposure, Withheld
from cds_service.dates import PartialDate


def as_carried_out(exposures: Sequence[Exposure], withheld: Iterable[Withheld]) -> list[Exposure]:
    """The uses, orders cut at the day from which the drug was not to be given any more.

    An order is left out where every dose on record under it is one that was not given.
    """
    told = list(withheld)
    if not told:
        return list(exposures)
    missed = _Days((w.drug, w.on) for w in told if w.kind == "not-given")
    given = _Days((e.drug, e.start) for e in exposures if e.kind in CONFIRMED_USE)
    stops = _Days((w.drug, w.on) for w in told if w.kind == "stop")
    kept = [
        e for e in exposures if e.kind != "order" or not missed.lie_under(e) or given.lie_under(e)
    ]
    return [_until_stop(e, stops) for e in kept]


class _Days:
    """Days by drug, in order."""

    def __init__(self, told: Iterable[tuple[str, PartialDate]]) -> None:
        self._of: dict[str, list[PartialDate]] = {}
        self._exact: dict[str, list[date]] = {}
        self._partial: dict[str, list[PartialDate]] = {}
        """Months and years: there are few of them."""
        for drug, on in sorted(set(told)):
            self._of.setdefault(drug, []).append(on)
            if on.is_exact:
                self._exact.setdefault(drug, []).append(on.first)
            else:
                self._partial.setdefault(drug, []).append(on)

    def lie_under(self, order: Exposure) -> bool:
        """Whether one of them lies under an order."""
        exact = self._exact.get(order.drug, ())
        place = bisect_left(exact, _before(order.start.first, EARLY_DAYS))
        if place < len(exact) and lies_under(PartialDate.on(exact[place]), order):
            return True
        return any(lies_under(day, order) for day in self._partial.get(order.drug, ()))

    def after(self, on: date, drug: str) -> PartialDate | None:
        """The first that begins after a day."""
        days = self._of.get(drug, ())
        place = bisect_right(days, on, key=attrgetter("first"))
        return days[place] if place < len(days) else None


def _before(day: date, days: int) -> date:
    return day - min(timedelta(days=days), day - date.min)


def _until_stop(use: Exposure, stops: _Days) -> Exposure:
    if use.kind not in ("order", "statement"):
        return use
    stop = stops.after(use.start.last, use.drug)
    if stop is None or (use.end is not None and use.end.last < stop.first):
        return use
    last = PartialDate.on(stop.first - timedelta(days=1))
    return replace(use, end=last, is_open_ended=False, is_estimated=False, is_active=False)
