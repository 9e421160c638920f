"""Finding entries again: every filter is a plain question, and feedback has three states."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postgres_server import BOTH

from audit.samples import (
    EHR,
    NOON,
    Clock,
    a_log_of,
    a_recorder,
    a_store,
    administrator,
    an_event,
    card_id,
    decision_id,
    feedback_on,
    record,
)
from cds_service.audit import (
    AdviceDecided,
    Call,
    CancerDecided,
    Client,
    EventType,
    LineDecided,
    Outcome,
    delivery_event,
)
from cds_service.audit.address import Address
from cds_service.audit.listing import Wanted
from cds_service.audit.reading import StoredEvent, open_reader
from cds_service.audit.said_last import current_feedback
from cds_service.errors import AuditError

DISEASES = ("multiple-myeloma", "dlbcl", "colorectal")
STATUSES = ("possible-refractory", "responding", "stable")
ADVICE = ("restage", "biopsy", "trial-referral")
SERVICES = ("refractory-status", "order-check")
OUTCOMES = (Outcome.CARDS_RETURNED, Outcome.NO_CANCER, Outcome.ALL_SUPPRESSED)
HOOKS = ("patient-view", "order-sign", None)
COUNT = 72


def varied(number: int) -> Any:
    """Decisions that differ in everything that can be asked for, each property in its own beat."""
    return an_event(
        number,
        call=Call(service_id=SERVICES[number % 2], hook=HOOKS[number % 3]),
        outcome=OUTCOMES[number // 2 % 3],
        cancers=[
            CancerDecided(disease, [LineDecided(number=1, status=STATUSES[(number + index) % 3])])
            for index, disease in enumerate(DISEASES[: number % 4])
        ],
        advice=[AdviceDecided(kind=ADVICE[number % 3], urgency="routine")][: number // 3 % 2],
    )


@pytest.fixture(scope="module", params=BOTH)
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Address:
    place: Address = tmp_path_factory.mktemp("varied") / "log.db"
    if request.param == "server":
        place = request.getfixturevalue("postgres").new_log()
    with closing(a_store(place, a_recorder(Clock()))) as store:
        for number in range(1, COUNT + 1):
            record(store, varied(number))
            if number % 9 == 0:
                record(store, delivery_event(decision_id(number)))
    return place


def fields(members: dict[str, Any]) -> dict[str, set[Any]]:
    """What an entry can be found by, read from its envelope in the plainest way."""
    lines = [line for cancer in members.get("cancers", ()) for line in cancer["lines"]]
    return {
        "disease": {cancer["disease"] for cancer in members.get("cancers", ())},
        "status": {line["status"] for line in lines},
        "advice": {advice["kind"] for advice in members.get("advice", ())},
        "service": {members.get("serviceId")},
        "hook": {members.get("hook")},
        "outcome": {members.get("outcome")},
    }


def by_brute_force(everything: list[StoredEvent], wanted: Wanted) -> list[int]:
    def matches(event: StoredEvent) -> bool:
        members = event.read()
        return (
            (wanted.event_type is None or members["eventType"] == wanted.event_type)
            and (wanted.since is None or members["recordedAt"] >= wanted.since.strftime(FORMAT))
            and (wanted.until is None or members["recordedAt"] < wanted.until.strftime(FORMAT))
            and (wanted.before is None or members["seq"] < wanted.before)
            and all(
                fields(members)[field] & set(values)
                for field, values in wanted.having.items()
                if values
            )
        )

    return [event.seq for event in reversed(everything) if matches(event)][: wanted.limit]


FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
moments = st.none() | st.integers(0, COUNT + 10).map(lambda ms: NOON + timedelta(milliseconds=ms))


def some(values: tuple[Any, ...]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from([str(value) for value in values if value]), max_size=2)


questions = st.builds(
    Wanted,
    event_type=st.sampled_from([None, EventType.DECISION, EventType.DELIVERY, EventType.ACCESS]),
    since=moments,
    until=moments,
    having=st.fixed_dictionaries(
        {},
        optional={
            "disease": some(DISEASES),
            "status": some(STATUSES),
            "advice": some(ADVICE),
            "service": some(SERVICES),
            "hook": some(HOOKS),
            "outcome": some(OUTCOMES),
        },
    ),
    before=st.none() | st.integers(1, COUNT + 10),
    limit=st.sampled_from([1, 5, 500]),
)


@given(questions)
def test_a_filter_finds_what_looking_at_every_entry_finds(path: Address, wanted: Wanted) -> None:
    with open_reader(path) as reader:
        found = [event.seq for event in reader.page(wanted)]
        assert found == by_brute_force(list(reader.events()), wanted)


def test_pages_follow_one_another_without_overlap_or_gap(path: Address) -> None:
    with open_reader(path) as reader:
        everything = [event.seq for event in reader.page(Wanted(event_type=None, limit=500))]
        paged: list[int] = []
        while page := reader.page(
            Wanted(event_type=None, before=paged[-1] if paged else None, limit=7)
        ):
            paged += [event.seq for event in page]
    assert paged == everything == list(range(COUNT + COUNT // 9, 0, -1))


@pytest.mark.parametrize(
    ("name", "seq"),
    [
        pytest.param(decision_id(2), 2, id="decision id"),
        pytest.param(decision_id(2).upper(), 2, id="in capitals"),
        pytest.param("3", 3, id="seq"),
        pytest.param("99", None, id="no such seq"),
        pytest.param("9" * 30, None, id="no possible seq"),
        pytest.param("x' OR 1", None, id="no id at all"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_an_entry_is_found_by_id_or_seq(where: Address, name: str, seq: int | None) -> None:
    a_log_of(where, 3)
    with open_reader(where) as reader:
        found = reader.find(name)
    assert (found.seq if found else None) == seq


CARD = card_id(1)


@pytest.mark.parametrize(
    ("given", "current"),
    [
        pytest.param([], None, id="none is a state of its own"),
        pytest.param([("overridden", "10:00")], "overridden", id="one"),
        pytest.param([("overridden", "10:00"), ("accepted", "11:00")], "accepted", id="the later"),
        pytest.param(
            [("accepted", "11:00"), ("overridden", "10:00")], "accepted", id="sent out of order"
        ),
        pytest.param(
            [("accepted", "10:00"), ("overridden", "10:00")], "overridden", id="same time: ours"
        ),
        pytest.param(
            [("accepted", "11:00"), ("accepted", "11:00")], "accepted", id="the same one twice"
        ),
    ],
)
def test_all_feedback_is_kept_and_one_state_is_current(
    where: Address, given: list[tuple[str, str]], current: str | None
) -> None:
    with closing(a_store(where)) as store:
        record(store, an_event(1))
        for outcome, time in given:
            record(store, feedback_on(CARD, outcome, at=f"2026-11-21T{time}:00Z"))
    with open_reader(where) as reader:
        decision = reader.find("1")
        assert decision is not None
        followed = reader.about(decision)
        states = current_feedback(followed)
    assert len(followed) == len(given)
    assert (states[CARD]["outcome"] if states else None) == current


def test_orphaned_feedback_is_seen_beside_the_decision_and_changes_no_state(where: Address) -> None:
    forger = Client(iss="https://forger.example")
    with closing(a_store(where)) as store:
        record(store, an_event(1), an_event(2))
        record(store, feedback_on(CARD, client=forger), feedback_on(card_id(99), client=EHR))
        record(store, delivery_event(decision_id(1)))
    with open_reader(where) as reader:
        decision = reader.find("1")
        assert decision is not None
        followed = reader.about(decision)
    assert [(one.event_type, one.read().get("orphan")) for one in followed] == [
        ("feedback", "other-client"),
        ("delivery", None),
    ]
    assert current_feedback(followed) == {}


def alter_payload(path: Address) -> None:
    with administrator(path) as db:
        db.execute("UPDATE payloads SET stored = x'00' WHERE name = 'response'")


def drop_payload(path: Address) -> None:
    with administrator(path) as db:
        db.execute("DELETE FROM payloads WHERE name = 'response'")


@pytest.mark.parametrize("harm", [alter_payload, drop_payload])
def test_what_is_not_as_it_was_recorded_is_not_handed_out(
    where: Address, harm: Callable[[Address], None]
) -> None:
    a_log_of(where, 1)
    harm(where)
    with open_reader(where) as reader:
        event = reader.find("1")
        assert event is not None
        with pytest.raises(AuditError, match="missing or was altered"):
            reader.content(event, "response")
        assert reader.content(event, "no such name") is None


def test_a_reader_sees_the_log_as_it_was_when_it_was_opened(where: Address) -> None:
    with closing(a_store(where)) as store:
        record(store, an_event(1))
        with open_reader(where) as reader:
            record(store, an_event(2))
            assert reader.head() == (1, next(reader.events()).leaf_hash)
            assert len(list(reader.events())) == 1


def test_a_copy_on_read_only_media_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "copy" / "log.db"
    path.parent.mkdir()
    a_log_of(path, 2)
    path.chmod(0o400)
    path.parent.chmod(0o500)
    try:
        with open_reader(path) as reader:
            assert len(list(reader.events())) == 2
    finally:
        path.parent.chmod(0o700)
