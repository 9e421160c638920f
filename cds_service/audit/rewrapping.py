"""The log's data keys together: the first one, what generation wraps them, wrapping them anew."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from cds_service.audit.data_keys import DataKeys, generation_of
from cds_service.audit.entries import Reader
from cds_service.audit.envelope import Process, Recorder
from cds_service.audit.events import EventType
from cds_service.audit.key_events import DATA_KEYS, data_keys_event
from cds_service.audit.reading import entries_of, open_reader
from cds_service.audit.sqlite_file import UNREADABLE, open_log
from cds_service.audit.sqlite_keys import Cabinet, Chosen
from cds_service.audit.sqlite_store import SqliteStore
from cds_service.audit.store import Store
from cds_service.errors import AuditError

_BATCH = 500
_TABLES = {"patients": "data_key_id", "log_keys": "key_id"}


def prepare_data_keys(path: Path, keys: DataKeys) -> None:
    """Give the log a key of its own, unless it has one; AuditError where that cannot be opened."""
    with _writing(path) as db:
        cabinet = Cabinet(db, keys, ())
        db.execute("BEGIN IMMEDIATE")
        key, is_new = cabinet.of_log()
        cabinet.confirm(Chosen(key, is_new_of_log=is_new))
        db.execute("COMMIT")


def say_generation(path: Path, store: Store, keys: DataKeys) -> None:
    """Write down, once, that the current generation is in use."""
    generation = keys.current.key_id
    with open_reader(path) as reader:
        log_id, _ = reader.first_link()
        if generation in _named(entries for _, entries in reader.entries_of(EventType.KEY_EVENT)):
            return
    store.append([data_keys_event(log_id, "created", generation)])


def rewrap(path: Path, keys: DataKeys, by: Reader) -> Counter[str]:
    """Wrap every data key under the current generation; how many were under each other one.

    Payloads stay as they are. Small transactions, so that entries need not wait; what was broken
    off is taken up by calling it again.
    """
    current = keys.current
    found: Counter[str] = Counter()
    with _writing(path) as db:
        (log_id,) = db.execute("SELECT log_id FROM log").fetchone()
        for table, id_column in _TABLES.items():
            while batch := _under_others(db, table, id_column, current.key_id):
                db.execute("BEGIN IMMEDIATE")
                for key_id, wrapped in batch:
                    again = current.wrap(keys.unwrap(key_id, wrapped))
                    done = db.execute(
                        f"UPDATE {table} SET wrapped_key = ?"  # noqa: S608 # our own names
                        f" WHERE {id_column} = ? AND wrapped_key = ?",
                        (again, key_id, wrapped),
                    )
                    found[generation_of(wrapped)] += done.rowcount
                db.execute("COMMIT")
        known = _named(members for _, members in entries_of(db, EventType.KEY_EVENT))
        if found:  # the old wrappings leave the write-ahead log, too
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    events = []
    if current.key_id not in known:
        events.append(data_keys_event(log_id, "created", current.key_id, by=by))
    if found:
        said = data_keys_event(log_id, "rewrapped", current.key_id, counts=dict(found), by=by)
        events.append(said)
    store = SqliteStore(path, Recorder(keys=(), data_keys=keys, process=Process.this()))
    with closing(store):
        for receipt in store.append(events):
            if isinstance(receipt, AuditError):
                raise receipt
    return found


def _under_others(
    db: sqlite3.Connection, table: str, id_column: str, generation: str
) -> list[tuple[str, bytes]]:
    return db.execute(
        f"SELECT {id_column}, wrapped_key FROM {table}"  # noqa: S608 # our own names
        f" WHERE {id_column} IS NOT NULL AND hex(substr(wrapped_key, 1, 8)) <> ? LIMIT {_BATCH}",
        (generation.upper(),),
    ).fetchall()


def _named(entries: Iterator[dict[str, object]]) -> set[object]:
    return {one.get("keyId") for one in entries if one.get("purpose") == DATA_KEYS}


@contextmanager
def _writing(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(open_log(path, patience_seconds=5.0)) as db:
            yield db
    except UNREADABLE as error:
        raise AuditError(f"the decision log's keys cannot be written: {error}") from error
