"""The criteria that marker rules name: when a value is progression against its reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from itertools import product

from cds_service.clinical.evidence.rises import Satisfies
from cds_service.clinical.evidence.series import Point, Series
from cds_service.clinical.record import Measurement
from cds_service.dates import PartialDate
from cds_service.knowledge.model import FLC, LIGHT_CHAINS, MarkerRule
from cds_service.knowledge.terms import Marker
from cds_service.quantities import Quantity


def rise_over_nadir(rule: MarkerRule, marker: Marker, _: Series) -> Satisfies:
    """A multiple of the lowest value and an absolute rise over it."""

    def satisfies(point: Point, reference: Point) -> bool:
        if point.quantity.is_upper_bound:
            return False
        rise = point.value - reference.value
        if rule.max_reference is not None and not reference.is_below(rule.max_reference):
            return False
        if rule.min_reference is not None and reference.value < rule.min_reference:
            return False
        is_high = rule.high_nadir is not None and reference.value >= rule.high_nadir
        if is_high and rise >= rule.high_delta:
            return True
        enough = rise > rule.min_delta if rule.is_delta_exclusive else rise >= rule.min_delta
        uln = point.uln if point.uln is not None else marker.typical_uln
        if rule.min_uln and (uln is None or point.value <= rule.min_uln * uln):
            return False
        multiple = reference.value * rule.multiplier
        is_multiple = point.value >= multiple
        if rule.is_multiplier_exclusive:
            is_multiple = point.value > multiple
        return (
            enough
            and rise > 0
            and is_multiple
            and point.value >= rule.min_value
            and _crosses_a_step(point, reference, rule)
        )

    return satisfies


def _crosses_a_step(point: Point, reference: Point, rule: MarkerRule) -> bool:
    """Whether one of the rule's steps lies above the reference, and the value above the step."""
    return not rule.steps or any(reference.value < step < point.value for step in rule.steps)


def plateau(rule: MarkerRule, marker: Marker, _: Series) -> Satisfies:
    """Values that should fall and do not: above `multiplier` (0.9) times the lowest before them.

    Only while that lies above `min_value`: a marker that is normal has nowhere to fall.
    """

    def satisfies(point: Point, reference: Point) -> bool:
        if point.quantity.is_upper_bound or reference.value < rule.min_value:
            return False
        return point.value > reference.value * rule.multiplier

    return satisfies


def gcig_ca_125(rule: MarkerRule, marker: Marker, series: Series) -> Satisfies:
    """Twice the upper limit where it was normal before or became so, else twice the lowest value.

    Source: Rustin 2011, groups A, B and C.
    """
    baseline = series.baseline

    def limit(point: Point) -> Decimal | None:
        return point.uln if point.uln is not None else marker.typical_uln

    normal = (
        day.on
        for day in series.days
        for point in day.points
        if (uln := limit(point)) is not None and point.value <= uln
    )
    normal_since = next(normal, date.max)

    def satisfies(point: Point, reference: Point) -> bool:
        uln = limit(point)
        if point.quantity.is_upper_bound or uln is None or baseline is None:
            return False
        if normal_since < point.on:
            return point.value >= rule.multiplier * uln
        return point.value >= rule.multiplier * reference.value and point.value > uln

    return satisfies


CRITERIA: dict[str, Callable[[MarkerRule, Marker, Series], Satisfies]] = {
    "rise-over-nadir": rise_over_nadir,
    "light-chain-difference": rise_over_nadir,
    "gcig-ca-125": gcig_ca_125,
    "plateau": plateau,
}


def difference_of_light_chains(measurements: Sequence[Measurement]) -> list[Measurement]:
    """Involved minus uninvolved free light chain, day by day.

    The involved chain is the one that was higher when the two were furthest apart. Of several
    values on one day each is set against each, as the others of that day are.
    """
    by_day: dict[date, tuple[list[Measurement], list[Measurement]]] = {}
    for m in measurements:
        if m.marker in LIGHT_CHAINS and m.quantity is not None and m.on.is_exact:
            by_day.setdefault(m.on.first, ([], []))[LIGHT_CHAINS.index(m.marker)].append(m)
    pairs = [
        (on, kappa, lambda_) for on in sorted(by_day) for kappa, lambda_ in product(*by_day[on])
    ]
    widest = max((_difference(kappa, lambda_) for _, kappa, lambda_ in pairs), key=abs, default=0)
    sign = 1 if widest >= 0 else -1
    return [
        Measurement(
            resource=(kappa if sign > 0 else lambda_).resource,
            on=PartialDate.on(on),
            marker=FLC,
            quantity=Quantity(max(Decimal(0), sign * _difference(kappa, lambda_)), "mg/L"),
            laboratory=kappa.laboratory,
        )
        for on, kappa, lambda_ in pairs
    ]


def _difference(kappa: Measurement, lambda_: Measurement) -> Decimal:
    if kappa.quantity is None or lambda_.quantity is None:
        return Decimal(0)
    return kappa.quantity.value - lambda_.quantity.value
