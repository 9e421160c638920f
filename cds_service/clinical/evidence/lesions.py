"""Sizes of lesions → response by RECIST 1.1, where time points can be compared at all.

Source: Eisenhauer 2009, RECIST 1.1 (target lesions; sums, nadir, five millimetres; lymph nodes).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from cds_service.clinical.evidence.evidence import FORMAL, Evidence, Finding
from cds_service.clinical.evidence.series import BASELINE_DAYS
from cds_service.clinical.lines import Line
from cds_service.clinical.record import Lesion
from cds_service.dates import PartialDate
from cds_service.quantities import format_decimal

SYSTEM = "recist-1.1"
MEASURABLE, MEASURABLE_NODE, NORMAL_NODE = Decimal(10), Decimal(15), Decimal(10)
"""Millimetres: the least of a lesion, and of a node's short axis, that can be a target; below the
last a node is normal."""
GROWTH, LEAST_GROWTH, SHRINKAGE = Decimal("0.2"), Decimal(5), Decimal("0.3")
"""Progression: this share and so many millimetres over the lowest sum; response: this share below
the baseline."""
MOST_TARGETS = 5


@dataclass(frozen=True, slots=True)
class TimePoint:
    """The lesions that were measured on one day, by who they are."""

    on: date
    lesions: dict[str, Lesion]
    methods: frozenset[str]
    is_contradictory: bool

    def sum_of(self, targets: Iterable[str]) -> Decimal:
        return sum((self.lesions[name].millimetres for name in targets), Decimal(0))


def from_lesions(
    lesions: Sequence[Lesion], said: Sequence[Evidence], line: Line, until: date
) -> list[Evidence]:
    """What the sizes of target lesions, in order of days, say of a line, point by point.

    The baseline is the last one before the line, at most 90 days old, else the first on it. It
    takes two time points with the same lesions, measured in the same way; what cannot be compared
    decides nothing beside what somebody `said`, and is not evaluable without it. A lesion that was
    not measured before is new only where the chart calls it so. On one day a coded category stands
    above the sum, which then supports only.
    """
    points = _time_points(lesions, line.start.first, until)
    if len(points) < 2:
        return []
    baseline = points[0]
    targets = tuple(sorted(name for name, one in baseline.lesions.items() if _is_target(one)))
    if not targets or baseline.is_contradictory:
        return []
    coded = {e.on.first for e in said if e.is_formal and e.on.is_exact}
    found: list[Evidence] = []
    lowest = baseline
    for point in points[1:]:
        hindrance = _hindrance(point, baseline, targets)
        new = next((one for one in point.lesions.values() if one.is_new), None)
        if new is not None:
            evidence = _evidence(new, point, "progression", "a new lesion", is_new=True)
        elif hindrance:
            evidence = _not_comparable(point, hindrance, decides=not said)
        else:
            finding, detail = _reading(point, baseline, lowest, targets)
            lowest = min(lowest, point, key=lambda one: one.sum_of(targets))
            evidence = _evidence(
                _largest(point, targets), point, finding, detail, decides=point.on not in coded
            )
        if point.on > line.start.first:
            found.append(evidence)
    return found


def _time_points(lesions: Sequence[Lesion], start: date, until: date) -> list[TimePoint]:
    """The days with named lesions: the last one before the line, then those of the line."""
    days: dict[date, list[Lesion]] = {}
    since = start - min(timedelta(BASELINE_DAYS), start - date.min)
    first = bisect_left(lesions, since, key=_first_day)
    for lesion in lesions[first : bisect_right(lesions, until, key=_first_day)]:
        if lesion.on.is_exact and lesion.identity:
            days.setdefault(lesion.on.first, []).append(lesion)
    before = [on for on in days if on <= start]
    own = [on for on in days if on > start]
    return [_time_point(on, days[on]) for on in sorted([*_last(before), *own])]


def _first_day(lesion: Lesion) -> date:
    return lesion.on.first


def _last(days: Sequence[date]) -> list[date]:
    return [max(days)] if days else []


def _time_point(on: date, measured: Sequence[Lesion]) -> TimePoint:
    lesions: dict[str, Lesion] = {}
    is_contradictory = False
    for lesion in sorted(measured, key=lambda one: one.resource):
        same = lesions.setdefault(lesion.identity, lesion)
        is_contradictory = is_contradictory or same.millimetres != lesion.millimetres
    methods = frozenset(lesion.method for lesion in measured)
    return TimePoint(on, lesions, methods, is_contradictory)


def _is_target(lesion: Lesion) -> bool:
    return lesion.millimetres >= (MEASURABLE_NODE if lesion.is_node else MEASURABLE)


def _hindrance(point: TimePoint, baseline: TimePoint, targets: Sequence[str]) -> str:
    """Why a time point cannot be compared with the baseline; empty where it can."""
    if len(targets) > MOST_TARGETS:
        return f"more than {MOST_TARGETS} lesions could be targets"
    if point.is_contradictory:
        return "one lesion has two sizes"
    if not point.lesions.keys() >= set(targets):
        return "not all lesions of the baseline were measured"
    if point.methods != baseline.methods:
        return "measured by another method"
    return ""


def _reading(
    point: TimePoint, baseline: TimePoint, nadir: TimePoint, targets: Sequence[str]
) -> tuple[Finding, str]:
    """The category of a sum against the baseline and the lowest sum, and how it came about."""
    total, first = point.sum_of(targets), baseline.sum_of(targets)
    low = nadir.sum_of(targets)
    growth = total - low
    said = f"sum of {len(targets)} target lesions {format_decimal(total)} mm"
    if growth >= LEAST_GROWTH and growth >= GROWTH * low:
        percent = "" if low == 0 else f"{round(growth / low * 100)} % and "
        return (
            "progression",
            f"{said}: {percent}{format_decimal(growth)} mm over the lowest, "
            f"{format_decimal(low)} mm on {nadir.on}",
        )
    since = f", from {format_decimal(first)} mm on {baseline.on}"
    if all(_is_gone(one) for one in point.lesions.values()):
        return "complete-response", said + since
    if total <= (1 - SHRINKAGE) * first:
        return "partial-response", said + since
    return "stable", said + since


def _is_gone(lesion: Lesion) -> bool:
    return lesion.millimetres < NORMAL_NODE if lesion.is_node else lesion.millimetres == 0


def _largest(point: TimePoint, targets: Iterable[str]) -> Lesion:
    """The lesion that stands for a time point: the largest target, of equals the first by name."""
    return min((point.lesions[name] for name in targets), key=lambda one: -one.millimetres)


def _evidence(
    lesion: Lesion,
    point: TimePoint,
    finding: Finding,
    detail: str,
    *,
    is_new: bool = False,
    decides: bool = True,
) -> Evidence:
    beside = "" if decides else "; the category recorded that day stands above it"
    return Evidence(
        resource=lesion.resource,
        on=PartialDate.on(point.on),
        kind="imaging",
        finding=finding,
        detail=f"RECIST 1.1 by size: {detail}{beside}",
        rank=FORMAL,
        is_response=finding in ("complete-response", "partial-response"),
        is_formal=True,
        is_new_lesion=is_new,
        decides=decides,
    )


def _not_comparable(point: TimePoint, why: str, *, decides: bool) -> Evidence:
    return Evidence(
        resource=min(one.resource for one in point.lesions.values()),
        on=PartialDate.on(point.on),
        kind="imaging",
        finding="not-evaluable",
        detail=f"sizes of lesions cannot be compared: {why}",
        rank=FORMAL,
        is_not_comparable=True,
        decides=decides,
    )
