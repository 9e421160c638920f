"""Molecular milestones: whether a transcript fell as far as it should have by its time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from operator import attrgetter

import msgspec
from msgspec.structs import replace

from cds_service.clinical.evidence.evidence import MILESTONE, Evidence, Finding
from cds_service.clinical.evidence.series import Day, Point
from cds_service.clinical.evidence.values import Values
from cds_service.clinical.lines import Line
from cds_service.clinical.record import Fact
from cds_service.dates import PartialDate
from cds_service.knowledge.model import Milestone, Milestones

SHORTLY_DAYS = 28
"""A transcript taken so soon after the last dose still speaks of the drug."""
_on = attrgetter("on")


class _Before(msgspec.Struct, frozen=True, gc=False):
    """The lowest value of the day before, and how low any had been by then."""

    last: Point | None = None
    had_early_response: bool = False
    had_major_response: bool = False

    def then(self, point: Point, milestones: Milestones) -> _Before:
        return _Before(
            point,
            self.had_early_response or _is_at_most(point, milestones.early_response_at_most),
            self.had_major_response or _is_at_most(point, milestones.major_response_at_most),
        )


def from_milestones(
    milestones: Milestones, line: Line, values: Values, until: date
) -> list[Evidence]:
    """Every value of the transcript during the line, read against the milestone of its time."""
    if not any(milestones.agents.include(use.drug) for use in line.uses):
        return []
    days = values.series(milestones.marker, line.start.first, until).after_start()
    points = [day.lowest for day in days]
    before, found = _Before(), []
    for day, point in zip(days, points, strict=True):
        found.append(_read_day(day, point, before, points, milestones, line))
        before = before.then(point, milestones)
    return found


def _read_day(
    day: Day,
    lowest: Point,
    before: _Before,
    points: Sequence[Point],
    milestones: Milestones,
    line: Line,
) -> Evidence:
    """What all values of one day say; nothing where they do not say the same."""
    found = _read(lowest, before, points, milestones, line)
    for other in day.points:
        if _read(other, before, points, milestones, line).finding != found.finding:
            said = f"results of {other.on} contradict each other"
            doubted = _evidence(day.named, milestones, "not-evaluable", said)
            return replace(doubted, is_not_comparable=True)
    return found


def _read(
    point: Point, before: _Before, points: Sequence[Point], milestones: Milestones, line: Line
) -> Evidence:
    """One value, after what had been reached; `points` are the lowest of all days."""
    if before.had_major_response and point.on > line.last_dose.last:
        return _off_therapy(point, milestones, line)
    if (point.on - line.last_dose.last).days > SHORTLY_DAYS:
        said = f"more than {SHORTLY_DAYS} days after the last dose it does not speak of the drug"
        return _evidence(point, milestones, "not-evaluable", said)
    day = (point.on - line.start.first).days
    step = _step_due(milestones, day)
    if step is not None and _is_above(point, step.failure_above):
        return _missed(point, before, points, step, milestones)
    lost = _lost(point, before, milestones, day)
    if lost is not None:
        return lost
    limit = step.failure_above if step else milestones.early_response_at_most * 10
    if _is_at_most(point, limit):
        named = f" at {step.name}" if step else ""
        met = step is not None and _is_at_most(point, step.optimal_at_most)
        said = "milestone met" if met else "below the limit of failure"
        return _evidence(point, milestones, "falling", f"{said}{named}", is_response=True)
    unknown = f"only a bound, which does not tell at {step.name}" if step else ""
    said = unknown or "no milestone is due at this time"
    return _evidence(point, milestones, "not-evaluable", said)


def _is_at_most(point: Point, limit: Decimal) -> bool:
    """Whether the true value lies there for sure: a lower bound never tells."""
    return point.value <= limit and not point.quantity.is_lower_bound


def _is_above(point: Point, limit: Decimal) -> bool:
    """Whether the true value lies above for sure: an upper bound never tells, ">10" is above 10."""
    if point.quantity.is_upper_bound:
        return False
    return point.value > limit or (point.quantity.comparator == ">" and point.value == limit)


def from_variants(
    milestones: Milestones,
    line: Line,
    facts: Sequence[Fact],
    values: Values,
    until: date,
) -> list[Evidence]:
    """Resistance mutations found during the line; after a milestone had been met they are new."""
    if not facts or not any(milestones.agents.include(use.drug) for use in line.uses):
        return []
    start = line.start.first
    days = values.series(milestones.marker, start, until).after_start()
    met = next(
        (day.on for day in days if all(_is_met(p, start, milestones) for p in day.points)),
        date.max,
    )
    return [
        Evidence(
            resource=fact.resource,
            on=fact.on,
            kind="molecular",
            finding="progression",
            detail=f"resistance mutation found ({fact.name.removeprefix('variant-').upper()})",
            rank=MILESTONE,
            is_formal=True,
            rule=milestones.id,
            missed="mutation",
            was_reached=met < fact.on.first,
        )
        for fact in facts
        if fact.value == "positive"
        and fact.on is not None
        and fact.name.removeprefix("variant-") in milestones.resistance_genes
        and start < fact.on.last
        and fact.on.first <= until
    ]


def _step_due(milestones: Milestones, day: int) -> Milestone | None:
    return next(
        (
            step
            for step in milestones.steps
            if step.from_day <= day and (step.to_day is None or day <= step.to_day)
        ),
        None,
    )


def _is_met(point: Point, start: date, milestones: Milestones) -> bool:
    """Whether a value is a response: a milestone met at its time, or the early response at any."""
    step = _step_due(milestones, (point.on - start).days)
    limit = milestones.early_response_at_most
    return _is_at_most(point, max(limit, step.optimal_at_most) if step else limit)


def _missed(
    point: Point, before: _Before, points: Sequence[Point], step: Milestone, milestones: Milestones
) -> Evidence:
    said = f"above {step.failure_above} % at {step.name}"
    if not step.confirm_to:
        reached = before.had_early_response
        return _evidence(
            point, milestones, "progression", said, missed=step.name, was_reached=reached
        )
    since = point.on + min(timedelta(max(step.confirm_from, 1)), date.max - point.on)
    until = point.on + min(timedelta(step.confirm_to), date.max - point.on)
    first, last = bisect_left(points, since, key=_on), bisect_right(points, until, key=_on)
    later = points[first:last]
    confirming = next((p for p in later if _is_above(p, step.failure_above)), None)
    if confirming is not None:
        found = _evidence(point, milestones, "progression", f"{said}, confirmed", missed=step.name)
        return replace(found, confirmed_on=PartialDate.on(confirming.on))
    return _evidence(
        point,
        milestones,
        "unconfirmed-progression",
        f"{said}, not confirmed",
        missed=step.name,
        is_unconfirmed=True,
    )


def _lost(point: Point, before: _Before, milestones: Milestones, day: int) -> Evidence | None:
    """A response that an earlier value had reached and this one has left."""
    if not _is_above(point, milestones.major_response_at_most):
        return None
    limit = milestones.early_response_at_most
    if before.last is not None and before.had_early_response and _is_above(point, limit):
        said = f"was at most {limit} % and is above it again on day {day}"
        if _is_above(before.last, limit):
            # twice in a row: suggests loss of response, though no milestone is due yet
            return _evidence(
                point, milestones, "progression", f"{said}, twice", missed="loss", was_reached=True
            )
        return _evidence(point, milestones, "unconfirmed-progression", said, is_unconfirmed=True)
    if before.had_major_response:
        return _evidence(
            point,
            milestones,
            "unconfirmed-progression",
            "major molecular response lost",
            is_unconfirmed=True,
        )
    return None


def _off_therapy(point: Point, milestones: Milestones, line: Line) -> Evidence:
    """After a stop in deep response: loss of it is the end of treatment-free remission."""
    if _is_at_most(point, milestones.major_response_at_most):
        return _evidence(
            point, milestones, "remission", "treatment-free remission", is_response=True
        )
    if not _is_above(point, milestones.major_response_at_most):
        said = "only a bound, which does not tell whether the remission holds"
        return _evidence(point, milestones, "not-evaluable", said)
    said = "major molecular response lost after the treatment was stopped"
    is_planned = line.stopped_for("completed")
    return replace(_evidence(point, milestones, "relapse", said), is_off_therapy=is_planned)


def _evidence(
    point: Point,
    milestones: Milestones,
    finding: Finding,
    said: str,
    *,
    missed: str = "",
    was_reached: bool = False,
    is_unconfirmed: bool = False,
    is_response: bool = False,
) -> Evidence:
    return Evidence(
        resource=point.resource,
        on=PartialDate.on(point.on),
        kind="molecular",
        finding=finding,
        detail=f"BCR::ABL1 {_percent(point)} (International Scale): {said}",
        rank=MILESTONE,
        is_formal=True,
        is_response=is_response,
        is_unconfirmed=is_unconfirmed,
        rule=milestones.id,
        missed=missed,
        was_reached=was_reached,
        is_signal_only=missed == "loss",
    )


def _percent(point: Point) -> str:
    return f"{point.quantity.comparator}{Decimal(point.value).normalize():f} %"
