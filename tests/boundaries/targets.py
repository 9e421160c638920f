"""Rows of targets → counts, spleens and procedures on both sides of each day and limit.

[[target]]  from: the first day that counts; minimum: fewest days on the drug
            full: the daily dose that it asks for, share
            signs: each with its marker and `missed`, a value that misses it from `baseline`, and
            above, below: its limit (read from a baseline of `above_from`); falls, rises: the share
            or amount that it has to move by (just so much is enough, unless `strict`);
            baseline_above, baseline_from: asked from there on
            procedure: one that is still needed
            reached: what is not missed is a response; intolerance: what the signs say instead
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from charts import Resource, marker, procedure

from boundaries.probes import HAIR, Probe, Row, chart_of, day

Sign = Mapping[str, Any]


def target_probes(disease: str, row: Row) -> Iterator[Probe]:
    rule = row["rule"]
    says, value = ("caveats", "intolerance") if row.get("intolerance") else ("answer", "held")

    def probe(name: str, on: int, holds: bool = True, **how: Any) -> Probe:
        signs = _signs(row, on, **how.pop("values", {}))
        asked = {"says": says, "value": value, **how.pop("asked", {})}
        chart = chart_of(disease, how.pop("row", row), *signs, **how)
        return Probe(f"{rule}: {name}", rule, chart, asked["says"], asked["value"], holds)

    late = row["from"] + 60
    for on, holds in ((row["from"], True), (row["from"] - 1, False)):
        yield probe(f"on day {on}", on, holds, until=late)
    for number, sign in enumerate(row.get("signs", [])):
        for value_, base, holds in _limits(sign):
            name = f"{sign['marker']} {value_:g} from {base:g}"
            yield probe(name, late, holds, values={"instead": (number, value_, base)})
    if row.get("reached"):
        kept = {"says": "status", "value": "responding"}
        yield probe("reached", late, values={"instead": (0, 0.001, 100)}, asked=kept)
    yield from _exposure(row, probe)


def _signs(row: Row, on: int, instead: tuple[int, float, float] | None = None) -> list[Resource]:
    """Every sign as it is missed, but one with another value and baseline."""
    made: list[Resource] = []
    for number, sign in enumerate(row.get("signs", [])):
        value, base = sign["missed"], sign.get("baseline", sign["missed"])
        if instead is not None and instead[0] == number:
            _, value, base = instead
        for when, amount in ((-5, base), (on, value)):
            made += _values(sign, when, amount)
    if "procedure" in row:
        made.append(procedure(row["procedure"], day(on), id="procedure"))
    return made


def _values(sign: Sign, on: int, amount: float) -> list[Resource]:
    """The value; where it is a difference, both that make it."""
    beside = sign.get("beside", {})
    made = [marker(name, day(on), value) for name, value in beside.items()]
    number = round(amount + sum(beside.values()), 6)
    return [*made, marker(sign["marker"], day(on), number)]


def _limits(sign: Sign) -> Iterator[tuple[float, float, bool]]:
    """(value, baseline, whether it is missed) on both sides of each number of a sign."""
    base, missed = sign.get("baseline", sign["missed"]), sign["missed"]
    if "above" in sign:
        limited = sign.get("above_from", base)
        yield sign["above"], limited, False
        yield sign["above"] * (1 + HAIR), limited, True
    if "below" in sign:
        yield sign["below"], base, False
        yield sign["below"] * (1 - HAIR), base, True
    if "falls" in sign:
        enough = base * (1 - sign["falls"])
        yield enough, base, bool(sign.get("strict"))
        yield enough * (1 + HAIR), base, True
        yield enough * (1 - HAIR), base, False
    if "rises" in sign:
        yield base + sign["rises"], base, False
        yield base + sign["rises"] * (1 - HAIR), base, True
    if "baseline_above" in sign:
        yield missed, sign["baseline_above"], False
        yield missed, sign["baseline_above"] * (1 + HAIR), True
    if "baseline_from" in sign:
        yield missed, sign["baseline_from"], True
        yield missed, sign["baseline_from"] * (1 - HAIR), False


def _exposure(row: Row, probe: Any) -> Iterator[Probe]:
    """Days on the drug, and how much of it a day, before the target can be missed."""
    short = {"says": "caveats", "value": "inadequate-exposure"}
    if "minimum" in row:
        on = max(row["from"], row["minimum"]) + 10
        for days, holds in ((row["minimum"], False), (row["minimum"] - 1, True)):
            yield probe(f"{days} days of it", on, holds, until=days, asked=short)
    if "full" in row:
        met = row["full"] * row.get("share", 0.8)
        for mg, holds in ((met, False), (round(met * (1 - HAIR / 10), 4), True)):
            yield probe(f"{mg:g} mg", row["from"] + 60, holds, row={**row, "mg": mg}, asked=short)
