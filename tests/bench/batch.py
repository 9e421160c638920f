"""`refractory-cds assess` on NDJSON: patients a second, two processes beside one, and memory.

    python tests/bench/batch.py [--quick] [--sizes 50,500,5000] [--rounds N]

For each size of chart an export by patient is made up (`prostate_chart.py`, every patient under
an id of their own), in two files of half the patients, and assessed in turn by one process, by
two, and by two that know nothing of each other: a command for each file, each on a core of its
own. What those two take beyond half the time of one is the machine's (a start each, and cores
that share memory and heat), and nobody can do better; what two processes take beyond that is ours.
The shortest of the rounds counts, since whatever else the machine does only adds to it. Look at
the processor time besides: `CPU 2 : 1` is how much more of it two processes need for the same.
Then the most memory of the largest process, and of all together, at a quarter and at all patients.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import orjson
from bench.prostate_chart import PATIENT, prostate_chart
from bench.rows import Row, say

AS_OF = date(2026, 11, 21)
PATIENTS = {50: 10_000, 500: 2_800, 5_000: 320}
"""So many that one process needs half a minute: starting up must weigh little."""
BENCH, QUICK = 5, 6
"""Parts of them that are enough for `make bench`, and for a quick one."""
LOOK_EVERY = 0.05
SIZE_OF_MEMORY = 500
LINEAR = 1 / 0.9
"""Nine tenths of linear scaling."""
BESIDE_TWO_APART = 1.08
"""What sorting, waiting for each other and merging may cost beyond the work itself."""


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds by the clock and of processors, and MiB of the largest process and of all."""

    seconds: float
    cpu: float
    largest: float = 0.0
    together: float = 0.0


class Export:
    """Charts of so many patients, one patient after the other as no export guarantees."""

    def __init__(self, folder: Path, patients: int, size: int) -> None:
        self.patients = patients
        self.halves = (folder / f"{size}-a.ndjson", folder / f"{size}-b.ndjson")
        chart = prostate_chart(size, AS_OF)
        lines = b"".join(orjson.dumps(r) + b"\n" for found in chart.values() for r in found)
        for half, path in enumerate(self.halves):
            with path.open("wb") as file:
                for number in range(half, patients, 2):
                    file.write(lines.replace(PATIENT.encode(), b"patient-%06d" % number))

    @property
    def megabytes(self) -> float:
        return sum(path.stat().st_size for path in self.halves) / 1e6

    def remove(self) -> None:
        for path in self.halves:
            path.unlink()

    def by(self, processes: int) -> Run:
        """All of it by one command."""
        with _Assessing(self.halves, processes) as running:
            return running.until_end(self.patients)

    def by_two_apart(self) -> Run:
        """Half of it by each of two commands at once, on a core of its own."""
        began, used = time.perf_counter(), _used()
        with _Assessing(self.halves[:1], 1, 0) as one, _Assessing(self.halves[1:], 1, 1) as other:
            one.until_end((self.patients + 1) // 2)
            other.until_end(self.patients // 2)
        return Run(time.perf_counter() - began, _used() - used)


class _Assessing:
    """The command, running; on one core alone where that is asked for and can be had."""

    def __init__(self, paths: Sequence[Path], processes: int, core: int | None = None) -> None:
        self._out = tempfile.TemporaryFile()  # noqa: SIM115 - closed at the end
        self._used = _used()
        self._began = time.perf_counter()
        options = ("--as-of", str(AS_OF), "--format", "json", "--processes", str(processes))
        self._running = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "cds_service", "assess", *map(str, paths), *options],
            stdout=self._out,
        )
        if core is not None and sys.platform == "linux":
            own = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(self._running.pid, {own[core % len(own)]})

    def __enter__(self) -> _Assessing:
        return self

    def __exit__(self, *_: object) -> None:
        self._out.close()

    def until_end(self, patients: int) -> Run:
        """Fails where it does not give every patient."""
        running, largest, together = self._running, 0.0, 0.0
        while running.poll() is None:
            each = [_mib(pid) for pid in (running.pid, *_children(running.pid))]
            largest, together = max(largest, *each), max(together, sum(each))
            time.sleep(LOOK_EVERY)
        seconds = time.perf_counter() - self._began
        self._out.seek(0)
        if running.returncode or sum(1 for _ in self._out) != patients:
            raise SystemExit("assess did not give every patient")
        return Run(seconds, _used() - self._used, largest, together)


def _used() -> float:
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    return now.ru_utime + now.ru_stime


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


@dataclass(frozen=True, slots=True)
class Compared:
    """The shortest run of one process, of two, and of two apart."""

    patients: int
    one: Run
    two: Run
    apart: Run

    @property
    def ours(self) -> float:
        """1 is linear."""
        return self.two.seconds * 2 / self.one.seconds

    @property
    def machines(self) -> float:
        """The same of two that have nothing to do with each other."""
        return self.apart.seconds * 2 / self.one.seconds


def compare(export: Export, rounds: int) -> Compared:
    """One process, two, and two apart, in turn."""
    ways: tuple[Callable[[], Run], ...] = (
        lambda: export.by(1),
        lambda: export.by(2),
        export.by_two_apart,
    )
    runs = [[way() for way in ways] for _ in range(rounds)]
    one, two, apart = (min(found, key=lambda run: run.seconds) for found in zip(*runs, strict=True))
    return Compared(export.patients, one, two, apart)


def quarter(folder: Path, size: int, patients: int) -> Run:
    """A quarter of the patients by two processes, for the memory that they take."""
    export = Export(folder, patients // 4, size)
    try:
        return export.by(2)
    finally:
        export.remove()


def rows(folder: Path, *, quick: bool) -> list[Row]:
    """Two processes beside one and beside two apart, and memory for four times the patients."""
    found = []
    for size, all_patients in PATIENTS.items():
        patients = all_patients // (QUICK if quick else BENCH)
        export = Export(folder, patients, size)
        told = compare(export, 1 if quick else 2)
        export.remove()
        one, two = patients / told.one.seconds, patients / told.two.seconds
        said = f"{one:.0f} and {two:.0f} patients/s; two apart {told.machines:.2f}"
        name, to = f"batch, {size:,}, two processes", "half the time of one process"
        found.append(Row(name, told.ours, to, LINEAR, said=said))
        ratio = told.two.seconds / told.apart.seconds
        name = f"batch, {size:,}, beside two apart"
        found.append(Row(name, ratio, "two commands at once", BESIDE_TWO_APART))
        if size == SIZE_OF_MEMORY:
            before, now = quarter(folder, size, patients).together, told.two.together
            said = f"{now:.0f} and {before:.0f} MiB together"
            name, to = f"batch, {size:,}, memory", "a quarter of the patients"
            found.append(Row(name, now / before, to, 1.1, said=said))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a sixth of the patients, one round")
    parser.add_argument("--sizes", default="50,500,5000", help="resources of a chart")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    part, rounds = (QUICK, 1) if chosen.quick else (1, chosen.rounds)
    say(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before")
    say("| resources | patients | MB | patients/s, 1 | 2 | × half of 1's time | two apart | "
        "a CPU s | CPU 2:1 | MiB, 2 | a quarter |")  # fmt: skip
    say("| ---: " * 11 + "|")
    with tempfile.TemporaryDirectory() as name:
        for size in map(int, chosen.sizes.split(",")):
            export = Export(Path(name), PATIENTS.get(size, 200) // part, size)
            megabytes, patients = export.megabytes, export.patients
            told = compare(export, rounds)
            export.remove()
            less = quarter(Path(name), size, patients)
            say(
                f"| {size:,} | {patients:,} | {megabytes:,.0f} | "
                f"{patients / told.one.seconds:.1f} | {patients / told.two.seconds:.1f} | "
                f"**{told.ours:.2f}** | {told.machines:.2f} | {patients / told.one.cpu:.1f} | "
                f"{told.two.cpu / told.one.cpu:.2f} | {told.two.together:.0f} | "
                f"{less.together:.0f} |"
            )
    say(f"load {os.getloadavg()[0]:.1f} after")


if __name__ == "__main__":
    main()
