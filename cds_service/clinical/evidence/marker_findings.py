"""What the course of a marker says, as evidence: rises, responses, falls, contradictions."""

from __future__ import annotations

from cds_service.clinical.evidence.evidence import (
    MARKER,
    MILESTONE,
    VALIDATED_MARKER,
    Evidence,
    Finding,
    Kind,
)
from cds_service.clinical.evidence.falls import Response
from cds_service.clinical.evidence.rises import Rise
from cds_service.clinical.evidence.series import Point, Series
from cds_service.dates import PartialDate
from cds_service.knowledge.model import MarkerRule
from cds_service.knowledge.terms import Marker
from cds_service.quantities import format_decimal


def _kind(marker: Marker) -> Kind:
    return "haematology" if marker.kind == "haematology" else "tumour-marker"


def contradiction(point: Point, rule: MarkerRule, marker: Marker) -> Evidence:
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


def _change(value: Point, low: Point, marker: Marker) -> str:
    """What has changed since the value that the rule measures from, in words."""
    if low.is_implied:
        return f"{marker.name} {value.quantity} after the remission recorded on {low.on}"
    delta = value.value - low.value
    share = "" if low.value == 0 else f"{abs(round((value.value / low.value - 1) * 100))} % and "
    amount = f"{share}{format_decimal(abs(delta))} {marker.unit}"
    since = f"of {low.quantity} on {low.on}"
    if delta < 0:
        return f"{marker.name} {value.quantity}: only {amount} below its earlier value {since}"
    return f"{marker.name} {value.quantity}: {amount} above its lowest value {since}"


def rise_evidence(
    rise: Rise, response: Response | None, rule: MarkerRule, marker: Marker
) -> list[Evidence]:
    """The response before it or the lowest value, the rise, and the value that confirmed it."""
    value, low = rise.first.named, rise.reference
    detail = _change(value, low, marker)
    confirming = rise.confirmed_by
    is_full = confirming is not None or not rule.needs_confirmation
    decides, suggests = is_full and not rule.is_unverified, is_full and rule.is_unverified
    finding: Finding = "rising" if suggests else "progression"
    if confirming is not None:
        detail += f", confirmed on {confirming.on}"
    elif not is_full:
        finding = "unconfirmed-progression"
        detail += ", which no other value confirms" if rise.stands_alone else ", not confirmed"
    found = []
    if response is not None and response.first.on < rise.first.on:
        found.append(response_found(response, rule, marker))
    if not low.is_implied and not any(e.resource == low.resource for e in found):
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
            is_unconfirmed=not is_full,
            is_not_comparable=rise.is_across_laboratories,
            is_transformation=rule.is_transformation and decides,
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


def remission_evidence(
    series: Series, rise: Rise | None, rule: MarkerRule, marker: Marker
) -> list[Evidence]:
    """Whether the marker says remission, day by day; and its return, where there is one."""
    limit = rule.remission_below
    found: list[Evidence] = []
    for day in series.after_start():
        is_early = (day.on - series.start).days < rule.ignore_first_days
        if limit is None or is_early or (rise is not None and day.on >= rise.first.on):
            continue
        low = all(p.is_below(limit) and not p.quantity.is_lower_bound for p in day.points)
        high = all(p.value >= limit and not p.quantity.is_upper_bound for p in day.points)
        if low or high:
            found.append(_state(day.named, rule, marker, is_remission=low))
    return found if rise is None else [*found, *rise_evidence(rise, None, rule, marker)]


def _state(point: Point, rule: MarkerRule, marker: Marker, *, is_remission: bool) -> Evidence:
    return Evidence(
        resource=point.resource,
        on=PartialDate.on(point.on),
        kind=_kind(marker),
        finding="falling" if is_remission else "stable",
        detail=f"{marker.name} {point.quantity}: {'' if is_remission else 'no '}remission by it",
        rank=MILESTONE,
        is_response=is_remission,
        is_formal=True,
        is_marker_remission=is_remission,
        is_persistence=not is_remission,
        rule=rule.id,
    )


def _rank(rule: MarkerRule, marker: Marker) -> int:
    """How loud a confirmed rise is: in blood cancers the marker is the disease itself."""
    if not rule.is_sufficient_alone:
        return MARKER
    return MILESTONE if _kind(marker) == "haematology" else VALIDATED_MARKER


def response_evidence(response: Response, rule: MarkerRule, marker: Marker) -> list[Evidence]:
    """The response by the first value that reached it, and the latest value that still holds it."""
    found = [response_found(response, rule, marker)]
    if response.latest is not None and response.latest.on > response.first.on:
        point = response.latest.lowest
        found.append(_falling(point, response.baseline, rule, marker, is_response=True))
    return found


def response_found(response: Response, rule: MarkerRule, marker: Marker) -> Evidence:
    return _falling(
        response.first.lowest,
        response.baseline,
        rule,
        marker,
        is_response=True,
        also=f", confirmed on {response.confirmed_by.on}",
    )


def fall_evidence(series: Series, rule: MarkerRule, marker: Marker) -> Evidence:
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
