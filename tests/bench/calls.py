"""Whole decisions over HTTP beside a bare parse and beside the naive design, in one run.

Servers on one core, the client on the other, rounds interleaved, medians of the rounds. A chart is
*new*, of another patient each time, or *opened again*, the very same as a moment ago; *away*, the
same of a client that prefetches only what is needed and whose FHIR server cannot be reached.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from bench.prostate_chart import PATIENT, hook_call, in_part
from bench.rows import Row, say
from bench.servers import SERVICE, Server, all_servers, load

SIZES = (50, 1_000, 10_000)
FLOOR = "floor"
NAIVE = "naive"
NEW, AGAIN, AWAY = "new", "again", "away"
BOUNDS = {
    (50, AGAIN): 3.0, (1_000, AGAIN): 1.0, (10_000, AGAIN): 0.6,
    (50, NEW): 3.0, (1_000, NEW): 1.0, (10_000, NEW): 0.6,
    (50, AWAY): 3.0, (1_000, AWAY): 1.0, (10_000, AWAY): 0.6,
}  # fmt: skip
MIB_OF_SIZE = {1_000: 160.0, 10_000: 300.0}
SLOWEST = 2.0
"""The p95 as a multiple of the median."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured: rounds, and requests by size of the chart and calls at once."""

    rounds: int
    requests: Mapping[tuple[int, int], int]
    slow_requests: Mapping[tuple[int, int], int]
    """For the naive design, which takes seconds where the others take milliseconds."""


FULL = Plan(
    rounds=3,
    requests={(50, 1): 200, (50, 8): 400, (1_000, 1): 50, (1_000, 8): 80, (10_000, 1): 8,
              (10_000, 4): 8},
    slow_requests={(50, 1): 50, (1_000, 1): 4, (10_000, 1): 1},
)  # fmt: skip
QUICK = Plan(
    rounds=1,
    requests={(50, 1): 100, (50, 8): 200, (1_000, 1): 20, (1_000, 8): 32, (10_000, 1): 4,
              (10_000, 4): 8},
    slow_requests={(50, 1): 20, (1_000, 1): 3, (10_000, 1): 1},
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figures:
    """The medians of the rounds; seconds, and calls a second."""

    p50: float
    p95: float
    a_second: float

    def __str__(self) -> str:
        return f"{self.p50 * 1000:.2f} / {self.p95 * 1000:.2f} ms, {self.a_second:.1f}/s"


Table = dict[tuple[int, int], dict[str, Figures]]
Stages = dict[int, dict[str, float]]


def rows(folder: Path, today: date, *, quick: bool) -> list[Row]:
    """All figures of whole decisions; the stages of new charts are said on the way."""
    plan = QUICK if quick else FULL
    found: list[Row] = []
    stages: Stages = {}
    with all_servers(folder) as servers:
        for size in SIZES:
            body = folder / f"call-{size}.json"
            body.write_bytes(hook_call(size, today))
            _away(body).write_bytes(in_part(body.read_bytes()))
            for server in servers:
                load(server, body, 1 if server.name == NAIVE else 5, 1, 60)
            stages[size] = _of_stages(servers[0], body, plan.requests[size, 1])
            found += _rows_of(size, _of_size(servers, body, size, plan))
            peak = servers[0].peak_mib()
            if size in MIB_OF_SIZE:
                said = f"{peak:.0f} MiB at most so far"
                most = MIB_OF_SIZE[size]
                found.append(
                    Row(f"memory, {size:,}", peak / most, f"{most:.0f} MiB", 1.0, said=said)
                )
    print_stages(stages)
    return found


def _of_stages(service: Server, body: Path, calls: int) -> dict[str, float]:
    """Milliseconds of each stage of a decision on a new chart, calls one at a time."""
    before = service.stage_seconds()
    load(service, body, calls, 1, 25, new=PATIENT)
    return {
        stage: (total - before[stage][0]) / (count - before[stage][1]) * 1000
        for stage, (total, count) in service.stage_seconds().items()
        if stage in before and count > before[stage][1]
    }


def _of_size(servers: list[Server], body: Path, size: int, plan: Plan) -> Table:
    loads = [key for key in plan.requests if key[0] == size]
    rounds: dict[tuple[tuple[int, int], str], list[Figures]] = {}
    for _ in range(plan.rounds):
        for key in loads:
            for server in servers:
                requests = plan.slow_requests if server.name == NAIVE else plan.requests
                if key not in requests:
                    continue
                for way in _ways(server, key[1]):
                    sent = _away(body) if way == AWAY else body
                    if way in (AGAIN, AWAY):
                        load(server, sent, 1, 1, 25)  # the first time, before it is again
                    new = PATIENT if way == NEW else None
                    found = load(server, sent, requests[key], key[1], 25, new=new)
                    figures = Figures(found["p50"], found["p95"], found["a_second"])
                    rounds.setdefault((key, way), []).append(figures)
    table: Table = {key: {} for key in loads}
    for (key, name), several in rounds.items():
        table[key][name] = _median(several)
    return table


def _away(body: Path) -> Path:
    return body.with_name(f"away-{body.name}")


def _ways(server: Server, at_once: int) -> tuple[str, ...]:
    if server.name != SERVICE:
        return (server.name,)
    return (NEW, AGAIN, AWAY) if at_once == 1 else (NEW, AGAIN)


def _median(rounds: list[Figures]) -> Figures:
    return Figures(
        statistics.median(r.p50 for r in rounds),
        statistics.median(r.p95 for r in rounds),
        statistics.median(r.a_second for r in rounds),
    )


def _rows_of(size: int, table: Table) -> Iterator[Row]:
    for (_, at_once), by_name in table.items():
        floor, naive = by_name[FLOOR], by_name.get(NAIVE)
        yield Row(f"floor, {size:,} × {at_once}", 1.0, "itself", said=str(floor))
        for way in (NEW, AGAIN, AWAY):
            if (ours := by_name.get(way)) is None:
                continue
            name = f"{way}, {size:,} × {at_once}"
            if at_once == 1:
                yield Row(
                    name,
                    ours.p50 / floor.p50,
                    "floor, p50",
                    BOUNDS[size, way],
                    ours.p50 / naive.p50 if naive else None,
                    str(ours),
                )
                yield Row(f"{name}, p95", ours.p95 / ours.p50, "its p50", SLOWEST)
            else:
                to = "floor, time a call"
                yield Row(name, floor.a_second / ours.a_second, to, 1.0, said=str(ours))


def print_stages(stages: Stages) -> None:
    names = list(dict.fromkeys(name for found in stages.values() for name in found))
    say(f"| stage of a new chart, mean ms | {' | '.join(f'{size:,}' for size in stages)} |")
    say("| --- |" + " ---: |" * len(stages))
    for name in names:
        say(f"| {name} | {' | '.join(f'{stages[s].get(name, 0.0):.2f}' for s in stages)} |")
    say()
