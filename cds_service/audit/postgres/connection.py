"""A connection to a log in PostgreSQL. All that it sets, it sets for one transaction: between two
of them a pooler may put another server connection behind it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from cds_service.audit.address import PostgresAddress
from cds_service.audit.database import DatabaseError, Head, Values
from cds_service.audit.postgres.definitions import DEFINITIONS, definitions_as_made
from cds_service.audit.postgres.revisions import HEAD, is_newer
from cds_service.audit.postgres.statements import SCHEMA, translated
from cds_service.errors import AuditError, LogUnavailable

TABLES_VERSION = 4
"""The version of SQLite's tables that these are like."""
_ROWS_AT_ONCE = 500
_RACES = ("23", "40")  # SQLSTATE classes: integrity constraint violation, transaction rollback
_GONE = ("08", "57P01", "57P02", "57P03")  # no connection, or the server goes down
_LACKING = ("3F000", "42P01")  # no such schema, no such table
_FORBIDDEN = "42501"
_WAITED = {"55P03": "another writer holds the log", "57014": "the server took too long"}

_BEGIN = (
    "BEGIN ISOLATION LEVEL {}; SET LOCAL lock_timeout = {}; SET LOCAL statement_timeout = {};"
    " SET LOCAL idle_in_transaction_session_timeout = {}"
)
_LOCK = f"""
SELECT size, current_setting('fsync'), current_setting('full_page_writes'),
       current_setting('synchronous_commit'), current_setting('default_transaction_isolation')
  FROM {SCHEMA}.lock_head()
"""  # noqa: S608 # our own names
_DURABLE = {
    "fsync": ("on",),
    "full_page_writes": ("on",),
    "synchronous_commit": ("on", "local", "remote_write", "remote_apply"),
    "default_transaction_isolation": ("read committed",),
}


class PostgresConnection:
    """See `Connection`."""

    def __init__(self, db: psycopg.Connection[Any], *, patience_seconds: float) -> None:
        self._db = db
        self._patience_ms = max(1, int(patience_seconds * 1000))
        self._cursors = count(1)

    def execute(self, statement: str, values: Values = (), /) -> psycopg.Cursor[Any]:
        try:
            return self._db.execute(translated(statement), values, prepare=False, binary=True)
        except psycopg.Error as error:
            raise failure_of(error) from None

    def stream(self, statement: str, values: Values = (), /) -> Iterator[Any]:
        name = f"log_{next(self._cursors)}"
        try:
            with self._db.cursor(name, binary=True) as cursor:
                cursor.itersize = _ROWS_AT_ONCE
                yield from cursor.execute(translated(statement), values)
        except psycopg.Error as error:
            raise failure_of(error) from None

    @property
    def in_transaction(self) -> bool:
        return self._db.info.transaction_status in (
            TransactionStatus.INTRANS,
            TransactionStatus.INERROR,
            TransactionStatus.ACTIVE,
        )

    def close(self) -> None:
        with suppress(psycopg.Error):
            self._db.close()

    def begin_writing(self) -> None:
        """See `Connection`. LogUnavailable where the server would not keep what it is given."""
        self._begin("READ COMMITTED", self._patience_ms)
        _, *found = _row(self._run(_LOCK))
        weak = [
            f"{name} is {value}"
            for (name, good), value in zip(_DURABLE.items(), found, strict=True)
            if value not in good
        ]
        if weak:
            raise LogUnavailable(
                f"the database server does not keep what it confirms: {', '.join(weak)}"
            )

    def begin_reading(self) -> None:
        self._begin("REPEATABLE READ READ ONLY", 0)
        self._run("SELECT 1")  # the view is of the first question

    @contextmanager
    def in_brief(self) -> Iterator[None]:
        self._begin("REPEATABLE READ READ ONLY", self._patience_ms)
        try:
            yield
        finally:
            if self.in_transaction:
                self._run("ROLLBACK")

    @contextmanager
    def together(self) -> Iterator[None]:
        try:
            with self._db.pipeline():
                yield
        except psycopg.Error as error:
            raise failure_of(error) from None

    def _begin(self, how: str, patience_ms: int) -> None:
        """Locks are waited for a while, a statement runs twice as long, and a client that stands
        still in between loses its transaction. 0: it may take its time."""
        self._run(_BEGIN.format(how, self._patience_ms, 2 * patience_ms, 4 * patience_ms))

    def _run(self, statement: str) -> psycopg.Cursor[Any]:
        try:
            return self._db.execute(statement, prepare=False)
        except psycopg.Error as error:
            raise failure_of(error) from None

    def schema_version(self) -> int:
        """That of SQLite's tables with the same columns."""
        return TABLES_VERSION

    def give_patient_key(self, lookup_id: bytes, wrapped: bytes, key_id: str) -> None:
        self.execute(f"SELECT {SCHEMA}.give_patient_key(?, ?, ?)", (lookup_id, wrapped, key_id))

    def wrap_anew(self, table: str, key_id: str, before: bytes, after: bytes) -> int:
        asked = (table, key_id, before, after)
        (done,) = _row(self.execute(f"SELECT {SCHEMA}.wrap_anew(?, ?, ?, ?)", asked))
        return int(done)

    def erase(self, lookup_id: bytes, key_id: str | None, pseudonym: str) -> bool:
        asked = (lookup_id, key_id, pseudonym)
        (is_gone,) = _row(self.execute(f"SELECT {SCHEMA}.erase_patient(?, ?, ?)", asked))
        return bool(is_gone)

    def purge(self, first: int, last: int, types: Sequence[str], names: Sequence[str]) -> int:
        asked = (first, last, list(types), list(names))
        (done,) = _row(self.execute(f"SELECT {SCHEMA}.purge_payloads(?, ?, ?, ?)", asked))
        return int(done)

    def forget(self) -> bool:
        """A server keeps old rows and its write-ahead log for a while, whoever asks."""
        return True

    def definitions(self) -> frozenset[tuple[str, str]]:
        return frozenset(self._run(DEFINITIONS))

    def definitions_as_made(self) -> frozenset[tuple[str, str]]:
        return definitions_as_made()

    def complaints(self) -> list[str]:
        """None: a server's files are its administrator's to check (pg_amcheck)."""
        return []


class PostgresLook:
    """Whether the chain goes on from where this process left it: after a restore, or another
    server's taking over, it may not."""

    def again(self, db: PostgresConnection, head: Head, last: Head) -> None:
        """See `Look`. Costs nothing as long as no other process appends."""
        size, leaf = last
        if not 0 < size < head[0]:
            return
        found = db.execute("SELECT leaf_hash FROM events WHERE seq = ?", (size,)).fetchone()
        if found != (leaf,):
            raise LogUnavailable("an older copy, or another log, took the place of its database")


def open_postgres(address: PostgresAddress, *, patience_seconds: float) -> PostgresConnection:
    """A connection to the log at this address; AuditError where there is none that this software
    can use, or the server does not answer."""
    try:
        opened = connected(address, patience_seconds)
    except psycopg.Error as error:
        raise AuditError(f"the decision log cannot be opened: {failure_of(error)}") from None
    db = PostgresConnection(opened, patience_seconds=patience_seconds)
    try:
        _check_revision(db)
    except DatabaseError as error:
        db.close()
        raise AuditError(f"the decision log cannot be opened: {error}") from None
    except AuditError:
        db.close()
        raise
    return db


def connected(
    address: PostgresAddress, patience_seconds: float, *, autocommit: bool = True
) -> psycopg.Connection[Any]:
    """A connection that prepares no statements on the server, which a pooler would mix up."""
    _refuse_open_password_file(address)
    return psycopg.connect(
        address.url,
        autocommit=autocommit,
        prepare_threshold=None,
        connect_timeout=max(2, int(patience_seconds)),
        application_name="refractory-cds",
    )


def _refuse_open_password_file(address: PostgresAddress) -> None:
    """AuditError where others may read the password. (libpq then takes none, and does not say.)"""
    named = address.password_file or os.environ.get("PGPASSFILE")
    if named is None:
        return
    try:
        mode = os.stat(Path(named)).st_mode
    except OSError as error:
        raise AuditError(f"the password file cannot be read: {error.strerror}") from None
    if stat.S_IMODE(mode) & 0o077:
        raise AuditError("the password file can be read by others: chmod 600 it")


def _check_revision(db: PostgresConnection) -> None:
    try:
        row = db._run(f"SELECT version_num FROM {SCHEMA}.alembic_version").fetchone()  # noqa: S608
    except DatabaseError as error:
        if error.state not in _LACKING:
            raise
        row = None
    if row is None:
        raise AuditError("the database holds no decision log: run refractory-cds audit migrate")
    (revision,) = row
    if revision == HEAD:
        return
    if is_newer(revision):
        raise AuditError(
            f"the decision log's tables are of a newer version ({revision}) than this software"
        )
    raise AuditError(
        f"the decision log's tables are of an older version ({revision}, not {HEAD}):"
        " run refractory-cds audit migrate"
    )


def _row(rows: psycopg.Cursor[Any]) -> Any:
    """The one row of a question that has one."""
    return rows.fetchone()


def failure_of(error: psycopg.Error) -> DatabaseError:
    """What went wrong, in the server's first sentence: its details quote values."""
    state = error.sqlstate or ""
    text = _WAITED.get(state) or error.diag.message_primary or _first_line(error)
    if state == _FORBIDDEN:
        text += " (the role of this address may not do that)"
    is_gone = state.startswith(_GONE) or (
        not state and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    )
    return DatabaseError(text, state=state, is_race=state.startswith(_RACES), is_gone=is_gone)


def _first_line(error: psycopg.Error) -> str:
    """psycopg's own words where no server said anything."""
    return (str(error).splitlines() or [type(error).__name__])[0]
