"""Rows of rules that ask for a response by now → assessments just in time, and just before.

[[response]]  cycles, cycle: begun by the assessment, of so many days
              days, doses, courses: of exposure; courses are blocks of three days
              earliest: not before this day from the start; after: more days from the last dose
              category: what was reached; enough, too_little: categories on either side, said late
              (on the day `late`); tissue: a biopsy says it
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from charts import disease_status, response

from boundaries.probes import Probe, Row, chart_of, day

LATE = 500
"""A day of assessment by which everything that a rule asks for is there."""
WEEK = 7


def response_probes(disease: str, row: Row) -> Iterator[Probe]:
    """A category that is not enough, a cycle or a day before the rule speaks, and then."""
    rule, category = row["rule"], row.get("category", "SD")

    def probe(name: str, on: int, holds: bool, reached: str = category, **how: Any) -> Probe:
        seen = response(reached, day(on), id="seen")
        if row.get("tissue"):
            seen = disease_status(reached, day(on), by="pathology", id="seen")
        chart = chart_of(disease, row, seen, **how)
        return Probe(f"{rule}: {name}", rule, chart, "failed", rule, holds)

    yield from _cycles(row, probe)
    yield from _doses(row, probe)
    yield from _times(row, probe)
    late = row.get("late", LATE)
    for reached, holds in ((row.get("enough"), False), (row.get("too_little"), True)):
        if reached:
            yield probe(reached, late, holds, reached, **_ample(row, late))


def _cycles(row: Row, probe: Any) -> Iterator[Probe]:
    number, cycle = row.get("cycles", 0), row.get("cycle", 28)
    for cycles, holds in ((number, True), (number - 1, False)):
        if cycles > 0:
            last = max(cycle * (cycles - 1) + 1, row.get("days", 0))
            yield probe(f"{cycles} cycles", _on(row, last), holds, until=last, cycle=cycle)


def _doses(row: Row, probe: Any) -> Iterator[Probe]:
    """Single doses a week apart; courses of three days."""
    for block, name in ((1, "doses"), (3, "courses")):
        for number, holds in ((row[name], True), (row[name] - 1, False)) if name in row else ():
            apart = WEEK if block == 1 else 35
            days = [apart * n + m for n in range(number) for m in range(block)]
            yield probe(f"{number} {name}", _on(row, days[-1]), holds, doses=days)


def _times(row: Row, probe: Any) -> Iterator[Probe]:
    """Days of exposure, from the start, and from the last dose."""
    if "days" in row:
        for days, holds in ((row["days"], True), (row["days"] - 1, False)):
            yield probe(f"{days} days", _on(row, days - 1), holds, until=days, cycle=WEEK)
    if "earliest" in row:
        for on, holds in ((row["earliest"], True), (row["earliest"] - 1, False)):
            yield probe(f"assessed on day {on}", on, holds, **_ample(row, on))
    if "after" in row:
        last = row.get("given", [400])[-1]
        for later, holds in ((row["after"] + 1, True), (row["after"], False)):
            name = f"{later} days from the last dose"
            yield probe(name, last + later, holds, until=last, cycle=28)


def _on(row: Row, last: int) -> int:
    """The first day on which the rule may speak after a last dose."""
    days: list[int] = [last + row.get("after", 0) + 1, row.get("earliest", 0)]
    return max(days)


def _ample(row: Row, on: int) -> dict[str, Any]:
    """Exposure that is enough well before a day."""
    if "doses" in row:
        return {"doses": [WEEK * n for n in range(row["doses"])]}
    if "courses" in row:
        return {"doses": [12 * n + m for n in range(row["courses"]) for m in range(2)]}
    ends = {"until": on - row["after"] - 2} if "after" in row else {}
    return {"cycle": WEEK, **ends}
