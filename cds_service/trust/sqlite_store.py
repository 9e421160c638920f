"""Tokens seen and calls counted, in one SQLite file beside the decision log."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from cds_service.trust.store import MINUTE, Share, TrustUnavailable, digest_of

_SCHEMA = """
CREATE TABLE IF NOT EXISTS seen (
    token BLOB PRIMARY KEY,
    until REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS seen_until ON seen (until);
CREATE TABLE IF NOT EXISTS calls (
    caller TEXT PRIMARY KEY,
    began REAL NOT NULL,
    taken INTEGER NOT NULL
) WITHOUT ROWID;
"""
_PURGE_EVERY = 10.0
_PURGED_AT_ONCE = 10_000
Answer = TypeVar("Answer")


class SqliteTrustStore:
    """Made at first use, readable by its owner alone; opened anew after a failure.

    Commits survive the end of any process; of a power cut they may lose the last moments, and
    with them, for the rest of their short lives, which tokens were seen. Tokens stand there as
    digests.
    """

    def __init__(self, path: Path, *, patience_seconds: float = 2.0) -> None:
        self._path = path
        self._patience = patience_seconds
        self._db: sqlite3.Connection | None = None
        self._file: os.stat_result | None = None
        self._purge_at = 0.0

    def first_seen(self, iss: str, jti: str, until: float, now: float) -> bool:
        """See `TrustStore.first_seen`."""
        token = digest_of(iss, jti)

        def insert(db: sqlite3.Connection) -> bool:
            if now >= self._purge_at:
                self._purge(db, now)
            added = db.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (token, until))
            return added.rowcount == 1

        return self._within(insert)

    def share(self, caller: str, most: int, wanted: int, now: float) -> Share:
        """See `TrustStore.share`."""

        def take(db: sqlite3.Connection) -> Share:
            if now >= self._purge_at:
                self._purge(db, now)
            row = db.execute("SELECT began, taken FROM calls WHERE caller = ?", (caller,))
            began, taken = row.fetchone() or (now, 0)
            # a worker that waited for the file asks with a moment before that of another, which is
            # no new minute; the minute is over, or the clock was set back by more than one
            if not began - MINUTE <= now < began + MINUTE:
                began, taken = now, 0
            calls = max(0, min(wanted, most - taken))
            db.execute(
                "INSERT OR REPLACE INTO calls VALUES (?, ?, ?)", (caller, began, taken + calls)
            )
            return Share(calls, began + MINUTE)

        return self._within(take)

    def close(self) -> None:
        """Let go of the file."""
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
            self._db = None

    def _within(self, work: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """One transaction that holds the file's one lock from its beginning."""
        try:
            db = self._connection()
            db.execute("BEGIN IMMEDIATE")
            try:
                answer = work(db)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
        except (sqlite3.Error, OSError) as fault:
            self.close()
            raise TrustUnavailable(type(fault).__name__) from None
        return answer

    def _connection(self) -> sqlite3.Connection:
        if self._db is not None and self._is_same_file():
            return self._db
        self.close()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # made here, as SQLite would make it readable by others
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        self._file = os.fstat(handle)
        os.close(handle)
        db = sqlite3.connect(
            self._path, timeout=self._patience, isolation_level=None, check_same_thread=False
        )
        try:
            self._settle(db)
        except BaseException:
            db.close()
            raise
        self._db = db
        return db

    def _settle(self, db: sqlite3.Connection) -> None:
        """WAL mode and the tables. SQLite does not wait for another process that does the same."""
        until = time.monotonic() + self._patience
        while True:
            try:
                (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
                db.executescript(_SCHEMA)
                break
            except sqlite3.OperationalError as fault:
                is_busy = getattr(fault, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
                if not is_busy or time.monotonic() > until:
                    raise
                time.sleep(0.01)
        if mode != "wal":
            raise sqlite3.OperationalError("not in WAL mode")
        db.execute("PRAGMA synchronous = NORMAL")

    def _is_same_file(self) -> bool:
        """Whether the file still bears its name: workers on two files would not know each other."""
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            return False
        return self._file is not None and os.path.samestat(found, self._file)

    def _purge(self, db: sqlite3.Connection, now: float) -> None:
        self._purge_at = now + _PURGE_EVERY
        db.execute(
            "DELETE FROM seen WHERE token IN (SELECT token FROM seen WHERE until <= ? LIMIT ?)",
            (now, _PURGED_AT_ONCE),
        )
        db.execute("DELETE FROM calls WHERE began <= ?", (now - MINUTE,))
