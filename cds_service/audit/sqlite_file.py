"""The SQLite file of a decision log: made whole, opened with settings that keep what is written."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from importlib.resources import files
from pathlib import Path

from cds_service.audit.chain import first_link, leaf_hash
from cds_service.audit.events import timestamp
from cds_service.audit.files import new_file, refuse_network_file_system
from cds_service.errors import AuditError

SCHEMA_VERSION = 3
_SCRIPTS = ("schema.sql", "checkpoints.sql", "data_keys.sql")
"""What makes each version out of the one before it."""

UNREADABLE = (sqlite3.Error, UnicodeDecodeError)
"""What reading a damaged file may raise; the second where SQLite quotes the damage."""


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


def open_log(path: Path, *, patience_seconds: float, read_only: bool = False) -> sqlite3.Connection:
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


def _settle(db: sqlite3.Connection, *, read_only: bool) -> None:
    version = schema_version(db)
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


def schema_version(db: sqlite3.Connection) -> int:
    """1: a log of before there were checkpoints, 2: of before payloads were encrypted. Such a log
    is read as it is, and added to once written."""
    (version,) = db.execute("SELECT version FROM schema_version").fetchone() or (None,)
    if not isinstance(version, int):
        raise AuditError("the decision log does not say what schema version it has")
    return version


def _bring_on(db: sqlite3.Connection) -> None:
    """The steps to this version, in one transaction; of several processes, one takes them."""
    db.execute("BEGIN IMMEDIATE")
    try:
        for script in _SCRIPTS[schema_version(db) :]:
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
