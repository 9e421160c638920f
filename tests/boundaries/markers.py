"""Rows of marker rules → courses of a marker that just meet a number, and that just do not.

[[marker]]  rule, drug, marker (as the chart builders name it), unit; uln: the upper limit of normal
            that comes with the results; beside: another marker of every day, with its value, of
            which this one is the higher by the numbers of the row
            multiplier, high: a rise by this factor (or more than it: exclusive_multiplier) from a
            lowest value as high as this
            delta, low: a rise by this amount (or more than it: exclusive) from one as low as this
            high_nadir, high_delta: from a lowest value as high as this, this rise suffices
            minimum: the least value, from a lowest value of `low_for_minimum`
            plateau: values above this share of the first are a rise; floor: from one this high
            single: one value suffices; unverified: it only ever suggests
            usual: a lowest value and a full rise, for what follows; first: the day of the rise
            and all of `marker_times.py` and `marker_limits.py`
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from charts import Resource, marker

from boundaries.probes import HAIR, Probe, Row, chart_of, day

FIRST = 120
"""The day of the value that rises, where it does not matter."""
BEFORE = 70
"""Days from the lowest value to the rise."""
Course = Sequence[tuple[int, float]]


def marker_probes(disease: str, row: Row) -> Iterator[Probe]:
    """Both sides of every number of a marker rule."""
    from boundaries.marker_limits import limit_probes, response_probes
    from boundaries.marker_times import time_probes

    rule = row["rule"]

    def probe(name: str, course: Course, holds: bool = True, **how: Any) -> Probe:
        signs = [made for on, number in course for made in values(row, on, number)]
        chart = chart_of(disease, row, *signs, *how.get("more", ()))
        said = "unverified" if row.get("unverified") else "held"
        return Probe(
            f"{rule}: {name}", rule, chart, how.get("says", "answer"), how.get("value", said), holds
        )

    yield from _size_probes(row, probe)
    yield from _plateau_probes(row, probe)
    yield from time_probes(row, probe)
    yield from limit_probes(row, probe)
    yield from response_probes(row, probe)


def values(row: Row, on: int, number: float) -> list[Resource]:
    """The result of one day, with that of the marker beside it."""
    beside, made = row.get("beside", {}), []
    for name, value in beside.items():
        made.append(marker(name, day(on), value, unit=row.get("unit")))
        number += value
    number = round(number, 6)
    return [
        *made,
        marker(row["marker"], day(on), number, unit=row.get("unit"), high=row.get("uln")),
    ]


def apart(row: Row) -> int:
    """Days from the first to the confirming value."""
    return int(row.get("apart", max(row.get("confirm", 0), 7)))


def rise(row: Row, low: float, value: float, before: float | None = None) -> Course:
    """Down to the lowest value, and up again, twice where a second one has to confirm it."""
    first = row.get("first", FIRST)
    start = [(-5, low * 3 if before is None else before), (first - BEFORE, low), (first, value)]
    if row.get("single"):
        return start
    return [*start, (first + apart(row), value * row.get("then", 1))]


def _size_probes(row: Row, probe: Any) -> Iterator[Probe]:
    """How far the value has to lie above the lowest one, and how high at all."""
    if "multiplier" in row:
        low = row["high"]
        yield from _sides(row, probe, low, low * row["multiplier"], "exclusive_multiplier")
    if "delta" in row:
        low = row["low"]
        yield from _sides(row, probe, low, low + row["delta"], "exclusive")
    if "high_nadir" in row:
        low, delta = row["high_nadir"], row["high_delta"]
        for start, value, holds in (
            (low, low + delta, True), (low, low + delta * (1 - HAIR), False),
            (low * (1 - HAIR), low + delta, False),
        ):  # fmt: skip
            yield probe(f"{value:g} from {start:g}", rise(row, start, value), holds)
    if "minimum" in row:
        low, met = row["low_for_minimum"], row["minimum"]
        over = row.get("exclusive_minimum", False)
        for value, holds in (
            (met, not over), (met * (1 - HAIR), False), (met * (1 + HAIR), True),
        ):  # fmt: skip
            yield probe(f"as high as {value:g}", rise(row, low, value), holds)
    if not {"multiplier", "delta", "plateau"} & row.keys() and "usual" in row:
        # no least rise: the next value up is enough
        met = row.get("minimum", row["usual"][0])
        low, value = (met * (1 - HAIR), met) if "below" in row else (met, met * (1 + HAIR))
        yield probe(f"{value:g} from {low:g}", rise(row, low, value))


def _sides(row: Row, probe: Any, low: float, met: float, strict: str) -> Iterator[Probe]:
    inside, outside = (met * (1 + HAIR), met) if row.get(strict) else (met, met * (1 - HAIR))
    yield probe(f"{inside:g} from {low:g}", rise(row, low, inside))
    yield probe(f"{outside:g} from {low:g}", rise(row, low, outside), holds=False)


def _plateau_probes(row: Row, probe: Any) -> Iterator[Probe]:
    """Values of every week that hardly fall, or just enough."""
    if "plateau" not in row:
        return
    share, floor, span = row["plateau"], row["floor"], row["span"]
    days = [30 + 7 * n for n in range(span // 7 + 1)]
    for factor, holds in ((share, False), (share * (1 + HAIR), True)):
        course = [(on, floor * 100 * factor) for on in days[1:]]
        start = [(-5, floor * 300), (days[0], floor * 100)]
        yield probe(f"{factor:g} of the first", [*start, *course], holds)
    for low, holds in ((floor, True), (floor * (1 - HAIR), False)):
        course = [(on, low * 0.99**n) for n, on in enumerate(days)]
        yield probe(f"a plateau at {low:g}", [(-5, floor * 300), *course], holds)
