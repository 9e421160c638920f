"""What all charts may have to look up, on disk: names by address, and shared resources by name."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Generic, TypeVar

from cds_service.fhir.bundles import RawResource
from cds_service.fhir.charts import NOBODY
from cds_service.fhir.frames import Frame

V = TypeVar("V")

_REMEMBERED = 2_048
"""Answers that a process keeps: those of one Bundle come one after the other."""
_TABLE = "CREATE TABLE found (key TEXT PRIMARY KEY, address TEXT, body BLOB) WITHOUT ROWID"
WEAK = b"weak"
"""Body of an address that holds only where nothing else has it."""


class _Stored(Mapping[str, V], Generic[V]):
    """A table that was written once, by one process, and is read by all."""

    def __init__(self, file: Path) -> None:
        self._db = sqlite3.connect(f"{file.as_uri()}?mode=ro&immutable=1", uri=True)
        (self._is_any,) = self._db.execute("SELECT EXISTS (SELECT 1 FROM found)").fetchone()
        self._look_up = lru_cache(_REMEMBERED)(self._read)

    def _read(self, key: str) -> V | None:
        row = self._db.execute("SELECT address, body FROM found WHERE key = ?", (key,)).fetchone()
        return None if row is None else self._value(*row)

    def _value(self, address: str, body: bytes) -> V:
        raise NotImplementedError

    def __getitem__(self, key: str) -> V:
        if (value := self._look_up(key)) is None:
            raise KeyError(key)
        return value

    def __bool__(self) -> bool:
        return bool(self._is_any)

    def __len__(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM found").fetchone()[0])

    def __iter__(self) -> Iterator[str]:
        return (row[0] for row in self._db.execute("SELECT key FROM found"))


class StoredNames(_Stored[str]):
    """The "Type/id" at each address."""

    def _value(self, address: str, body: bytes) -> str:
        return address


class StoredResources(_Stored[RawResource]):
    """The shared resources by name."""

    def _value(self, address: str, body: bytes) -> RawResource:
        return RawResource(body, address)


_SHARED = "INSERT OR REPLACE INTO found VALUES (?, ?, ?)"
_STRONG = f"""
INSERT INTO found VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE
   SET address = CASE WHEN body = CAST('{WEAK.decode()}' AS BLOB) OR address = excluded.address
                 THEN excluded.address ELSE '{NOBODY}' END,
       body = excluded.body
"""  # noqa: S608 # our own words
_WEAK = "INSERT OR IGNORE INTO found VALUES (?, ?, ?)"


def write_names(file: Path, frames: Iterable[Frame]) -> None:
    """Make a table of names by address. One under which two names were met is nobody's; a weak one
    holds where no other has its address."""
    _write(file, ((_WEAK if one.body == WEAK else _STRONG, one) for one in frames))


def write_shared(file: Path, frames: Iterable[Frame]) -> None:
    """Make a table of resources in the order in which they were met: the last of a name counts."""
    _write(file, ((_SHARED, one) for one in frames))


def _write(file: Path, rows: Iterable[tuple[str, Frame]]) -> None:
    db = sqlite3.connect(file, isolation_level=None)
    try:
        db.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {_TABLE}; BEGIN")
        for statement, one in rows:
            db.execute(statement, (one.key, one.address, one.body))
        db.execute("COMMIT")
    finally:
        db.close()
