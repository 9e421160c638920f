"""A look past SQLite's caches: whether the log's file still holds what was written into it.

A process that has a log open goes on reading what it remembers of it, and pages of the write-ahead
log hide those of the file. An older copy that is put into the same file is seen by neither.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from cds_service.audit.database import UNREADABLE, Head, HeadMoved
from cds_service.audit.sqlite_file import SqliteConnection, open_log
from cds_service.errors import AuditError, LogUnavailable

NEWEST = 256
"""Entries that are looked at: more than one write-ahead log holds."""
_TRIES, _PAUSE_SECONDS = 40, 0.01


@dataclass(frozen=True, slots=True)
class FileState:
    """What the file system says of a file. Each write into it changes this, whoever writes."""

    bytes: int
    modified: int
    changed: int

    @classmethod
    def of(cls, path: Path) -> FileState:
        found = os.stat(path)
        return cls(found.st_size, found.st_mtime_ns, found.st_ctime_ns)


class SqliteLook:
    """What one process knows of the file from its last look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state: FileState | None = None
        self._size_in_file = 0

    def again(self, db: SqliteConnection, head: Head, last: Head) -> None:
        """Raise LogUnavailable where the file does not hold the chain up to `head`.

        To be called while `db` holds the write lock, so that the chain stands still; HeadMoved
        says that it does not. Costs one `stat` unless somebody has written into the file since: a
        checkpoint, or something else. A file that is gone is for others to notice.
        """
        try:
            state = FileState.of(self._path)
            if state == self._state:
                return
            size_in_file, leaf = _head_in_file(self._path)
            known = db.execute("SELECT leaf_hash FROM events WHERE seq = ?", (size_in_file,))
            if size_in_file > head[0]:
                raise HeadMoved
            is_older = size_in_file < self._size_in_file
            if is_older or (size_in_file and known.fetchone() != (leaf,)):
                raise LogUnavailable("an older copy, or another log, was written into its file")
            _newest_hold_together(self._path, head)
        except FileNotFoundError:
            return
        except (OSError, AuditError, *UNREADABLE) as error:
            if isinstance(error, LogUnavailable):
                raise
            raise LogUnavailable(f"its file is damaged: {error}") from error
        self._state, self._size_in_file = state, size_in_file


def _head_in_file(path: Path) -> Head:
    """The head row of the file alone, without its write-ahead log.

    A checkpoint under way may have written some of its pages and not others, so what cannot be
    read is tried again; it takes milliseconds, and the row itself lies in one page.
    """
    address = f"{path.resolve().as_uri()}?immutable=1"
    for attempt in range(1, _TRIES + 1):
        try:
            with closing(sqlite3.connect(address, uri=True)) as alone:
                row = alone.execute("SELECT size, leaf_hash FROM head").fetchone()
                return row or (-1, b"")
        except sqlite3.Error:
            if attempt == _TRIES:
                raise
            time.sleep(_PAUSE_SECONDS)
    raise AssertionError("unreachable")


def _newest_hold_together(path: Path, head: Head) -> None:
    """Read the newest entries, as a process that remembers nothing would."""
    size, newest = head
    first = max(1, size - NEWEST + 1)
    with closing(open_log(path, patience_seconds=5.0, read_only=True)) as fresh:
        row = fresh.execute("SELECT size, leaf_hash FROM head").fetchone()
        if row and row[0] > size:
            raise HeadMoved
        if row != head:
            raise LogUnavailable("its file does not hold the newest entries")
        rows = fresh.execute(
            "SELECT seq, prev_hash, leaf_hash FROM events WHERE seq >= ? ORDER BY seq", (first,)
        ).fetchall()
        for table in ("terms", "payloads"):
            fresh.execute(f"SELECT count(*) FROM {table} WHERE seq >= ?", (first,)).fetchone()  # noqa: S608
    leaves = [leaf for _, _, leaf in rows]
    is_linked = all(prev == leaf for (_, prev, _), leaf in zip(rows[1:], leaves, strict=False))
    is_there = [seq for seq, _, _ in rows] == list(range(first, size + 1))
    if not (is_there and is_linked and (not size or leaves[-1] == newest)):
        raise LogUnavailable("its newest entries do not hold together (see `audit verify`)")
