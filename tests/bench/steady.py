"""What must hold over time: memory that stays, and small answers that no big chart holds up.

    python tests/bench/steady.py --minutes 30      # a soak: one line a minute, then `audit verify`

Calls of 50 and 1,000 resources in turn, new charts and charts opened again, four at once; one chart
of 10,000 resources a minute, while which `/healthz` is asked.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from http.client import HTTPConnection
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.load import percentile
from bench.prostate_chart import PATIENT, hook_call
from bench.rows import Row, say
from bench.servers import Server, load, service_alone

BIG = 10_000
SIZES = (50, 1_000)
HEALTH_SECONDS = 0.050
"""A load balancer that waits longer takes a server for dead."""
GROWTH = 1.05
"""Memory after all calls to that after a third of them."""
PAUSE = 0.01


@dataclass(slots=True)
class Health:
    """How long `/healthz` took, each time it was asked."""

    seconds: list[float] = field(default_factory=list)

    @property
    def slowest(self) -> float:
        return max(self.seconds)

    def __str__(self) -> str:
        ordered = sorted(self.seconds)
        median = percentile(ordered, 0.5) * 1000
        return f"median {median:.1f}, slowest {self.slowest * 1000:.1f} ms of {len(ordered)}"


@contextmanager
def health_of(server: Server) -> Iterator[Health]:
    """Ask for its health all the while, over one connection."""
    health, is_over = Health(), threading.Event()

    def ask() -> None:
        connection = HTTPConnection(server.base.removeprefix("http://"), timeout=30)
        while not is_over.wait(PAUSE):
            began = time.perf_counter()
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            health.seconds.append(time.perf_counter() - began)
        connection.close()

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield health
    finally:
        is_over.set()
        asking.join()


def rows(folder: Path, today: date, *, quick: bool) -> list[Row]:
    """Memory after calls beside that after a third of them; `/healthz` beside big charts."""
    calls = 1_800 if quick else 6_000
    first = calls // 3  # by then it holds all charts of a moment ago that it will
    bodies = _bodies(folder, today)
    with service_alone(folder) as server:
        _small_calls(server, bodies, first)
        after_a_third = server.rss_mib()
        _small_calls(server, bodies, calls - first)
        at_the_end = server.rss_mib()
        load(server, bodies[BIG], 1, 1, 60, new=PATIENT)
        with health_of(server) as health:
            load(server, bodies[BIG], 6, 1, 60, new=PATIENT)
    said = f"{after_a_third:.0f} and {at_the_end:.0f} MiB, {calls:,} calls"
    return [
        Row("memory, later", at_the_end / after_a_third, "a third of the calls", GROWTH, said=said),
        Row("healthz beside 10,000", health.slowest / HEALTH_SECONDS, "50 ms", 1.0,
            said=str(health)),
    ]  # fmt: skip


def _bodies(folder: Path, today: date) -> dict[int, Path]:
    found = {}
    for size in (*SIZES, BIG):
        found[size] = folder / f"steady-{size}.json"
        found[size].write_bytes(hook_call(size, today))
    return found


def _small_calls(server: Server, bodies: dict[int, Path], calls: int) -> float:
    """New and again, nine small charts to one of 1,000; the median of the small ones in seconds."""
    found = load(server, bodies[50], calls * 6 // 10, 4, 240, new=PATIENT)
    load(server, bodies[50], calls * 3 // 10, 4, 240)
    load(server, bodies[1_000], calls // 10, 4, 240, new=PATIENT)
    return float(found["p50"])


def soak(folder: Path, minutes: float) -> int:
    """Calls for so long; the exit code of `audit verify` afterwards."""
    bodies = _bodies(folder, datetime.now(UTC).date())
    began, calls = time.monotonic(), 0
    say("| minute | calls | p50 of 50, ms | memory, MiB | log, MiB | /healthz beside 10,000 |")
    say("| ---: | ---: | ---: | ---: | ---: | --- |")
    with service_alone(folder) as server:
        while (spent := time.monotonic() - began) < minutes * 60:
            median = 0.0
            while time.monotonic() - began - spent < 55:
                median = _small_calls(server, bodies, 500)
                calls += 500
            with health_of(server) as health:
                load(server, bodies[BIG], 1, 1, 60, new=PATIENT)
            calls += 1
            log = sum(one.stat().st_size for one in folder.glob("decisions.db*")) / 2**20
            minute = (time.monotonic() - began) / 60
            say(f"| {minute:.0f} | {calls:,} | {median * 1000:.1f} | {server.rss_mib():.0f} "
                f"| {log:.0f} | {health} |")  # fmt: skip
    environment = os.environ | {"REFRACTORY_CDS_AUDIT_DB": str(folder / "decisions.db")}
    verify = [sys.executable, "-m", "cds_service", "audit", "verify"]
    return subprocess.run(verify, env=environment, check=False).returncode  # noqa: S603


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        raise SystemExit(soak(Path(folder), chosen.minutes))


if __name__ == "__main__":
    main()
