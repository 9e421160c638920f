"""The fall in a series of one marker: whether it is a response, from when on, or merely a fall."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from cds_service.clinical.evidence.series import Day, Point, Series
from cds_service.knowledge.model import MarkerResponse
from cds_service.knowledge.terms import Marker

HALF = Decimal("0.5")
"""The share by which a marker has to fall before it is worth showing, where no rule says more."""


class Response(msgspec.Struct, frozen=True, gc=False):
    """A fall that meets the rule: the first value that did, the one that confirmed it.

    `latest` is the last day of the series where the marker is still as low, later than the first.
    """

    baseline: Point
    first: Day
    confirmed_by: Day
    latest: Day | None


def response_in(
    whole: Series, apart: Iterable[Series], asked: MarkerResponse | None, marker: Marker
) -> Response | None:
    """The response of a marker: within one laboratory, else by all values together.

    None where the rule has no response, where the baseline is too low to tell, and until the fall
    is confirmed.
    """
    if asked is None:
        return None
    own = [found for each in apart if (found := _response(each, asked, marker)) is not None]
    if own:
        return min(own, key=lambda found: found.first.on)
    return _response(whole, asked, marker)


def _response(series: Series, asked: MarkerResponse, marker: Marker) -> Response | None:
    baseline = _baseline(series, asked, marker)
    if baseline is None:
        return None
    limit = baseline.value * (1 - asked.fall)
    run: list[Day] = []
    found: tuple[Day, Day] | None = None
    for day in series.after_start():
        if day.on == baseline.on or not _is_at_most(day, limit):
            run = []
            continue
        run.append(day)
        if found is None and len(run) > 1 and (day.on - run[0].on).days >= asked.confirm_days:
            found = run[0], day
    if found is None:
        return None
    return Response(baseline, *found, latest=run[-1] if run else None)


def _baseline(series: Series, asked: MarkerResponse, marker: Marker) -> Point | None:
    """The value that a fall is measured from; None where it is too low for the rule."""
    if series.baseline is None:
        return None
    point = series.baseline.lowest
    if point.value <= 0 or point.quantity.is_upper_bound or point.value < asked.min_baseline:
        return None
    if not asked.min_baseline_uln:
        return point
    uln = point.uln if point.uln is not None else marker.typical_uln
    return point if uln is not None and point.value >= asked.min_baseline_uln * uln else None


def _is_at_most(day: Day, limit: Decimal) -> bool:
    """Whether every value of a day lies there; one that is only known to be above does not."""
    return all(p.value <= limit and not p.quantity.is_lower_bound for p in day.points)


def has_halved(series: Series) -> bool:
    """Whether the latest value is half the baseline or less."""
    during = series.after_start()
    if not during or series.baseline is None or series.baseline.on == during[-1].on:
        return False
    low = series.baseline.lowest.value
    return low > 0 and _is_at_most(during[-1], low * HALF)
