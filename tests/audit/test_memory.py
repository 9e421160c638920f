"""What the log remembers of earlier cards: of that patient, of that client, and no more."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from audit.samples import (
    EHR,
    KEY,
    NOON,
    Clock,
    a_decision,
    a_recorder,
    a_store,
    administrator,
    an_event,
    card_id,
    decision_id,
    envelopes,
    feedback_on,
    kinds,
    record,
    verified,
)
from audit.tampering import envelope_of
from cds_service.audit import (
    AdviceDecided,
    CardReturned,
    CardSubject,
    Client,
    Event,
    User,
    decision_event,
)
from cds_service.audit.address import Address
from cds_service.audit.card_names import CardNames
from cds_service.audit.chain import leaf_hash
from cds_service.audit.commands import audit_app
from cds_service.audit.database_memory import MOST_DECISIONS, MOST_FEEDBACK, DatabaseMemory
from cds_service.audit.decision import patient_of
from cds_service.audit.entries import delivery_event
from cds_service.audit.envelope import index_of
from cds_service.audit.findings import Kind
from cds_service.audit.memory import Remembered, Sought
from cds_service.audit.pseudonyms import PatientIdentity, PseudonymKey
from cds_service.errors import LogUnavailable

CONDITION, EVIDENCE, LATEST = "Condition/canary", "canary-evidence", date(2026, 11, 2)
SUGGESTIONS = ("aaaaaaaa-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000002")
PATIENT = PatientIdentity("https://ehr.example", "https://ehr.example/fhir", "p1")
NAMES = CardNames(bytes(range(32)))


def a_card(number: int = 1, **changes: Any) -> CardReturned:
    made = CardReturned(
        uuid=card_id(number),
        indicator="info",
        advice=("restage", "biopsy"),
        suggestions=SUGGESTIONS,
        suggested=("restage", "biopsy"),
        disease="multiple-myeloma",
        line=2,
        status="possible-refractory",
        confidence="criteria",
        subject=CardSubject(CONDITION, EVIDENCE, LATEST),
    )
    return replace(made, **changes)


def returning(number: int = 1, **changes: Any) -> Event:
    """A decision about patient p1 with a card that says what it is about."""
    put = {"patient_id": "p1", "cards": (a_card(number),)} | changes
    return decision_event(a_decision(number, **put))


def accepting(card: str, *suggestions: str) -> Event:
    event = feedback_on(card, "accepted")
    return replace(event, members={**event.members, "acceptedSuggestions": list(suggestions)})


def sought(patient: PatientIdentity = PATIENT, **changes: Any) -> Sought:
    put: dict[str, Any] = {
        "service_id": "refractory-status",
        "user_id": "Practitioner/dr-a",
        "feedback_since": NOON - timedelta(days=365),
        "cards_since": NOON - timedelta(days=7),
        "cards_before": NOON + timedelta(days=1),
    }
    return Sought(patient=patient, **(put | changes))


def remembered(path: Address, asked: Sought | None = None, *keys: PseudonymKey) -> list[Remembered]:
    with closing(DatabaseMemory(path, keys or (KEY,))) as memory:
        return memory.earlier(asked or sought())


def a_log(place: Address, *events: Event) -> Any:
    """A log of these events, in this folder or at this address."""
    address = place / "log.db" if isinstance(place, Path) and place.is_dir() else place
    with closing(a_store(address)) as store:
        record(store, *events)
    return address


# --- what an envelope says ---------------------------------------------------------------------


def test_a_card_says_what_it_was_about_in_codes_and_names_of_the_logs_own(where: Address) -> None:
    (entry,) = envelopes(a_log(where, returning()))
    (card,) = entry["cards"]
    made = {name: card.pop(name) for name in ("about", "evidence", "latest")}
    assert card == {
        "uuid": card_id(1),
        "indicator": "info",
        "advice": ["restage", "biopsy"],
        "suggestions": list(SUGGESTIONS),
        "suggested": ["restage", "biopsy"],
        "disease": "multiple-myeloma",
        "line": 2,
        "status": "possible-refractory",
        "confidence": "criteria",
    }
    assert [len(text) for text in made.values()] == [32, 32, 8]
    assert "canary" not in json.dumps(entry)
    assert "2026-11-02" not in json.dumps(entry)


def test_feedback_repeats_what_its_card_was_about_and_whose_it_was(where: Address) -> None:
    events = (returning(), accepting(card_id(1), SUGGESTIONS[1]))
    decision, feedback = envelopes(a_log(where, *events))
    (card,) = decision["cards"]
    shared = ("disease", "line", "status", "confidence", "advice", "about", "evidence", "latest")
    assert feedback["onCard"] == {name: card[name] for name in shared} | {
        "accepted": ["biopsy"],
        "asOf": "2026-11-21",
    }
    for member in ("decisionId", "patientPseudonym", "pseudonymKeyId"):
        assert feedback[member] == decision[member]


OTHER = "https://other.example"


@pytest.mark.parametrize(
    ("given_to", "said_by", "orphan"),
    [
        pytest.param(Client(iss="a"), Client(iss="a"), None, id="the same client"),
        pytest.param(Client(iss="a"), Client(iss="b"), "other-client", id="another"),
        pytest.param(Client(iss="a"), Client(), "other-client", id="nobody"),
        pytest.param(Client(), Client(iss="a"), "other-client", id="somebody in nobody's place"),
        pytest.param(Client(), Client(), None, id="nobody both times"),
        pytest.param(
            Client(iss="a", tenant="x"), Client(iss="a", tenant="x"), None, id="the same tenant"
        ),
        pytest.param(
            Client(iss="a", tenant="x"), Client(iss="a", tenant="y"), "other-client",
            id="another tenant of the client",
        ),
        pytest.param(
            Client(iss="a", tenant="x"), Client(iss="a"), "other-client", id="no tenant"
        ),
        pytest.param(
            Client(iss="a", tenant="x y"), Client(iss="a", tenant="x z"), "other-client",
            id="tenants whose names stand in no envelope",
        ),
    ],
)  # fmt: skip
def test_feedback_of_anybody_else_is_an_orphan(
    where: Address, given_to: Client, said_by: Client, orphan: str | None
) -> None:
    events = (returning(client=given_to), feedback_on(card_id(1), client=said_by))
    feedback = envelopes(a_log(where, *events))[1]
    assert feedback.get("orphan") == orphan
    assert ("onCard" in feedback) is ("patientPseudonym" in feedback) is (orphan is None)


def test_tenants_and_clients_of_the_same_name_are_different_patients() -> None:
    clients = [
        Client(iss=OTHER), Client(iss=OTHER, tenant="x"), Client(iss="x", tenant=OTHER),
        Client(iss="x"), Client(iss="y", tenant="x"), Client(),
    ]  # fmt: skip
    assert len({patient_of(one, "https://s", "p1") for one in clients}) == len(clients)


def test_a_repeat_names_the_first_and_is_not_remembered_again(where: Address) -> None:
    events = (returning(), *(feedback_on(card_id(1)) for _ in range(3)))
    path = a_log(where, *events)
    first, *repeats = envelopes(path)[1:]
    assert "duplicateOf" not in first
    assert {one["duplicateOf"] for one in repeats} == {first["eventId"]}
    (known,) = remembered(path)
    assert [one.event_id for one in known.feedback] == [first["eventId"]]


# --- what is remembered ------------------------------------------------------------------------


def test_feedback_and_cards_come_back_with_what_they_were_about(where: Address) -> None:
    path = a_log(where, returning(), feedback_on(card_id(1)))
    (known,) = remembered(path)
    (feedback,), (given,) = known.feedback, known.given
    assert feedback.event_id == envelopes(path)[1]["eventId"]
    assert (feedback.on, feedback.accepted) == (date(2026, 11, 21), None)
    assert feedback.reason_code == "already-planned"
    assert given.decision_id == decision_id(1)
    assert feedback.card == given.card
    card = given.card
    assert card.condition == known.names.about(CONDITION) != known.names.about("Condition/other")
    assert card.evidence == known.names.evidence(EVIDENCE)
    assert (card.line, card.kinds) == (2, ("restage", "biopsy"))
    assert (card.status, card.confidence) == ("possible-refractory", "criteria")
    assert (card.returned_on, card.latest) == (date(2026, 11, 21), LATEST)


@pytest.mark.parametrize(
    ("events", "feedback", "given"),
    [
        pytest.param([an_event(1, patient_id="p1")], 0, 0, id="a card of an earlier version"),
        pytest.param(
            [an_event(1, patient_id="p1"), feedback_on(card_id(1))], 0, 0, id="feedback on such"
        ),
        pytest.param([returning(patient_id="p2")], 0, 0, id="another patient"),
        pytest.param([returning(fhir_server="https://b.example")], 0, 0, id="another server"),
        pytest.param([returning(client=Client(iss="b"))], 0, 0, id="another client"),
        pytest.param([returning(client=replace(EHR, tenant="t"))], 0, 0, id="another tenant"),
        pytest.param([returning(user=User(user_id="Practitioner/b"))], 0, 0, id="another user"),
        pytest.param([returning(user=User(user_id="Patient/p1"))], 0, 0, id="the patient"),
        pytest.param(
            [returning(), delivery_event(decision_id(1), cause="client-gone")], 0, 0,
            id="an answer that did not leave",
        ),
        pytest.param([returning(), feedback_on(card_id(2))], 0, 1, id="an unknown card"),
        pytest.param(
            [returning(), feedback_on(card_id(1), client=Client(iss="b"))], 0, 1, id="an orphan"
        ),
    ],
)  # fmt: skip
def test_nothing_else_is_remembered(
    where: Address, events: list[Event], feedback: int, given: int
) -> None:
    known = remembered(a_log(where, *events))
    assert sum(len(one.feedback) for one in known) == feedback
    assert sum(len(one.given) for one in known) == given


@pytest.mark.parametrize(
    ("changes", "feedback", "given"),
    [
        pytest.param({}, 1, 1, id="within both times"),
        pytest.param({"cards_before": NOON}, 1, 0, id="a card of the day itself"),
        pytest.param({"cards_since": NOON + timedelta(seconds=1)}, 1, 0, id="an older card"),
        pytest.param({"feedback_since": NOON + timedelta(seconds=1)}, 0, 1, id="older feedback"),
        pytest.param({"service_id": "other"}, 1, 0, id="another service"),
        pytest.param({"user_id": None}, 1, 0, id="a user without an accountable id"),
    ],
)
def test_the_time_is_bounded(
    where: Address, changes: dict[str, Any], feedback: int, given: int
) -> None:
    (known,) = remembered(a_log(where, returning(), feedback_on(card_id(1))), sought(**changes))
    assert (len(known.feedback), len(known.given)) == (feedback, given)


def test_no_more_is_read_than_the_newest(where: Address) -> None:
    numbers = range(1, MOST_FEEDBACK + 20)
    events = [returning(number) for number in numbers]
    path = a_log(where, *events, *(feedback_on(card_id(number)) for number in numbers))
    (known,) = remembered(path)
    assert len(known.feedback) == MOST_FEEDBACK
    assert known.feedback[0].card_id == card_id(numbers[-1])
    assert len(known.given) == MOST_DECISIONS
    assert known.given[0].decision_id == decision_id(numbers[-1])


def test_a_patient_is_remembered_under_every_key_that_is_left(where: Address) -> None:
    path = where
    new = PseudonymKey(bytes(range(1, 33)))
    with closing(a_store(path)) as store:
        record(store, returning(1))
    with closing(a_store(path, a_recorder(keys=(KEY, new)))) as store:
        record(store, returning(2))
    both = remembered(path, None, KEY, new)
    assert [len(one.given) for one in both] == [1, 1]
    assert both[0].names != both[1].names
    assert all(one.given[0].card.condition == one.names.about(CONDITION) for one in both)
    assert len(remembered(path, None, new)) == 1


def test_without_the_salt_nothing_can_be_told(where: Address) -> None:
    path = a_log(where, returning(), feedback_on(card_id(1)))
    before = remembered(path)[0].names
    with administrator(path) as db:
        db.execute("DELETE FROM patients")
    assert remembered(path) == []
    # the key went with it, and no entry says that this was meant
    assert kinds(verified(path)) == {Kind.PAYLOAD_MISSING}
    with closing(a_store(path)) as store:
        record(store, returning(9))
    (after,) = remembered(path)
    assert after.names.about(CONDITION) != before.about(CONDITION)
    assert (len(after.feedback), len(after.given)) == (0, 1)


def test_it_reads_while_somebody_writes(tmp_path: Path) -> None:
    path = a_log(tmp_path, returning(), feedback_on(card_id(1)))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with closing(DatabaseMemory(path, (KEY,), patience_seconds=0.01)) as memory:
            assert len(memory.earlier(sought())[0].feedback) == 1


def test_what_is_committed_meanwhile_is_seen_at_once(where: Address) -> None:
    path = where
    with closing(a_store(path)) as store, closing(DatabaseMemory(path, (KEY,))) as memory:
        record(store, returning())
        assert memory.earlier(sought())[0].feedback == ()
        record(store, feedback_on(card_id(1)))
        assert len(memory.earlier(sought())[0].feedback) == 1


def test_a_log_that_is_gone_or_no_log_is_unavailable_and_comes_back(tmp_path: Path) -> None:
    path = a_log(tmp_path, returning())
    with closing(DatabaseMemory(path, (KEY,))) as memory:
        assert memory.earlier(sought())
        path.rename(tmp_path / "away.db")
        for _ in range(2):
            with pytest.raises(LogUnavailable):
                memory.earlier(sought())
        path.write_bytes(b"no database" * 1000)
        with pytest.raises(LogUnavailable):
            memory.earlier(sought())
        path.unlink()
        (tmp_path / "away.db").rename(path)
        assert memory.earlier(sought())


def test_a_damaged_entry_is_no_memory_and_does_not_stop_the_others(where: Address) -> None:
    path = a_log(where, returning(1), returning(2))
    with administrator(path) as db:
        db.execute("UPDATE events SET envelope = x'ff' WHERE seq = 1")
    (known,) = remembered(path)
    assert [one.decision_id for one in known.given] == [decision_id(2)]


# --- days behind a mask ------------------------------------------------------------------------


@pytest.mark.parametrize("day", [date.min, date(2026, 11, 2), date.max, None])
def test_a_hidden_day_comes_back_to_whoever_has_the_key(day: date | None) -> None:
    hidden = NAMES.hidden(day, card_id(1))
    assert NAMES.day(hidden, card_id(1)) == day
    other = CardNames(bytes(32))
    assert day is None or other.day(hidden, card_id(1)) != day
    assert day is None or NAMES.hidden(day, card_id(2)) != hidden


@pytest.mark.parametrize("hidden", ["", "xx", "00000000", "ffffffffffffffffffff"])
def test_what_is_no_hidden_day_is_none(hidden: str) -> None:
    found = NAMES.day(hidden, card_id(1))
    assert found is None or found.year > 0


# --- tampering, and logs of before -------------------------------------------------------------


@pytest.mark.parametrize("seq", [1, 2], ids=["decision", "feedback"])
@pytest.mark.parametrize("member", ["about", "evidence", "latest", "line", "status"])
def test_a_changed_memory_is_found(where: Address, seq: int, member: str) -> None:
    path = a_log(where, returning(), feedback_on(card_id(1)))
    with administrator(path) as db:
        members = msgspec.json.decode(envelope_of(db, seq))
        card = members["onCard"] if seq == 2 else members["cards"][0]
        card[member] = 7 if member == "line" else card[member][::-1]
        altered = msgspec.json.encode(members, order="sorted")
        db.execute("UPDATE events SET envelope = ? WHERE seq = ?", (altered, seq))
    report = verified(path)
    assert Kind.CONTENT_ALTERED in kinds(report)
    with administrator(path) as db:  # with its hash, and that of the head
        db.execute("UPDATE events SET leaf_hash = ? WHERE seq = ?", (leaf_hash(altered), seq))
    assert kinds(verified(path)) & {Kind.LINK_BROKEN, Kind.INDEX_MISMATCH}


@pytest.mark.parametrize(
    ("field", "seq"),
    [("given", 1), ("feedback", 2), ("said", 2), ("reason", 2), ("patient", 2), ("disease", 2)],
)
def test_a_search_term_that_memory_rests_on_is_compared(
    where: Address, field: str, seq: int
) -> None:
    path = a_log(where, returning(), feedback_on(card_id(1)))
    assert kinds(verified(path)) == set()
    with administrator(path) as db:
        took = db.execute("DELETE FROM terms WHERE field = ? AND seq = ?", (field, seq))
        assert took.rowcount == 1
    assert kinds(verified(path)) == {Kind.INDEX_MISMATCH}


def test_entries_of_earlier_versions_are_found_by_what_they_were_found_by() -> None:
    """Written before cards said what they were about: no member of these, and no term."""
    shared = {"eventId": "e", "recordedAt": "t", "serviceId": "refractory-status"}
    decision = shared | {
        "eventType": "decision",
        "decisionId": "e",
        "patientPseudonym": "abc",
        "user": {"userId": "Practitioner/dr-a"},
        "cards": [{"uuid": "u", "indicator": "info", "advice": ["restage"], "suggestions": ["s"]}],
    }
    feedback = shared | {
        "eventType": "feedback",
        "decisionId": "e",
        "card": "u",
        "outcome": "overridden",
        "overrideReason": {"code": "other", "system": "s"},
    }
    service = ("service", "refractory-status")
    assert index_of(decision).terms == {service, ("patient", "abc"), ("card", "u")}
    assert index_of(feedback).terms == {service, ("card", "u"), ("outcome", "overridden")}


def test_the_clock_may_go_back(where: Address) -> None:
    clock = Clock(datetime(2026, 11, 21, 12, tzinfo=UTC))
    path = where
    with closing(a_store(path, a_recorder(clock))) as store:
        record(store, returning(1), feedback_on(card_id(1)))
        clock.now -= timedelta(hours=1)
        record(store, returning(2), feedback_on(card_id(2)))
    (known,) = remembered(path)
    assert len(known.feedback) == 2


# --- what an auditor sees ----------------------------------------------------------------------


def run(*arguments: object) -> Result:
    return CliRunner().invoke(audit_app, [str(one) for one in arguments])


def reasoned(card: str, code: str) -> Event:
    event = feedback_on(card)
    reason = {"system": "https://example.org/reasons", "code": code}
    return replace(event, members={**event.members, "overrideReason": reason})


def test_overrides_that_call_the_evidence_wrong_can_be_listed(tmp_path: Path) -> None:
    events = (returning(), reasoned(card_id(1), "evidence-wrong"), reasoned(card_id(1), "other"))
    path = a_log(tmp_path, *events)
    asked = ("list", "--db", path, "--type", "feedback", "--override-reason", "evidence-wrong")
    (entry,) = json.loads(run(*asked, "--format", "json").stdout)
    assert (entry["seq"], entry["overrideReason"]) == (2, "evidence-wrong")
    assert entry["lines"] == [
        {"disease": "multiple-myeloma", "line": 2, "status": "possible-refractory"}
    ]
    assert envelopes(path)[-1]["query"] == {
        "type": "feedback", "overrideReason": "evidence-wrong",
    }  # fmt: skip
    text = run(*asked).stdout
    assert "feedback overridden evidence-wrong" in text
    assert "multiple-myeloma line 2 possible-refractory" in text


def test_show_names_the_entry_that_a_silence_lies_in_and_repeats(tmp_path: Path) -> None:
    silent = AdviceDecided(
        kind="restage", urgency="prompt", line=2, suppressed="overridden", suppressed_by="e-17"
    )
    events = (
        returning(advice=(silent,), state=("e-17",)),
        feedback_on(card_id(1)),
        feedback_on(card_id(1)),
    )
    path = a_log(tmp_path, *events)
    shown = run("show", 1, "--db", path).stdout
    assert "suppressed, overridden (by entry e-17)" in shown
    assert shown.count("said before; changes nothing") == 1
    assert envelopes(path)[0]["state"] == ["e-17"]


def test_an_orphan_is_listed_as_one(tmp_path: Path) -> None:
    path = a_log(tmp_path, returning(), feedback_on(card_id(7)))
    shown = run("list", "--db", path, "--type", "feedback").stdout
    assert "(orphan: unknown-card)" in shown
