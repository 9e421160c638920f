"""The log's data keys together: the first one, what generation wraps them, wrapping them anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager

from cds_service.audit.address import Address, connect
from cds_service.audit.cabinet import Cabinet, Chosen
from cds_service.audit.data_keys import DataKeys, generation_of
from cds_service.audit.database import UNREADABLE, Connection
from cds_service.audit.database_store import DatabaseStore
from cds_service.audit.entries import Reader
from cds_service.audit.envelope import Process, Recorder
from cds_service.audit.events import EventType
from cds_service.audit.key_events import DATA_KEYS, data_keys_event
from cds_service.audit.reading import entries_of, open_reader
from cds_service.audit.store import Store
from cds_service.errors import AuditError

_BATCH = 500
_TABLES = {"patients": "data_key_id", "log_keys": "key_id"}


def prepare_data_keys(address: Address, keys: DataKeys) -> None:
    """Give the log a key of its own, unless it has one; AuditError where that cannot be opened."""
    with _writing(address) as db:
        cabinet = Cabinet(db, keys, ())
        db.begin_writing()
        key, is_new = cabinet.of_log()
        cabinet.confirm(Chosen(key, is_new_of_log=is_new))
        db.execute("COMMIT")


def say_generation(address: Address, store: Store, keys: DataKeys) -> None:
    """Write down, once, that the current generation is in use."""
    generation = keys.current.key_id
    with open_reader(address) as reader:
        log_id, _ = reader.first_link()
        if generation in _named(entries for _, entries in reader.entries_of(EventType.KEY_EVENT)):
            return
    store.append([data_keys_event(log_id, "created", generation)])


def rewrap(address: Address, keys: DataKeys, by: Reader) -> Counter[str]:
    """Wrap every data key under the current generation; how many were under each other one.

    Payloads stay as they are. Small transactions, so that entries need not wait; what was broken
    off is taken up by calling it again.
    """
    current = keys.current
    found: Counter[str] = Counter()
    with _writing(address) as db:
        (log_id,) = db.execute("SELECT log_id FROM log").fetchone()
        for table, id_column in _TABLES.items():
            while batch := _under_others(db, table, id_column, current.key_id):
                db.begin_writing()
                for key_id, wrapped in batch:
                    again = current.wrap(keys.unwrap(key_id, wrapped))
                    done = db.wrap_anew(table, key_id, wrapped, again)
                    found[generation_of(wrapped)] += done
                db.execute("COMMIT")
        known = _named(members for _, members in entries_of(db, EventType.KEY_EVENT))
        if found:  # the old wrappings leave the write-ahead log, too
            db.forget()
    events = []
    if current.key_id not in known:
        events.append(data_keys_event(log_id, "created", current.key_id, by=by))
    if found:
        said = data_keys_event(log_id, "rewrapped", current.key_id, counts=dict(found), by=by)
        events.append(said)
    store = DatabaseStore(address, Recorder(keys=(), data_keys=keys, process=Process.this()))
    with closing(store):
        for receipt in store.append(events):
            if isinstance(receipt, AuditError):
                raise receipt
    return found


def _under_others(
    db: Connection, table: str, id_column: str, generation: str
) -> list[tuple[str, bytes]]:
    return db.execute(
        f"SELECT {id_column}, wrapped_key FROM {table}"  # noqa: S608 # our own names
        f" WHERE {id_column} IS NOT NULL AND substr(wrapped_key, 1, 8) <> ? LIMIT {_BATCH}",
        (bytes.fromhex(generation),),
    ).fetchall()


def _named(entries: Iterator[dict[str, object]]) -> set[object]:
    return {one.get("keyId") for one in entries if one.get("purpose") == DATA_KEYS}


@contextmanager
def _writing(address: Address) -> Iterator[Connection]:
    try:
        with closing(connect(address)) as db:
            yield db
    except UNREADABLE as error:
        raise AuditError(f"the decision log's keys cannot be written: {error}") from error
