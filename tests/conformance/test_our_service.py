"""Our own service, as a process on a socket: the self-test finds nothing against it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.terminal import Ended, typed
from cli.test_serve import serving, wait_for

from cds_service.audit.listing import Wanted
from cds_service.audit.reading import open_reader
from cds_service.conformance.calls import USER
from cds_service.conformance.requirement import SECTIONS
from cds_service.conformance.table import REQUIREMENTS
from conformance.good_service import a_client

NEEDS_A_KEY = {"9.2", "9.4", "9.5", "9.6", "9.7", "9.8", "9.9"}
MAY_BE_MISSING = {"7.13", "7.14", "7.38", "9.1"}
"""An address, an icon, a deletion: a card need not have one. And TLS, on this machine."""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "log.db"


@pytest.fixture(scope="module")
def base(log: Path) -> Iterator[str]:
    with serving(log) as (_, written):
        port = wait_for(written, "service.listening")["port"]
        wait_for(written, "service.started")
        yield f"http://127.0.0.1:{port}"


def conformance(capfd: pytest.CaptureFixture[str], *arguments: object) -> Ended:
    return typed(capfd, "conformance", *arguments)


def test_everything_holds_that_can_be_checked(base: str, capfd: pytest.CaptureFixture[str]) -> None:
    ended = conformance(capfd, "--base", base, "--format", "json", "--strict")
    said = json.loads(ended.out)
    assert [r for r in said["requirements"] if r["verdict"] == "does not hold"] == []
    assert ended.code == 0
    assert said["conforms"] is True
    unchecked = {r["number"] for r in said["requirements"] if r["verdict"] == "not checked"}
    assert NEEDS_A_KEY <= unchecked <= NEEDS_A_KEY | MAY_BE_MISSING
    assert [r["number"] for r in said["requirements"]] == [r.number for r in REQUIREMENTS]
    assert sum(said["counts"].values()) == len(REQUIREMENTS)


def test_people_read_it_by_section_with_the_counts_at_the_end(
    base: str, capfd: pytest.CaptureFixture[str]
) -> None:
    ended = conformance(capfd, "--base", f"{base}/cds-services/", "--format", "text")
    assert ended.code == 0
    assert all(f"{number} {title}" in ended.words for number, title in SECTIONS.items())
    assert "7.10 SHALL holds: `summary` is a line of fewer than 140 characters." in ended.words
    assert "not checked: Everything goes by TLS. - plain http on this machine" in ended.words
    assert ended.lines[-1].endswith(" not checked")
    assert " 0 do not hold, 0 warnings, " in ended.lines[-1]
    assert max(map(len, ended.lines)) <= 80


def test_its_calls_can_be_told_apart_in_the_decision_log(
    base: str, log: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert conformance(capfd, "--base", base).code == 0
    with open_reader(log) as reader:
        users = {
            event.read().get("user", {}).get("userId") for event in reader.page(Wanted(limit=1000))
        }
    assert USER in users


def test_a_service_that_asks_for_no_token_fails_with_a_key(
    base: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "key.pem"
    key.write_bytes(a_client().key.as_pem(private=True))
    ended = conformance(
        capfd, "--base", base, "--format", "json",
        "--jwt-key", key, "--jwt-iss", "https://ehr.test", "--jwt-kid", "k1",
    )  # fmt: skip
    assert ended.code == 1
    said = json.loads(ended.out)
    wrong = {r["number"] for r in said["requirements"] if r["verdict"] == "does not hold"}
    assert wrong == NEEDS_A_KEY - {"9.9"}
    assert said["conforms"] is False
    assert "eyJ" not in ended.out
