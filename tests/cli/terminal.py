"""The command line as somebody types it: in a process of its own, or quicker in this one."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from cds_service.cli import run

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "fhir_fixtures"
AS_OF = "2026-11-12"
ESCAPE = "\x1b"


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def words(self) -> str:
        """The output without line breaks, so that a sentence is found however it is wrapped."""
        return " ".join(self.out.split())

    def one_complaint(self) -> str:
        """The one line on standard error of a command that was used wrongly."""
        assert self.code == 2
        assert self.out == ""
        assert len(self.err.splitlines()) == 1, self.err
        assert self.err.startswith("refractory-cds: ")
        return self.err.removeprefix("refractory-cds: ").strip()


def typed(capfd: pytest.CaptureFixture[str], *arguments: object) -> Ended:
    """Run a command in this process."""
    capfd.readouterr()
    code = run([str(argument) for argument in arguments])
    out, err = capfd.readouterr()
    return Ended(code, out, err)


def process(
    *arguments: object, stdin: bytes = b"", cwd: Path | None = None, **environment: str
) -> Ended:
    """Run a command in a process of its own."""
    ended = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "cds_service", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        cwd=cwd or ROOT,
        env={**os.environ, "COLUMNS": "80", **environment},
        timeout=60,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())
