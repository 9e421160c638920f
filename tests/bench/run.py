"""The service beside a bare parse and beside the naive design, in one run: ratios, nothing else.

    python tests/bench/run.py [--quick] [--profile FILE]

Servers on one core, the client on the other, rounds interleaved, medians of the rounds. The ratios
are what counts; the milliseconds belong to the machine. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import micro
from bench.prostate_chart import hook_call
from bench.servers import PEERS, SERVICE, Server, all_servers, load

SIZES = (50, 1_000, 10_000)
FLOOR = "floor"
NAIVE = "naive"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured: rounds, and requests by size of the chart and calls at once."""

    rounds: int
    requests: Mapping[tuple[int, int], int]
    slow_requests: Mapping[tuple[int, int], int]
    """For the naive design, which takes seconds where the others take milliseconds."""
    micro_rounds: int


FULL = Plan(
    rounds=3,
    requests={(50, 1): 200, (50, 8): 400, (1_000, 1): 50, (1_000, 8): 80, (10_000, 1): 6,
              (10_000, 8): 8},
    slow_requests={(50, 1): 50, (50, 8): 80, (1_000, 1): 4, (1_000, 8): 8, (10_000, 1): 1},
    micro_rounds=11,
)  # fmt: skip
QUICK = Plan(
    rounds=1,
    requests={(50, 1): 100, (50, 8): 200, (1_000, 1): 20, (1_000, 8): 32, (10_000, 1): 3,
              (10_000, 8): 8},
    slow_requests={(50, 1): 20, (50, 8): 24, (1_000, 1): 3, (10_000, 1): 1},
    micro_rounds=5,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figures:
    """The medians of the rounds; seconds, and calls a second."""

    p50: float
    p95: float
    a_second: float


Table = dict[tuple[int, int], dict[str, Figures]]
Stages = dict[int, dict[str, float]]


def measure(servers: list[Server], folder: Path, plan: Plan, today: date) -> tuple[Table, Stages]:
    """All figures by size and calls at once, and the stages of a decision by size."""
    table: Table = {}
    stages: Stages = {}
    for size in SIZES:
        body = folder / f"call-{size}.json"
        body.write_bytes(hook_call(size, today))
        for server in servers:
            load(server, body, 1 if server.name == NAIVE else 5, 1, 60)
        stages[size] = _of_stages(servers[0], body, plan.requests[size, 1])
        table |= _of_size(servers, body, size, plan)
    return table, stages


def _of_stages(service: Server, body: Path, calls: int) -> dict[str, float]:
    """Milliseconds of each stage of a decision, calls one at a time."""
    before = service.stage_seconds()
    load(service, body, calls, 1, 25)
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
                if key in requests:
                    found = load(server, body, requests[key], key[1], 25)
                    figures = Figures(found["p50"], found["p95"], found["a_second"])
                    rounds.setdefault((key, server.name), []).append(figures)
    table: Table = {key: {} for key in loads}
    for (key, name), several in rounds.items():
        table[key][name] = _median(several)
    return table


def _median(rounds: list[Figures]) -> Figures:
    return Figures(
        statistics.median(r.p50 for r in rounds),
        statistics.median(r.p95 for r in rounds),
        statistics.median(r.a_second for r in rounds),
    )


def say(line: str = "") -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def print_ratios(table: Table) -> None:
    say("| resources | at once | server | p50 ms | p95 ms | calls/s | p50 × floor | p95 × floor |")
    say("| ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |")
    for (size, at_once), by_name in table.items():
        floor = by_name[FLOOR]
        for name in (SERVICE, *PEERS):
            if name not in by_name:
                continue
            found = by_name[name]
            say(
                f"| {size:,} | {at_once} | {name} | {found.p50 * 1000:.2f} | "
                f"{found.p95 * 1000:.2f} | {found.a_second:.1f} | "
                f"**{found.p50 / floor.p50:.2f}** | {found.p95 / floor.p95:.2f} |"
            )


def print_stages(stages: Stages) -> None:
    names = list(dict.fromkeys(name for found in stages.values() for name in found))
    say(f"| stage (mean ms a call) | {' | '.join(f'{size:,}' for size in stages)} |")
    say("| --- |" + " ---: |" * len(stages))
    for name in names:
        say(f"| {name} | {' | '.join(f'{stages[s].get(name, 0.0):.2f}' for s in stages)} |")


def print_micro(plan: Plan, today: date) -> None:
    say("| a resource, µs | orjson | read_record | fhir.resources | fhir.resources × ours |")
    say("| --- | ---: | ---: | ---: | ---: |")
    for kind, parsed, ours, validated in micro.reading(today, plan.micro_rounds):
        ratio = validated / ours
        say(f"| {kind} | {parsed:.1f} | {ours:.1f} | {validated:.1f} | **{ratio:.0f}** |")
    say()
    say("| `assess` alone | ms | µs a resource |")
    say("| ---: | ---: | ---: |")
    for size, seconds in micro.assessing(SIZES, today, plan.micro_rounds):
        say(f"| {size:,} | {seconds * 1000:.2f} | {seconds / size * 1e6:.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--profile", type=Path, metavar="FILE", help="where assess() spends time")
    chosen = parser.parse_args()
    plan = QUICK if chosen.quick else FULL
    began = time.monotonic()
    today = datetime.now(UTC).date()
    with tempfile.TemporaryDirectory() as name, all_servers(Path(name)) as servers:
        table, stages = measure(servers, Path(name), plan, today)
        memory = ", ".join(f"{server.name} {server.peak_mib():.0f}" for server in servers)
    print_ratios(table)
    say()
    print_stages(stages)
    say(f"\nMost memory, MiB: {memory}\n")
    print_micro(plan, today)
    if chosen.profile:
        micro.profile(chosen.profile, today)
        say(f"\nprofile: {chosen.profile}")
    say(f"\n{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
