"""`audit replay`: what is worked out again, what is not, and what it says of either."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from audit.samples import a_log_of, decision_id
from hooks.calls import call, myeloma, prefetch_of
from hooks.serving import EHR, Served
from hooks.test_fhir_server import TOKEN, authorised
from hooks.test_memory import accepted, overridden
from hooks.test_order_services import SIGN, draft, ordering

from cds_service.audit.listing import Wanted
from cds_service.audit.reading import open_reader
from cds_service.audit.snapshot import Recalled
from cds_service.demo.fhir_server_faults import Fault
from cds_service.hooks import cards as card_making
from cds_service.replay import compare
from cds_service.replay.knowledge import KnownThen
from cds_service.replay.stored import stored_decision
from replay.logs import Day, replays, results, run, run_json, started

CHART = call(prefetch_of(myeloma()))
ROOT = Path(__file__).resolve().parents[2]
IDENTICAL = ("identical", "", ())
INDICATOR = "/response/cards/0/indicator"
SITE = '["multiple-myeloma.lines"]\ngap_days = 400\nbecause = "a test"\n'


FIRST = "3"
"""The first decision: the knowledge and the start stand before it."""


# --- what changed the decision is on record -----------------------------------------------------


async def test_feedback_and_earlier_cards_are_remembered_as_they_were(tmp_path: Path) -> None:
    day = Day()
    async with started(tmp_path, clock=day) as served:
        first = (await served.hook(CHART)).json()["cards"]
        await served.feedback({"feedback": [overridden(first[0], "patient-declined")]})
        silent = (await served.hook({**CHART, "hookInstance": instance(2)})).json()
        day.day = date(2026, 11, 22)
        other = {**CHART["context"], "userId": "Practitioner/dr-b"}
        await served.hook({**CHART, "hookInstance": instance(3), "context": other})
        drafted = ordering(SIGN, CHART, draft("lenalidomide"))
        await served.post(f"/cds-services/{SIGN}", drafted)
        assert silent["cards"] == []
        assert any(entry.get("state") for entry in served.entries())
        assert results(replays(served.db)) == [IDENTICAL] * 4


async def test_a_card_that_is_unchanged_stays_silent_in_the_replay(tmp_path: Path) -> None:
    day = Day()
    async with started(tmp_path, clock=day) as served:
        await served.hook(CHART)
        day.day = date(2026, 11, 22)
        again = await served.hook({**CHART, "hookInstance": instance(2)})
        assert again.json()["cards"] == []
        assert results(replays(served.db)) == [IDENTICAL] * 2


async def test_an_accepted_suggestion_counts_as_ordered_in_the_replay(tmp_path: Path) -> None:
    async with started(tmp_path, clock=Day()) as served:
        (card,) = (await served.hook(CHART)).json()["cards"]
        await served.feedback({"feedback": [accepted(card, 0)]})
        await served.hook({**CHART, "hookInstance": instance(2)})
        assert served.last()["state"]
        assert results(replays(served.db)) == [IDENTICAL] * 2


def instance(number: int) -> str:
    return f"d1577c69-dfbe-44ad-ba6d-{number:012d}"


async def test_what_is_not_in_the_prefetch_is_replayed_as_it_was_read(tmp_path: Path) -> None:
    kept = ("patient", "conditions", "medicationRequests")
    async with started(tmp_path, chart=myeloma(), token=TOKEN) as served:
        await served.hook(call(prefetch_of(myeloma(), keys=kept), **authorised()))
        assert served.last()["cards"]
        assert TOKEN.encode() not in served.last().sealed["snapshot"]
        assert results(replays(served.db)) == [IDENTICAL]


async def test_a_public_address_on_the_card_is_part_of_the_record(tmp_path: Path) -> None:
    settings = {"public_url": "https://cds.example.org"}
    async with started(tmp_path, settings=settings) as served:
        answer = await served.hook(CHART)
        assert "https://cds.example.org" in answer.text
        assert results(replays(served.db)) == [IDENTICAL]


async def test_missing_data_are_answered_with_the_same_412(tmp_path: Path) -> None:
    async with started(tmp_path) as served:
        answer = await served.hook(call(prefetch_of(myeloma(), keys=("patient",))))
        assert answer.status_code == 412
        assert results(replays(served.db)) == [IDENTICAL]


# --- nothing else is read -----------------------------------------------------------------------


async def test_between_record_and_answer_there_is_no_clock_network_or_chance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with started(tmp_path, clock=Day(), chart=myeloma()) as served:
        await served.hook(CHART)
        await served.hook(call(fhirServer=EHR))
        await served.post(f"/cds-services/{SIGN}", ordering(SIGN, CHART, draft("lenalidomide")))
        await served.assess({"resourceType": "Bundle", "type": "collection",
                             "entry": [{"resource": one} for one in myeloma()]})  # fmt: skip
        db = served.db
    with open_reader(db) as reader:
        then = KnownThen(reader)
        stored = [stored_decision(reader, event) for event in reader.matching(Wanted())]
        again = [then(one.knowledge_digest) for one in stored]

    def forbidden(*_: Any, **__: Any) -> Any:
        raise AssertionError("a replay reads nothing but the record")

    for name in ("time.time", "time.time_ns", "time.monotonic", "time.localtime", "os.urandom",
                 "random.random", "uuid.uuid4", "uuid.uuid1", "socket.socket", "socket.getaddrinfo",
                 "sqlite3.connect", "builtins.open", "os.getenv"):  # fmt: skip
        monkeypatch.setattr(name, forbidden)
    answers = [one.answer(decision).response for one, decision in zip(again, stored, strict=True)]
    monkeypatch.undo()
    assert answers == [one.response for one in stored]


ELSEWHERE = [
    {"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "PYTHONHASHSEED": "1"},
    {"TZ": "America/Los_Angeles", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "4242", "LANG": "de_DE"},
]


@pytest.mark.parametrize("environment", ELSEWHERE)
async def test_another_process_elsewhere_comes_to_the_same(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    async with started(tmp_path, clock=Day(), chart=myeloma()) as served:
        await served.hook(CHART)
        await served.hook(call(fhirServer=EHR))
        ids = [e["decisionId"] for e in served.entries() if e["eventType"] == "decision"]
    for one in ids:
        done = subprocess.run(  # noqa: S603 # ourselves
            [sys.executable, "-m", "cds_service", "audit", "replay", one, "--db", str(served.db)],
            env={**os.environ, **environment}, cwd=ROOT,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.stderr, done.returncode) == ("", 0)
        assert done.stdout.startswith("identical\n")


async def test_the_order_of_resources_that_were_read_changes_nothing(tmp_path: Path) -> None:
    async with started(tmp_path, chart=myeloma()) as served:
        await served.hook(call(fhirServer=EHR))
    with open_reader(served.db) as reader:
        (event,) = reader.matching(Wanted())
        stored = stored_decision(reader, event)
        read = stored.snapshot.read
        assert len(read) > 10
        turned = replace_snapshot(stored, read=tuple(reversed(read)))
        assert KnownThen(reader)(stored.knowledge_digest).answer(turned).response == stored.response


def replace_snapshot(stored: Any, **changes: Any) -> Any:
    return replace(stored, snapshot=msgspec.structs.replace(stored.snapshot, **changes))


# --- what cannot be replayed, and why -----------------------------------------------------------


async def test_where_only_digests_were_kept_it_says_so(tmp_path: Path) -> None:
    async with started(tmp_path, settings={"audit_keep_requests": False}) as served:
        await served.hook(CHART)
        assert served.last()["snapshot"] == "hashes"
        assert "snapshot" not in served.last().sealed
    code, said = run_json("replay", FIRST, "--db", served.db)
    assert (code, said["result"]) == (3, "not-replayable")
    assert "AUDIT_KEEP_REQUESTS" in said["why"]


def test_a_decision_of_before_there_were_snapshots_is_not_replayable(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    a_log_of(path, 1)
    code, said = run_json("replay", decision_id(1), "--db", path)
    assert code == 3
    assert "did not keep what a replay needs" in said["why"]


async def test_a_server_that_failed_is_nothing_to_replay(tmp_path: Path) -> None:
    async with started(tmp_path, chart=myeloma(), faults=[Fault("status", status=403)]) as served:
        answer = await served.hook(call(fhirServer=EHR))
        assert answer.status_code == 412
    code, said = run_json("replay", FIRST, "--db", served.db)
    assert code == 3
    assert said["why"].startswith("nothing to replay: the FHIR server did not give")


async def test_an_entry_that_is_no_decision_is_none(tmp_path: Path) -> None:
    async with started(tmp_path) as served:
        pass
    code, said = run_json("replay", "1", "--db", served.db)
    assert (code, said["why"]) == (3, "entry 1 is no decision but knowledge-activated")


def test_an_id_that_nothing_has_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    a_log_of(path, 1)
    assert run("replay", decision_id(9), "--db", path).exit_code == 2
    assert run("replay", "--db", path).exit_code == 2
    assert run("replay", decision_id(1), "--from", "2026-01-01", "--db", path).exit_code == 2


async def test_knowledge_that_is_not_kept_is_never_replaced_by_todays(tmp_path: Path) -> None:
    async with started(tmp_path) as served:
        await served.hook(CHART)
    spoil(served.db, "DELETE FROM payloads WHERE name = 'package'")
    code, said = run_json("replay", FIRST, "--db", served.db)
    assert code == 3
    assert "knowledge" in said["why"] or "package" in said["why"]


async def test_altered_stored_data_are_not_replayed(tmp_path: Path) -> None:
    async with started(tmp_path) as served:
        await served.hook(CHART)
    spoil(served.db, "UPDATE payloads SET stored = x'00' WHERE name = 'snapshot'")
    code, said = run_json("replay", FIRST, "--db", served.db)
    assert code == 3
    assert "snapshot" in said["why"]


def spoil(db: Path, statement: str) -> None:
    with closing(sqlite3.connect(db)) as opened:
        for (name,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            opened.execute(f"DROP TRIGGER {name}")
        opened.execute(statement)
        opened.commit()


# --- differences, one of each class -------------------------------------------------------------


@pytest.fixture
async def decided(tmp_path: Path) -> Served:
    async with started(tmp_path, clock=Day()) as served:
        (card,) = (await served.hook(CHART)).json()["cards"]
        await served.feedback({"feedback": [overridden(card, "patient-declined")]})
        await served.hook({**CHART, "hookInstance": instance(2)})
    return served


async def test_other_knowledge_is_named_as_such(decided: Served, tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text(SITE)
    code, said = run_json("replay", FIRST, "--db", decided.db, "--site", site)
    assert (code, said["classes"]) == (1, ["knowledge"])
    assert said["knowledge"]["here"]["version"].startswith(said["knowledge"]["recorded"]["version"])
    assert "+site." in said["knowledge"]["here"]["version"]


async def test_another_software_is_named_as_such(
    decided: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare, "__version__", "99.0")
    (first, _) = replays(decided.db)
    assert first.result == "identical"  # allowed, and named
    assert "worked out by another software than then" in first.notes
    monkeypatch.setattr(card_making, "indicator_of", lambda *_: "critical")
    (first, _) = replays(decided.db)
    assert (first.result, first.classes) == ("different", ["software"])
    assert first.differences == (
        {
            "op": "replace",
            "path": "/response/cards/0/indicator",
            "value": "critical",
            "class": "software",
        },
    )


async def test_other_inputs_and_another_memory_are_named_as_such(decided: Served) -> None:
    with open_reader(decided.db) as reader:
        stored = [stored_decision(reader, event) for event in reader.matching(Wanted())]
        then = KnownThen(reader)(stored[0].knowledge_digest)
        body = json.loads(stored[0].request)
        body["prefetch"]["observations"]["entry"].pop()
        inputs = replace(stored[0], request=json.dumps(body).encode())
        found = compare._compared(reader, inputs, then, None)
        assert (found.result, found.classes) == ("different", ["inputs"])
        memory = replace_snapshot(stored[1], recalled=Recalled())
        found = compare._compared(reader, memory, then, None)
        assert (found.result, found.classes) == ("different", ["state"])


# --- a trace of every replay --------------------------------------------------------------------


async def test_each_replay_leaves_one_entry_and_nothing_else(decided: Served) -> None:
    before = decided.size()
    assert run("replay", FIRST, "--db", decided.db, "--reason", "a question").exit_code == 0
    (entry,) = decided.entries(after=before)
    assert (entry["eventType"], entry["command"], entry["rows"]) == ("access", "replay", 1)
    assert entry["query"] == {"id": "3"}
    assert decided.exit_code_of_verify() in (0, 3)
