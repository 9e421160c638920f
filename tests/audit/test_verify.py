"""Tampering, done by an administrator of the file: every kind is found, named and placed."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from audit.samples import (
    NOON,
    Clock,
    a_log_of,
    a_recorder,
    a_store,
    administrator,
    an_event,
    record,
    verified,
)
from cds_service.audit.anchor import Anchor, read_anchor
from cds_service.audit.chain import leaf_hash
from cds_service.audit.findings import Kind, Report
from cds_service.audit.reading import open_reader
from cds_service.errors import AuditError

SIZE = 7
FIRST, MIDDLE, LAST = 1, 4, SIZE
Change = Callable[[sqlite3.Connection, int], None]


@pytest.fixture(scope="module")
def whole_log(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "log.db"
    a_log_of(path, SIZE)
    return path.read_bytes()


@pytest.fixture
def path(whole_log: bytes, tmp_path: Path) -> Path:
    copy = tmp_path / "log.db"
    copy.write_bytes(whole_log)
    return copy


def kinds(report: Report) -> set[Kind]:
    return {finding.kind for finding in report.findings if not finding.informs}


def places(report: Report, kind: Kind) -> list[tuple[int | None, int | None]]:
    return [(one.first, one.last) for one in report.findings if one.kind is kind]


def anchor_of(path: Path) -> Anchor:
    report = verified(path)
    return Anchor(report.log_id, report.size, report.root)


# --- what an administrator may do -----------------------------------------------------------


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


def delete_and_close_the_gap(db: sqlite3.Connection, seq: int) -> None:
    delete(db, seq)
    for later in range(seq + 1, SIZE + 1):
        move(db, later, later - 1)


def move(db: sqlite3.Connection, seq: int, to: int) -> None:
    for table in ("events", "terms", "payloads"):
        db.execute(f"UPDATE {table} SET seq = ? WHERE seq = ?", (to, seq))  # noqa: S608


def swap(db: sqlite3.Connection, one: int, other: int) -> None:
    move(db, one, 999)
    move(db, other, one)
    move(db, 999, other)


def swap_with_neighbour(db: sqlite3.Connection, seq: int) -> None:
    swap(db, seq, seq + 1 if seq < SIZE else seq - 1)


def forge(db: sqlite3.Connection, seq: int, like: int, **changes: Any) -> None:
    """Put a well-formed event into an empty place, with hash and columns to match."""
    envelope = json.loads(envelope_of(db, like))
    envelope |= {"eventId": f"forged-{seq}", "decisionId": f"forged-{seq}", "seq": seq} | changes
    for absent in ("sealed", "cancers", "advice", "cards", "hookInstance"):
        envelope.pop(absent)
    data = json.dumps(envelope, sort_keys=True, separators=(",", ":")).encode()
    follows = bytes.fromhex(envelope["prevHash"])
    row = (seq, follows, leaf_hash(data), envelope["eventId"], envelope["recordedAt"], data)
    db.execute("INSERT INTO events VALUES (?1, ?2, ?3, ?4, 'decision', ?4, ?5, ?6)", row)
    for field, member in (
        ("service", "serviceId"),
        ("hook", "hook"),
        ("outcome", "outcome"),
        ("patient", "patientPseudonym"),
    ):
        db.execute("INSERT OR IGNORE INTO terms VALUES (?, ?, ?)", (field, envelope[member], seq))


def without_unique_columns(db: sqlite3.Connection) -> None:
    """Rebuild the table so that a place, or a link, can be taken twice."""
    db.execute("CREATE TABLE loose AS SELECT * FROM events")
    db.execute("DROP TABLE events")
    db.execute("ALTER TABLE loose RENAME TO events")


def insert_and_move_the_rest(db: sqlite3.Connection, seq: int) -> None:
    without_unique_columns(db)
    for later in range(SIZE, seq - 1, -1):
        move(db, later, later + 1)
    forge(db, seq, like=seq + 1, prevHash=json.loads(envelope_of(db, seq + 1))["prevHash"])


def fork_in_place(db: sqlite3.Connection, seq: int) -> None:
    without_unique_columns(db)
    forge(db, seq, like=seq)


MUTATIONS: list[tuple[Change, Kind]] = [
    (change_a_byte, Kind.CONTENT_ALTERED),
    (make_unreadable, Kind.CONTENT_ALTERED),
    (make_unreadable_and_hash, Kind.CONTENT_ALTERED),
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
    (swap_payloads, Kind.PAYLOAD_ALTERED),
    (add_a_payload, Kind.PAYLOAD_ALTERED),
    (drop_a_payload, Kind.PAYLOAD_MISSING),
    (swap_with_neighbour, Kind.REORDERED),
    (insert_and_move_the_rest, Kind.INSERTED),
    (fork_in_place, Kind.FORKED),
]
IDS = [f"{index}-{change.__name__}" for index, (change, _) in enumerate(MUTATIONS)]


# --- one change -----------------------------------------------------------------------------


def test_an_untouched_log_is_whole_and_says_first_that_nothing_anchors_it(path: Path) -> None:
    report = verified(path)
    assert (report.exit_code, report.size, kinds(report)) == (3, SIZE, set())
    assert report.verdict.startswith("WHOLE, NOT ANCHORED")
    assert [one.kind for one in report.findings] == [Kind.UNANCHORED]
    assert report.events_by_type == {"decision": SIZE}
    assert report.first_at == "2026-11-21T12:00:00.001000Z"


@pytest.mark.parametrize("seq", [FIRST, MIDDLE, LAST])
@pytest.mark.parametrize(("change", "kind"), MUTATIONS, ids=IDS)
def test_every_change_is_found_named_and_placed(
    path: Path, change: Change, kind: Kind, seq: int
) -> None:
    with administrator(path) as db:
        change(db, seq)
    report = verified(path)
    assert report.exit_code == 1
    assert kinds(report) == {kind}
    assert str(kind) in report.verdict
    (first, last), *rest = places(report, kind)
    assert not rest or kind is Kind.INSERTED
    assert first is not None
    assert last is not None
    assert first <= seq <= last
    assert last - first <= 1
    found = next(one for one in report.findings if one.kind is kind)
    assert found.last_good == (first - 1 or None)


@pytest.mark.parametrize(
    ("change", "seq", "kind", "place"),
    [
        pytest.param(delete, FIRST, Kind.SEQUENCE_GAP, (1, 1), id="the first"),
        pytest.param(delete, MIDDLE, Kind.SEQUENCE_GAP, (4, 4), id="a middle one"),
        pytest.param(delete, LAST, Kind.TRUNCATED, (7, 7), id="the last"),
        pytest.param(delete_and_close_the_gap, FIRST, Kind.SEQUENCE_GAP, (1, 1), id="closed, 1"),
        pytest.param(delete_and_close_the_gap, MIDDLE, Kind.SEQUENCE_GAP, (4, 4), id="closed, 4"),
        pytest.param(delete_and_close_the_gap, LAST, Kind.TRUNCATED, (7, 7), id="closed, 7"),
    ],
)
def test_a_deleted_event_is_missed(
    path: Path, change: Change, seq: int, kind: Kind, place: tuple[int, int]
) -> None:
    with administrator(path) as db:
        change(db, seq)
    report = verified(path)
    assert report.exit_code == 1
    assert kind in kinds(report)
    assert place in places(report, kind)


def test_several_deleted_events_are_one_finding_with_the_time_they_span(path: Path) -> None:
    with administrator(path) as db:
        for seq in (3, 4, 5):
            delete(db, seq)
    (finding,) = (one for one in verified(path).findings if not one.informs)
    assert (finding.kind, finding.first, finding.last, finding.last_good) == (
        Kind.SEQUENCE_GAP,
        3,
        5,
        2,
    )
    assert finding.after == "2026-11-21T12:00:00.002000Z"
    assert finding.before == "2026-11-21T12:00:00.007000Z"


@pytest.mark.parametrize(("one", "other"), [(1, 7), (1, 4), (2, 6), (4, 7), (6, 7), (1, 2)])
def test_two_events_that_changed_places_are_both_named(path: Path, one: int, other: int) -> None:
    with administrator(path) as db:
        swap(db, one, other)
    report = verified(path)
    assert kinds(report) == {Kind.REORDERED}
    named = {
        seq
        for first, last in places(report, Kind.REORDERED)
        for seq in range(first or 0, (last or 0) + 1)
    }
    assert named == {one, other}


def test_rows_beside_the_events_that_belong_to_none_are_found(path: Path) -> None:
    with administrator(path) as db:
        db.execute("INSERT INTO terms VALUES ('disease', 'cll', 99)")
        db.execute("INSERT INTO payloads VALUES (0, 'x', 'plain', NULL, x'00', x'00')")
    report = verified(path)
    assert kinds(report) == {Kind.INDEX_MISMATCH, Kind.PAYLOAD_ALTERED}
    assert places(report, Kind.INDEX_MISMATCH) == [(99, 99)]


def test_an_event_put_before_the_first_is_found(path: Path) -> None:
    with administrator(path) as db:
        without_unique_columns(db)
        forge(db, 0, like=1)
    assert kinds(verified(path)) == {Kind.INSERTED}


@pytest.mark.parametrize(
    ("change", "kind", "place"),
    [
        pytest.param("UPDATE head SET size = 5", Kind.INSERTED, (6, 7), id="set back"),
        pytest.param("UPDATE head SET size = 9", Kind.TRUNCATED, (8, 9), id="set on"),
        pytest.param("UPDATE head SET leaf_hash = x'00'", Kind.LINK_BROKEN, (7, 7), id="hash"),
        pytest.param("DELETE FROM head", Kind.TRUNCATED, (None, None), id="gone"),
        pytest.param(
            "UPDATE log SET first_link = replace(first_link, 'log-1', 'log-2')",
            Kind.LINK_BROKEN,
            (1, 1),
            id="another beginning",
        ),
    ],
)
def test_a_changed_head_or_beginning_is_found(
    path: Path, change: str, kind: Kind, place: tuple[int | None, int | None]
) -> None:
    with administrator(path) as db:
        db.execute(change)
    report = verified(path)
    assert kinds(report) == {kind}
    assert places(report, kind) == [place]


def test_an_event_added_after_the_head_is_found(path: Path) -> None:
    with administrator(path) as db:
        (last,) = db.execute("SELECT leaf_hash FROM events WHERE seq = ?", (LAST,)).fetchone()
        forge(db, LAST + 1, like=LAST, prevHash=last.hex())
    assert places(verified(path), Kind.INSERTED) == [(8, 8)]


def test_two_events_that_follow_the_same_one_are_a_fork(path: Path) -> None:
    with administrator(path) as db:
        without_unique_columns(db)
        forge(db, LAST + 1, like=LAST)  # it names the event before the last, as the last does
        (leaf,) = db.execute("SELECT leaf_hash FROM events WHERE seq = 8").fetchone()
        db.execute("UPDATE head SET size = 8, leaf_hash = ?", (leaf,))
    report = verified(path)
    assert kinds(report) == {Kind.FORKED}
    assert places(report, Kind.FORKED) == [(7, 8)]


PAIRS = list(
    permutations(
        [
            (change_a_byte, Kind.CONTENT_ALTERED),
            (rewrite_with_its_hash, Kind.LINK_BROKEN),
            (set_column("event_id", "'x'"), Kind.INDEX_MISMATCH),
            (drop_a_payload, Kind.PAYLOAD_MISSING),
            (change_a_payload, Kind.PAYLOAD_ALTERED),
            (delete, Kind.SEQUENCE_GAP),
            (swap_with_neighbour, Kind.REORDERED),
            (fork_in_place, Kind.FORKED),
        ],
        2,
    )
)


@pytest.mark.parametrize(
    ("one", "other"), PAIRS, ids=[f"{one[1]}+{other[1]}" for one, other in PAIRS]
)
def test_two_changes_are_both_named(
    path: Path, one: tuple[Change, Kind], other: tuple[Change, Kind]
) -> None:
    with administrator(path) as db:
        one[0](db, 2)
        other[0](db, 5)
    assert {one[1], other[1]} <= kinds(verified(path))


# --- bytes of the file ----------------------------------------------------------------------


def rows(path: Path) -> list[Any]:
    """Everything that the log says, without what ties patients to pseudonyms."""
    with open_reader(path) as reader:
        return [
            reader.first_link(),
            reader.head(),
            list(reader.events()),
            list(reader.terms()),
            list(reader.payloads()),
        ]


@pytest.mark.parametrize("seed", range(6))
def test_no_byte_of_the_file_can_change_what_the_log_says_unnoticed(path: Path, seed: int) -> None:
    content, said = path.read_bytes(), rows(path)
    chance = random.Random(seed)  # noqa: S311
    for _ in range(60):
        at = chance.randrange(len(content))
        path.write_bytes(
            content[:at] + bytes([content[at] ^ 1 << chance.randrange(8)]) + content[at + 1 :]
        )
        try:
            report = verified(path)
        except AuditError:
            continue  # unreadable: exit code 2
        assert report.exit_code == 1 or rows(path) == said


def test_a_missing_guard_is_noted_and_is_no_tampering_by_itself(path: Path) -> None:
    with administrator(path):
        pass
    report = verified(path)
    assert report.exit_code == 3
    assert Kind.GUARDS_MISSING in {one.kind for one in report.findings}


def test_an_index_that_hides_an_event_from_searches_is_found(path: Path) -> None:
    definition = "CREATE INDEX events_of_type ON events (event_type, seq)"
    with administrator(path) as db:
        db.execute("DROP INDEX events_of_type")
        db.execute(f"{definition} WHERE seq <> 4")
    with administrator(path) as db:
        db.execute("PRAGMA writable_schema = 1")
        db.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'events_of_type'", (definition,))
    with open_reader(path) as reader:
        by_type = "SELECT seq FROM events INDEXED BY events_of_type WHERE event_type = 'decision'"
        assert len(reader._db.execute(by_type).fetchall()) == SIZE - 1
    report = verified(path)
    assert kinds(report) == {Kind.INDEX_MISMATCH}
    assert any("events_of_type" in finding.detail for finding in report.findings)


# --- normal operation -----------------------------------------------------------------------


def test_a_clock_that_goes_back_is_noted_and_is_no_tampering(tmp_path: Path) -> None:
    clock = Clock()
    with closing(a_store(tmp_path / "log.db", a_recorder(clock))) as store:
        for number, hour in enumerate((12, 11, 13)):
            clock.now = NOON.replace(hour=hour)
            record(store, an_event(number))
    report = verified(tmp_path / "log.db")
    assert report.exit_code == 3
    assert places(report, Kind.CLOCK_REGRESSION) == [(2, 2)]


def test_an_empty_log_is_whole(tmp_path: Path) -> None:
    a_log_of(tmp_path / "log.db", 0)
    report = verified(tmp_path / "log.db")
    assert (report.exit_code, report.size) == (3, 0)


# --- anchors --------------------------------------------------------------------------------


def cut(db: sqlite3.Connection, keep: int) -> None:
    """Cut the end off and set the head row back to match, as somebody who knows the log would."""
    for seq in range(keep + 1, SIZE + 1):
        delete(db, seq)
    db.execute(
        "UPDATE head SET size = ?1, leaf_hash = (SELECT leaf_hash FROM events WHERE seq = ?1)",
        (keep,),
    )


def test_a_cut_end_looks_whole_without_an_anchor_and_is_found_with_one(path: Path) -> None:
    anchor = anchor_of(path)
    with administrator(path) as db:
        cut(db, keep=5)
    assert verified(path).exit_code == 3
    report = verified(path, anchor)
    assert report.exit_code == 1
    assert places(report, Kind.TRUNCATED) == [(6, 7)]
    assert any("2 more events" in finding.detail for finding in report.findings)


def test_an_anchor_of_the_whole_log_makes_it_whole_and_anchored(path: Path) -> None:
    report = verified(path, anchor_of(path))
    assert (report.exit_code, report.anchored) == (0, SIZE)
    assert report.verdict.startswith("WHOLE AND ANCHORED")
    assert not report.findings


def test_an_older_anchor_vouches_for_its_events_and_the_rest_is_said(path: Path) -> None:
    anchor = anchor_of(path)
    with closing(a_store(path)) as store:
        record(store, an_event(20), an_event(21))
    report = verified(path, anchor)
    assert (report.exit_code, report.anchored) == (0, SIZE)
    assert "newest 2 have no anchor" in report.verdict


def test_a_history_written_anew_is_not_the_one_that_was_anchored(
    path: Path, tmp_path: Path
) -> None:
    anchor = anchor_of(path)
    other = tmp_path / "other.db"
    a_log_of(other, SIZE)  # same log id, other salts: every hash differs
    report = verified(other, anchor)
    assert report.exit_code == 1
    assert places(report, Kind.CHECKPOINT_INCONSISTENT) == [(SIZE, SIZE)]


def test_an_anchor_of_another_log_does_not_vouch(path: Path) -> None:
    report = verified(path, Anchor("log-2", SIZE, anchor_of(path).root))
    assert (report.exit_code, report.anchored) == (1, 0)
    assert kinds(report) == {Kind.CHECKPOINT_INCONSISTENT}


def test_an_anchor_is_three_lines_and_reads_back(path: Path, tmp_path: Path) -> None:
    anchor, file = anchor_of(path), tmp_path / "anchor.txt"
    file.write_text(anchor.as_text(), encoding="ascii")
    assert read_anchor(file) == anchor
    assert anchor.as_text().splitlines()[:2] == ["refractory-cds/log-1", "7"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("refractory-cds/log-1\n7\n", id="no root"),
        pytest.param("refractory-cds/log-1\nseven\n" + "A" * 43 + "=\n", id="no size"),
        pytest.param("refractory-cds/log-1\n7\nAAAA\n", id="a short root"),
        pytest.param("refractory-cds/log-1\n7\n" + "!" * 44 + "\n", id="no base64"),
        pytest.param("refractory-cds/log-1\n0\n" + "A" * 43 + "=\n", id="of nothing"),
        pytest.param("log-1\n7\n" + "A" * 43 + "=\n", id="another origin"),
        pytest.param("é\n7\n" + "A" * 43 + "=\n", id="not ASCII"),
    ],
)
def test_what_is_no_anchor_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "anchor.txt"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(AuditError, match="anchor"):
        read_anchor(file)
