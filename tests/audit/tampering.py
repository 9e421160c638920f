"""What somebody who owns the log's file may do to it, one act each."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import Any

from cds_service.audit.chain import leaf_hash
from cds_service.audit.findings import Kind
from cds_service.audit.notes import SigningKey, sign

SIZE = 7
Change = Callable[[sqlite3.Connection, int], None]


def envelope_of(db: sqlite3.Connection, seq: int) -> bytes:
    (envelope,) = db.execute("SELECT envelope FROM events WHERE seq = ?", (seq,)).fetchone()
    assert isinstance(envelope, bytes)
    return envelope


def change_a_byte(db: sqlite3.Connection, seq: int) -> None:
    altered = envelope_of(db, seq).replace(b"possible-refractory", b"possible-refractorz")
    db.execute("UPDATE events SET envelope = ? WHERE seq = ?", (altered, seq))


def make_unreadable(db: sqlite3.Connection, seq: int) -> None:
    db.execute("UPDATE events SET envelope = x'ff' WHERE seq = ?", (seq,))


def make_unreadable_and_hash(db: sqlite3.Connection, seq: int) -> None:
    garbage = (leaf_hash(b"\xff"), seq)
    db.execute("UPDATE events SET envelope = x'ff', leaf_hash = ? WHERE seq = ?", garbage)


def say_something_else(db: sqlite3.Connection, seq: int) -> None:
    other = b'{"seq": [1], "prevHash": null}'
    row = (other, leaf_hash(other), seq)
    db.execute("UPDATE events SET envelope = ?, leaf_hash = ? WHERE seq = ?", row)


def empty_the_row(db: sqlite3.Connection, seq: int) -> None:
    without_unique_columns(db)
    columns = ("envelope", "leaf_hash", "event_id", "event_type", "recorded_at")
    db.execute(f"UPDATE events SET {' = NULL, '.join(columns)} = NULL WHERE seq = {seq}")  # noqa: S608


def change_own_number(db: sqlite3.Connection, seq: int) -> None:
    altered = envelope_of(db, seq).replace(f'"seq":{seq},'.encode(), b'"seq":77,')
    db.execute("UPDATE events SET envelope = ? WHERE seq = ?", (altered, seq))


def rewrite_with_its_hash(db: sqlite3.Connection, seq: int) -> None:
    altered = envelope_of(db, seq).replace(b'"httpStatus":200', b'"httpStatus":412')
    row = (altered, leaf_hash(altered), seq)
    db.execute("UPDATE events SET envelope = ?, leaf_hash = ? WHERE seq = ?", row)


def set_column(column: str, value: str) -> Change:
    def change(db: sqlite3.Connection, seq: int) -> None:
        db.execute("PRAGMA ignore_check_constraints = 1")
        db.execute(f"UPDATE events SET {column} = {value} WHERE seq = ?", (seq,))  # noqa: S608

    return change


def drop_a_term(db: sqlite3.Connection, seq: int) -> None:
    db.execute("DELETE FROM terms WHERE seq = ? AND field = 'disease'", (seq,))


def change_a_term(db: sqlite3.Connection, seq: int) -> None:
    db.execute("UPDATE terms SET value = 'stable' WHERE seq = ? AND field = 'status'", (seq,))


def add_a_term(db: sqlite3.Connection, seq: int) -> None:
    db.execute("INSERT INTO terms VALUES ('disease', 'cll', ?)", (seq,))


def change_a_payload(db: sqlite3.Connection, seq: int) -> None:
    (stored,) = db.execute(
        "SELECT stored FROM payloads WHERE seq = ? AND name = 'response'", (seq,)
    ).fetchone()
    altered = stored[:-1] + bytes([stored[-1] ^ 1])
    db.execute("UPDATE payloads SET stored = ? WHERE seq = ? AND name = 'response'", (altered, seq))


def move_a_byte_into_the_salt(db: sqlite3.Connection, seq: int) -> None:
    db.execute(
        "UPDATE payloads SET nonce = nonce || substr(stored, 1, 1), stored = substr(stored, 2)"
        " WHERE seq = ? AND name = 'response'",
        (seq,),
    )


def change_the_scheme(db: sqlite3.Connection, seq: int) -> None:
    db.execute("UPDATE payloads SET scheme = 'x' WHERE seq = ? AND name = 'request'", (seq,))


def name_a_key(db: sqlite3.Connection, seq: int) -> None:
    db.execute("UPDATE payloads SET key_id = 'k' WHERE seq = ? AND name = 'request'", (seq,))


def swap_payloads(db: sqlite3.Connection, seq: int) -> None:
    for old, new in (("request", "x"), ("response", "request"), ("x", "response")):
        db.execute("UPDATE payloads SET name = ? WHERE seq = ? AND name = ?", (new, seq, old))


def add_a_payload(db: sqlite3.Connection, seq: int) -> None:
    db.execute("INSERT INTO payloads VALUES (?, 'more', 'plain', NULL, x'00', x'00')", (seq,))


def drop_a_payload(db: sqlite3.Connection, seq: int) -> None:
    db.execute("DELETE FROM payloads WHERE seq = ? AND name = 'response'", (seq,))


def delete(db: sqlite3.Connection, seq: int) -> None:
    for table in ("events", "terms", "payloads"):
        db.execute(f"DELETE FROM {table} WHERE seq = ?", (seq,))  # noqa: S608


def size_of(db: sqlite3.Connection) -> int:
    (size,) = db.execute("SELECT max(seq) FROM events").fetchone()
    return int(size)


def delete_and_close_the_gap(db: sqlite3.Connection, seq: int) -> None:
    size = size_of(db)
    delete(db, seq)
    for later in range(seq + 1, size + 1):
        move(db, later, later - 1)


def move(db: sqlite3.Connection, seq: int, to: int) -> None:
    for table in ("events", "terms", "payloads"):
        db.execute(f"UPDATE {table} SET seq = ? WHERE seq = ?", (to, seq))  # noqa: S608


def swap(db: sqlite3.Connection, one: int, other: int) -> None:
    move(db, one, 999)
    move(db, other, one)
    move(db, 999, other)


def swap_with_neighbour(db: sqlite3.Connection, seq: int) -> None:
    swap(db, seq, seq + 1 if seq < size_of(db) else seq - 1)


def forge(db: sqlite3.Connection, seq: int, like: int, **changes: Any) -> None:
    """Put a well-formed event into an empty place, with hash and columns to match."""
    envelope = json.loads(envelope_of(db, like))
    envelope |= {"eventId": f"forged-{seq}", "decisionId": f"forged-{seq}", "seq": seq} | changes
    for absent in ("sealed", "cancers", "advice", "cards", "hookInstance"):
        envelope.pop(absent)
    data = json.dumps(envelope, sort_keys=True, separators=(",", ":")).encode()
    follows = bytes.fromhex(envelope["prevHash"])
    event_id = envelope["eventId"]
    row = (seq, follows, leaf_hash(data), event_id, event_id, envelope["recordedAt"], data)
    db.execute("INSERT INTO events VALUES (?, ?, ?, ?, 'decision', ?, ?, ?)", row)
    for field, member in (
        ("service", "serviceId"),
        ("hook", "hook"),
        ("outcome", "outcome"),
        ("patient", "patientPseudonym"),
    ):
        term = (field, envelope[member], seq)
        db.execute("INSERT INTO terms VALUES (?, ?, ?) ON CONFLICT DO NOTHING", term)


def without_unique_columns(db: sqlite3.Connection) -> None:
    """Rebuild the table so that a place, or a link, can be taken twice."""
    db.execute("CREATE TABLE loose AS SELECT * FROM events")
    db.execute("DROP TABLE events")
    db.execute("ALTER TABLE loose RENAME TO events")


def insert_and_move_the_rest(db: sqlite3.Connection, seq: int) -> None:
    size = size_of(db)
    without_unique_columns(db)
    for later in range(size, seq - 1, -1):
        move(db, later, later + 1)
    forge(db, seq, like=seq + 1, prevHash=json.loads(envelope_of(db, seq + 1))["prevHash"])


def fork_in_place(db: sqlite3.Connection, seq: int) -> None:
    without_unique_columns(db)
    forge(db, seq, like=seq)


MUTATIONS: list[tuple[Change, Kind]] = [
    (change_a_byte, Kind.CONTENT_ALTERED),
    (make_unreadable, Kind.CONTENT_ALTERED),
    (make_unreadable_and_hash, Kind.CONTENT_ALTERED),
    (say_something_else, Kind.CONTENT_ALTERED),
    (empty_the_row, Kind.CONTENT_ALTERED),
    (change_own_number, Kind.CONTENT_ALTERED),
    (rewrite_with_its_hash, Kind.LINK_BROKEN),
    (set_column("leaf_hash", "x'00'"), Kind.INDEX_MISMATCH),
    (set_column("prev_hash", "x'00'"), Kind.INDEX_MISMATCH),
    (set_column("event_id", "'x'"), Kind.INDEX_MISMATCH),
    (set_column("event_type", "'review'"), Kind.INDEX_MISMATCH),
    (set_column("decision_id", "NULL"), Kind.INDEX_MISMATCH),
    (set_column("recorded_at", "'2020-01-01T00:00:00.000000Z'"), Kind.INDEX_MISMATCH),
    (set_column("recorded_at", "CAST(x'ff' AS TEXT)"), Kind.INDEX_MISMATCH),
    (drop_a_term, Kind.INDEX_MISMATCH),
    (change_a_term, Kind.INDEX_MISMATCH),
    (add_a_term, Kind.INDEX_MISMATCH),
    (change_a_payload, Kind.PAYLOAD_ALTERED),
    (move_a_byte_into_the_salt, Kind.PAYLOAD_ALTERED),
    (change_the_scheme, Kind.PAYLOAD_ALTERED),
    (name_a_key, Kind.PAYLOAD_ALTERED),
    (swap_payloads, Kind.PAYLOAD_ALTERED),
    (add_a_payload, Kind.PAYLOAD_ALTERED),
    (drop_a_payload, Kind.PAYLOAD_MISSING),
    (swap_with_neighbour, Kind.REORDERED),
    (insert_and_move_the_rest, Kind.INSERTED),
    (fork_in_place, Kind.FORKED),
]
IDS = [f"{index}-{change.__name__}" for index, (change, _) in enumerate(MUTATIONS)]


def cut(db: sqlite3.Connection, keep: int) -> None:
    """Cut the end off and set the head row back to match, as somebody who knows the log would."""
    for seq in range(keep + 1, size_of(db) + 1):
        delete(db, seq)
    db.execute(
        "UPDATE head SET size = ?1, leaf_hash = (SELECT leaf_hash FROM events WHERE seq = ?1)",
        (keep,),
    )


# --- checkpoints ----------------------------------------------------------------------------


def note_of(db: sqlite3.Connection, number: int) -> str:
    (note,) = db.execute("SELECT note FROM checkpoints WHERE number = ?", (number,)).fetchone()
    assert isinstance(note, str)
    return note


def set_checkpoint(column: str, value: str) -> Change:
    def change(db: sqlite3.Connection, number: int) -> None:
        db.execute("PRAGMA ignore_check_constraints = 1")
        db.execute(f"UPDATE checkpoints SET {column} = {value} WHERE number = ?", (number,))  # noqa: S608

    return change


def set_note(db: sqlite3.Connection, number: int, note: str) -> None:
    db.execute("UPDATE checkpoints SET note = ? WHERE number = ?", (note, number))


def claim_another_root(db: sqlite3.Connection, number: int) -> None:
    origin, size, root, *rest = note_of(db, number).split("\n")
    other = ("A" if root[0] != "A" else "B") + root[1:]
    set_note(db, number, "\n".join((origin, size, other, *rest)))


def alter_the_signature(db: sqlite3.Connection, number: int) -> None:
    note = note_of(db, number)
    set_note(db, number, note[:-12] + ("A" if note[-12] != "A" else "B") + note[-11:])


def take_the_signature_off(db: sqlite3.Connection, number: int) -> None:
    set_note(db, number, note_of(db, number).partition("\n\n")[0] + "\n")


def sign_with_another_key(db: sqlite3.Connection, number: int) -> None:
    text = note_of(db, number).partition("\n\n")[0] + "\n"
    set_note(db, number, str(sign(text, SigningKey.new(text.partition("\n")[0]))))


def write_rubbish(db: sqlite3.Connection, number: int) -> None:
    set_note(db, number, "rubbish")


def drop_a_checkpoint(db: sqlite3.Connection, number: int) -> None:
    db.execute("DELETE FROM checkpoints WHERE number = ?", (number,))


def swap_notes(db: sqlite3.Connection, number: int) -> None:
    other = number + 1 if number < 3 else number - 1
    mine, theirs = note_of(db, number), note_of(db, other)
    set_note(db, number, theirs)
    set_note(db, other, mine)


def swap_numbers(db: sqlite3.Connection, number: int) -> None:
    other = number + 1 if number < 3 else number - 1
    for old, new in ((number, 99), (other, number), (99, other)):
        db.execute("UPDATE checkpoints SET number = ? WHERE number = ?", (new, old))


CHECKPOINT_MUTATIONS: list[tuple[Change, Kind]] = [
    (claim_another_root, Kind.CHECKPOINT_SIGNATURE),
    (alter_the_signature, Kind.CHECKPOINT_SIGNATURE),
    (take_the_signature_off, Kind.CHECKPOINT_SIGNATURE),
    (sign_with_another_key, Kind.CHECKPOINT_SIGNATURE),
    (write_rubbish, Kind.CHECKPOINT_SIGNATURE),
    (set_checkpoint("note", "x'ff'"), Kind.CHECKPOINT_SIGNATURE),
    (set_checkpoint("size", "size + 100"), Kind.CHECKPOINT_INCONSISTENT),
    (set_checkpoint("frontier", "zeroblob(length(frontier))"), Kind.CHECKPOINT_INCONSISTENT),
    (set_checkpoint("frontier", "x''"), Kind.CHECKPOINT_INCONSISTENT),
    (swap_notes, Kind.CHECKPOINT_INCONSISTENT),
    (swap_numbers, Kind.CHECKPOINT_INCONSISTENT),
]
CHECKPOINT_IDS = [f"{n}-{change.__name__}" for n, (change, _) in enumerate(CHECKPOINT_MUTATIONS)]
