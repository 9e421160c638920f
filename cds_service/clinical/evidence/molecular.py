"""Molecular milestones: whether a transcript fell as far as it should have by its time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

from cds_service.clinical.evidence.evidence import MILESTONE, Evidence, Finding
from cds_service.clinical.evidence.series import Day, Point, series_of
from cds_service.clinical.lines import Line
from cds_service.clinical.record import Fact, Measurement
from cds_service.dates import PartialDate
from cds_service.knowledge.model import Milestone, Milestones


def from_milestones(
    milestones: Milestones, line: Line, measurements: Sequence[Measurement], until: date
) -> list[Evidence]:
    """Every value of the transcript during the line, read against the milestone of its time."""
    if not any(milestones.agents.include(use.drug) for use in line.uses):
        return []
    start = line.start.first
    days = series_of(milestones.marker, measurements, start, until).after_start()
    points = [day.lowest for day in days]
    last_dose = line.last_dose.last
    return [
        _read_day(position, days, points, milestones, start, last_dose)
        for position in range(len(days))
    ]


def _read_day(
    position: int,
    days: Sequence[Day],
    points: Sequence[Point],
    milestones: Milestones,
    start: date,
    last_dose: date,
) -> Evidence:
    """What all values of one day say; nothing where they do not say the same."""
    found = _read(position, points, milestones, start, last_dose)
    for other in days[position].points:
        instead = [*points[:position], other, *points[position + 1 :]]
        if _read(position, instead, milestones, start, last_dose).finding != found.finding:
            said = f"results of {other.on} contradict each other"
            doubted = _evidence(days[position].named, milestones, "not-evaluable", said)
            return replace(doubted, is_not_comparable=True)
    return found


def _read(
    position: int, points: Sequence[Point], milestones: Milestones, start: date, last_dose: date
) -> Evidence:
    point = points[position]
    if point.on > last_dose and _had_major_response(points[:position], milestones):
        return _off_therapy(point, milestones)
    day = (point.on - start).days
    step = next((s for s in milestones.steps if _is_due(s, day)), None)
    value = point.value
    if step is not None and value > step.failure_above and not point.quantity.is_upper_bound:
        return _missed(position, points, step, milestones)
    lost = _lost(position, points, milestones, day)
    if lost is not None:
        return lost
    if value <= milestones.early_response_at_most * 10:
        named = f" at {step.name}" if step else ""
        met = step is not None and value <= step.optimal_at_most
        said = "milestone met" if met else "below the limit of failure"
        return _evidence(point, milestones, "falling", f"{said}{named}", is_response=True)
    return _evidence(point, milestones, "not-evaluable", "no milestone is due at this time")


def from_variants(
    milestones: Milestones, line: Line, facts: Sequence[Fact], until: date
) -> list[Evidence]:
    """Resistance mutations found during the line."""
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
        )
        for fact in facts
        if fact.value == "positive"
        and fact.on is not None
        and fact.name.removeprefix("variant-") in milestones.resistance_genes
        and line.start.first < fact.on.last
        and fact.on.first <= until
        and any(milestones.agents.include(use.drug) for use in line.uses)
    ]


def _is_due(step: Milestone, day: int) -> bool:
    return step.from_day <= day and (step.to_day is None or day <= step.to_day)


def _missed(
    position: int, points: Sequence[Point], step: Milestone, milestones: Milestones
) -> Evidence:
    point = points[position]
    said = f"above {step.failure_above} % at {step.name}"
    reached = any(p.value <= milestones.early_response_at_most for p in points[:position])
    if not step.confirm_to:
        return _evidence(
            point, milestones, "progression", said, missed=step.name, was_reached=reached
        )
    later = [
        p
        for p in points[position + 1 :]
        if step.confirm_from <= (p.on - point.on).days <= step.confirm_to
    ]
    if any(p.value > step.failure_above for p in later):
        return _evidence(point, milestones, "progression", f"{said}, confirmed", missed=step.name)
    return _evidence(
        point,
        milestones,
        "unconfirmed-progression",
        f"{said}, not confirmed",
        missed=step.name,
        is_unconfirmed=True,
    )


def _lost(
    position: int, points: Sequence[Point], milestones: Milestones, day: int
) -> Evidence | None:
    """A response that an earlier value had reached and this one has left."""
    point, earlier = points[position], points[:position]
    if point.value <= milestones.major_response_at_most:
        return None
    limit = milestones.early_response_at_most
    if any(p.value <= limit for p in earlier) and point.value > limit:
        said = f"was at most {limit} % and is above it again on day {day}"
        if earlier[-1].value > limit:
            # twice in a row: suggests loss of response, though no milestone is due yet
            return _evidence(
                point, milestones, "progression", f"{said}, twice", missed="loss", was_reached=True
            )
        return _evidence(point, milestones, "unconfirmed-progression", said, is_unconfirmed=True)
    if _had_major_response(earlier, milestones):
        return _evidence(
            point,
            milestones,
            "unconfirmed-progression",
            "major molecular response lost",
            is_unconfirmed=True,
        )
    return None


def _had_major_response(points: Sequence[Point], milestones: Milestones) -> bool:
    return any(p.value <= milestones.major_response_at_most for p in points)


def _off_therapy(point: Point, milestones: Milestones) -> Evidence:
    """After a stop in deep response: loss of it is the end of treatment-free remission."""
    if point.value <= milestones.major_response_at_most:
        return _evidence(
            point, milestones, "remission", "treatment-free remission", is_response=True
        )
    return _evidence(
        point,
        milestones,
        "relapse",
        "major molecular response lost after the treatment was stopped",
    )


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
