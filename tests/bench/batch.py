"""`refractory-cds assess` on NDJSON: patients a second, two processes beside one, and memory.

    python tests/bench/batch.py [--quick] [--sizes 50,500,5000] [--rounds N]

For each size of chart an export by patient is made up (`prostate_chart.py`, every patient under
an id of their own) and assessed by one process and by two, in turn; the figures are medians of the
rounds. `scaling` is the time of one process over twice the time of two: 100 % is linear. On a
machine that does something else besides, look at the processor time: `CPU 2 : 1` is how much more
of it two processes need for the same patients, and bounds what scaling can be on idle cores.
Then the most memory of the largest process, and of all together, at N and at 4 N patients.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import orjson
from bench.prostate_chart import PATIENT, prostate_chart
from bench.rows import Row, say

AS_OF = date(2026, 11, 21)
PATIENTS = {50: 6_000, 500: 1_200, 5_000: 128}
"""So many that one process needs half a minute: what starting up takes must weigh little."""
QUICK = 10
LOOK_EVERY = 0.05
SIZE_OF_MEMORY = 500


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds by the clock and of processors, and MiB of the largest process and of all."""

    seconds: float
    cpu: float
    largest: float
    together: float


def export(path: Path, patients: int, size: int) -> None:
    """Write the charts, one patient after the other as no export guarantees, into one file."""
    chart = prostate_chart(size, AS_OF)
    lines = b"".join(orjson.dumps(r) + b"\n" for found in chart.values() for r in found)
    with path.open("wb") as file:
        for number in range(patients):
            file.write(lines.replace(PATIENT.encode(), b"patient-%06d" % number))


def assess(path: Path, processes: int, patients: int) -> Run:
    """One run of the command; fails where it does not give every patient."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    largest = together = 0.0
    with tempfile.TemporaryFile() as out:
        options = ("--as-of", str(AS_OF), "--format", "json", "--processes", str(processes))
        running = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "cds_service", "assess", str(path), *options], stdout=out
        )
        while running.poll() is None:
            each = [_mib(pid) for pid in (running.pid, *_children(running.pid))]
            largest, together = max(largest, *each), max(together, sum(each))
            time.sleep(LOOK_EVERY)
        seconds = time.perf_counter() - began
        out.seek(0)
        if running.returncode or sum(1 for _ in out) != patients:
            raise SystemExit("assess did not give every patient")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(seconds, cpu, largest, together)


def _children(pid: int) -> list[int]:
    try:
        return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _mib(pid: int) -> float:
    """Memory of a process that is its own: what a fork shares counts in part."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    found = [line.split()[1] for line in text.splitlines() if line.startswith("Pss:")]
    return int(found[0]) / 1024 if found else 0.0


def compare(folder: Path, size: int, patients: int, rounds: int) -> str:
    """One row: one process and two, in turn."""
    path = folder / f"{size}.ndjson"
    export(path, patients, size)
    runs: dict[int, list[Run]] = {1: [], 2: []}
    for _ in range(rounds):
        for processes in runs:
            runs[processes].append(assess(path, processes, patients))
    megabytes = path.stat().st_size / 1e6
    path.unlink()
    seconds = {p: statistics.median(r.seconds for r in found) for p, found in runs.items()}
    cpu = {p: statistics.median(r.cpu for r in found) for p, found in runs.items()}
    pairs = zip(runs[1], runs[2], strict=True)
    scaling = statistics.median(one.seconds / two.seconds / 2 for one, two in pairs)
    return (
        f"| {size:,} | {patients:,} | {megabytes:,.0f} | {patients / seconds[1]:.1f} | "
        f"{patients / seconds[2]:.1f} | **{scaling:.0%}** | {patients / cpu[1]:.1f} | "
        f"{cpu[2] / cpu[1]:.2f} |"
    )


def memory(folder: Path, size: int, patients: int) -> list[str]:
    """Rows: N and 4 N patients, two processes."""
    rows = []
    for count in (patients, 4 * patients):
        path = folder / f"{size}.ndjson"
        export(path, count, size)
        run = assess(path, 2, count)
        megabytes = path.stat().st_size / 1e6
        path.unlink()
        rows.append(
            f"| {size:,} | {count:,} | {megabytes:,.0f} | {run.largest:.0f} | {run.together:.0f} |"
        )
    return rows


def rows(folder: Path, *, quick: bool) -> list[Row]:
    """Two processes beside one, and memory for four times the patients."""
    found = []
    for size, patients in {50: 1_500, 500: 300, 5_000: 40}.items():
        count = patients // (5 if quick else 1)
        path = folder / f"{size}.ndjson"
        export(path, count, size)
        one, two = assess(path, 1, count), assess(path, 2, count)
        said = f"{count / one.seconds:.0f} and {count / two.seconds:.0f} patients/s"
        to = "half the time of one process"
        found.append(
            Row(f"batch, {size:,}, two processes", two.seconds * 2 / one.seconds, to, 1 / 0.9,
                said=said)
        )  # fmt: skip
        if size == SIZE_OF_MEMORY:
            export(path, 4 * count, size)
            four = assess(path, 2, 4 * count)
            said = f"{four.together:.0f} and {two.together:.0f} MiB together"
            name, to = f"batch, {size:,}, memory", "a quarter of the patients"
            found.append(Row(name, four.together / two.together, to, 1.1, said=said))
        path.unlink()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the patients, one round")
    parser.add_argument("--sizes", default="50,500,5000", help="resources of a chart")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    part, rounds = (QUICK, 1) if chosen.quick else (1, chosen.rounds)
    sizes = {int(size): PATIENTS.get(int(size), 100) // part for size in chosen.sizes.split(",")}
    say(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before")
    say("| resources | patients | MB | patients/s, 1 | 2 processes | scaling | a CPU s | CPU 2:1 |")
    say("| ---: " * 8 + "|")
    with tempfile.TemporaryDirectory() as name:
        for size, patients in sizes.items():
            say(compare(Path(name), size, patients, rounds))
        say("\n| resources | patients | MB | largest process, MiB | all together, MiB |")
        say("| ---: " * 5 + "|")
        for size, patients in sizes.items():
            for row in memory(Path(name), size, max(4, patients // 2)):
                say(row)
    say(f"load {os.getloadavg()[0]:.1f} after")


if __name__ == "__main__":
    main()
