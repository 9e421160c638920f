"""Rows of window rules → progressions on their last day and the next, and what else they ask for.

[[window]]  days, inclusive: the last day after the last dose; after: more than so many
            anchor: the day that is counted from, where it is not the last dose; never: days after
            it that count as little as any other
            minimum, cycles, doses: the least exposure; full: the daily dose that it asks for, share
            earliest: the first day of an assessment
            scan: days to the confirming scan; within: asked for so long from the start;
            after_radiotherapy, unreadable: days after radiotherapy, which ends on day 42 or
            radiotherapy_until
            hold: the longest break of the drug that is no end of it; after_hold: days after one
            requires: a value of a marker, below a limit, within so many days
            planned: the status where the stop was planned
            primary, stable, brief, response: see `patterns.py`
            tablets: covered day by day
            metastasis, sign: how progression shows
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from charts import Resource, marker, order, procedure, response, secondary

from boundaries.patterns import pattern_probes
from boundaries.probes import HAIR, Probe, Row, chart_of, day

LONGEST_CYCLE = 84
"""The longest cycle that an order is read to have."""
BREAK = 200
"""The day on which a break of the drug begins."""


def window_probes(disease: str, row: Row) -> Iterator[Probe]:
    """Both sides of every number of a window rule."""
    rule = row["rule"]

    def probe(name: str, pd: int, says: str, value: Any, holds: bool = True, **how: Any) -> Probe:
        signs = [*how.pop("signs", ()), *_required(row, pd, **how.pop("required", {}))]
        on = how.pop("row", row)
        made = chart_of(disease, on, *signs, progression(row, pd), pd=pd, **how)
        return Probe(f"{rule}: {name}", rule, made, says, value, holds)

    anchor = row.get("anchor", 400)
    for days, answer in _days(row):
        name, pd = f"{days} days after", anchor + days
        yield probe(name, pd, "answer", "held", answer, until=400)
        again = [response("PD", day(pd + row.get("scan", 0)), id="again")]
        yield probe(name, pd, "failed", rule, answer, until=400, signs=again)
    yield from _exposure_probes(row, probe)
    yield from _dose_probes(row, probe)
    yield from _earliest_probes(row, probe)
    yield from _scan_probes(row, probe)
    yield from _radiotherapy_probes(row, probe)
    yield from _break_probes(row, probe)
    yield from _requirement_probes(row, probe)
    yield from _planned_probes(row, probe)
    yield from pattern_probes(row, probe)


def progression(row: Row, pd: int) -> Resource:
    if "metastasis" in row:
        return secondary(row["metastasis"], onset=day(pd), of="c1")
    return response(row.get("sign", "PD"), day(pd), id="pd")


def _days(row: Row) -> list[tuple[int, bool]]:
    if "never" in row:
        return [(days, False) for days in row["never"]]
    last = row.get("days", 0) - (not row.get("inclusive", True))
    sides = [(last, True), (last + 1, False)] if "days" in row else []
    return sides + ([(row["after"], False), (row["after"] + 1, True)] if "after" in row else [])


def _exposure_probes(row: Row, probe: Any) -> Iterator[Probe]:
    """Days and cycles of exposure; where the window opens later, with the drug ended before."""
    for days, short in _sides(row.get("minimum")):
        if "after" not in row:
            pd, how = days, {"cycle": LONGEST_CYCLE}
        else:
            pd, how = days + row["after"] + 1, {"until": days, "cycle": LONGEST_CYCLE}
        yield probe(f"{days} days of it", pd, "answer", "too-little-exposure", short, **how)
    number = row.get("cycles", 0)
    for cycles, short in ((number, False), (number - 1, True)):
        name, pd = f"{cycles} cycles of 7 days", 7 * number - short
        how = {"cycle": 7}
        if "after" in row:
            last = 7 * (cycles - 1) if not row.get("tablets") else 7 * cycles
            pd, how["until"] = max(row["after"] + last, 7 * number) + 1, last
        if number and (cycles or "after" not in row):
            yield probe(name, pd, "answer", "too-little-exposure", short, **how)


def _sides(least: int | None) -> list[tuple[int, bool]]:
    return [] if least is None else [(least, False), (least - 1, True)]


def _dose_probes(row: Row, probe: Any) -> Iterator[Probe]:
    """How many doses, and how much of the full one a day."""
    for number, short in _sides(row.get("doses")):
        doses = [7 * n for n in range(number)]
        pd = max(row.get("earliest", 0), doses[-1] + row.get("after", 0) + 1)
        yield probe(f"{number} doses", pd, "answer", "too-little-exposure", short, doses=doses)
    if "full" in row:
        met = row["full"] * row.get("share", 0.8)
        for mg, short in ((met, False), (round(met * (1 - HAIR / 10), 4), True)):
            yield probe(
                f"{mg:g} mg a day", 300, "answer", "too-little-exposure", short,
                row={**row, "mg": mg},
            )  # fmt: skip


def _earliest_probes(row: Row, probe: Any) -> Iterator[Probe]:
    for days, early in _sides(row.get("earliest")):
        how = {}
        if "after" in row:
            how["until"] = max(0, days - row["after"] - 2)
        if "doses" in row:
            how = {"doses": [0, 7, 14, 21, 28, 35, 42][: row["doses"]]}
        yield probe(
            f"assessed on day {days}", days, "caveats", "assessment-too-early", early, **how
        )


def _scan_probes(row: Row, probe: Any) -> Iterator[Probe]:
    """The confirming scan, and the time in which it is asked for."""
    at = row.get("scanned", 100)
    for later, missing in _sides(row.get("scan")):
        yield probe(
            f"a second scan {later} days later", at, "caveats", "unconfirmed", missing,
            signs=[response("PD", day(at + later), id="again"), *_radiotherapy(row)],
        )  # fmt: skip
    if "within" in row:
        for days, asked in ((row["within"], True), (row["within"] + 1, False)):
            yield probe(f"on day {days}", days, "caveats", "pseudoprogression-possible", asked)


def _radiotherapy(row: Row) -> list[Resource]:
    if "after_radiotherapy" not in row and "unreadable" not in row:
        return []
    return [procedure("chemoradiation", day(1), day(_radiotherapy_until(row)), id="radiotherapy")]


def _radiotherapy_until(row: Row) -> int:
    return int(row.get("radiotherapy_until", 42))


def _radiotherapy_probes(row: Row, probe: Any) -> Iterator[Probe]:
    told = {"after_radiotherapy": "pseudoprogression-possible",
            "unreadable": "assessment-too-early"}  # fmt: skip
    for member, caveat in told.items():
        last, until = row.get(member, 0), _radiotherapy_until(row)
        for days, fires in ((last, True), (last + 1, False)) if last else ():
            yield probe(
                f"{days} days after radiotherapy", until + days, "caveats", caveat, fires,
                signs=_radiotherapy(row),
            )  # fmt: skip


def _break_probes(row: Row, probe: Any) -> Iterator[Probe]:
    """A break that is no end of the drug, with growth in it, and shortly after it."""
    if "hold" in row:
        for days, fires in ((row["hold"], True), (row["hold"] + 1, False)):
            again = order(row["drug"], day(BREAK + days + 1), day(800))
            yield probe(
                f"held for {days} days", BREAK + 10, "caveats", "adherence", fires,
                until=BREAK, signs=[again],
            )  # fmt: skip
    if "after_hold" in row:
        for days, fires in ((row["after_hold"], True), (row["after_hold"] + 1, False)):
            again = order(row["drug"], day(BREAK + 20), day(800))
            yield probe(
                f"{days} days after a break", BREAK + 20 + days, "answer",
                "too-little-exposure", fires, until=BREAK, signs=[again],
            )  # fmt: skip


def _required(row: Row, pd: int, *, value: float | None = None, on: int = 0) -> list[Resource]:
    """The value that the rule asks for, of the day of progression unless said otherwise."""
    if "requires" not in row:
        return []
    asked = row["requires"]
    number = asked["below"] / 2 if value is None else value
    return [marker(asked["marker"], day(pd - on), number, id="required")]


def _requirement_probes(row: Row, probe: Any) -> Iterator[Probe]:
    if "requires" not in row:
        return
    asked = row["requires"]
    limit, within = asked["below"], asked["within"]
    sides: list[tuple[dict[str, Any], bool]] = [
        ({"value": round(limit * (1 - HAIR), 6)}, True), ({"value": limit}, False),
        ({"on": within}, True), ({"on": within + 1}, False),
    ]  # fmt: skip
    for how, holds in sides:
        said = ", ".join(f"{name} {number}" for name, number in how.items())
        yield probe(f"{asked['marker']} {said}", 300, "answer", "held", holds, required=how)


def _planned_probes(row: Row, probe: Any) -> Iterator[Probe]:
    """After a stop that was planned, and after one of which nobody said that it was."""
    if "planned" not in row:
        return
    for reason, holds in (("completed", True), (None, False)):
        yield probe(
            f"stopped, {reason or 'nobody says why'}", 330, "status", row["planned"], holds,
            until=300, row={**row, "stopped_for": reason},
        )  # fmt: skip
