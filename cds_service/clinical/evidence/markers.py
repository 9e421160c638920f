"""Marker rules: when the course of a laboratory marker is progression."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import product

from cds_service.clinical.evidence.evidence import MARKER, VALIDATED_MARKER, Evidence, Kind
from cds_service.clinical.evidence.series import Day, Point, Series, series_of
from cds_service.clinical.lines import Line
from cds_service.clinical.record import Event, Measurement
from cds_service.dates import PartialDate
from cds_service.knowledge.model import FLC, LIGHT_CHAINS, MarkerRule
from cds_service.knowledge.terms import Marker
from cds_service.quantities import Quantity, format_decimal

HALF = Decimal("0.5")


@dataclass(frozen=True, slots=True)
class Rise:
    """A run of values that satisfy a rule: its first day, and the day that confirmed it."""

    first: Day
    reference: Point
    confirmed_by: Day | None
    is_across_laboratories: bool = False


Satisfies = Callable[[Point, Point], bool]
"""(value, reference) → whether the value is progression against the reference."""


def from_marker(
    rule: MarkerRule,
    marker: Marker,
    line: Line,
    measurements: Sequence[Measurement],
    events: Sequence[Event],
    until: date,
) -> list[Evidence]:
    """What one rule reads from one marker during one line; nothing where it does not apply.

    A met rule is dated by the first value that met it, and is confirmed by a later one.
    """
    if _is_ruled_out(rule, measurements):
        return []
    own = difference_of_light_chains(measurements) if rule.marker == FLC else measurements
    series = series_of(rule.marker, own, line.start.first, until)
    counted = _without_excluded(series, rule, events)
    satisfies = CRITERIA[rule.criterion](rule, marker, counted)
    rise = _find_rise(counted, rule, satisfies)
    if rise is not None:
        return _rise_evidence(rise, counted, rule, marker)
    if _is_contradictory(counted, satisfies):
        return [_contradiction(counted.days[-1].named, rule, marker)]
    fall = _fall(counted)
    return [] if fall is None else [_fall_evidence(fall, series, rule, marker)]


def _is_ruled_out(rule: MarkerRule, measurements: Sequence[Measurement]) -> bool:
    """Whether a marker that has precedence is measurable."""
    return any(
        m.quantity is not None and m.quantity.value >= limit
        for name, limit in (rule.only_without or {}).items()
        for m in measurements
        if m.marker == name
    )


def _without_excluded(series: Series, rule: MarkerRule, events: Sequence[Event]) -> Series:
    """Leave out values that a procedure shortly before makes unreadable."""
    days = [e.until.last for e in events if e.kind in rule.excluded_after]
    window = timedelta(days=rule.excluded_days)
    kept = [d for d in series.days if not any(day <= d.on <= day + window for day in days)]
    return Series(tuple(kept), series.start)


def _find_rise(series: Series, rule: MarkerRule, satisfies: Satisfies) -> Rise | None:
    """The first confirmed rise; else the unconfirmed one that the series ends with."""
    open_rise: Rise | None = None
    for position, day in enumerate(series.days):
        if day.on <= series.start or position == 0:
            continue
        if open_rise is None:
            if (day.on - series.start).days < rule.ignore_first_days:
                continue
            reference = min((d.lowest for d in series.days[:position]), key=lambda p: p.value)
            if all(satisfies(point, reference) for point in day.points):
                open_rise = Rise(day, reference, None, _differ(reference, day))
            continue
        if not all(satisfies(point, open_rise.reference) for point in day.points):
            # a value that is no lower than the first keeps the suspicion, without confirming it
            if day.lowest.value < open_rise.first.lowest.value:
                open_rise = None
        elif _confirms(open_rise, day, series, rule):
            return Rise(open_rise.first, open_rise.reference, day, open_rise.is_across_laboratories)
    return open_rise


def _confirms(rise: Rise, day: Day, series: Series, rule: MarkerRule) -> bool:
    """Late enough; and, where laboratories differ, a second confirming value of the later one."""
    if (day.on - rise.first.on).days < max(rule.confirm_days, 1):
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


def _is_contradictory(series: Series, satisfies: Satisfies) -> bool:
    """Whether results of the last day contradict each other about a rise."""
    if len(series.days) < 2 or len(series.days[-1].points) < 2:
        return False
    reference = min((d.lowest for d in series.days[:-1]), key=lambda p: p.value)
    said = {satisfies(point, reference) for point in series.days[-1].points}
    return len(said) > 1


def _contradiction(point: Point, rule: MarkerRule, marker: Marker) -> Evidence:
    return Evidence(
        resource=point.resource,
        on=PartialDate.on(point.on),
        kind="haematology" if marker.kind == "haematology" else "tumour-marker",
        finding="not-evaluable",
        detail=f"{marker.name}: results of {point.on} contradict each other",
        rank=MARKER,
        is_not_comparable=True,
        rule=rule.id,
    )


def _differ(reference: Point, day: Day) -> bool:
    there = reference.laboratory
    return bool(there) and any(p.laboratory and p.laboratory != there for p in day.points)


def rise_over_nadir(rule: MarkerRule, marker: Marker, _: Series) -> Satisfies:
    """A multiple of the lowest value and an absolute rise over it."""

    def satisfies(point: Point, reference: Point) -> bool:
        if point.quantity.is_upper_bound:
            return False
        rise = point.value - reference.value
        is_high = rule.high_nadir is not None and reference.value >= rule.high_nadir
        if is_high and rise >= rule.high_delta:
            return True
        enough = rise > rule.min_delta if rule.is_delta_exclusive else rise >= rule.min_delta
        uln = point.uln if point.uln is not None else marker.typical_uln
        if rule.min_uln and (uln is None or point.value <= rule.min_uln * uln):
            return False
        return (
            enough
            and rise > 0
            and point.value >= reference.value * rule.multiplier
            and point.value >= rule.min_value
        )

    return satisfies


def gcig_ca_125(rule: MarkerRule, marker: Marker, series: Series) -> Satisfies:
    """Twice the upper limit where it was normal before or became so, else twice the lowest value.

    Source: Rustin 2011, groups A, B and C.
    """
    baseline = series.baseline

    def limit(point: Point) -> Decimal | None:
        return point.uln if point.uln is not None else marker.typical_uln

    def was_normal(until: date) -> bool:
        return any(
            (uln := limit(point)) is not None and point.value <= uln
            for day in series.days
            if day.on < until
            for point in day.points
        )

    def satisfies(point: Point, reference: Point) -> bool:
        uln = limit(point)
        if point.quantity.is_upper_bound or uln is None or baseline is None:
            return False
        if was_normal(point.on):
            return point.value >= rule.multiplier * uln
        return point.value >= rule.multiplier * reference.value and point.value > uln

    return satisfies


CRITERIA: dict[str, Callable[[MarkerRule, Marker, Series], Satisfies]] = {
    "rise-over-nadir": rise_over_nadir,
    "light-chain-difference": rise_over_nadir,
    "gcig-ca-125": gcig_ca_125,
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
            as_recorded="",
            laboratory=kappa.laboratory,
        )
        for on, kappa, lambda_ in pairs
    ]


def _difference(kappa: Measurement, lambda_: Measurement) -> Decimal:
    if kappa.quantity is None or lambda_.quantity is None:
        return Decimal(0)
    return kappa.quantity.value - lambda_.quantity.value


def _fall(series: Series) -> tuple[Day, Day] | None:
    """Baseline and latest day where the value has at least halved and not risen since."""
    during = series.after_start()
    if not during or series.baseline is None or series.baseline.on == during[-1].on:
        return None
    first, last = series.baseline, during[-1]
    if last.lowest.value <= first.lowest.value * HALF and first.lowest.value > 0:
        return first, last
    return None


def _rise_evidence(rise: Rise, series: Series, rule: MarkerRule, marker: Marker) -> list[Evidence]:
    """The reference, the rise and its confirmation, each with its own resource and date."""
    value, low = rise.first.named, rise.reference
    is_met = rise.confirmed_by is not None
    percent = "" if low.value == 0 else f"{round((value.value / low.value - 1) * 100)} % and "
    delta = format_decimal(value.value - low.value)
    detail = (
        f"{marker.name} {value.quantity}: {percent}{delta} {marker.unit} above its lowest value "
        f"of {low.quantity} on {low.on}"
    )
    detail += f", confirmed on {rise.confirmed_by.on}" if rise.confirmed_by else ", not confirmed"
    decides = is_met and not rule.is_unverified
    kind: Kind = "haematology" if marker.kind == "haematology" else "tumour-marker"
    baseline = series.baseline.lowest.value if series.baseline else low.value
    has_halved = baseline > 0 and low.value <= baseline * HALF and low.on > series.start
    lowest = _supporting(low, kind, f"{marker.name} {low.quantity}, lowest value", rule)
    found = [
        replace(lowest, is_response=has_halved),
        Evidence(
            resource=value.resource,
            on=PartialDate.on(value.on),
            kind=kind,
            finding="progression" if decides else "unconfirmed-progression",
            detail=detail,
            rank=VALIDATED_MARKER if decides and rule.is_sufficient_alone else MARKER,
            is_unconfirmed=not decides,
            is_not_comparable=rise.is_across_laboratories,
            rule=rule.id,
        ),
    ]
    if rise.confirmed_by is not None:
        point = rise.confirmed_by.named
        found.append(_supporting(point, kind, f"{marker.name} {point.quantity}, confirming", rule))
    return found


def _supporting(point: Point, kind: Kind, detail: str, rule: MarkerRule) -> Evidence:
    return Evidence(
        resource=point.resource,
        on=PartialDate.on(point.on),
        kind=kind,
        finding="rising" if detail.endswith("confirming") else "falling",
        detail=detail,
        rank=MARKER,
        rule=rule.id,
        decides=False,
    )


def _fall_evidence(
    fall: tuple[Day, Day], series: Series, rule: MarkerRule, marker: Marker
) -> Evidence:
    first, last = fall[0].lowest, fall[1].lowest
    return Evidence(
        resource=last.resource,
        on=PartialDate.on(last.on),
        kind="haematology" if marker.kind == "haematology" else "tumour-marker",
        finding="falling",
        detail=f"{marker.name} {last.quantity}, from {first.quantity} on {first.on}",
        rank=MARKER,
        is_response=True,
        rule=rule.id,
    )
