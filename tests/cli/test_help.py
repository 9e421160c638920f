"""What a newcomer sees first: help for every command, at once, with an example each."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from cli.terminal import ROOT, process, typed

COMMANDS = (
    ("serve",),
    ("demo",),
    ("assess",),
    ("conformance",),
    ("knowledge", "check"),
    ("knowledge", "list"),
    ("knowledge", "show"),
    ("fixtures", "load"),
)
NOT_OF_FILES = ("fastapi", "httpx", "stamina", "rich", "joserfc", "cds_service.audit")
HEAVY = ("fastapi", "uvicorn", "httpx", "msgspec", "pydantic", "orjson", "prometheus_client")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(
    command: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    ended = typed(capfd, *command, "--help")
    assert ended.code == 0
    assert f"Example: refractory-cds {' '.join(command)}" in ended.words


def test_the_first_page_names_every_command(capfd: pytest.CaptureFixture[str]) -> None:
    ended = typed(capfd, "--help")
    for name in ("serve", "demo", "assess", "conformance", "audit", "knowledge", "fixtures"):
        assert f" {name} " in ended.out


@pytest.mark.parametrize("command", [(), ("knowledge",), ("fixtures",), ("audit",)], ids=str)
def test_a_group_without_a_command_shows_its_help(
    command: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    ended = typed(capfd, *command)
    assert ended.code == 2
    assert "Commands" in ended.out
    assert ended.err == ""


def test_help_of_the_decision_log_is_that_of_its_own_commands(
    capfd: pytest.CaptureFixture[str],
) -> None:
    ended = typed(capfd, "audit", "verify", "--help")
    assert "Usage: refractory-cds audit verify" in ended.words
    assert "completion" not in ended.out


def test_help_imports_nothing_heavy() -> None:
    code = f"""
import sys
from cds_service.cli import run
run(["--help"])
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    ended = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", code], capture_output=True, cwd=ROOT, check=True, text=True
    )
    assert ended.stdout.splitlines()[-1] == "[]"


def test_assess_of_files_loads_what_files_need() -> None:
    """Neither the web, nor what goes to FHIR servers, nor the decision log, nor frames for text."""
    code = f"""
import sys
from cds_service.cli import run
run(["assess", "fhir_fixtures/breast-cdk/bundle.json", "--format", "json"])
print([name for name in {NOT_OF_FILES!r} if name in sys.modules])
"""
    ended = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", code], capture_output=True, cwd=ROOT, check=True, text=True
    )
    answer, loaded = ended.stdout.splitlines()
    assert answer.startswith('{"patient":"Patient/breast-cdk"')
    assert loaded == "[]"


def test_help_is_faster_than_importing_the_web_framework() -> None:
    def seconds(*command: str) -> float:
        best = float("inf")
        for _ in range(5):
            began = time.perf_counter()
            subprocess.run([sys.executable, *command], capture_output=True, cwd=ROOT, check=True)  # noqa: S603
            best = min(best, time.perf_counter() - began)
        return best

    assert seconds("-m", "cds_service", "--help") < 0.75 * seconds("-c", "import fastapi")


def test_the_version_is_that_of_the_package(capfd: pytest.CaptureFixture[str]) -> None:
    from cds_service import __version__

    assert typed(capfd, "--version").out == f"refractory-cds {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["asess"], "Did you mean 'assess'?", id="unknown command"),
        pytest.param(["serve", "--port", "http"], "--port", id="not a number"),
        pytest.param(["serve", "--workers", "0"], "--workers", id="out of range"),
        pytest.param(["assess", "x", "--format", "xml"], "--format", id="unknown format"),
        pytest.param(["assess", "x", "--asof", "2026-11-21"], "--asof", id="unknown option"),
        pytest.param(["fixtures", "load"], "--to", id="missing option"),
        pytest.param(["fixtures", "load", "--to", "here"], "here: not a plain", id="no address"),
        pytest.param(["audit", "lst"], "refractory-cds audit --help", id="in a forwarded group"),
    ],
)
def test_wrong_usage_is_one_line(
    arguments: list[str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert said in typed(capfd, *arguments).one_complaint()


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("REFRACTORY_CDS_FHIR_SECONDS", "-1", "REFRACTORY_CDS_FHIR_SECONDS: "),
        ("REFRACTORY_CDS_FHIR_SERVERS", "https://a.example.org", "a list is written as JSON"),
    ],
)
def test_a_wrong_setting_is_named(
    variable: str,
    value: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(variable, value)
    assert said in typed(capfd, "audit", "list").one_complaint()


def test_the_decision_log_is_that_of_the_settings(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REFRACTORY_CDS_AUDIT_DB", "elsewhere/log.db")
    ended = typed(capfd, "audit", "list")
    assert ended.code == 2
    assert "elsewhere/log.db: there is no such decision log" in ended.err


def test_the_package_runs_as_a_module() -> None:
    assert process("--version").out.startswith("refractory-cds ")
