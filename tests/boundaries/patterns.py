"""Primary and secondary: both sides of the days that divide them.

primary     the last day from the start that is primary (primary_inclusive); had: the category
            that came before it, on day had_on; later: the pattern from then on
stable      days from the start from which stability that was lost is secondary
brief       days from the start before which stability is none yet
response    days from the start from which a response that was lost is secondary
off         asked of a progression so many days and more after the last dose

A clinician writes "refractory" on the day, so that no caveat hides the pattern.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from charts import Resource, response

from boundaries.probes import LONG, Probe, Row, day


def pattern_probes(row: Row, probe: Any) -> Iterator[Probe]:
    def side(name: str, pd: int, pattern: str, holds: bool, *had: Resource) -> Probe:
        word = response("Refractory disease", day(pd), id="word")
        off = row.get("off", row.get("after"))
        until = LONG if off is None else max(0, pd - off - 2)
        made: Probe = probe(
            f"{name}, then day {pd}", pd, "pattern", pattern, holds,
            signs=[*had, word], until=until,
        )  # fmt: skip
        return made

    if "primary" in row:
        last = row["primary"] - (not row.get("primary_inclusive", True))
        had = [_seen(row["had"], row.get("had_on", 60))] if "had" in row else []
        yield side("its last day", last, "primary", True, *had)
        yield side("the next", last + 1, row.get("later", "secondary"), True, *had)
    if "stable" in row:
        had = [_seen("SD", row.get("stable_on", 45))]
        yield side("stable", row["stable"], "secondary", True, *had)
        yield side("stable", row["stable"] - 1, "secondary", False, *had)
    if "brief" in row:
        had = [_seen("SD", row.get("brief_on", 20))]
        yield side("briefly stable", row["brief"], "primary", False, *had)
        yield side("briefly stable", row["brief"] - 1, "primary", True, *had)
    if "response" in row:
        had = [_seen("PR", 45)]
        yield side("a response", row["response"], "secondary", True, *had)
        yield side("a response", row["response"] - 1, "secondary", False, *had)


def _seen(category: str, on: int) -> Resource:
    return response(category, day(on), id="had")
