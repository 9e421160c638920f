"""The command line: what an auditor types, what comes back, and that it leaves a trace."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from audit.samples import (
    EHR,
    NOON,
    Ids,
    a_decision,
    a_log_of,
    a_recorder,
    a_store,
    administrator,
    an_event,
    card_id,
    decision_id,
    envelopes,
    feedback_on,
    record,
    sign_log,
)
from cds_service.audit import (
    Call,
    CardReturned,
    Client,
    Feedback,
    Input,
    Outcome,
    User,
    cli_text,
    decision_event,
    delivery_event,
    feedback_event,
)
from cds_service.audit.canonical import content_hashes
from cds_service.audit.commands import audit_app


def run(*arguments: object, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(audit_app, [str(one) for one in arguments], env=env)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.db"
    with closing(a_store(path)) as store:
        record(store, an_event(1), an_event(2, outcome=Outcome.NO_CANCER, cancers=(), cards=()))
        record(store, feedback_on(card_id(1)))
    return path


def listed(*arguments: object) -> list[dict[str, Any]]:
    result = run("list", "--format", "json", *arguments)
    assert result.exit_code == 0, result.output
    entries = json.loads(result.stdout)
    assert isinstance(entries, list)
    return entries


def test_list_gives_decisions_the_newest_first(log: Path) -> None:
    assert [entry["decisionId"] for entry in listed("--db", log)] == [
        decision_id(2),
        decision_id(1),
    ]
    result = run("list", "--db", log)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["seq", "recorded", "(UTC)", "what", "found", "id"]
    assert "multiple-myeloma line 1 possible-refractory" in lines[2]
    assert lines[2].rstrip().endswith(decision_id(1))
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "seqs"),
    [
        pytest.param(["--type", "all"], [3, 2, 1], id="all types"),
        pytest.param(["--type", "feedback"], [3], id="a type"),
        pytest.param(["--outcome", "no-cancer"], [2], id="outcome"),
        pytest.param(["--disease", "multiple-myeloma"], [1], id="disease"),
        pytest.param(["--status", "responding"], [], id="status"),
        pytest.param(["--advice", "biopsy", "--disease", "multiple-myeloma"], [1], id="advice"),
        pytest.param(["--hook", "patient-view", "--service", "other"], [], id="service"),
        pytest.param(["--before", "2"], [1], id="next page"),
        pytest.param(["--limit", "1"], [2], id="limit"),
        pytest.param(["--since", "2026-11-21", "--until", "2026-11-22"], [2, 1], id="a day"),
        pytest.param(["--until", "2026-11-21T12:00:00.002Z"], [1], id="until is outside"),
        pytest.param(["--since", "2026-11-21T13:00:00.002+01:00"], [2], id="since is inside"),
    ],
)
def test_list_filters(log: Path, arguments: list[str], seqs: list[int]) -> None:
    assert [entry["seq"] for entry in listed("--db", log, *arguments)] == seqs


def test_the_file_can_be_named_by_the_environment(log: Path) -> None:
    result = run("list", env={"REFRACTORY_CDS_AUDIT_DB": str(log)})
    assert result.exit_code == 0
    assert decision_id(1) in result.stdout


def test_show_answers_on_one_screen_who_what_why_on_what_data_and_what_followed(log: Path) -> None:
    with closing(a_store(log, a_recorder(make_id=Ids(after=100)))) as store:
        record(store, delivery_event(decision_id(1)))
    shown = run("show", decision_id(1), "--db", log)
    assert shown.exit_code == 0
    for said in (
        "Practitioner/dr-a (oncologist), through https://ehr.example",
        "patient-view on refractory-status",
        "Possible 1",
        "advice restage (prompt, line 1)",
        "advice biopsy (routine): suppressed, recently-done",
        "multiple-myeloma, line 1: possible-refractory (secondary, criteria)",
        "met: multiple-myeloma.imwg-60-days",
        "not met: multiple-myeloma.primary (cannot-tell)",
        "caveats: marker-only",
        "as of 2026-11-21 (clock, UTC)",
        "Observation/o1 version 3, updated 2024-05-20T08:00:00Z (prefetch)",
        "missing: medicationRequests (omitted)",
        "left out: 2 × invalid-resource",
        "knowledge 2026.11.0, software 0.1.0",
        "overridden already-planned “already planned”",
        "the answer did not leave: aborted",
        "sealed, aes-256-gcm: assessment, identity, inputs, request, response",
    ):
        assert said in shown.stdout, said
    assert len(shown.stdout.splitlines()) <= 40


def test_show_names_the_advice_of_which_the_suggestion_was_accepted(tmp_path: Path) -> None:
    suggestions = (card_id(8), card_id(9))
    card = CardReturned(card_id(1), "info", ("restage", "biopsy"), suggestions)
    path = tmp_path / "log.db"
    taken = Feedback(
        card=card_id(1), outcome="accepted", entry=b"{}", outcome_timestamp="2026-11-21T12:30:00Z",
        accepted_suggestions=(card_id(9),),
    )  # fmt: skip
    call = Call(service_id="refractory-status")
    with closing(a_store(path)) as store:
        record(store, an_event(1, cards=(card,)))
        record(store, feedback_event(taken, call=call, client=EHR, received_at=NOON))
    shown = run("show", decision_id(1), "--db", path)
    assert f"card {card_id(1)}: accepted biopsy" in shown.stdout, shown.stdout


def test_show_says_what_was_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with closing(a_store(path)) as store:
        record(store, an_event(1, request=b'{"access_token": ["CANARY"]}'))
    shown = run("show", "1", "--db", path)
    assert shown.exit_code == 0
    assert "not kept, since an access token might stay in it: request" in shown.output


def test_show_reads_the_comment_whatever_else_the_feedback_holds(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    reason = '{"userComment": "done last week", "x": ' + "9" * 5000 + "}"
    with closing(a_store(path)) as store:
        record(store, an_event(1))
        feedback = feedback_on(card_id(1))
        entry = f'{{"overrideReason": {reason}}}'.encode()
        record(store, replace(feedback, sealed={"feedback": entry}))
    shown = run("show", "1", "--db", path)
    assert shown.exit_code == 0
    assert "done last week" in shown.output


def test_show_as_json_has_the_envelope_and_what_followed(log: Path) -> None:
    shown = json.loads(run("show", "1", "--db", log, "--format", "json").stdout)
    assert shown["envelope"] == envelopes(log)[0]
    assert shown["response"]["cards"][0]["summary"] == "Possible 1"
    assert shown["inputs"]["resources"][0]["reference"] == "Observation/o1"
    assert [entry["outcome"] for entry in shown["followed"]] == ["overridden"]
    assert shown["feedbackByCard"] == {card_id(1): "overridden"}
    assert "faults" not in shown


def test_show_does_not_name_the_patient(tmp_path: Path) -> None:
    path, secret = tmp_path / "log.db", "CANARY-id"
    decision = replace(
        a_decision(1, patient_id=secret, user=User(user_id=f"Patient/{secret}")),
        request=secret.encode(),
        assessment=json.dumps({"patient": f"Patient/{secret}", "cancers": []}).encode(),
        response=json.dumps(
            {"cards": [{"summary": "x", "suggestions": [{"subject": f"Patient/{secret}"}]}]}
        ).encode(),
        inputs=(
            Input(
                reference=f"Patient/{secret}",
                content=b"{}",
                origin="read",
                url=f"Patient/{secret}",
            ),
        ),
    )
    with closing(a_store(path)) as store:
        record(store, decision_event(decision))
    for output in ("text", "json"):
        shown = run("show", "1", "--db", path, "--format", output)
        assert shown.exit_code == 0
        assert secret not in shown.output
        assert "(sealed)" in shown.output


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\x1b[2J\x1b]0;title\x07", id="terminal escapes"),
        pytest.param("[bold red]x[/] [link=https://x]y[/link]", id="markup of rich"),
        pytest.param("\u202eexe.pdf\u2066", id="writing direction"),
        pytest.param("a\rb\x08c", id="overwriting"),
        pytest.param("\x9b31m", id="eight-bit escapes"),
    ],
)
def test_text_out_of_a_chart_only_shows_itself(tmp_path: Path, text: str) -> None:
    path = tmp_path / "log.db"
    response = json.dumps({"cards": [{"summary": text, "indicator": text}]}).encode()
    with closing(a_store(path)) as store:
        record(store, an_event(1, response=response), feedback_on(card_id(1), comment=text))
    for output in ("text", "json"):
        shown = run("show", "1", "--db", path, "--format", output).stdout
        assert not set(shown) & set("\x1b\x07\x08\r\x9b\u202e\u2066")
        if "[bold" in text:
            assert "[bold red]x[/]" in shown


def test_show_says_what_is_not_as_it_was_recorded(log: Path) -> None:
    with administrator(log) as db:
        db.execute("UPDATE payloads SET stored = x'00' WHERE name = 'response'")
        db.execute("UPDATE events SET envelope = replace(envelope, 'restage', 'restagE')")
    shown = run("show", "1", "--db", log)
    assert shown.exit_code == 0
    assert "NOT AS RECORDED: event 1 is not what was recorded" in shown.stdout
    assert "the response of event 1 is missing or was altered" in shown.stdout


@pytest.mark.parametrize(
    ("command", "entry"),
    [
        pytest.param(["list"], {"command": "list", "rows": 2}, id="list"),
        pytest.param(
            ["show", "1"], {"command": "show", "query": {"id": "1"}, "rows": 1}, id="show"
        ),
        pytest.param(
            ["show", "Jane Doe"],
            {"command": "show", "query": {"id": "(not an id)"}, "rows": 0},
            id="show nobody",
        ),
    ],
)
def test_each_reading_is_one_entry(log: Path, command: list[str], entry: dict[str, Any]) -> None:
    run(*command, "--db", log, "--reason", "complaint of Jane Doe")
    assert len(envelopes(log)) == 4
    last = envelopes(log)[-1]
    assert last["eventType"] == "access"
    assert last["reader"]["role"] == "operator"
    assert last["reader"]["account"]
    assert {name: last[name] for name in entry} == entry
    assert "Jane" not in json.dumps(last)


def test_nothing_is_shown_that_cannot_be_recorded(log: Path) -> None:
    with administrator(log) as db:
        db.execute("DELETE FROM head")
    for command in (["list"], ["show", "1"]):
        result = run(*command, "--db", log)
        assert result.exit_code == 2
        assert result.stdout == ""


# --- verify and anchor ----------------------------------------------------------------------


def test_verify_exits_3_for_a_whole_log_without_an_anchor_and_records_itself(log: Path) -> None:
    result = run("verify", "--db", log)
    assert result.exit_code == 3
    assert result.stdout.startswith("WHOLE, NOT ANCHORED: 3 events")
    last = envelopes(log)[-1]
    assert (last["eventType"], last["result"]["exitCode"]) == ("verification", 3)
    assert last["result"]["findings"] == ["unanchored"]


def test_verify_read_only_leaves_no_entry(log: Path) -> None:
    before = log.read_bytes()
    assert run("verify", "--db", log, "--read-only").exit_code == 3
    assert log.read_bytes() == before


def test_verify_exits_0_with_an_anchor_and_1_when_the_log_was_cut_after_it(
    log: Path, tmp_path: Path
) -> None:
    anchor = tmp_path / "anchor.txt"
    assert run("anchor", anchor, "--db", log).exit_code == 0
    assert run("verify", "--db", log, "--anchor", anchor).exit_code == 0
    with administrator(log) as db:
        for table in ("events", "terms", "payloads"):
            db.execute(f"DELETE FROM {table} WHERE seq > 2")  # noqa: S608
        db.execute(
            "UPDATE head SET size = 2, leaf_hash = (SELECT leaf_hash FROM events WHERE seq = 2)"
        )
    assert run("verify", "--db", log, "--read-only").exit_code == 3
    result = run("verify", "--db", log, "--anchor", anchor)
    assert result.exit_code == 1
    assert result.stdout.startswith("TAMPERED OR LOST: truncated")
    assert "an anchor knows of 1 more events" in result.stdout


def test_verify_as_json_says_the_same(log: Path) -> None:
    with administrator(log) as db:
        db.execute("UPDATE events SET recorded_at = 'x' WHERE seq = 2")
    result = run("verify", "--db", log, "--format", "json", "--read-only")
    report = json.loads(result.stdout)
    assert result.exit_code == report["exitCode"] == 1
    assert report["findings"][0] == {
        "kind": "index-mismatch",
        "detail": "a column or search term is not what the event says",
        "firstSeq": 2,
        "lastSeq": 2,
        "lastGoodSeq": 1,
        "after": "2026-11-21T12:00:00.001000Z",
        "before": "2026-11-21T12:00:00.003000Z",
        "informative": False,
    }


def test_a_tampered_log_gets_no_anchor(log: Path, tmp_path: Path) -> None:
    with administrator(log) as db:
        db.execute("DELETE FROM events WHERE seq = 2")
    assert run("anchor", tmp_path / "anchor.txt", "--db", log).exit_code == 1
    assert not (tmp_path / "anchor.txt").exists()


def test_an_anchor_is_printed_on_demand_and_never_written_over(log: Path, tmp_path: Path) -> None:
    printed = run("anchor", "-", "--db", log).stdout
    assert printed.splitlines()[:2] == ["refractory-cds/log-1", "3"]
    (tmp_path / "anchor.txt").write_text("kept", encoding="ascii")
    assert run("anchor", tmp_path / "anchor.txt", "--db", log).exit_code == 2
    assert (tmp_path / "anchor.txt").read_text(encoding="ascii") == "kept"


# --- what cannot be read --------------------------------------------------------------------


def no_file(path: Path) -> None:
    pass


def no_database(path: Path) -> None:
    path.write_bytes(b"not a database" * 500)


def damaged(path: Path) -> None:
    a_log_of(path, 40)
    content = bytearray(path.read_bytes())
    content[len(content) // 3 : len(content) // 2] = bytes(len(content) // 2 - len(content) // 3)
    path.write_bytes(content)


@pytest.mark.parametrize("harm", [no_file, no_database, damaged])
@pytest.mark.parametrize(
    "command", [["list"], ["show", "1"], ["verify"], ["anchor", "-"]], ids=lambda one: str(one[0])
)
def test_a_log_that_cannot_be_read_is_exit_code_2_and_one_line(
    tmp_path: Path, harm: Any, command: list[str]
) -> None:
    path = tmp_path / "log.db"
    harm(path)
    result = run(*command, "--db", path)
    if harm is damaged and command[0] in ("list", "show"):
        assert result.exit_code in (0, 2)  # the damage may lie elsewhere
        return
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert str(path) in result.stderr


def test_a_table_that_is_gone_is_exit_code_1(log: Path) -> None:
    with closing(sqlite3.connect(log)) as db:
        db.execute("DROP TABLE payloads")
    result = run("verify", "--read-only", "--db", log)
    assert result.exit_code == 1
    assert result.stdout.startswith("TAMPERED OR LOST: payload-missing")


def test_a_long_comment_is_shown_in_short_and_whole_as_json(tmp_path: Path) -> None:
    log = tmp_path / "log.db"
    with closing(a_store(log)) as store:
        record(store, an_event(1), feedback_on(card_id(1), comment="x" * 200_000))
    shown = run("show", decision_id(1), "--db", log)
    assert len(shown.stdout) < 10_000
    assert "and 199500 more characters" in " ".join(shown.stdout.split())
    assert "x" * 200_000 in run("show", decision_id(1), "--format", "json", "--db", log).stdout


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["list", "--type", "decisions"], id="no such type"),
        pytest.param(["list", "--since", "yesterday"], id="no time"),
        pytest.param(["list", "--limit", "0"], id="no limit"),
        pytest.param(["show"], id="no id"),
    ],
)
def test_wrong_usage_is_exit_code_2(log: Path, arguments: list[str]) -> None:
    assert run(*arguments, "--db", log).exit_code == 2


def test_an_empty_log_lists_nothing_and_has_nothing_to_anchor(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    a_log_of(path, 0)
    assert run("anchor", "-", "--db", path).exit_code == 2
    assert "No entry matches." in run("list", "--db", path).stdout


def test_a_client_without_authentication_can_be_listed_and_shown(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    bare = an_event(1, client=Client(), user=None, patient_id=None, as_of=None, received_at=NOON)
    with closing(a_store(path)) as store:
        record(store, bare)
    assert "a client without authentication" in run("show", "1", "--db", path).stdout


# --- one screen, for somebody who sees it for the first time ---------------------------------


def test_show_says_where_the_entry_stands_and_whether_it_is_signed_for(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with closing(a_store(path)) as store:
        record(store, an_event(1))
    assert "no checkpoint signs for it yet" in run("show", "1", "--db", path).stdout
    sign_log(path)
    signed = run("show", "1", "--db", path).stdout
    assert "entry 1 of 3 in log log-1" in signed
    assert "signed for by the checkpoint over 3 entries" in signed
    with closing(a_store(path)) as store:
        record(store, an_event(2))
    assert "no checkpoint signs for it yet" in run("show", decision_id(2), "--db", path).stdout


def test_show_says_who_looked_at_it_since(log: Path) -> None:
    assert "read since: not by its id (of 0 readings)" in run("show", "1", "--db", log).stdout
    run("show", "2", "--db", log)
    run("prove", decision_id(1), "--db", log)
    said = run("show", decision_id(1), "--db", log).stdout
    assert "read since: show 1 × (of 2 readings)" in said


def test_show_begins_with_the_resources_that_are_evidence_each_with_its_digest(
    tmp_path: Path,
) -> None:
    path = tmp_path / "log.db"
    content = b'{"resourceType": "Observation"}'
    inputs = [
        Input(reference=f"Observation/o{number:02}", content=content, origin="prefetch")
        for number in range(20)
    ]
    evidence = {"resource": "Observation/o17", "date": "2026-05-20", "finding": "progression"}
    line = {"number": 1, "evidence": [evidence]}
    assessment = {"cancers": [{"disease": "dlbcl", "lines": [line]}]}
    with closing(a_store(path)) as store:
        record(store, an_event(1, inputs=inputs, assessment=json.dumps(assessment).encode()))
    shown = run("show", "1", "--db", path).stdout
    resources = [one.split()[0] for one in shown.splitlines() if "Observation/o" in one]
    digest = content_hashes(content).whole.removeprefix("sha256:")[:12]
    assert f"Observation/o17 (prefetch) {digest}…: progression 2026-05-20" in shown
    assert (resources[0], len(resources)) == ("Observation/o17", 10)
    assert "and 10 more" in shown


@pytest.mark.parametrize(("width", "has_ids"), [(80, False), (119, False), (120, True)])
def test_a_narrow_list_leaves_the_ids_out(
    log: Path, monkeypatch: pytest.MonkeyPatch, width: int, has_ids: bool
) -> None:
    monkeypatch.setattr(cli_text, "_WIDTH_WITHOUT_TERMINAL", width)
    shown = run("list", "--db", log).stdout
    assert (decision_id(1) in shown) is has_ids
    assert all(len(one) <= width for one in shown.splitlines())


def test_without_a_terminal_there_is_no_progress_bar(log: Path) -> None:
    for command in (["verify"], ["export", "--format", "csv"], ["feedback"]):
        assert "left" not in run(*command, "--db", log).stderr
    with cli_text.progress_bar(10) as progress:
        progress(5)


def test_on_a_terminal_it_has_rate_and_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with cli_text.progress_bar(10, "exporting") as progress:
        progress(5)
    drawn = capsys.readouterr().err
    for said in ("exporting", "5/10", "/s", "left"):
        assert said in drawn, drawn
