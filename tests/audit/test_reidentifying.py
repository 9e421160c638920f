"""Naming a patient: one function, one command, and an entry before the answer."""

from __future__ import annotations

import ast
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from audit.samples import EHR, a_store, an_event, decision_id, envelopes, feedback_on, record
from cds_service.audit.commands import audit_app
from cds_service.audit.reading import open_reader

AUDIT = Path(__file__).resolve().parents[2] / "cds_service" / "audit"
OFFICER = ("--role", "privacy-officer", "--reason", "complaint 12")


def run(*arguments: object, **more: Any) -> Result:
    return CliRunner().invoke(audit_app, [str(one) for one in arguments], **more)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.db"
    with closing(a_store(path)) as store:
        record(store, an_event(1), an_event(2, patient_id=None), feedback_on("unknown"))
    return path


def namings(log: Path) -> list[dict[str, Any]]:
    return [one for one in envelopes(log) if one["eventType"] == "reidentification"]


@pytest.mark.parametrize("name", [decision_id(1), "1"])
def test_the_patient_of_a_decision_is_named_and_that_is_on_record(log: Path, name: str) -> None:
    result = run("reidentify", name, *OFFICER, "--db", log)
    assert (result.exit_code, result.stdout) == (0, "patient p1 on https://ehr.example/fhir\n")
    (naming,) = namings(log)
    assert (naming["decisionId"], naming["state"], naming["rows"]) == (
        decision_id(1), "answered", 1,
    )  # fmt: skip
    assert naming["reader"]["role"] == "privacy-officer"
    assert "p1" not in json.dumps(naming)
    with open_reader(log) as reader:
        event = reader.find(str(naming["seq"]))
        assert event is not None
        assert reader.content(event, "reason") == b"complaint 12"
    shown = run("show", "1", "--db", log).stdout
    assert "was told the patient's id (reidentification)" in shown
    assert "p1" not in shown.replace("imwg", "")


def test_without_its_entry_there_is_no_answer(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        from cds_service.errors import LogUnavailable

        raise LogUnavailable("the disk is full")

    monkeypatch.setattr("cds_service.audit.reidentifying_commands.record", fails)
    result = run("reidentify", 1, *OFFICER, "--db", log)
    assert (result.exit_code, result.stdout, namings(log)) == (2, "", [])


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["1", "--role", "operator", "--reason", "x"], id="another role"),
        pytest.param(["1", "--role", "privacy-officer", "--reason", " "], id="no reason"),
        pytest.param(["1", "--role", "privacy-officer"], id="no word of a reason"),
        pytest.param(["1", "--reason", "x"], id="no role"),
        pytest.param(["9", *OFFICER], id="no such entry"),
        pytest.param(["3", *OFFICER], id="no decision"),
    ],
)
def test_who_may_not_ask_is_told_nothing(log: Path, arguments: list[str]) -> None:
    result = run("reidentify", *arguments, "--db", log)
    assert (result.exit_code, result.stdout, len(envelopes(log))) == (2, "", 3)


def test_a_call_without_a_patient_and_an_erased_one_leave_their_entry(log: Path) -> None:
    result = run("reidentify", 2, *OFFICER, "--db", log)
    assert (result.exit_code, result.stdout) == (2, "")
    key = log.parent / "log.db.pseudonym-key"
    key.write_text(bytes(range(32)).hex() + "\n")
    key.chmod(0o600)
    erased = run(
        "erase", "--patient", "p1", "--fhir-server", "https://ehr.example/fhir", "--client",
        EHR.iss, "--ground", "asked for", "--db", log,
    )  # fmt: skip
    assert erased.exit_code == 0, erased.output
    result = run("reidentify", 1, *OFFICER, "--db", log)
    assert (result.exit_code, result.stdout) == (2, "")
    assert [(one["state"], one["rows"]) for one in namings(log)] == [("unknown", 0), ("erased", 0)]


def test_two_persons_where_the_setting_says_so(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two = {"REFRACTORY_CDS_AUDIT_TWO_PERSONS": "true"}

    def ask() -> tuple[int, str]:
        result = run("reidentify", 1, *OFFICER, "--db", log, env=two)
        return result.exit_code, result.stdout

    assert [ask(), ask()] == [(2, "")] * 2  # the same person twice is one person
    monkeypatch.setattr("os.getuid", lambda: 4_000_000)
    assert ask() == (0, "patient p1 on https://ehr.example/fhir\n")
    assert ask() == (2, "")  # an asking is good for one answer
    states = [one["state"] for one in namings(log)]
    assert states == ["asked", "asked", "answered", "asked"]
    assert namings(log)[2]["askedIn"] == namings(log)[1]["eventId"]


def test_an_asking_of_the_day_before_yesterday_counts_no_more(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import timedelta

    from cds_service.audit.events import utc_now

    run("reidentify", 1, *OFFICER, "--two-persons", "--db", log)
    monkeypatch.setattr("os.getuid", lambda: 4_000_000)
    for hours, code in ((25, 2), (0, 0)):
        now = utc_now() + timedelta(hours=hours)
        monkeypatch.setattr("cds_service.audit.reidentifying_commands.utc_now", lambda at=now: at)
        result = run("reidentify", 1, *OFFICER, "--two-persons", "--db", log)
        assert result.exit_code == code
        monkeypatch.setattr("os.getuid", lambda: 4_000_001)


def test_one_function_opens_the_identity() -> None:
    """Whatever reads the sealed identity by its name stands in one function of one module."""
    found = []
    for path in AUDIT.parent.rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(function, ast.FunctionDef) and any(
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "content"
                and any(isinstance(a, ast.Constant) and a.value == "identity" for a in node.args)
                for node in ast.walk(function)
            ):
                found.append(f"{path.name}:{function.name}")
    assert found == ["reidentifying.py:identity_of"]
