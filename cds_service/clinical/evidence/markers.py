"""Marker rules: when the course of a laboratory marker is progression, and when a response."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from cds_service.clinical.evidence.evidence import Evidence
from cds_service.clinical.evidence.falls import Response, has_halved, response_in
from cds_service.clinical.evidence.marker_criteria import CRITERIA
from cds_service.clinical.evidence.marker_findings import (
    contradiction,
    fall_evidence,
    remission_evidence,
    response_evidence,
    response_found,
    rise_evidence,
)
from cds_service.clinical.evidence.rises import Course, Rise, lowest_before, rise_in
from cds_service.clinical.evidence.series import Series, with_remissions
from cds_service.clinical.evidence.values import Values
from cds_service.clinical.lines import Line
from cds_service.clinical.record import Event
from cds_service.knowledge.model import MarkerRule
from cds_service.knowledge.terms import Marker


class Reading(msgspec.Struct, frozen=True, gc=False):
    """One rule with the course of its marker: the rise and the response that it finds there."""

    rule: MarkerRule
    marker: Marker
    whole: Course
    rise: Rise | None
    response: Response | None


def from_markers(
    rules: Iterable[MarkerRule],
    markers: Mapping[str, Marker],
    line: Line,
    values: Values,
    events: Sequence[Event],
    until: date,
    said: Sequence[Evidence] = (),
) -> list[Evidence]:
    """What the rules of a disease read from their markers during one line.

    Several rules of one marker speak of one course: after a rise that any of them found, only a
    fall from there on is a response. `said` are the statements of the line: a complete response
    stands for a low value where a rule asks for the return from one.
    """
    remissions = [
        (e.on.first, e.resource)
        for e in said
        if e.finding == "complete-response" and e.is_whole and e.on.is_exact
    ]
    readings = [
        _read(rule, marker, line, values, events, until, remissions)
        for rule in rules
        if (marker := markers.get(rule.marker)) is not None
        if values.of(rule.marker)
        if _speaks_for(rule, line) and not _is_ruled_out(rule, values)
    ]
    rises: dict[str, list[Rise]] = {}
    for reading in readings:
        if reading.rise is not None:
            rises.setdefault(reading.rule.marker, []).append(reading.rise)
    told = (_told(reading, rises.get(reading.rule.marker, ())) for reading in readings)
    return [found for each in told for found in each]


def _read(
    rule: MarkerRule,
    marker: Marker,
    line: Line,
    values: Values,
    events: Sequence[Event],
    until: date,
    remissions: Sequence[tuple[date, str]],
) -> Reading:
    """The course of one marker as one rule reads it.

    A met rule is dated by the first value that met it, and is confirmed by a later one. Each
    laboratory is read by its own values first, then all of them together.
    """
    start = line.start.first

    def course(laboratory: str = "") -> Course:
        series = values.series(rule.marker, start, until, laboratory)
        counted = _without_excluded(series, rule, events, values)
        return Course(counted, rule, CRITERIA[rule.criterion](rule, marker, counted))

    whole = course()
    apart = [course(name) for name in values.laboratories(rule.marker, start, until)]
    rise = rise_in(
        _after(remissions, whole, marker), [_after(remissions, each, marker) for each in apart]
    )
    response = response_in(whole.series, [c.series for c in apart], rule.response, marker)
    if rise is not None and rule.is_silent_until_confirmed and rise.confirmed_by is None:
        rise = None
    return Reading(rule, marker, whole, rise, response)


def _after(remissions: Sequence[tuple[date, str]], course: Course, marker: Marker) -> Course:
    """The course with what recorded remissions mean for it, for a rule of a return."""
    below, series = course.rule.max_reference, course.series
    if below is None:
        return course
    read = [
        (on, resource)
        for on, resource in remissions
        if (on - series.start).days >= max(course.rule.ignore_first_days, 1)
    ]
    return replace(course, series=with_remissions(series, read, below, marker.unit))


def _told(reading: Reading, rises: Sequence[Rise]) -> list[Evidence]:
    """What one rule says, given the rises that all rules of its marker found."""
    rule, marker, series = reading.rule, reading.marker, reading.whole.series
    rise, response = reading.rise, reading.response
    if rule.remission_below is not None:
        return remission_evidence(series, rise, rule, marker)
    if rise is not None:
        return rise_evidence(rise, response, rule, marker)
    before = min((each.first.on for each in rises), default=None)
    if _is_contradictory(reading.whole):
        found = [] if response is None else [response_found(response, rule, marker)]
        return [*found, contradiction(series.days[-1].named, rule, marker)]
    if response is not None and before is not None and response.first.on < before:
        return [response_found(response, rule, marker), *_renewed(reading, rises)]
    if response is not None:
        return response_evidence(response, rule, marker)
    return [fall_evidence(series, rule, marker)] if has_halved(series) else []


def _renewed(reading: Reading, rises: Sequence[Rise]) -> list[Evidence]:
    """The response after what another rule confirmed, measured from the value that confirmed it."""
    confirmed = [rise.confirmed_by.on for rise in rises if rise.confirmed_by is not None]
    if not confirmed:
        return []
    since = max(confirmed)
    days = tuple(day for day in reading.whole.series.days if day.on >= since)
    response = response_in(Series(days, since), (), reading.rule.response, reading.marker)
    if response is None:
        return []
    return response_evidence(response, reading.rule, reading.marker)


def _speaks_for(rule: MarkerRule, line: Line) -> bool:
    """Whether the rule is for lines of such agents."""
    drugs = [use.drug for use in line.uses]
    if any(map(rule.not_under.include, drugs)):
        return False
    return rule.under.is_empty or any(map(rule.under.include, drugs))


def _is_ruled_out(rule: MarkerRule, values: Values) -> bool:
    """Whether a marker that has precedence is measurable."""
    limits = rule.only_without or {}
    return any(_highest(name, values) >= limit for name, limit in limits.items())


def _highest(marker: str, values: Values) -> Decimal:
    """The highest value of a marker; of none, less than any limit."""
    return values.once(
        ("highest", marker),
        lambda: max(
            (m.quantity.value for m in values.of(marker) if m.quantity is not None),
            default=Decimal("-Infinity"),
        ),
    )


def _without_excluded(
    series: Series, rule: MarkerRule, events: Sequence[Event], values: Values
) -> Series:
    """Leave out values that a procedure shortly before, or another value near, makes unreadable.

    Where a rise is a return from a low value, those of the first days are no low values yet.
    """
    kinds, early = rule.excluded_after, rule.ignore_first_days
    taken = unreadable_spans(rule, values)
    if not (kinds or taken or (rule.max_reference is not None and early)):
        return series
    done = values.once(
        ("done", kinds), lambda: sorted(e.until.last for e in events if e.kind in kinds)
    )
    window = timedelta(days=rule.excluded_days)
    kept = [
        d
        for d in series.days
        if not _lies_after(d.on, done, window)
        and not is_unreadable(d.on, taken)
        and not (rule.max_reference is not None and 0 < (d.on - series.start).days < early)
    ]
    return Series(tuple(kept), series.start)


def _lies_after(on: date, days: Sequence[date], window: timedelta) -> bool:
    """Whether one of the days, which lie in order, is that one or not long before it."""
    place = bisect_right(days, on)
    return place > 0 and on - days[place - 1] <= window


Spans = Sequence[tuple[date, date]]
"""First and last days, none overlapping, in order."""


def unreadable_spans(rule: MarkerRule, values: Values) -> Spans:
    """The days near which another value takes the meaning away from the marker.

    One below the limit of its assay ("<10") does not.
    """
    if not rule.unreadable_with:
        return ()
    return values.once(rule.unreadable_with, lambda: _spans(rule, values))


def _spans(rule: MarkerRule, values: Values) -> Spans:
    spans = sorted(
        (m.on.first - timedelta(other.within_days), m.on.first + timedelta(other.within_days))
        for other in rule.unreadable_with
        for m in values.of(other.marker)
        if m.quantity is not None
        and not m.quantity.is_upper_bound
        and m.quantity.value > other.above
    )
    apart: list[tuple[date, date]] = []
    for first, last in spans:
        if apart and first <= apart[-1][1]:
            apart[-1] = apart[-1][0], max(apart[-1][1], last)
        else:
            apart.append((first, last))
    return apart


def is_unreadable(on: date, spans: Spans) -> bool:
    """Whether a day lies in one of the spans."""
    at = bisect_right(spans, (on, date.max))
    return at > 0 and on <= spans[at - 1][1]


def _is_contradictory(course: Course) -> bool:
    """Whether results of the last day contradict each other about a rise."""
    days = course.series.days
    if len(days) < 2 or len(days[-1].points) < 2:
        return False
    reference = lowest_before(days[:-1])
    return len({course.satisfies(point, reference) for point in days[-1].points}) > 1
