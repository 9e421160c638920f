"""When the confirming value of a rise counts, and from when on any value does.

confirm, confirm_within  fewest and most days to the confirming value
ignore                   values of so many first days do not count
span                     fewest days from the lowest value to the confirming one
returns                  the rise is a return from a low value: early low values are none
excluded                 a procedure, and the days after it of which values do not count
then                     the confirming value lies above the first by this factor
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from charts import procedure

from boundaries.markers import BEFORE, FIRST, Course, apart, rise
from boundaries.probes import Probe, Row, day


def time_probes(row: Row, probe: Any) -> Iterator[Probe]:
    if "usual" not in row:
        return
    low, high = row["usual"]
    first, then = row.get("first", FIRST), high * row.get("then", 1)
    start = [(-5, low * 3), (first - BEFORE, low)]
    for later, holds in _confirming(row):
        course: Course = [*start, (first, high), (first + later, then)]
        yield probe(f"confirmed {later} days later", course, holds)
    if "span" in row:
        for later, holds in ((row["span"], True), (row["span"] - 1, False)):
            end = first + later
            course = [(-5, low * 3), (first, low), (end - apart(row), high), (end, then)]
            yield probe(f"{later} days from the lowest", course, holds)
    yield from _ignored(row, probe)
    for later, holds in _excluded(row):
        done = procedure(row["excluded"]["procedure"], day(first - later), id="done")
        name = f"{later} days after {row['excluded']['procedure']}"
        yield probe(name, rise(row, low, high), holds, more=[done])


def _confirming(row: Row) -> list[tuple[int, bool]]:
    fewest, most = row.get("confirm", 0), row.get("confirm_within", 0)
    sides = [(fewest, True), (fewest - 1, False)] if fewest else []
    return sides + ([(most, True), (most + 1, False)] if most else [])


def _ignored(row: Row, probe: Any) -> Iterator[Probe]:
    if "ignore" not in row:
        return
    (low, high), last = row["usual"], row["ignore"]
    for on, holds in ((last, True), (last - 1, False)):
        course = [(-5, low), (on, high)]
        course += [] if row.get("single") else [(on + apart(row), high * row.get("then", 1))]
        yield probe(f"first on day {on}", course, holds)
        if row.get("returns"):
            course = [(-5, high), (on, low), (on + 60, high), (on + 60 + apart(row), high)]
            yield probe(f"low on day {on}, then high", course, holds)


def _excluded(row: Row) -> list[tuple[int, bool]]:
    last = row.get("excluded", {}).get("days", 0)
    return [(last, False), (last + 1, True)] if last else []
