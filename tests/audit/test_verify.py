"""Tampering, done by an administrator of the file: every kind is found, named and placed."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from postgres_server import BOTH, Server, database_of

from audit.samples import (
    NOON,
    Clock,
    a_log_of,
    a_recorder,
    a_store,
    administrator,
    an_event,
    kinds,
    places,
    record,
    verified,
)
from audit.tampering import (
    IDS,
    MUTATIONS,
    SIZE,
    Change,
    change_a_byte,
    change_a_payload,
    delete,
    delete_and_close_the_gap,
    drop_a_payload,
    forge,
    fork_in_place,
    rewrite_with_its_hash,
    set_column,
    swap,
    swap_with_neighbour,
    without_unique_columns,
)
from cds_service.audit.address import Address
from cds_service.audit.findings import Kind
from cds_service.audit.reading import open_reader
from cds_service.audit.verify import verify
from cds_service.errors import AuditError

FIRST, MIDDLE, LAST = 1, 4, SIZE


@pytest.fixture(scope="module", params=BOTH)
def whole_log(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Path], Address]]:
    """How to get a copy of one log, in this folder or on the server."""
    file = tmp_path_factory.mktemp("whole") / "log.db"
    if request.param == "file":
        a_log_of(file, SIZE)
        content = file.read_bytes()

        def copy_file(folder: Path) -> Address:
            (folder / "log.db").write_bytes(content)
            return folder / "log.db"

        yield copy_file
        return
    server: Server = request.getfixturevalue("postgres")
    whole = server.new_log()
    a_log_of(whole, SIZE)
    yield lambda _: server.new_log(like=database_of(whole))


@pytest.fixture
def log(whole_log: Callable[[Path], Address], tmp_path: Path) -> Address:
    return whole_log(tmp_path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    a_log_of(tmp_path / "log.db", SIZE)
    return tmp_path / "log.db"


# --- one change -----------------------------------------------------------------------------


def test_an_untouched_log_is_whole_and_says_first_that_nothing_anchors_it(log: Address) -> None:
    report = verified(log)
    assert (report.exit_code, report.size, kinds(report)) == (3, SIZE, set())
    assert report.verdict.startswith("WHOLE, NOT ANCHORED")
    assert [one.kind for one in report.findings] == [Kind.UNANCHORED]
    assert report.events_by_type == {"decision": SIZE}
    assert report.first_at == "2026-11-21T12:00:00.001000Z"


@pytest.mark.parametrize("seq", [FIRST, MIDDLE, LAST])
@pytest.mark.parametrize(("change", "kind"), MUTATIONS, ids=IDS)
def test_every_change_is_found_named_and_placed(
    log: Address, change: Change, kind: Kind, seq: int
) -> None:
    with administrator(log) as db:
        change(db, seq)
    report = verified(log)
    assert report.exit_code == 1
    if kind is Kind.FORKED:  # which of two in one place comes first, a server does not say
        assert kind in kinds(report)
    else:
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
    log: Address, change: Change, seq: int, kind: Kind, place: tuple[int, int]
) -> None:
    with administrator(log) as db:
        change(db, seq)
    report = verified(log)
    assert report.exit_code == 1
    assert kind in kinds(report)
    assert place in places(report, kind)


def test_several_deleted_events_are_one_finding_with_the_time_they_span(log: Address) -> None:
    with administrator(log) as db:
        for seq in (3, 4, 5):
            delete(db, seq)
    (finding,) = (one for one in verified(log).findings if not one.informs)
    assert (finding.kind, finding.first, finding.last, finding.last_good) == (
        Kind.SEQUENCE_GAP,
        3,
        5,
        2,
    )
    assert finding.after == "2026-11-21T12:00:00.002000Z"
    assert finding.before == "2026-11-21T12:00:00.007000Z"


@pytest.mark.parametrize(("one", "other"), [(1, 7), (1, 4), (2, 6), (4, 7), (6, 7), (1, 2)])
def test_two_events_that_changed_places_are_both_named(log: Address, one: int, other: int) -> None:
    with administrator(log) as db:
        swap(db, one, other)
    report = verified(log)
    assert kinds(report) == {Kind.REORDERED}
    named = {
        seq
        for first, last in places(report, Kind.REORDERED)
        for seq in range(first or 0, (last or 0) + 1)
    }
    assert named == {one, other}


def test_rows_beside_the_events_that_belong_to_none_are_found(log: Address) -> None:
    with administrator(log) as db:
        db.execute("INSERT INTO terms VALUES ('disease', 'cll', 99)")
        db.execute("INSERT INTO payloads VALUES (0, 'x', 'plain', NULL, x'00', x'00')")
    report = verified(log)
    assert kinds(report) == {Kind.INDEX_MISMATCH, Kind.PAYLOAD_ALTERED}
    assert places(report, Kind.INDEX_MISMATCH) == [(99, 99)]


def test_an_event_put_before_the_first_is_found(log: Address) -> None:
    with administrator(log) as db:
        without_unique_columns(db)
        forge(db, 0, like=1)
    assert kinds(verified(log)) == {Kind.INSERTED}


@pytest.mark.parametrize(
    ("change", "kind", "place"),
    [
        pytest.param("UPDATE head SET size = 5", Kind.INSERTED, (6, 7), id="set back"),
        pytest.param("UPDATE head SET size = 9", Kind.TRUNCATED, (8, 9), id="set on"),
        pytest.param("UPDATE head SET leaf_hash = x'00'", Kind.LINK_BROKEN, (7, 7), id="hash"),
        pytest.param("DELETE FROM head", Kind.TRUNCATED, (None, None), id="gone"),
        pytest.param(
            "UPDATE log SET first_link = replace(first_link, '2026-11-21', '2026-11-20')",
            Kind.LINK_BROKEN,
            (1, 1),
            id="another beginning",
        ),
        pytest.param(
            "UPDATE log SET log_id = 'log-2'", Kind.INDEX_MISMATCH, (None, None), id="log id"
        ),
    ],
)
def test_a_changed_head_or_beginning_is_found(
    log: Address, change: str, kind: Kind, place: tuple[int | None, int | None]
) -> None:
    with administrator(log) as db:
        db.execute(change)
    report = verified(log)
    assert kinds(report) == {kind}
    assert places(report, kind) == [place]


def test_an_event_added_after_the_head_is_found(log: Address) -> None:
    with administrator(log) as db:
        (last,) = db.execute("SELECT leaf_hash FROM events WHERE seq = ?", (LAST,)).fetchone()
        forge(db, LAST + 1, like=LAST, prevHash=last.hex())
    assert places(verified(log), Kind.INSERTED) == [(8, 8)]


def test_two_events_that_follow_the_same_one_are_a_fork(log: Address) -> None:
    with administrator(log) as db:
        without_unique_columns(db)
        forge(db, LAST + 1, like=LAST)  # it names the event before the last, as the last does
        (leaf,) = db.execute("SELECT leaf_hash FROM events WHERE seq = 8").fetchone()
        db.execute("UPDATE head SET size = 8, leaf_hash = ?", (leaf,))
    report = verified(log)
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
    log: Address, one: tuple[Change, Kind], other: tuple[Change, Kind]
) -> None:
    with administrator(log) as db:
        one[0](db, 2)
        other[0](db, 5)
    assert {one[1], other[1]} <= kinds(verified(log))


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


def test_a_missing_guard_is_noted_and_is_no_tampering_by_itself(log: Address) -> None:
    with administrator(log):
        pass
    report = verified(log)
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


@pytest.mark.parametrize("table", ["head", "log"])
def test_a_table_of_one_row_holds_row_number_1(path: Path, table: str) -> None:
    with administrator(path) as db:
        db.execute("PRAGMA ignore_check_constraints = 1")
        db.execute(f"UPDATE {table} SET one = 2")  # noqa: S608 # from the list above
    (finding, *_) = [one for one in verified(path).findings if not one.informs]
    assert finding.kind is Kind.INDEX_MISMATCH
    assert table in finding.detail


@pytest.mark.parametrize(
    ("table", "kind"),
    [
        ("log", Kind.TRUNCATED),
        ("head", Kind.TRUNCATED),
        ("events", Kind.TRUNCATED),
        ("terms", Kind.INDEX_MISMATCH),
        ("payloads", Kind.PAYLOAD_MISSING),
    ],
)
def test_a_table_that_is_gone_is_a_loss(log: Address, table: str, kind: Kind) -> None:
    with administrator(log) as db:
        db.execute(f"DROP TABLE {table}")
    report = verified(log)
    assert (report.exit_code, kinds(report)) == (1, {kind})
    assert f"the table {table} is gone" in report.findings[0].detail


# --- normal operation -----------------------------------------------------------------------


def test_a_clock_that_goes_back_is_noted_and_is_no_tampering(where: Address) -> None:
    clock = Clock()
    with closing(a_store(where, a_recorder(clock))) as store:
        for number, hour in enumerate((12, 11, 13)):
            clock.now = NOON.replace(hour=hour)
            record(store, an_event(number))
    report = verified(where)
    assert report.exit_code == 3
    assert places(report, Kind.CLOCK_REGRESSION) == [(2, 2)]


def test_a_log_is_whole_at_every_moment_while_it_is_written(where: Address) -> None:
    a_log_of(where, 0)
    done = threading.Event()

    def write() -> None:
        with closing(a_store(where)) as store:
            for number in range(300):
                record(store, an_event(number))
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    sizes = []
    while not done.is_set():
        report = verified(where)
        assert report.exit_code == 3, report.findings
        sizes.append(report.size)
    writer.join()
    assert sizes == sorted(sizes)
    assert verified(where).size == 300


def test_an_empty_log_is_whole(where: Address) -> None:
    a_log_of(where, 0)
    report = verified(where)
    assert (report.exit_code, report.size) == (3, 0)


def test_progress_is_told_now_and_then(where: Address) -> None:
    a_log_of(where, 1_001)
    told: list[int] = []
    with open_reader(where) as reader:
        assert verify(reader, progress=told.append).size == 1_001
    assert told == [1_000]
