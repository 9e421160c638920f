"""`audit purge`: what it says, when it does anything; and how the other commands speak of what is
gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hooks.calls import call, myeloma, prefetch_of
from hooks.serving import EHR, Served, serving
from typer.testing import CliRunner, Result

from audit import test_identified as identified
from audit.samples import Clock, an_event, card_id, decision_id, envelopes, feedback_on
from audit.samples import data_keys_of as keys_of
from audit.test_purging import BY, put, rows, tamper
from cds_service.audit.commands import audit_app
from cds_service.audit.purging import purge
from cds_service.audit.retention import Retention
from cds_service.replay.commands import audit_app as replay_app
from cds_service.settings import Settings

LONG_AGO = datetime(2018, 6, 1, 12, tzinfo=UTC)


def run(*arguments: object, **environment: str) -> Result:
    told = [str(one) for one in arguments]
    return CliRunner(env=dict(environment)).invoke(audit_app, told)


def run_json(*arguments: object) -> Any:
    return json.loads(run(*arguments, "--format", "json").stdout)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Two decisions and feedback of long ago."""
    path = tmp_path / "log.db"
    put(path, LONG_AGO, an_event(1), feedback_on(card_id(1)), an_event(2))
    return path


def contents(log: Path) -> list[int]:
    return [row[0] for row in rows(log) if row[1] not in ("identity", "reason")]


# --- when it does anything --------------------------------------------------------------------


def test_it_says_what_would_go_and_removes_nothing(log: Path) -> None:
    before = rows(log)
    result = run("purge", "--db", log, "--keep-entries-months", 1200)
    assert result.exit_code == 0, result.output
    first, second, last = result.stdout.splitlines()
    assert first.startswith("contents of before ")
    assert "9 payloads of 3 entries due" in first
    assert first.endswith("recorded 2018-06-01 to 2018-06-01")
    assert second.startswith("identities of before ")
    assert second.endswith("nothing is due")
    assert last == "nothing was removed: --yes does it"
    assert rows(log) == before
    (access,) = [one for one in envelopes(log) if one["eventType"] == "access"]
    assert (access["command"], access["rows"]) == ("purge", 3)


@pytest.mark.parametrize(
    ("arguments", "environment", "goes"),
    [
        pytest.param(("--yes",), {}, False, id="off unless switched on"),
        pytest.param(("--yes",), {"REFRACTORY_CDS_AUDIT_PURGE": "false"}, False, id="off"),
        pytest.param(("--yes",), {"REFRACTORY_CDS_AUDIT_PURGE": "true"}, True, id="by the setting"),
        pytest.param(("--yes", "--on"), {}, True, id="by an option"),
        pytest.param((), {"REFRACTORY_CDS_AUDIT_PURGE": "true"}, False, id="on, without --yes"),
    ],
)
def test_nothing_goes_unless_it_is_switched_on_and_asked_for(
    log: Path, arguments: tuple[str, ...], environment: dict[str, str], goes: bool
) -> None:
    result = run("purge", "--db", log, *arguments, **environment)
    assert (contents(log) == []) is goes
    assert [one for one in envelopes(log) if one["eventType"] == "purge"] != [] or not goes
    if arguments and not goes:
        assert result.exit_code == 2
        assert "REFRACTORY_CDS_AUDIT_PURGE" in result.stderr


@pytest.mark.parametrize(
    ("given", "environment"),
    [
        (("--keep-contents-months", "5"), {}),
        (("--keep-entries-months", "5"), {}),
        ((), {"REFRACTORY_CDS_AUDIT_KEEP_CONTENTS_MONTHS": "5"}),
        ((), {"REFRACTORY_CDS_AUDIT_KEEP_ENTRIES_MONTHS": "5"}),
    ],
)
def test_a_period_under_half_a_year_is_refused_and_said_why(
    log: Path, given: tuple[str, ...], environment: dict[str, str]
) -> None:
    result = run("purge", "--db", log, "--yes", "--on", *given, **environment)
    assert result.exit_code == 2
    assert "keeps everything for 6 months at least" in " ".join(result.stderr.split())
    assert len(envelopes(log)) == 3


@pytest.mark.parametrize(
    ("months", "goes"), [pytest.param(6, True, id="6"), pytest.param(1200, False, id="100 years")]
)
def test_the_periods_are_those_of_the_settings(log: Path, months: int, goes: bool) -> None:
    environment = {
        "REFRACTORY_CDS_AUDIT_KEEP_CONTENTS_MONTHS": str(months),
        "REFRACTORY_CDS_AUDIT_KEEP_ENTRIES_MONTHS": "1200",
    }
    assert run("purge", "--db", log, "--yes", "--on", **environment).exit_code == 0
    assert (contents(log) == []) is goes


def test_the_settings_have_the_same_names_defaults_and_floor() -> None:
    found = Settings()
    periods = (found.audit_keep_contents_months, found.audit_keep_entries_months)
    assert (found.audit_purge, *periods) == (False, 12, 72)
    short: Any
    for name in ("audit_keep_contents_months", "audit_keep_entries_months"):
        short = {name: 5}
        with pytest.raises(ValueError, match="6 months at least"):
            Settings(**short)
    with pytest.raises(ValueError, match="at least as long"):
        Settings(audit_keep_contents_months=73)


# --- what it says of what stays ---------------------------------------------------------------


def test_what_a_hold_keeps_is_said_with_the_hold(log: Path) -> None:
    placed = run("hold", decision_id(1), "--db", log, "--reason", "case 4711")
    hold = placed.stdout.split()[1]
    result = run("purge", "--db", log, "--yes", "--on")
    assert f"under legal hold {hold} (placed " in result.stdout
    assert "6 payloads stay" in result.stdout  # five of the decision with its identity, a comment
    assert set(contents(log)) == {1, 2}
    (ended,) = [one for one in run_json("list", "--db", log, "--type", "purge") if "result" in one]
    assert ended["result"]["held"] == {hold: 6}


def test_what_is_not_as_recorded_is_said_and_stays(log: Path) -> None:
    tamper(log, "UPDATE payloads SET stored = nonce WHERE seq = 3 AND name = 'request'")
    result = run("purge", "--db", log, "--yes", "--on")
    assert result.exit_code == 1
    assert "NOT AS RECORDED: 1 entries, the first 3; they stay: run audit verify" in result.stdout
    assert set(contents(log)) == {3}
    assert run_json("verify", "--db", log)["exitCode"] == 1


def test_for_machines_it_says_the_same(log: Path) -> None:
    told = run_json("purge", "--db", log)
    assert (told["removed"], told["contents"]["payloads"]) == (False, 9)
    done = run_json("purge", "--db", log, "--yes", "--on")
    assert done == told | {"removed": True}


# --- how others speak of it -------------------------------------------------------------------


def test_list_tells_of_purges_and_of_what_is_gone(log: Path) -> None:
    run("purge", "--db", log, "--yes", "--on")
    today = datetime.now(UTC).date().isoformat()
    listed = run("list", "--db", log, "--type", "purge").stdout
    assert "purge: contents, 9 payloads of 3 entries" in listed
    assert "purge: identities, 2 payloads of 2 entries" in listed
    assert "purge: run ended: 11 payloads removed" in listed
    assert f"(purged {today})" in run("list", "--db", log).stdout
    assert f"(purged {today})" in run("list", "--db", log, "--type", "feedback").stdout
    assert all(one["purgedAt"].startswith(today) for one in run_json("list", "--db", log))


def test_show_says_what_is_gone_and_when_and_is_no_fault(log: Path) -> None:
    before = run("show", "1", "--db", log).stdout
    assert "PURGED" not in before
    run("purge", "--db", log, "--yes", "--on")
    shown = run("show", "1", "--db", log)
    assert shown.exit_code == 0
    assert "PURGED by age, and cannot be shown again (" in shown.stdout
    assert "): assessment, comment, inputs, response" in shown.stdout
    assert "NOT AS RECORDED" not in shown.stdout
    assert "multiple-myeloma, line 1: possible-refractory" in shown.stdout
    as_json = run_json("show", "1", "--db", log)
    (gone,) = as_json["purged"]
    assert (gone["by"], gone["names"]) == (5, ["assessment", "comment", "inputs", "response"])
    assert "faults" not in as_json


def test_verify_notes_it(log: Path) -> None:
    run("purge", "--db", log, "--yes", "--on")
    result = run("verify", "--db", log)
    assert result.exit_code == 3
    assert "note: payload-purged 1 to 3: contents were purged by age" in result.stdout


# --- a whole service --------------------------------------------------------------------------


@pytest.fixture
async def served(tmp_path: Path) -> Served:
    """A decision of long ago, with its feedback; purged of its contents a year later."""
    with serving(tmp_path, clock=Clock(LONG_AGO)) as found:
        await found.hook(call(prefetch_of(myeloma()), fhirServer=EHR))
    return found


def purged(db: Path, months: int = 72) -> None:
    later = Clock(LONG_AGO + timedelta(days=400))
    purge(db, Retention(12, months), by=BY, data_keys=keys_of(db), clock=later)


def test_a_replay_says_that_its_inputs_were_purged(served: Served) -> None:
    purged(served.db)
    result = CliRunner().invoke(replay_app, ["replay", "1", "--db", str(served.db)])
    assert result.exit_code == 3
    assert "what it rests on was purged by its age on 2019-07-06 (entry 2)" in result.output


def test_the_patient_can_still_be_named_until_that_is_purged_too(served: Served) -> None:
    asked = (
        "reidentify",
        "1",
        "--db",
        served.db,
        "--role",
        "privacy-officer",
        "--reason",
        "recall",
    )
    purged(served.db)
    assert run(*asked).stdout == f"patient p1 on {EHR}\n"
    purged(served.db, months=12)
    result = run(*asked)
    assert result.exit_code == 2
    assert "who it was about was purged by its age on 2019-07-06" in result.stderr
    states = [one["state"] for one in envelopes(served.db) if "state" in one]
    assert states == ["answered", "purged"]


def resources(bundle: Any) -> Iterator[str]:
    return (one["resource"]["resourceType"] for one in bundle["entry"])


def test_an_export_by_name_says_when_the_chart_was_purged(served: Served) -> None:
    purged(served.db)
    bundle, *_ = identified.exported(served, "--type", "decision")
    assert list(resources(bundle)) == ["AuditEvent", "Device", "Patient"]
    audit_event = bundle["entry"][0]["resource"]
    told = {
        one["type"]: one["valueString"]
        for entity in audit_event["entity"]
        for one in entity.get("detail", ())
    }
    assert told["purgedAt"].startswith("2019-07-06")
    assert told["purgedBy"] == "2"
    assert f"{EHR}/Patient/p1" in json.dumps(bundle)
    purged(served.db, months=12)
    bundle, *_ = identified.exported(served, "--type", "decision")
    assert list(resources(bundle)) == ["AuditEvent", "Device"]
    assert "Patient/p1" not in json.dumps(bundle)


def test_the_export_of_envelopes_is_as_before(served: Served) -> None:
    def exported() -> list[str]:
        wanted = ("--format", "ndjson", "--until", "2018-12-31")
        return run("export", "--db", served.db, *wanted).stdout.splitlines()[:-1]

    before = exported()
    purged(served.db)
    assert exported() == before != []
