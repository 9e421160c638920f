"""The service beside a bare parse and beside the naive design: one table of ratios.

    python tests/bench/run.py [--quick] [--only PART…] [--commit]

The ratios are what counts; the milliseconds belong to the machine. Exits with 1 where a ratio is
worse than its bound by more than noise. `--commit` keeps the result to compare the next one with.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import audit, batch, calls, fetch, growth, log_on_server, micro, startup, steady
from bench.rows import Row, commit, say, table

Part = Callable[[Path, date, bool], list[Row]]
PARTS: dict[str, Part] = {
    "calls": lambda folder, today, quick: calls.rows(folder, today, quick=quick),
    "steady": lambda folder, today, quick: steady.rows(folder, today, quick=quick),
    "fetch": lambda _, today, quick: fetch.rows(today, quick=quick),
    "growth": lambda _, __, quick: growth.rows(quick=quick),
    "batch": lambda folder, _, quick: batch.rows(folder, quick=quick),
    "start": lambda _, __, quick: startup.rows(quick=quick),
    "log": lambda folder, _, quick: [
        *audit.rows(folder, quick=quick),
        *log_on_server.rows(quick=quick),
    ],
}


def print_micro(today: date, rounds: int) -> None:
    say("| a resource, µs | orjson | read_record | fhir.resources | fhir.resources × ours |")
    say("| --- | ---: | ---: | ---: | ---: |")
    for kind, parsed, ours, validated in micro.reading(today, rounds):
        ratio = validated / ours
        say(f"| {kind} | {parsed:.1f} | {ours:.1f} | {validated:.1f} | **{ratio:.0f}** |")
    say()
    say("| `assess` alone | ms | µs a resource |")
    say("| ---: | ---: | ---: |")
    for size, seconds in micro.assessing(calls.SIZES, today, rounds):
        say(f"| {size:,} | {seconds * 1000:.2f} | {seconds / size * 1e6:.1f} |")
    say()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one short round of each")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART",
                        help=f"of {', '.join(PARTS)}")  # fmt: skip
    parser.add_argument("--commit", action="store_true", help="keep the ratios in committed.json")
    chosen = parser.parse_args()
    began = time.monotonic()
    today = datetime.now(UTC).date()
    print_micro(today, 5 if chosen.quick else 11)
    rows: list[Row] = []
    for name in chosen.only:
        with tempfile.TemporaryDirectory() as folder:
            rows += PARTS[name](Path(folder), today, chosen.quick)
    for line in table(rows):
        say(line)
    if chosen.commit:
        commit(rows)
    say(f"\n{time.monotonic() - began:.0f} s")
    if any(row.is_over for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
