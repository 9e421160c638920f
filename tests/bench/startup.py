"""Start-up beside the import of the web framework alone: ratios, nothing else.

    python tests/bench/startup.py [--rounds N]

`--help`, and `serve` from its start until /readyz answers 200, each as a ratio to
`python -c "import fastapi"`: by the clock, and by processor time, which other programs on the
machine change less. Taken in turn, medians of the rounds. All of it is compiled before, whatever
the environment says of that: compiling is what an installation does once. Where an import's time
goes:

    python -X importtime -c "import cds_service.app"
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.rows import Row, say

ROOT = Path(__file__).resolve().parents[2]
READY_WITHIN = 60.0
BETWEEN = 0.005

Took = tuple[float, float]
"""Seconds by the clock, and of processors."""


def of_command(compiled: str, *arguments: str) -> Took:
    """A command from its start to its end."""
    began, used = time.perf_counter(), _used()
    subprocess.run(  # noqa: S603 - our own program
        [sys.executable, *arguments],
        capture_output=True,
        check=True,
        cwd=ROOT,
        env=_environment(compiled),
    )
    return time.perf_counter() - began, _used() - used


def _environment(compiled: str) -> dict[str, str]:
    """That of this process, with all that is compiled kept in a folder."""
    kept = {name: v for name, v in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": compiled, "PYTHONPATH": str(ROOT)}


def of_service(compiled: str) -> Took:
    """The service until it is ready; its processor time is that until it has ended."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    used = _used()
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **_environment(compiled),
            "REFRACTORY_CDS_AUDIT_DB": f"{folder}/log.db",
        }
        began = time.perf_counter()
        running = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "cds_service", "serve", "--port", str(port)],
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=environment,
        )
        try:
            _wait_for(f"http://127.0.0.1:{port}/readyz", running)
            took = time.perf_counter() - began
        finally:
            running.send_signal(signal.SIGTERM)
            running.wait()
    return took, _used() - used


def _wait_for(address: str, running: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + READY_WITHIN
    while time.monotonic() < until and running.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):  # noqa: S310 - our own service
                return
        except (OSError, urllib.error.URLError):
            time.sleep(BETWEEN)
    raise SystemExit("the service did not become ready")


def _used() -> float:
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    return now.ru_utime + now.ru_stime


WHAT: dict[str, Callable[[str], Took]] = {
    "import fastapi": lambda compiled: of_command(compiled, "-c", "import fastapi"),
    "--help": lambda compiled: of_command(compiled, "-m", "cds_service", "--help"),
    "assess --help": lambda compiled: of_command(compiled, "-m", "cds_service", "assess", "--help"),
    "serve, until ready": of_service,
}


BOUNDS = {"--help": 0.6, "assess --help": 0.6, "serve, until ready": 3.5}
FLOOR = "import fastapi"


def rows(*, quick: bool) -> list[Row]:
    """Each start beside the import of the web framework."""
    took = measure(3 if quick else 7)
    clock = {name: statistics.median(t for t, _ in found) for name, found in took.items()}
    return [
        Row(f"start, {name}", clock[name] / clock[FLOOR], FLOOR, bound, said=f"{clock[name]:.2f} s")
        for name, bound in BOUNDS.items()
    ]


def measure(rounds: int) -> dict[str, list[Took]]:
    """All of them in turn, so many times."""
    took: dict[str, list[Took]] = {name: [] for name in WHAT}
    with tempfile.TemporaryDirectory() as compiled:
        for work in WHAT.values():
            work(compiled)
        for _ in range(rounds):
            for name, work in WHAT.items():
                took[name].append(work(compiled))
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    took = measure(parser.parse_args().rounds)
    clock = {name: statistics.median(t for t, _ in found) for name, found in took.items()}
    cpu = {name: statistics.median(c for _, c in found) for name, found in took.items()}
    say("| | s | × fastapi | CPU s | × fastapi |")
    say("| --- | ---: | ---: | ---: | ---: |")
    for name in WHAT:
        say(
            f"| {name} | {clock[name]:.2f} | **{clock[name] / clock[FLOOR]:.2f}** | "
            f"{cpu[name]:.2f} | **{cpu[name] / cpu[FLOOR]:.2f}** |"
        )


if __name__ == "__main__":
    main()
