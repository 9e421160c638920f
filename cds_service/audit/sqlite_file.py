"""The SQLite file of a decision log: made whole, opened with settings that keep what is written."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from datetime import datetime
from functools import partial
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any

from cds_service.audit.chain import first_link, leaf_hash
from cds_service.audit.database import UNREADABLE, Values
from cds_service.audit.events import timestamp
from cds_service.audit.files import new_file, refuse_network_file_system
from cds_service.errors import AuditError

SCHEMA_VERSION = 4
_SCRIPTS = ("schema.sql", "checkpoints.sql", "data_keys.sql", "purges.sql")
"""What makes each version out of the one before it."""

_TRIES, _PAUSE_SECONDS = 50, 0.1

# What the patient's key does not seal: payloads of before there were keys, and of the log's key.
_NOT_BY_KEY = """
DELETE FROM payloads
 WHERE seq IN (SELECT seq FROM terms WHERE field = 'patient' AND value = ?)
   AND (key_id IS NULL OR key_id IS NOT ?)
"""

_PURGED = """
DELETE FROM payloads
 WHERE seq BETWEEN :first AND :last AND name IN ({names})
   AND seq IN (SELECT seq FROM events
                WHERE seq BETWEEN :first AND :last AND event_type IN ({types}))
"""


class SqliteConnection(sqlite3.Connection):
    """SQLite's own connection, with the verbs that every database of the log has."""

    def stream(self, statement: str, values: Values = (), /) -> Iterator[Any]:
        """See `Connection`. Text is read as it is, in a third of the time that reading it with
        marks takes, up to the first row where that cannot be done."""
        damaged, done = self.text_factory, 0
        rows = self.execute(statement, values)
        while True:
            self.text_factory = str
            try:
                row = next(rows, None)
            except sqlite3.OperationalError as error:
                if "decode" not in str(error):
                    raise
                break
            finally:
                self.text_factory = damaged  # whoever asks in between is answered as ever
            if row is None:
                return
            done += 1
            yield row
        yield from islice(self.execute(statement, values), done, None)

    def begin_writing(self) -> None:
        """See `Connection`. Waits as long as the connection was opened to wait."""
        self.execute("BEGIN IMMEDIATE")

    def begin_reading(self) -> None:
        """See `Connection`. Text that somebody damaged is read with marks in it."""
        self.text_factory = partial(str, encoding="utf-8", errors="replace")
        self.execute("BEGIN")
        self.execute("SELECT 1 FROM schema_version").fetchone()  # the view is of the first reading

    def in_brief(self) -> AbstractContextManager[None]:
        return nullcontext()

    def together(self) -> AbstractContextManager[None]:
        return nullcontext()

    def schema_version(self) -> int:
        """1: a log of before there were checkpoints, 2: of before payloads were encrypted, 3: of
        before they could be purged. Such a log is read as it is, and added to once written."""
        (version,) = self.execute("SELECT version FROM schema_version").fetchone() or (None,)
        if not isinstance(version, int):
            raise AuditError("the decision log does not say what schema version it has")
        return version

    def give_patient_key(self, lookup_id: bytes, wrapped: bytes, key_id: str) -> None:
        update = "UPDATE patients SET wrapped_key = ?, data_key_id = ? WHERE lookup_id = ?"
        self.execute(update, (wrapped, key_id, lookup_id))

    def wrap_anew(self, table: str, key_id: str, before: bytes, after: bytes) -> int:
        column = "data_key_id" if table == "patients" else "key_id"
        done = self.execute(
            f"UPDATE {table} SET wrapped_key = ?"  # noqa: S608 # our own names
            f" WHERE {column} = ? AND wrapped_key = ?",
            (after, key_id, before),
        )
        return done.rowcount

    def erase(self, lookup_id: bytes, key_id: str | None, pseudonym: str) -> bool:
        self.execute(_NOT_BY_KEY, (pseudonym, key_id))
        gone = self.execute(
            "DELETE FROM patients WHERE lookup_id = ? AND data_key_id IS ?", (lookup_id, key_id)
        )
        return gone.rowcount == 1

    def purge(self, first: int, last: int, types: Sequence[str], names: Sequence[str]) -> int:
        values: dict[str, object] = {"first": first, "last": last}
        places = {}
        for what, among in (("types", types), ("names", names)):
            keyed = {f"{what}{number}": value for number, value in enumerate(among)}
            values |= keyed
            places[what] = ", ".join(f":{key}" for key in keyed)
        return self.execute(_PURGED.format(**places), values).rowcount

    def forget(self) -> bool:
        """Empty the write-ahead log; False where readers kept it from that all the time."""
        for _ in range(_TRIES):
            if self.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0:
                return True
            time.sleep(_PAUSE_SECONDS)
        return False

    def definitions(self) -> frozenset[tuple[str, str]]:
        rows = self.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return frozenset((name, sql) for name, sql in rows)

    def definitions_as_made(self) -> frozenset[tuple[str, str]]:
        with closing(sqlite3.connect(":memory:", factory=SqliteConnection)) as db:
            db.executescript(schema(self.schema_version()))
            return db.definitions()

    def complaints(self) -> list[str]:
        """Pages, indexes, unique columns."""
        found = [f"SQLite: {row[0]}" for row in self.execute("PRAGMA integrity_check(20)")]
        return [] if found == ["SQLite: ok"] else found


def schema(version: int = SCHEMA_VERSION) -> str:
    """What makes an empty file into a log of this version."""
    return "".join(map(_statements, _SCRIPTS[:version]))


def _statements(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def create_log(path: Path, *, log_id: str, created_at: datetime) -> None:
    """Make an empty log under this path, unless there is one; of several processes, one does."""
    refuse_network_file_system(path)
    first = first_link(log_id, timestamp(created_at))
    try:
        if path.exists():
            return
        if _write_ahead_log(path).exists():
            # SQLite would replay it into the new file
            raise AuditError("the decision log is gone, but its write-ahead log (-wal) is there")
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with new_file(path) as draft, closing(sqlite3.connect(draft, isolation_level=None)) as db:
            db.executescript(f"BEGIN;{schema()}")
            db.execute("INSERT INTO log VALUES (1, ?, ?)", (log_id, first))
            db.execute("INSERT INTO head VALUES (1, 0, ?)", (leaf_hash(first),))
            db.execute("COMMIT")
            # Only now, so that nothing is left to a write-ahead log, which stays behind. The mode
            # stays with the file.
            db.execute("PRAGMA journal_mode = WAL")
    except (OSError, sqlite3.Error) as error:
        raise AuditError(f"the decision log cannot be made: {error}") from error


def open_log(path: Path, *, patience_seconds: float, read_only: bool = False) -> SqliteConnection:
    """A connection to an existing log; AuditError where there is none or it is not one of ours.

    Every commit is flushed to disk before it returns (WAL, `synchronous = FULL`). Waits up to
    `patience_seconds` for other writers. The connection may change threads, not be shared by two.
    """
    refuse_network_file_system(path)
    try:
        if not path.is_file():
            raise AuditError("there is no such decision log")
        db = sqlite3.connect(
            path.resolve().as_uri() + _how_to_open(path, read_only=read_only),
            uri=True,
            timeout=patience_seconds,
            isolation_level=None,
            check_same_thread=False,
            factory=SqliteConnection,
        )
        try:
            _settle(db, read_only=read_only)
        except BaseException:
            db.close()
            raise
    except (OSError, *UNREADABLE) as error:
        raise AuditError(f"the decision log cannot be opened: {error}") from error
    return db


def _how_to_open(path: Path, *, read_only: bool) -> str:
    if not read_only:
        return "?mode=rw"
    left_by_a_writer = _write_ahead_log(path).exists()
    on_read_only_media = not os.access(path.parent, os.W_OK)
    return "?immutable=1" if on_read_only_media and not left_by_a_writer else "?mode=ro"


def _settle(db: SqliteConnection, *, read_only: bool) -> None:
    version = db.schema_version()
    if not 1 <= version <= SCHEMA_VERSION:
        raise AuditError(f"the decision log has schema version {version}, not {SCHEMA_VERSION}")
    if read_only:
        return
    (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise AuditError(f"the decision log cannot be opened in WAL mode (it is in {mode} mode)")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA secure_delete = ON")  # a key that is destroyed leaves no copy in the file
    # What a crashed process left in the write-ahead log may be in memory only: into the file with
    # it, flushed, before anything is chained to it.
    db.execute("PRAGMA wal_checkpoint")
    if version < SCHEMA_VERSION:
        _bring_on(db)


def _bring_on(db: SqliteConnection) -> None:
    """The steps to this version, in one transaction; of several processes, one takes them."""
    db.execute("BEGIN IMMEDIATE")
    try:
        for script in _SCRIPTS[db.schema_version() :]:
            for statement in _each(_statements(script)):
                db.execute(statement)
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def _each(script: str) -> Iterator[str]:
    """The statements one by one: `executescript` would end the transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def file_ids(path: str) -> tuple[tuple[int, int], ...] | None:
    """Which files this path and its write-ahead log name now; None if either is gone."""
    try:
        found = (os.stat(path), os.stat(path + "-wal"))
    except FileNotFoundError:
        return None
    return tuple((one.st_dev, one.st_ino) for one in found)


def _write_ahead_log(path: Path) -> Path:
    return Path(f"{path}-wal")
