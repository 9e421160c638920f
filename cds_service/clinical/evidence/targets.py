"""What a drug has to have reached by now: counts, a spleen, a transfusion that is still needed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from operator import attrgetter

from cds_service.clinical.evidence.evidence import MILESTONE, Evidence, Kind
from cds_service.clinical.evidence.series import Day, Point, Series
from cds_service.clinical.evidence.values import Values
from cds_service.clinical.lines import Line
from cds_service.clinical.record import Event
from cds_service.dates import PartialDate
from cds_service.knowledge.model import Sign, Target

SAME_TIME_DAYS = 7
_on = attrgetter("on")
SHORTLY_DAYS = 28
"""A count taken so soon after the last dose still speaks of the drug."""


def from_target(
    target: Target,
    line: Line,
    values: Values,
    events: Sequence[Event],
    until: date,
) -> list[Evidence]:
    """Every day from `from_day` on, on which the target can be told to be missed or reached.

    It is missed where all its signs are there, and reached where none of its values is one. Values
    count within a week of the day, procedures on the day itself. What was reached before and is
    missed now was lost.
    """
    uses = [use for use in line.uses if target.agents.include(use.drug)]
    if not uses:
        return []
    first = min(use.first.first for use in uses)
    due = first + timedelta(days=target.from_day)
    last = max(use.last.last for use in uses)
    series = {
        sign.marker: values.series(sign.marker, first, until)
        for sign in target.missed_by
        if sign.marker
    }
    asked = sum(bool(sign.marker) for sign in target.missed_by)
    found: list[Evidence] = []
    was_reached = False
    done = values.once("done", lambda: _first_of_its_day(events))
    for on in sorted({*_days(series, done, target)}):
        if not due <= on <= min(until, last + timedelta(days=SHORTLY_DAYS)):
            continue
        told = [_told(sign, on, series, done) for sign in target.missed_by]
        signs = [said for said in told if said is not None and said.holds]
        measured = [said for said in told if said is not None and said.point is not None]
        if len(signs) == len(told):
            found.append(_missed(target, on, signs, was_reached=was_reached))
        elif measured and len(measured) == asked and not any(said.holds for said in measured):
            was_reached = True
            if target.is_response_when_reached:
                found.append(_reached(target, on, measured[0]))
    return found


@dataclass(frozen=True, slots=True)
class Said:
    """What one sign says on a day, and the value or procedure that says it."""

    holds: bool
    words: str
    resource: str
    point: Point | None = None


Done = Mapping[str, Mapping[date, Event]]
"""By kind and first day, the first event in order."""


def _first_of_its_day(events: Sequence[Event]) -> Done:
    done: dict[str, dict[date, Event]] = {}
    for event in events:
        done.setdefault(event.kind, {}).setdefault(event.on.first, event)
    return done


def _days(series: dict[str, Series], done: Done, target: Target) -> Iterator[date]:
    for each in series.values():
        yield from (day.on for day in each.after_start())
    for kind in {sign.procedure for sign in target.missed_by if sign.procedure}:
        yield from (on for on, event in done.get(kind, {}).items() if event.on.is_exact)


def _told(sign: Sign, on: date, series: dict[str, Series], done: Done) -> Said | None:
    if sign.procedure:
        event = done.get(sign.procedure, {}).get(on)
        return Said(True, sign.procedure, event.resource) if event else None
    own = series[sign.marker]
    day = _nearest(own, on)
    if day is None:
        return None
    holds = [_holds(sign, point, own) for point in day.points]
    if None in holds or len(set(holds)) > 1:
        return None
    point = day.named
    return Said(bool(holds[0]), f"{sign.marker} {point.quantity}", point.resource, point)


def _nearest(series: Series, on: date) -> Day | None:
    """The day of values nearest to a day, not after it and within the week."""
    place = bisect_right(series.days, on, key=_on)
    day = series.days[place - 1] if place else None
    if day is None or day.on <= series.start or (on - day.on).days > SAME_TIME_DAYS:
        return None
    return day


def _holds(sign: Sign, point: Point, series: Series) -> bool | None:
    """Whether a value is the sign; None where it cannot be told."""
    said: list[bool | None] = []
    if sign.above is not None:
        said.append(_is_above(point, sign.above))
    if sign.below is not None:
        said.append(_is_below(point, sign.below))
    if (sign.falls_less_than, sign.falls_at_most, sign.rises_less_than) != (None, None, None):
        said.append(_has_not_moved(sign, point, series))
    if sign.baseline_above is not None:
        baseline = _baseline(series)
        said.append(None if baseline is None else baseline > sign.baseline_above)
    if False in said:
        return False
    return None if None in said else True


def _is_above(point: Point, limit: Decimal) -> bool | None:
    if point.quantity.is_upper_bound:
        return False if point.value <= limit else None
    if point.quantity.is_lower_bound:
        return True if point.value >= limit else None
    return point.value > limit


def _is_below(point: Point, limit: Decimal) -> bool | None:
    if point.quantity.is_lower_bound:
        return False if point.value >= limit else None
    if point.quantity.is_upper_bound:
        return True if point.value <= limit else None
    return point.value < limit


def _has_not_moved(sign: Sign, point: Point, series: Series) -> bool | None:
    baseline = _baseline(series)
    if baseline is None or baseline < sign.min_baseline or point.quantity.comparator:
        return None
    if sign.falls_less_than is not None and point.value <= baseline * (1 - sign.falls_less_than):
        return False
    if sign.falls_at_most is not None and point.value < baseline * (1 - sign.falls_at_most):
        return False
    return sign.rises_less_than is None or point.value < baseline + sign.rises_less_than


def _baseline(series: Series) -> Decimal | None:
    day = series.baseline
    return None if day is None or day.on > series.start else day.lowest.value


def _missed(target: Target, on: date, told: Sequence[Said], *, was_reached: bool) -> Evidence:
    said = " and ".join(each.words for each in told)
    if target.is_intolerance:
        return Evidence(
            resource=told[0].resource,
            on=PartialDate.on(on),
            kind=_kind(told),
            finding="not-evaluable",
            detail=f"{said}: intolerance by the definition",
            rank=MILESTONE,
            rule=target.id,
            is_intolerance=True,
            decides=False,
        )
    return Evidence(
        resource=told[0].resource,
        on=PartialDate.on(on),
        kind=_kind(told),
        finding="progression",
        detail=f"{said}: the response asked for is missed",
        rank=MILESTONE,
        is_formal=True,
        rule=target.id,
        missed="target",
        was_reached=was_reached,
        is_signal_only=target.is_signal_only,
    )


def _reached(target: Target, on: date, said: Said) -> Evidence:
    return Evidence(
        resource=said.resource,
        on=PartialDate.on(on),
        kind=_kind([said]),
        finding="falling",
        detail=f"{said.words}: within what is asked for",
        rank=MILESTONE,
        is_formal=True,
        is_response=True,
        rule=target.id,
    )


def _kind(told: Sequence[Said]) -> Kind:
    return "haematology" if any(said.point for said in told) else "procedure"
