"""Rows of marker rules → courses of a marker that just meet a number, and that just do not.

[[marker]]  rule, drug, marker (as the chart builders name it), unit
            multiplier, high: a rise by this factor from a lowest value as high as this
            delta, low: a rise by this amount from a lowest value as low as this
            exclusive: the amount itself is not enough
            confirm, confirm_within: fewest and most days to the confirming value
            ignore: values of so many first days do not count
            uln: the upper limit of normal that comes with the results
            minimum: the least value, from a lowest value of `low_for_minimum`
            span: fewest days from the lowest value to the confirming one
            fall, held_for, baseline: the share of a fall that is a response, for so many days,
            from this baseline at least
            without: another marker, which is measurable from this value on
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from charts import Resource, marker

from boundaries.probes import Probe, Row, chart_of, day

HAIR = 0.0001
"""A ten-thousandth more or less."""
FIRST = 120
"""The day of the value that rises, where it does not matter."""


def marker_probes(disease: str, row: Row) -> Iterator[Probe]:
    """Both sides of every number of a marker rule."""
    rule, apart = row["rule"], row.get("apart", max(row.get("confirm", 0), 7))
    first = row.get("first", FIRST)

    def probe(
        name: str, course: Sequence[tuple[int, float]], value: str, holds: bool = True, **how: Any
    ) -> Probe:
        made = [_value(row, on, number) for on, number in course]
        more = how.get("more", ())
        chart = chart_of(disease, row, *made, *more)
        says = how.get("says", "answer")
        return Probe(f"{rule}: {name}", rule, chart, says, value, holds)

    def rise(low: float, value: float) -> list[tuple[int, float]]:
        return [(-5, low * 1.5), (first - 40, low), (first, value), (first + apart, value)]

    if "multiplier" in row:
        low = row["high"]
        met = low * row["multiplier"]
        yield probe(f"{met:g} from {low:g}", rise(low, met), "held")
        yield probe(f"just below {met:g}", rise(low, met * (1 - HAIR)), "held", holds=False)
    if "delta" in row:
        low = row["low"]
        met = low + row["delta"]
        inside = met * (1 + HAIR) if row.get("exclusive") else met
        outside = met if row.get("exclusive") else met * (1 - HAIR)
        yield probe(f"{inside:g} from {low:g}", rise(low, inside), "held")
        yield probe(f"{outside:g} from {low:g}", rise(low, outside), "held", holds=False)
    if "minimum" in row:
        low, met = row["low_for_minimum"], row["minimum"]
        yield probe(f"as high as {met:g}", rise(low, met), "held")
        yield probe(f"not as high as {met:g}", rise(low, met * (1 - HAIR)), "held", holds=False)
    yield from _times(row, probe, first)
    yield from _response_probes(row, probe)
    for name, limit in row.get("without", {}).items():
        for value, holds in ((limit, False), (limit * (1 - HAIR), True)):
            other = marker(name, on=day(-5), value=value)
            course = rise(row["usual"][0], row["usual"][1])
            yield probe(f"{name} {value:g}", course, "held", holds=holds, more=[other])


def _times(row: Row, probe: Any, first: int) -> Iterator[Probe]:
    """When the confirming value counts, and from when on any value does."""
    if "usual" not in row:
        return
    low, high = row["usual"]
    start = [(-5, low * 1.5), (first - 40, low)]
    if row.get("confirm"):
        for later, holds in ((row["confirm"], True), (row["confirm"] - 1, False)):
            course = [*start, (first, high), (first + later, high)]
            yield probe(f"confirmed {later} days later", course, "held", holds=holds)
    if "confirm_within" in row:
        for later, holds in ((row["confirm_within"], True), (row["confirm_within"] + 1, False)):
            course = [*start, (first, high), (first + later, high)]
            yield probe(f"confirmed {later} days later", course, "held", holds=holds)
    if "span" in row:
        for later, holds in ((row["span"], True), (row["span"] - 1, False)):
            course = [(-5, low), (first, low), (first + 7, high), (first + later, high)]
            yield probe(f"{later} days from the lowest", course, "held", holds=holds)
    if "ignore" in row:
        apart = row.get("apart", max(row.get("confirm", 0), 7))
        for on, holds in ((row["ignore"], True), (row["ignore"] - 1, False)):
            course = [(-5, low), (on, high), (on + apart, high)]
            yield probe(f"first on day {on}", course, "held", holds=holds)


def _response_probes(row: Row, probe: Any) -> Iterator[Probe]:
    """A fall that is a response, and one that is just none."""
    if "fall" not in row:
        return
    base = row["baseline"]
    held = row.get("held_for", 0) or 7
    met = base * (1 - row["fall"])
    for value, holds in ((met, True), (met * (1 + HAIR), False)):
        course = [(-5, base), (60, value), (60 + held, value)]
        yield probe(f"down to {value:g}", course, "responding", holds=holds, says="status")
    if row.get("held_for"):
        course = [(-5, base), (60, met), (60 + held - 1, met)]
        yield probe(f"{held - 1} days low", course, "responding", holds=False, says="status")
    if row.get("least_baseline"):
        least = row["least_baseline"]
        for start, holds in ((least, True), (least * (1 - HAIR), False)):
            low = start * (1 - row["fall"]) * 0.5
            course = [(-5, start), (60, low), (60 + held, low)]
            yield probe(f"from {start:g}", course, "responding", holds=holds, says="status")


def _value(row: Row, on: int, number: float) -> Resource:
    return marker(
        row["marker"], day(on), round(number, 6), unit=row.get("unit"), high=row.get("uln")
    )
