"""The store: one gapless chain, links to what is there, and no way to change it."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from audit.samples import (
    EHR,
    NOON,
    Clock,
    a_log_of,
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
from cds_service.audit import Call, Client
from cds_service.audit.address import Address
from cds_service.audit.chain import first_link, leaf_hash
from cds_service.audit.database import Connection, DatabaseError
from cds_service.audit.database_store import DatabaseStore
from cds_service.audit.files import file_system_of
from cds_service.audit.reading import open_reader
from cds_service.audit.sqlite_file import create_log, open_log
from cds_service.errors import AuditError, LogUnavailable


def test_each_event_follows_the_one_before_and_the_first_the_logs_beginning(
    where: Address,
) -> None:
    with closing(a_store(where)) as store:
        receipts = [*record(store, an_event(1), an_event(2)), *record(store, an_event(3))]
    with open_reader(where) as reader:
        events = list(reader.events())
        assert reader.head() == (3, events[-1].leaf_hash)
    follows = leaf_hash(first_link("log-1", "2026-11-21T12:00:00.000000Z"))
    for seq, (event, receipt) in enumerate(zip(events, receipts, strict=True), start=1):
        assert event.read()["prevHash"] == follows.hex()
        assert (event.seq, event.read()["seq"], receipt.seq) == (seq, seq, seq)
        assert event.leaf_hash == leaf_hash(event.envelope) == receipt.leaf_hash
        assert event.event_id == receipt.event_id
        follows = event.leaf_hash


def test_what_is_rolled_back_leaves_no_gap(where: Address) -> None:
    class FailsAtCommit(DatabaseStore):
        fails = True

        def _commit(self, db: Connection) -> None:
            if self.fails:
                raise DatabaseError("on purpose")
            super()._commit(db)

    a_log_of(where, 0)
    with closing(FailsAtCommit(where, with_keys(a_recorder(), where))) as store:
        for number in range(10):
            with pytest.raises(LogUnavailable):
                store.append([an_event(number)])
        store.fails = False
        record(store, an_event(10), an_event(11))
    assert [one["seq"] for one in envelopes(where)] == [1, 2]


def test_a_decision_id_is_taken_once(where: Address) -> None:
    with closing(a_store(where)) as store:
        record(store, an_event(1))
        again, beside = store.append([an_event(1), an_event(2)])
        same_batch = store.append([an_event(3), an_event(3)])
    assert isinstance(again, AuditError)
    assert not isinstance(beside, AuditError)
    assert [isinstance(one, AuditError) for one in same_batch] == [False, True]
    assert len(envelopes(where)) == 3


def call(number: int, service: str = "refractory-status") -> Call:
    return Call(service_id=service, hook="patient-view", hook_instance=hook_instance(number))


@pytest.mark.parametrize(
    ("second", "is_duplicate"),
    [
        pytest.param({"call": call(1)}, True, id="the same call"),
        pytest.param({"call": call(2)}, False, id="another hookInstance"),
        pytest.param({"call": call(1, "other")}, False, id="another service"),
        pytest.param(
            {"call": call(1), "client": Client(iss="https://b.example")}, False, id="other client"
        ),
    ],
)
@pytest.mark.parametrize("in_one_batch", [True, False])
def test_a_repeated_call_names_the_first_decision_on_it(
    where: Address, second: dict[str, Any], is_duplicate: bool, in_one_batch: bool
) -> None:
    events = [an_event(1, call=call(1)), an_event(2, **second), an_event(3, **second)]
    with closing(a_store(where)) as store:
        for batch in [events] if in_one_batch else [[event] for event in events]:
            record(store, *batch)
    first, repeated, _ = envelopes(where)
    assert "duplicateOf" not in first
    assert repeated.get("duplicateOf") == (decision_id(1) if is_duplicate else None)


def test_feedback_is_tied_to_the_decision_that_returned_the_card(where: Address) -> None:
    with closing(a_store(where)) as store:
        record(store, an_event(1), an_event(2))
        record(store, feedback_on(card_id(2)), feedback_on(card_id(2).upper(), "accepted"))
    for entry in envelopes(where)[2:]:
        assert entry["decisionId"] == decision_id(2)
        assert "orphan" not in entry


@pytest.mark.parametrize(
    ("card", "client", "why"),
    [
        pytest.param(card_id(9), EHR, "unknown-card", id="a card that was never returned"),
        pytest.param("x y", EHR, "unknown-card", id="no id at all"),
        pytest.param(card_id(1), Client(iss="https://b.example"), "other-client", id="forged"),
        pytest.param(card_id(1), Client(), "other-client", id="nobody in particular"),
    ],
)
def test_other_feedback_is_an_orphan(where: Address, card: str, client: Client, why: str) -> None:
    with closing(a_store(where)) as store:
        record(store, an_event(1), feedback_on(card, client=client))
    entry = envelopes(where)[1]
    assert entry["orphan"] == why
    assert "decisionId" not in entry


def test_the_clock_may_go_back_and_the_order_stays(where: Address) -> None:
    clock = Clock()
    with closing(a_store(where, a_recorder(clock))) as store:
        record(store, an_event(1))
        clock.now = NOON.replace(hour=11)
        record(store, an_event(2))
    first, second = envelopes(where)
    assert first["recordedAt"] > second["recordedAt"]
    assert second["seq"] == 2


def test_a_bypassed_lock_gives_retries_and_no_fork(where: Address) -> None:
    class WithoutLock(DatabaseStore):
        def _begin(self, db: Connection) -> None:
            db.execute("BEGIN")

        def _head(self, db: Connection) -> tuple[int, bytes]:
            head = super()._head(db)
            if interruptions:
                record(other, an_event(100 + interruptions.pop()))
            return head

    other = a_store(where)
    interruptions = [3, 2, 1]
    with closing(WithoutLock(where, with_keys(a_recorder(), where))) as store, closing(other):
        record(store, an_event(1))
    assert [one["decisionId"] for one in envelopes(where)] == [
        *(decision_id(number) for number in (101, 102, 103)),
        decision_id(1),
    ]
    assert verified(where).exit_code == 3


# --- append-only ----------------------------------------------------------------------------

NEXT = "SELECT 1 + max(seq) FROM events"
CHANGES = [
    "UPDATE log SET log_id = 'x'",
    "DELETE FROM log",
    "INSERT INTO log VALUES (2, 'x', x'00')",
    "INSERT OR REPLACE INTO log VALUES (1, 'x', x'00')",
    "UPDATE head SET size = 1",
    "UPDATE head SET size = size + 1",
    "UPDATE head SET leaf_hash = x'00'",
    "DELETE FROM head",
    "INSERT OR REPLACE INTO head VALUES (1, 0, x'00')",
    "UPDATE events SET recorded_at = ''",
    "UPDATE OR REPLACE events SET seq = 1 WHERE seq = 2",
    "DELETE FROM events WHERE seq = 3",
    "DELETE FROM events",
    "INSERT OR REPLACE INTO events SELECT * FROM events WHERE seq = 2",
    "REPLACE INTO events SELECT * FROM events WHERE seq = 3",
    f"INSERT INTO events SELECT ({NEXT}), x'00', x'01', 'x', 'y', NULL, 'z', x'02'",
    "INSERT INTO events SELECT 99, leaf_hash, x'01', 'x', 'y', NULL, 'z', x'02' FROM head",
    "INSERT INTO events SELECT NULL, leaf_hash, x'01', 'x', 'y', NULL, 'z', x'02' FROM head",
    "UPDATE terms SET value = 'x'",
    "DELETE FROM terms",
    "INSERT INTO terms VALUES ('disease', 'x', 3)",
    "INSERT OR REPLACE INTO terms SELECT * FROM terms",
    "UPDATE payloads SET stored = x'00'",
    "DELETE FROM payloads",
    "INSERT INTO payloads VALUES (3, 'x', 'plain', NULL, x'00', x'00')",
    "INSERT OR REPLACE INTO payloads SELECT * FROM payloads",
    "UPDATE patients SET salt = x'00'",
]


@pytest.mark.parametrize("change", CHANGES)
def test_the_triggers_refuse(tmp_path: Path, change: str) -> None:
    path = tmp_path / "log.db"
    a_log_of(path, 3)
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as db,
        pytest.raises(sqlite3.IntegrityError),
    ):
        db.execute(change)
    assert verified(path).exit_code == 3


# --- the file -------------------------------------------------------------------------------


def test_the_files_are_for_their_owner_alone_and_every_commit_is_flushed(tmp_path: Path) -> None:
    path = tmp_path / "made" / "log.db"
    with closing(a_store(path)) as store:
        record(store, an_event(1))
        assert {stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()} == {0o600}
        assert len(list(path.parent.iterdir())) == 4  # the log in three, and a key
    with closing(open_log(path, patience_seconds=1)) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)


def test_making_a_log_twice_leaves_the_first(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    a_log_of(path, 2)
    create_log(path, log_id="log-2", created_at=NOON)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["log.db", "log.db.data-key"]
    assert (verified(path).log_id, verified(path).size) == ("log-1", 2)


def remove(path: Path) -> None:
    path.unlink()


def replace_by_copy(path: Path) -> None:
    copy = path.with_suffix(".copy")
    copy.write_bytes(path.read_bytes())
    copy.rename(path)


def remove_write_ahead_log(path: Path) -> None:
    path.with_name(path.name + "-wal").unlink()


@pytest.mark.parametrize("harm", [remove, replace_by_copy, remove_write_ahead_log])
def test_an_event_is_not_acknowledged_when_the_file_was_taken_away(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    path = tmp_path / "log.db"
    with closing(a_store(path)) as store:
        record(store, an_event(1))
        harm(path)
        with pytest.raises(LogUnavailable, match="removed or replaced"):
            store.append([an_event(2)])


def test_a_restored_older_copy_takes_no_entries_from_a_running_process(tmp_path: Path) -> None:
    path, copy = tmp_path / "log.db", tmp_path / "copy.db"
    a_log_of(path, 2)
    copy.write_bytes(path.read_bytes())
    with closing(DatabaseStore(path, a_recorder())) as store:
        record(store, an_event(3))
        copy.rename(path)
        for left in ("-wal", "-shm"):
            path.with_name(path.name + left).unlink()
        for _ in range(2):
            with pytest.raises(LogUnavailable):
                store.append([an_event(4)])
    assert len(envelopes(path)) == 2


def test_a_left_over_write_ahead_log_is_not_mixed_into_a_new_log(tmp_path: Path) -> None:
    (tmp_path / "log.db-wal").write_bytes(b"remains of another log")
    with pytest.raises(AuditError, match="write-ahead log"):
        create_log(tmp_path / "log.db", log_id="log-1", created_at=NOON)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"this is not a database at all" * 200, id="no database"),
    ],
)
def test_what_is_no_log_is_not_opened(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "log.db"
    path.write_bytes(content)
    with pytest.raises(AuditError), open_reader(path):
        pass
    with pytest.raises(LogUnavailable), closing(DatabaseStore(path, a_recorder())) as store:
        store.append([an_event(1)])


def test_a_log_of_a_newer_schema_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    a_log_of(path, 1)
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE schema_version SET version = 5")
        db.commit()
    with pytest.raises(AuditError, match="schema version 5"):
        open_log(path, patience_seconds=1)


MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:5 / /dev rw - devtmpfs udev rw
30 22 0:40 / /srv/share rw - nfs4 server:/share rw
31 22 0:41 / /srv/my\\040disk rw - cifs //server/disk rw
32 30 254:1 / /srv/share/local rw - xfs /dev/vdb rw
33 22 0:42 / /srv/over rw - ext4 /dev/vdc rw
34 22 0:43 / /srv/over rw - fuse.sshfs host: rw
a broken line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/log.db", "ext4"),
        ("/srv/share/log.db", "nfs4"),
        ("/srv/shared/log.db", "ext4"),
        ("/srv/my disk/log.db", "cifs"),
        ("/srv/share/local/log.db", "xfs"),
        ("/srv/over/log.db", "fuse.sshfs"),
    ],
)
def test_the_file_system_is_that_of_the_nearest_and_latest_mount(path: str, kind: str) -> None:
    assert file_system_of(Path(path), MOUNTS) == kind


def test_where_mounts_are_not_known_no_file_system_is() -> None:
    assert file_system_of(Path("/x"), "") is None
