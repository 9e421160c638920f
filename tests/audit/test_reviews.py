"""What reviewers say of decisions: entries of their own, comments sealed, minds changed."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from audit.samples import (
    EHR,
    a_store,
    an_event,
    card_id,
    decision_id,
    envelopes,
    feedback_on,
    record,
    verified,
)
from cds_service.audit.commands import audit_app
from cds_service.audit.reading import open_reader

COMMENT = "The nadir was in May; Mrs Canary had stopped by herself."


def run(*arguments: object, **more: Any) -> Result:
    return CliRunner().invoke(audit_app, [str(one) for one in arguments], **more)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.db"
    with closing(a_store(path)) as store:
        record(store, an_event(1), an_event(2), feedback_on(card_id(1)))
    return path


def reviews(log: Path) -> list[dict[str, Any]]:
    return [one for one in envelopes(log) if one["eventType"] == "review"]


def shown(log: Path, name: str = decision_id(1)) -> dict[str, Any]:
    found = json.loads(run("show", name, "--db", log, "--format", "json").stdout)
    assert isinstance(found, dict)
    return found


def listed(log: Path, *arguments: object) -> list[int]:
    result = run("list", "--db", log, "--format", "json", *arguments)
    assert result.exit_code == 0, result.output
    return [entry["seq"] for entry in json.loads(result.stdout)]


@pytest.mark.parametrize("name", [decision_id(1), "1"])
@pytest.mark.parametrize("verdict", ["right", "wrong", "unsure"])
def test_a_verdict_is_an_entry_tied_to_its_decision(log: Path, name: str, verdict: str) -> None:
    before = envelopes(log)
    result = run("review", name, "--verdict", verdict, "--reason", "wrong-line", "--db", log)
    assert result.exit_code == 0, result.output
    assert envelopes(log)[: len(before)] == before
    (review,) = reviews(log)
    assert (review["decisionId"], review["verdict"]) == (decision_id(1), verdict)
    assert (review["reason"], review["reader"]["role"]) == ("wrong-line", "reviewer")
    assert review["patientPseudonym"] == before[0]["patientPseudonym"]
    assert "sealed" not in review
    assert verified(log).exit_code == 3


def test_a_changed_mind_is_a_second_entry_and_both_are_shown(log: Path, tmp_path: Path) -> None:
    note = tmp_path / "comment.txt"
    note.write_text(COMMENT, "utf-8")
    run("review", 1, "--verdict", "wrong", "--comment-file", note, "--db", log)
    run("review", 1, "--verdict", "right", "--db", log)
    assert [one["verdict"] for one in reviews(log)] == ["wrong", "right"]
    followed = [one for one in shown(log)["followed"] if one["eventType"] == "review"]
    assert [(one["verdict"], one.get("comment")) for one in followed] == [
        ("wrong", COMMENT),
        ("right", None),
    ]
    screen = run("show", 1, "--db", log).stdout
    assert screen.index(": wrong “The nadir") < screen.index(": right")
    assert shown(log, decision_id(2))["followed"] == []
    assert listed(log, "--type", "review") == [5, 4]


def test_the_comment_is_sealed_with_the_patient_s_key_and_dies_with_it(log: Path) -> None:
    result = run(
        "review", 1, "--verdict", "wrong", "--comment-file", "-", "--db", log, input=COMMENT
    )
    assert result.exit_code == 0, result.output
    (review,) = reviews(log)
    assert review["sealed"]["keyId"] == envelopes(log)[0]["sealed"]["keyId"]
    for file in log.parent.iterdir():
        assert b"Canary" not in file.read_bytes()
    with open_reader(log) as reader:
        event = reader.find("4")
        assert event is not None
        assert reader.content(event, "comment") == COMMENT.encode()
    (log.parent / "log.db.pseudonym-key").write_text(bytes(range(32)).hex() + "\n")
    (log.parent / "log.db.pseudonym-key").chmod(0o600)
    erased = run(
        "erase", "--patient", "p1", "--fhir-server", "https://ehr.example/fhir", "--client",
        EHR.iss, "--ground", "asked for", "--db", log,
    )  # fmt: skip
    assert erased.exit_code == 0, erased.output
    assert "comment" in shown(log)["erased"]
    refused = run("review", 1, "--verdict", "right", "--comment-file", "-", "--db", log, input="x")
    assert (refused.exit_code, "was erased" in refused.stderr) == (2, True)
    assert run("review", 1, "--verdict", "right", "--db", log).exit_code == 0
    assert [one["verdict"] for one in reviews(log)] == ["wrong", "right"]
    assert verified(log).exit_code == 3


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        pytest.param(["9", "--verdict", "right"], None, id="no such entry"),
        pytest.param(["3", "--verdict", "right"], None, id="no decision"),
        pytest.param(["1", "--verdict", "maybe"], None, id="no such verdict"),
        pytest.param(["1"], None, id="no verdict"),
        pytest.param(["1", "--verdict", "wrong", "--reason", "p1 died"], None, id="no code"),
        pytest.param(["1", "--verdict", "wrong", "--reason", "x" * 41], None, id="a long code"),
        pytest.param(["1", "--verdict", "wrong", "--reason", "case-4711"], None, id="a number"),
        pytest.param(["1", "--verdict", "wrong", "--comment-file", "-"], " \n", id="no comment"),
        pytest.param(
            ["1", "--verdict", "wrong", "--comment-file", "-"], "x" * 10_001, id="a long comment"
        ),
        pytest.param(["1", "--verdict", "wrong", "--comment-file", "/none"], None, id="no file"),
    ],
)
def test_what_is_no_review_leaves_no_entry(
    log: Path, arguments: list[str], given: str | None
) -> None:
    result = run("review", *arguments, "--db", log, input=given)
    assert result.exit_code == 2
    assert len(envelopes(log)) == 3


def test_decisions_are_found_by_what_their_reviewers_said_last(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert listed(log, "--reviewed", "none") == [2, 1]
    run("review", 1, "--verdict", "wrong", "--db", log)
    assert (listed(log, "--reviewed", "wrong"), listed(log, "--reviewed", "none")) == ([1], [2])
    run("review", 1, "--verdict", "right", "--db", log)  # the same account
    assert (listed(log, "--reviewed", "wrong"), listed(log, "--reviewed", "right")) == ([], [1])
    monkeypatch.setattr("os.getuid", lambda: 4_000_000)
    run("review", 1, "--verdict", "unsure", "--db", log)  # another's counts beside it
    assert [listed(log, "--reviewed", one) for one in ("right", "unsure", "any")] == [[1]] * 3
    assert listed(log, "--type", "review", "--reviewed", "wrong") == [5]
