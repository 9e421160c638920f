"""Limits of the values that a marker rule reads, and the falls that are a response.

below, from   only from a lowest value below this, from one at least so high; rising: to what value
steps         limits, of which a rise has to cross one; each with a value below it
unreadable    another marker, above a limit, so many days around
unusable      a patient whose values all lie below this does not make the marker: a flag says so
without       other markers, which are measurable from these values on
remission     lower values are remission, any other none
fall, held_for, baseline, least_baseline: the share of a fall that is a response, held for so many
              days, from this baseline, and at least from that one
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from charts import marker

from boundaries.markers import FIRST, rise
from boundaries.probes import HAIR, Probe, Row, day


def limit_probes(row: Row, probe: Any) -> Iterator[Probe]:
    yield from _lowest(row, probe)
    yield from _steps(row, probe)
    yield from _unreadable(row, probe)
    yield from _unusable(row, probe)
    yield from _remission(row, probe)


def _lowest(row: Row, probe: Any) -> Iterator[Probe]:
    """From how low, and from how high a value a rise counts."""
    for member, at_limit in (("below", False), ("from", True)):
        limit = row.get(member)
        for low, is_limit in ((limit, True), (limit * (1 - HAIR), False)) if limit else ():
            yield probe(f"from {low:g}", rise(row, low, row["rising"]), at_limit is is_limit)


def _steps(row: Row, probe: Any) -> Iterator[Probe]:
    for step, low in row.get("steps", []):
        for value, holds in ((step, False), (step * (1 + HAIR), True)):
            yield probe(f"from {low:g} to {value:g}", rise(row, low, value, low), holds)


def _unusable(row: Row, probe: Any) -> Iterator[Probe]:
    """Values that are all too low to be made by the tumour; other markers that have precedence."""
    if "unusable" in row:
        for value, holds in ((row["unusable"], False), (row["unusable"] * (1 - HAIR), True)):
            course = [(FIRST, value), (FIRST + 30, value)]
            said = {"says": "flags", "value": "marker-interference"}
            yield probe(f"values of {value:g}", course, holds, **said)
    for name, limit in row.get("without", {}).items():
        for value, holds in ((limit, False), (limit * (1 - HAIR), True)):
            other = marker(name, on=day(-5), value=value)
            yield probe(f"{name} {value:g}", rise(row, *row["usual"]), holds, more=[other])


def _remission(row: Row, probe: Any) -> Iterator[Probe]:
    if "remission" not in row:
        return
    limit, on = row["remission"], row.get("remission_on", FIRST)
    for value, finding in ((limit, "stable"), (limit * (1 - HAIR), "falling")):
        course, said = [(-5, limit * 4), (on, value)], f"{day(on)} {finding}"
        yield probe(f"{value:g} on day {on}", course, says="evidence", value=said)


def _unreadable(row: Row, probe: Any) -> Iterator[Probe]:
    if "unreadable" not in row:
        return
    other, first = row["unreadable"], row.get("first", FIRST)
    above, within = other["above"], other["within"]
    for value, days, holds in (
        (above, 0, True), (above * (1 + HAIR), 0, False),
        (above * 2, within, False), (above * 2, within + 1, True),
    ):  # fmt: skip
        more = [marker(other["marker"], day(first - days), round(value, 6))]
        name = f"{other['marker']} {value:g} {days} days before"
        yield probe(name, rise(row, *row["usual"]), holds, more=more)


def response_probes(row: Row, probe: Any) -> Iterator[Probe]:
    """A fall that is a response, and one that is just none."""
    if "fall" not in row:
        return

    def fall(name: str, course: list[tuple[int, float]], holds: bool) -> Probe:
        made: Probe = probe(name, course, holds, says="status", value="responding")
        return made

    base = row["baseline"]
    held = row.get("held_for", 0) or 7
    met = base * (1 - row["fall"])
    for value, holds in ((met, True), (met * (1 + HAIR), False)):
        yield fall(f"down to {value:g}", [(-5, base), (60, value), (60 + held, value)], holds)
    if row.get("held_for"):
        yield fall(f"{held - 1} days low", [(-5, base), (60, met), (60 + held - 1, met)], False)
    if row.get("least_baseline"):
        least = row["least_baseline"]
        for start, holds in ((least, True), (least * (1 - HAIR), False)):
            low = start * (1 - row["fall"]) * 0.5
            yield fall(f"from {start:g}", [(-5, start), (60, low), (60 + held, low)], holds)
