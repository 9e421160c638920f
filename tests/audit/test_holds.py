"""Legal holds: placed and released as entries, and no erasure of whom they cover in between."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from audit.samples import (
    KEY,
    a_recorder,
    a_store,
    an_event,
    decision_id,
    envelopes,
    record,
    verified,
)
from audit.test_erasing import P1, erase
from cds_service.audit import hold_commands
from cds_service.audit.commands import audit_app
from cds_service.audit.entries import Reader
from cds_service.audit.erasing import Row, _Erasing, redaction_event
from cds_service.audit.holds import Scope, hold_event
from cds_service.errors import AuditError

WHY = "Case 4711 of the district court"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(audit_app, [str(one) for one in arguments])


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.db"
    with closing(a_store(path)) as store:
        record(store, an_event(1), an_event(2))
    return path


@pytest.fixture
def anybody(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Whose account the commands run under."""

    def is_now(account: str) -> None:
        monkeypatch.setattr(
            hold_commands,
            "who",
            lambda reason, role="operator": Reader(account=account, role=role, reason=reason),
        )

    return is_now


def in_force(log: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("holds", "--db", log, "--format", "json").stdout)
    return found


def placed(log: Path, *scope: object) -> str:
    result = run("hold", *scope, "--db", log, "--reason", WHY)
    assert result.exit_code == 0, result.output
    hold_id = result.stdout.split()[1]
    assert [one["hold"] for one in in_force(log)][-1:] == [hold_id]
    return hold_id


def test_a_patient_of_a_decision_that_is_held_is_not_erased(log: Path) -> None:
    before = envelopes(log)
    hold_id = placed(log, decision_id(1))
    result = erase(log)
    assert result.exit_code == 2
    assert hold_id in result.output
    assert {one["eventType"] for one in envelopes(log)[len(before) :]} == {"legal-hold", "access"}
    assert verified(log).exit_code == 3


@pytest.mark.parametrize(
    ("scope", "covers"),
    [
        ((), True),
        (("--user", "Practitioner/dr-a"), True),
        (("--user", "Practitioner/nobody"), False),
        (("--disease", "multiple-myeloma"), True),
        (("--disease", "gtn"), False),
        (("--rule", "multiple-myeloma.imwg-60-days"), True),
        (("--rule", "gtn.rise"), False),
        (("--from", "2020-01-01"), True),
        (("--from", "2100-01-01"), False),
        (("--to", "2020-01-01"), False),
        (("--from", "2020-01-01", "--to", "2100-01-01", "--disease", "multiple-myeloma"), True),
    ],
)
def test_a_hold_covers_the_patients_of_the_decisions_that_it_names(
    log: Path, scope: tuple[str, ...], covers: bool
) -> None:
    placed(log, *scope)
    assert (erase(log).exit_code != 0) is covers


def test_two_persons_release_it_and_then_the_patient_is_erased(log: Path, anybody: Any) -> None:
    anybody("a")
    hold_id = placed(log, decision_id(1))
    assert "another account" in run("release", hold_id, "--db", log, "--reason", WHY).output
    assert in_force(log)[0]["releaseAskedBy"] == "a"
    assert run("release", hold_id, "--db", log, "--reason", WHY).exit_code == 2
    assert erase(log).exit_code == 2
    anybody("b")
    assert run("release", hold_id, "--db", log, "--reason", WHY).output == "released\n"
    assert in_force(log) == []
    assert erase(log).exit_code == 0
    states = [one["state"] for one in envelopes(log) if one["eventType"] == "legal-hold"]
    assert states == ["placed", "release-asked", "released"]


def test_of_two_holds_the_other_one_stays(log: Path, anybody: Any) -> None:
    first, second = placed(log, decision_id(1)), placed(log, "--disease", "multiple-myeloma")
    for account in ("a", "b"):
        anybody(account)
        run("release", first, "--db", log, "--reason", WHY)
    assert [one["hold"] for one in in_force(log)] == [second]
    assert second in erase(log).output


@pytest.mark.parametrize(
    "arguments",
    [
        ("hold", "--reason", " "),
        ("hold", decision_id(1), "--user", "x", "--reason", WHY),
        ("hold", decision_id(9), "--reason", WHY),
        ("release", decision_id(1), "--reason", WHY),
    ],
)
def test_what_names_nothing_holds_nothing(log: Path, arguments: tuple[str, ...]) -> None:
    before = len(envelopes(log))
    result = run(*arguments, "--db", log)
    assert result.exit_code == 2
    assert len(envelopes(log)) == before


def test_the_reason_is_sealed(log: Path) -> None:
    placed(log, decision_id(1))
    assert WHY not in json.dumps(envelopes(log))
    assert WHY.encode() not in log.read_bytes()


def test_a_hold_that_comes_in_between_stops_the_erasure(log: Path) -> None:
    by = Reader(account="a", role="operator")
    row = Row(KEY.lookup_id(P1), "ab" * 32, "a key")
    event = redaction_event(by, [row], policy="x", ground="y", payloads_deleted=0)
    with closing(a_store(log)) as store:
        record(store, hold_event(by, "placed", scope=Scope()))
    with (
        closing(_Erasing(log, a_recorder(), [row], holds_seen=0)) as store,
        pytest.raises(AuditError, match="placed or released meanwhile"),
    ):
        store.append([event])
