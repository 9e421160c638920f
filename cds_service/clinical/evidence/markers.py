"""Marker rules: when the course of a laboratory marker is progression, and when a response."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import product

from cds_service.clinical.evidence.evidence import (
    MARKER,
    MILESTONE,
    VALIDATED_MARKER,
    Evidence,
    Finding,
    Kind,
)
from cds_service.clinical.evidence.falls import Response, has_halved, response_in
from cds_service.clinical.evidence.rises import Course, Rise, Satisfies, lowest_before, rise_in
from cds_service.clinical.evidence.series import Point, Series, series_of
from cds_service.clinical.lines import Line
from cds_service.clinical.record import Event, Measurement
from cds_service.dates import PartialDate
from cds_service.knowledge.model import FLC, LIGHT_CHAINS, MarkerRule
from cds_service.knowledge.terms import Marker
from cds_service.quantities import Quantity, format_decimal


def from_marker(
    rule: MarkerRule,
    marker: Marker,
    line: Line,
    measurements: Sequence[Measurement],
    events: Sequence[Event],
    until: date,
) -> list[Evidence]:
    """What one rule reads from one marker during one line; nothing where it does not apply.

    A met rule is dated by the first value that met it, and is confirmed by a later one. Each
    laboratory is read by its own values first, then all of them together.
    """
    if _is_ruled_out(rule, measurements):
        return []
    own = difference_of_light_chains(measurements) if rule.marker == FLC else measurements
    own = [m for m in own if m.marker == rule.marker]

    def course(values: Sequence[Measurement]) -> Course:
        series = series_of(rule.marker, values, line.start.first, until)
        counted = _without_excluded(series, rule, events)
        return Course(counted, rule, CRITERIA[rule.criterion](rule, marker, counted))

    names = sorted({m.laboratory for m in own if m.laboratory})
    laboratories = [[m for m in own if m.laboratory == name] for name in names]
    whole, apart = course(own), [course(each) for each in laboratories] if len(names) > 1 else []
    rise = rise_in(whole, apart)
    response = response_in(whole.series, [c.series for c in apart], rule.response, marker)
    if rise is not None:
        return _rise_evidence(rise, response, rule, marker)
    if _is_contradictory(whole):
        before = [] if response is None else [_response(response, rule, marker)]
        return [*before, _contradiction(whole.series.days[-1].named, rule, marker)]
    if response is not None:
        return _response_evidence(response, rule, marker)
    return [_fall_evidence(whole.series, rule, marker)] if has_halved(whole.series) else []


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


def _is_contradictory(course: Course) -> bool:
    """Whether results of the last day contradict each other about a rise."""
    days = course.series.days
    if len(days) < 2 or len(days[-1].points) < 2:
        return False
    reference = lowest_before(days[:-1])
    return len({course.satisfies(point, reference) for point in days[-1].points}) > 1


def _contradiction(point: Point, rule: MarkerRule, marker: Marker) -> Evidence:
    return Evidence(
        resource=point.resource,
        on=PartialDate.on(point.on),
        kind=_kind(marker),
        finding="not-evaluable",
        detail=f"{marker.name}: results of {point.on} contradict each other",
        rank=MARKER,
        is_not_comparable=True,
        rule=rule.id,
    )


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


def _kind(marker: Marker) -> Kind:
    return "haematology" if marker.kind == "haematology" else "tumour-marker"


def _rise_evidence(
    rise: Rise, response: Response | None, rule: MarkerRule, marker: Marker
) -> list[Evidence]:
    """The response before it or the lowest value, the rise, and the value that confirmed it."""
    value, low = rise.first.named, rise.reference
    percent = "" if low.value == 0 else f"{round((value.value / low.value - 1) * 100)} % and "
    delta = format_decimal(value.value - low.value)
    detail = (
        f"{marker.name} {value.quantity}: {percent}{delta} {marker.unit} above its lowest value "
        f"of {low.quantity} on {low.on}"
    )
    confirming = rise.confirmed_by
    decides = confirming is not None and not rule.is_unverified
    suggests = confirming is not None and rule.is_unverified
    finding: Finding = "rising" if suggests else "progression"
    if confirming is not None:
        detail += f", confirmed on {confirming.on}"
    else:
        finding = "unconfirmed-progression"
        detail += ", which no other value confirms" if rise.stands_alone else ", not confirmed"
    found = []
    if response is not None and response.first.on < rise.first.on:
        found.append(_response(response, rule, marker))
    if not any(e.resource == low.resource for e in found):
        said = f"{marker.name} {low.quantity}, lowest value"
        found.append(_supporting(low, "falling", said, rule, marker))
    found.append(
        Evidence(
            resource=value.resource,
            on=PartialDate.on(value.on),
            kind=_kind(marker),
            finding=finding,
            detail=detail,
            rank=_rank(rule, marker) if decides else MARKER,
            is_unconfirmed=confirming is None,
            is_not_comparable=rise.is_across_laboratories,
            rule=rule.id,
            confirmed_on=PartialDate.on(confirming.on) if confirming else None,
            decides=not suggests,
            suggests=suggests,
        )
    )
    if confirming is not None:
        point = confirming.named
        said = f"{marker.name} {point.quantity}, confirming"
        found.append(_supporting(point, "rising", said, rule, marker))
    return found


def _rank(rule: MarkerRule, marker: Marker) -> int:
    """How loud a confirmed rise is: in blood cancers the marker is the disease itself."""
    if not rule.is_sufficient_alone:
        return MARKER
    return MILESTONE if _kind(marker) == "haematology" else VALIDATED_MARKER


def _response_evidence(response: Response, rule: MarkerRule, marker: Marker) -> list[Evidence]:
    """The response by the first value that reached it, and the latest value that still holds it."""
    found = [_response(response, rule, marker)]
    if response.latest is not None and response.latest.on > response.first.on:
        point = response.latest.lowest
        found.append(_falling(point, response.baseline, rule, marker, is_response=True))
    return found


def _response(response: Response, rule: MarkerRule, marker: Marker) -> Evidence:
    return _falling(
        response.first.lowest,
        response.baseline,
        rule,
        marker,
        is_response=True,
        also=f", confirmed on {response.confirmed_by.on}",
    )


def _fall_evidence(series: Series, rule: MarkerRule, marker: Marker) -> Evidence:
    """A fall that is no response: by a rule without one, or not confirmed."""
    first, last = series.days[0].lowest, series.days[-1].lowest
    return _falling(last, first, rule, marker, is_response=False)


def _falling(
    point: Point,
    baseline: Point,
    rule: MarkerRule,
    marker: Marker,
    *,
    is_response: bool,
    also: str = "",
) -> Evidence:
    return Evidence(
        resource=point.resource,
        on=PartialDate.on(point.on),
        kind=_kind(marker),
        finding="falling",
        detail=f"{marker.name} {point.quantity}, from {baseline.quantity} on {baseline.on}{also}",
        rank=MARKER,
        is_response=is_response,
        rule=rule.id,
        decides=is_response,
    )


def _supporting(
    point: Point, finding: Finding, detail: str, rule: MarkerRule, marker: Marker
) -> Evidence:
    return Evidence(
        resource=point.resource,
        on=PartialDate.on(point.on),
        kind=_kind(marker),
        finding=finding,
        detail=detail,
        rank=MARKER,
        rule=rule.id,
        decides=False,
    )
