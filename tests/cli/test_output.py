"""Output that cannot be written: one line or none, and an exit code that says which."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.terminal import FIXTURES, ROOT

FULL = Path("/dev/full")
CHART = str(FIXTURES / "mm-len" / "bundle.json")
COMMANDS = [
    pytest.param(["assess", CHART], id="JSON"),
    pytest.param(["assess", CHART, "--format", "text"], id="text"),
    pytest.param(["knowledge", "list"], id="knowledge"),
    pytest.param(["--version"], id="the version"),
    pytest.param(["assess", "--help"], id="help"),
]


def run_into(out: int, *arguments: str) -> tuple[int, str]:
    ended = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "cds_service", *arguments],
        stdout=out,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        text=True,
        timeout=60,
        check=False,
    )
    return ended.returncode, ended.stderr


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_full_disk_is_one_line_and_exit_code_2(arguments: list[str]) -> None:
    out = os.open(FULL, os.O_WRONLY)
    try:
        code, said = run_into(out, *arguments)
    finally:
        os.close(out)
    assert said == "refractory-cds: the output cannot be written: No space left on device\n"
    assert code == 2


@pytest.mark.parametrize("arguments", COMMANDS[:3])
def test_a_pipe_that_nobody_reads_ends_it_without_a_word(arguments: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        code, said = run_into(write, *arguments)
    finally:
        os.close(write)
    assert (code, said) == (141, "")
