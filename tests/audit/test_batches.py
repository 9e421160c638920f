"""Events that are written together are joined as if each had been written alone."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from audit.samples import (
    a_recorder,
    a_store,
    an_event,
    card_id,
    decision_id,
    envelopes,
    feedback_on,
    hook_instance,
    record,
    verified,
    with_keys,
)
from cds_service.audit import Call, Event, Recorded
from cds_service.audit.address import Address
from cds_service.audit.database import Connection
from cds_service.audit.database_store import DatabaseStore
from cds_service.audit.new_rows import _MOST_BYTES, _MOST_ROWS, Row, _pieces
from cds_service.audit.reading import open_reader
from cds_service.audit.store import AlreadyRecorded
from cds_service.errors import AuditError

EMPTY: list[Event] = []
CALL = Call(service_id="refractory-status", hook="patient-view", hook_instance=hook_instance(1))
BATCHES: list[Any] = [
    pytest.param(EMPTY, [an_event(1), an_event(2)], id="two that have nothing in common"),
    pytest.param(EMPTY, [an_event(1), an_event(1), an_event(2)], id="the same event twice"),
    pytest.param([an_event(1)], [an_event(1), an_event(2)], id="an event that is there already"),
    pytest.param(EMPTY, [an_event(1), an_event(2, call=CALL)], id="the same call twice"),
    pytest.param(
        [an_event(1)], [an_event(2, call=CALL), an_event(3, call=CALL)], id="and a third time"
    ),
    pytest.param(EMPTY, [an_event(1), feedback_on(card_id(1))], id="a card and feedback on it"),
    pytest.param(EMPTY, [feedback_on(card_id(1)), an_event(1)], id="feedback before its card"),
    pytest.param(
        [an_event(1)],
        [feedback_on(card_id(1)), feedback_on(card_id(1)), feedback_on(card_id(1), "accepted")],
        id="feedback that says the same, and other",
    ),
    pytest.param(
        [an_event(1), feedback_on(card_id(1))],
        [feedback_on(card_id(1)), feedback_on(card_id(9))],
        id="feedback that was given before, and on no card",
    ),
    pytest.param(
        [an_event(1, patient_id="p7")],
        [an_event(number, patient_id=f"p{number % 3 + 6}") for number in range(2, 9)],
        id="a patient who is known, and new ones, several times each",
    ),
]


def joined(path: Address) -> list[dict[str, Any]]:
    """What the log itself said of each entry; names of patients, and of the keys of their
    decisions, by the order of their coming. (Which key seals feedback is chosen before the lock is
    taken: a card of the same batch is not in the log then.)"""
    names: dict[str, int] = {}
    found = []
    for members in envelopes(path):
        told = {
            name: members.get(name)
            for name in ("eventType", "decisionId", "card", "duplicateOf", "orphan", "onCard")
        }
        named = {"patient": members.get("patientPseudonym")}
        if members["eventType"] == "decision":
            named["key"] = members["sealed"]["keyId"]
        told |= {name: names.setdefault(of, len(names)) for name, of in named.items() if of}
        found.append(told)
    return found


def written(
    path: Address, before: Sequence[Event], events: Sequence[Event], *, at_once: bool
) -> list[type]:
    answers: list[Recorded | AuditError] = []
    with closing(a_store(path)) as store:
        for event in before:
            store.append([event])
        for batch in [list(events)] if at_once else [[event] for event in events]:
            answers += store.append(batch)
    return [type(answer) for answer in answers]


@pytest.mark.parametrize(("before", "events"), BATCHES)
def test_together_or_one_by_one_the_log_says_the_same(
    where: Address, before: list[Event], events: list[Event], tmp_path: Path
) -> None:
    alone = tmp_path / "alone.db"
    answers = written(where, before, events, at_once=True)
    assert answers == written(alone, before, events, at_once=False)
    assert joined(where) == joined(alone)
    assert verified(where).exit_code == 3
    with open_reader(where) as reader, open_reader(alone) as other:
        assert len(list(reader.payloads())) == len(list(other.payloads()))


def test_a_call_that_was_repeated_a_thousand_times_is_looked_up_like_any_other(
    tmp_path: Path,
) -> None:
    """A client may try again and again; the log must not get slower by it."""
    steps = []
    with closing(a_store(tmp_path / "log.db")) as store:
        number = 0
        for repeats in (10, 1_000):
            store.append([an_event(n, call=CALL) for n in range(number + 1, number + repeats)])
            number += repeats
            counted = _Counted()
            db: Any = store._db
            db.set_progress_handler(counted, 10)
            store.append([an_event(number + 1, call=CALL), an_event(number + 2, call=CALL)])
            db.set_progress_handler(None, 0)
            number += 2
            steps.append(counted.times)
    assert steps[1] < steps[0] * 1.5


class _Counted:
    """How often SQLite has taken ten more of its steps."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> int:
        self.times += 1
        return 0


def test_what_a_batch_repeats_of_itself_is_told(where: Address) -> None:
    """What the table above compares is not nothing."""
    events = [an_event(1), an_event(1), an_event(2, call=CALL), feedback_on(card_id(1))]
    answers = written(where, [], [*events, feedback_on(card_id(1))], at_once=True)
    assert answers == [Recorded, AlreadyRecorded, Recorded, Recorded, Recorded]
    assert [one.get("duplicateOf") for one in envelopes(where)][:2] == [None, decision_id(1)]
    assert envelopes(where)[2]["decisionId"] == decision_id(1)


class Counted:
    """A connection that counts what it is asked."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self.asked: list[str] = []

    def execute(self, statement: str, values: Any = (), /) -> Any:
        if statement.lstrip().startswith("SELECT"):
            self.asked.append(statement)
        return self._db.execute(statement, values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


class Watched(DatabaseStore):
    counted: Counted | None = None

    def _connection(self) -> Any:
        db = super()._connection()
        if self.counted is None or self.counted._db is not db:
            self.counted = Counted(db)
        return self.counted


def test_more_events_are_no_more_questions(where: Address) -> None:
    """Each is a journey to the server and back, with the log's lock in hand."""
    counts = []
    a_store(where).close()
    with closing(Watched(where, with_keys(a_recorder(), where))) as store:
        store.append([an_event(1)])
        assert store.counted is not None
        for first, count in ((10, 2), (100, 20), (200, 64)):
            numbers = range(first, first + count)
            store.counted.asked.clear()
            record(store, *(an_event(number, patient_id=f"q{number}") for number in numbers))
            counts.append(len(store.counted.asked))
    assert counts == [counts[0]] * 3


@pytest.mark.parametrize(
    ("sizes", "pieces"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([1] * _MOST_ROWS, [_MOST_ROWS], id="as many rows as go at once"),
        pytest.param([1] * (_MOST_ROWS + 1), [_MOST_ROWS, 1], id="one more"),
        pytest.param([_MOST_BYTES // 2] * 2, [2], id="as many bytes as go at once"),
        pytest.param([_MOST_BYTES // 2, _MOST_BYTES // 2 + 1], [1, 1], id="one byte more"),
        pytest.param([_MOST_BYTES * 2, 1], [1, 1], id="a row that is too long by itself"),
    ],
)
def test_rows_are_written_in_pieces(sizes: list[int], pieces: list[int]) -> None:
    rows: list[Row] = [(number, bytes(size)) for number, size in enumerate(sizes)]
    found = list(_pieces(rows))
    assert [len(piece) for piece in found] == pieces
    assert [row for piece in found for row in piece] == rows
