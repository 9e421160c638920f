"""Several processes, and processes that are killed: one chain, and nothing acknowledged is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from postgres_server import Server

from audit.crash_rounds import OF_SPOOL, POINTS
from audit.samples import envelopes, verified
from cds_service.audit.address import Address

HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join((str(HERE.parent), *sys.path))}
ROUNDS = int(os.environ.get("CRASH_ROUNDS", "6"))


def script(name: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603
        [sys.executable, str(HERE / name), *map(str, arguments)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process: subprocess.Popen[str], rounds: int = 0) -> str:
    output, errors = process.communicate(timeout=100 + 3 * rounds)
    assert process.returncode == 0, errors
    return output


@pytest.mark.parametrize(("processes", "each"), [(4, 200), (6, 150)])
def test_processes_that_start_at_once_write_one_chain(
    where: Address, processes: int, each: int
) -> None:
    running = [script("append_many.py", where, each, number) for number in range(processes)]
    for process in running:
        finished(process)
    entries = envelopes(where)
    assert [entry["seq"] for entry in entries] == list(range(1, processes * each + 1))
    assert list(Counter(entry["pid"] for entry in entries).values()) == [each] * processes
    assert len({entry["patientPseudonym"] for entry in entries}) == 1
    assert verified(where).exit_code == 3


def survives(folder: Path, point: str, rounds: int) -> None:
    running = script("crash_rounds.py", folder, point, rounds, os.environ.get("SEED", point))
    done = json.loads(finished(running, rounds))
    assert done["rounds"] == rounds
    assert done["acknowledged"] > 0
    assert (done["spooled"] > 0) or point not in OF_SPOOL


@pytest.mark.timeout(120 + 3 * ROUNDS)
@pytest.mark.parametrize("point", POINTS)
def test_a_process_killed_there_loses_nothing_it_acknowledged(tmp_path: Path, point: str) -> None:
    """More rounds: `make crashes ROUNDS=200`."""
    survives(tmp_path, point, ROUNDS)


@pytest.mark.real
@pytest.mark.timeout(120 + 3 * ROUNDS)
@pytest.mark.parametrize("point", ["before-insert", "before-commit", "after-commit", "random"])
def test_a_process_killed_there_leaves_a_servers_log_whole(postgres: Server, point: str) -> None:
    program = "crash_rounds_on_server.py"
    done = json.loads(finished(script(program, postgres.new_log(), point, ROUNDS, point), ROUNDS))
    assert done["rounds"] == ROUNDS
    assert done["acknowledged"] > 0
