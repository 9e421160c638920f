"""Rows of milestones → transcripts on both sides of each day and limit.

[[milestone]]  steps: name, from, to, optimal, failure, confirm = [fewest, most] days
               major, early: the responses that can be lost
               exposure: fewest days on the drug; full: mg a day of each drug, share
               gene: a variant that is failure at any time
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from charts import Resource, transcript, variant

from boundaries.probes import HAIR, Probe, Row, chart_of, day


def milestone_probes(disease: str, row: Row) -> Iterator[Probe]:
    rule = row["rule"]

    def probe(
        name: str, course: Sequence[tuple[int, float]], says: str, value: Any, holds: bool = True,
        **how: Any,
    ) -> Probe:  # fmt: skip
        signs = [*how.pop("signs", ()), *(_value(on, number) for on, number in course)]
        chart = chart_of(disease, how.pop("row", row), *signs, **how)
        return Probe(f"{rule}: {name}", rule, chart, says, value, holds)

    for step in row["steps"]:
        yield from _step_probes(step, probe)
    yield from _lost(row, probe)
    yield from _exposure(row, probe)
    if "gene" in row:
        yield from _variants(row, probe)


def _value(on: int, number: float) -> Resource:
    return transcript("IS", day(on), round(number, 6), id=f"transcript-{on}")


def _step_probes(step: Row, probe: Any) -> Iterator[Probe]:
    name, limit, first = step["name"], step["failure"], step["from"]
    high = limit * (1 + HAIR)
    failed = "unconfirmed-progression" if "confirm" in step else "progression"
    for value, holds in ((high, True), (limit, False)):
        said = f"{day(first)} {failed}"
        yield probe(f"{value:g} on day {first}", [(first, value)], "evidence", said, holds)
    days = [(first, True), (first - 1, False)]
    days += [(step["to"], True), (step["to"] + 1, False)] if "to" in step else []
    said = f"above {limit:g} % at {name}" + (", not confirmed" if "confirm" in step else "")
    for on, holds in days:
        yield probe(f"{name} on day {on}", [(on, high)], "told", said, holds)
    for value, met in ((step["optimal"], True), (step["optimal"] * (1 + HAIR), False)):
        course = [(first, value)]
        yield probe(f"{value:g} at {name}", course, "told", f"milestone met at {name}", met)
    if "confirm" in step:
        fewest, most = step["confirm"]
        last = step.get("to", first + most)
        for later, holds in ((fewest, True), (fewest - 1, False), (most, True), (most + 1, False)):
            course = [(last, high), (last + later, high)]
            said = f"{day(last)} progression"
            yield probe(f"again {later} days later", course, "evidence", said, holds)


def _lost(row: Row, probe: Any) -> Iterator[Probe]:
    """Responses that were reached, and are left."""
    early, major = row["early"], row["major"]
    for low, holds in ((early, True), (early * (1 + HAIR), False)):
        course = [(215, low), (250, early * 1.5), (280, early * 1.5)]
        yield probe(
            f"{low:g}, then above {early:g} twice", course, "evidence", f"{day(280)} progression",
            holds,
        )  # fmt: skip
    for high, holds in ((early * (1 + HAIR), True), (early, False)):
        course = [(215, early / 2), (250, high), (280, high)]
        said = f"{day(280)} progression"
        yield probe(f"from {early / 2:g} to {high:g} twice", course, "evidence", said, holds)
    said = "major molecular response lost"
    for low, holds in ((major, True), (major * (1 + HAIR), False)):
        yield probe(f"{low:g}, then more", [(500, low), (600, major * 3)], "told", said, holds)
    for high, holds in ((major * (1 + HAIR), True), (major, False)):
        said = "major molecular response lost"
        yield probe(
            f"from little to {high:g}", [(500, major / 2), (600, high)], "told", said, holds
        )


def _exposure(row: Row, probe: Any) -> Iterator[Probe]:
    """Too few days, or too little a day, to be judged."""
    step = next(step for step in row["steps"] if "confirm" in step)
    high = step["failure"] * 2
    for days, short in ((row["exposure"], False), (row["exposure"] - 1, True)):
        course = [(days + 20, high), (days + 20 + step["confirm"][0], high)]
        yield probe(
            f"{days} days of it", course, "caveats", "inadequate-exposure", short, until=days
        )
    later = row["steps"][1]
    missed = [(later["from"], later["failure"] * 2)]
    for drug, full in row.get("full", {}).items():
        met = full * row.get("share", 0.8)
        for mg, short in ((met, False), (round(met * (1 - HAIR / 10), 4), True)):
            yield probe(
                f"{drug} {mg:g} mg", missed, "caveats", "inadequate-exposure", short,
                row={**row, "drug": drug, "mg": mg},
            )  # fmt: skip


def _variants(row: Row, probe: Any) -> Iterator[Probe]:
    """A resistance mutation after a milestone was met, and after none was."""
    signs = [variant(row["gene"], day(300), "p.T315I")]
    for step in row["steps"]:
        limit = max(step["optimal"], row["early"])
        if step["from"] >= 300:
            continue
        for value, pattern in ((limit, "secondary"), (limit * (1 + HAIR), "primary")):
            yield probe(
                f"{value:g} at {step['name']}, then a mutation", [(step["from"], value)],
                "pattern", pattern, signs=signs,
            )  # fmt: skip
