"""Verifying reads no more of an envelope than its columns and search terms follow from."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest

from audit.samples import a_log_of, administrator, kinds, verified
from audit.tampering import Change
from cds_service.audit import verify as verifying
from cds_service.audit.belongings import _Found, found_in
from cds_service.audit.envelope import index_of
from cds_service.audit.findings import Kind
from cds_service.audit.reading import StoredEvent, open_reader
from cds_service.errors import AuditError

DECISION = {
    "eventId": "e1",
    "eventType": "decision",
    "decisionId": "e1",
    "recordedAt": "2026-11-21T12:00:00.000000Z",
    "hookInstance": "H1",
    "client": {"iss": "https://ehr.example", "tenant": "t1", "jti": "j1"},
    "serviceId": "refractory-status",
    "hook": "patient-view",
    "outcome": "cards-returned",
    "patientPseudonym": "ab" * 32,
    "user": {"userId": "Practitioner/1", "roles": ["oncologist"]},
    "cancers": [
        {"disease": "cll", "lines": [{"number": 1, "status": "stable", "rules": ["cll.r"]}]},
        {"disease": "aml"},
    ],
    "advice": [{"kind": "restage", "urgency": "prompt"}],
    "cards": [{"uuid": "c1", "about": "cd" * 16, "line": 1}, {"uuid": "c2"}],
    "issues": {"invalid-resource": 2},
    "sealed": {"scheme": "aes-256-gcm", "keyId": "k1", "digests": {"request": "sha256:00"}},
}
FEEDBACK = {
    "eventId": "e2",
    "eventType": "feedback",
    "decisionId": "e1",
    "recordedAt": "2026-11-21T12:00:01.000000Z",
    "serviceId": "refractory-status",
    "patientPseudonym": "ab" * 32,
    "card": "c1",
    "outcome": "overridden",
    "overrideReason": {"code": "already-planned", "system": "https://example.org"},
    "acceptedSuggestions": ["s2", "s1"],
    "onCard": {"disease": "cll", "status": "stable", "advice": ["restage"], "line": 1},
}
REPEATED = FEEDBACK | {"eventId": "e3", "duplicateOf": "e2"}
ERASURE = {
    "eventId": "e4",
    "eventType": "redaction",
    "recordedAt": "2026-11-21T12:00:02.000000Z",
    "erased": {"pseudonyms": ["ab" * 32, "cd" * 32], "dataKeys": ["k1"]},
}
PURGE = {
    "eventId": "e5",
    "eventType": "purge",
    "recordedAt": "2026-11-21T12:00:03.000000Z",
    "purged": {"part": "contents", "runs": [[1, 2], [4, 4]]},
}
ENVELOPES: list[dict[str, Any]] = [DECISION, FEEDBACK, REPEATED, ERASURE, PURGE]


def stored(envelope: Any) -> StoredEvent:
    content = envelope if isinstance(envelope, bytes) else json.dumps(envelope).encode()
    return StoredEvent(1, b"", b"", "e1", "decision", "e1", "", content)


@pytest.mark.parametrize("envelope", ENVELOPES, ids=lambda one: one["eventId"])
def test_what_is_read_of_an_entry_leads_to_the_same_index_as_all_of_it(
    envelope: dict[str, Any],
) -> None:
    found = found_in(stored(envelope))
    assert index_of(found) == index_of(envelope)
    assert found.get("sealed") == envelope.get("sealed")
    assert len(index_of(envelope).terms) > 1


class Asked(dict[str, Any]):
    """An envelope that remembers what it was asked for."""

    def __init__(self, members: dict[str, Any]) -> None:
        super().__init__(members)
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.names.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return super().get(name, default)

    def __contains__(self, name: object) -> bool:
        self.names.add(str(name))
        return super().__contains__(name)


def test_everything_that_the_index_asks_an_entry_for_is_read() -> None:
    asked: set[str] = set()
    for envelope in ENVELOPES:
        members = Asked(envelope)
        index_of(members)
        asked |= members.names
    assert asked <= set(_Found.__annotations__)
    assert {"cancers", "onCard", "erased", "purged", "hookInstance"} <= asked


@pytest.mark.parametrize(
    "envelope",
    [
        pytest.param({**DECISION, "cancers": None}, id="no list of cancers"),
        pytest.param({**DECISION, "cards": [1]}, id="a card that is a number"),
        pytest.param({**DECISION, "cancers": [{"lines": {}}]}, id="lines that are no list"),
    ],
)
def test_an_entry_of_another_form_is_read_as_a_whole(envelope: dict[str, Any]) -> None:
    assert found_in(stored(envelope)) == envelope


@pytest.mark.parametrize("content", [b"\xff", b"[]", b"{", b""])
def test_what_is_no_entry_cannot_be_read(content: bytes) -> None:
    with pytest.raises(AuditError):
        found_in(stored(content))


# --- search terms, read together --------------------------------------------------------------


def set_term(value: str) -> Change:
    def change(db: sqlite3.Connection, seq: int) -> None:
        db.execute(f"UPDATE terms SET value = {value} WHERE seq = ? AND field = 'disease'", (seq,))  # noqa: S608

    return change


def merge_two_terms(db: sqlite3.Connection, seq: int) -> None:
    """One row that reads, joined, like the two that it stands for."""
    where = "WHERE seq = ? AND field IN ('hook', 'outcome')"
    rows = db.execute(f"SELECT field, value FROM terms {where} ORDER BY field", (seq,)).fetchall()  # noqa: S608
    db.execute(f"DELETE FROM terms {where}", (seq,))  # noqa: S608
    field, value = ("\x1f".join(texts) for texts in zip(*rows, strict=True))
    db.execute("INSERT INTO terms VALUES (?, ?, ?)", (field, value, seq))


def exchange_two_values(db: sqlite3.Connection, seq: int) -> None:
    """The same fields and the same values, the other way round."""
    db.execute("PRAGMA ignore_check_constraints = 1")
    rows = db.execute(
        "SELECT field, value FROM terms WHERE seq = ? AND field IN ('hook', 'outcome')", (seq,)
    ).fetchall()
    for (field, _), (_, value) in zip(rows, reversed(rows), strict=True):
        db.execute("UPDATE terms SET value = ? WHERE seq = ? AND field = ?", (value, seq, field))


@pytest.mark.parametrize("from_entries", [1, 1_000], ids=["two processes", "one process"])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(set_term("CAST(value AS BLOB)"), id="the same bytes, that are no text"),
        pytest.param(set_term("value || char(31)"), id="what stands between terms, behind one"),
        pytest.param(set_term("char(31) || value"), id="what stands between terms, before one"),
        pytest.param(set_term("value || char(0) || 'x'"), id="something behind a NUL"),
        pytest.param(set_term("CAST(x'ff' AS TEXT)"), id="damaged text"),
        pytest.param(set_term("''"), id="an empty term"),
        pytest.param(merge_two_terms, id="two terms in one row"),
        pytest.param(exchange_two_values, id="two values exchanged"),
    ],
)
def test_no_other_search_term_reads_like_the_one_that_was_recorded(
    change: Change, from_entries: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifying, "FROM_ENTRIES", from_entries)
    path = tmp_path / "log.db"
    a_log_of(path, 3)
    assert kinds(verified(path)) == set()
    with administrator(path) as db:
        change(db, 2)
    report = verified(path)
    assert kinds(report) == {Kind.INDEX_MISMATCH}
    assert [one.first for one in report.findings if not one.informs] == [2]


# --- text that somebody damaged ---------------------------------------------------------------


def test_damaged_text_is_read_with_marks_and_all_rows_around_it_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    a_log_of(path, 5)
    with open_reader(path) as reader:
        whole = list(reader.events())
    with administrator(path) as db:
        db.execute("UPDATE events SET recorded_at = CAST(x'ff41' AS TEXT) WHERE seq IN (2, 4)")
    with open_reader(path) as reader:
        found = list(reader.events())
        between = [event.event_id for event in reader.events() if list(reader.terms())]
    marked = [
        msgspec.structs.replace(one, recorded_at="\N{REPLACEMENT CHARACTER}A") for one in whole
    ]
    assert found == [whole[0], marked[1], whole[2], marked[3], whole[4]]
    assert between == [event.event_id for event in whole]
