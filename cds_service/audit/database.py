"""What the decision log asks of a connection to its database, whichever that is.

Statements are written once, as SQLite reads them, with `?` and `:name` for values. What the two
databases do each in their own way has a verb of its own here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

Values = Sequence[Any] | Mapping[str, Any]
Head = tuple[int, bytes]
"""Size of the chain and hash of its newest entry."""


class DatabaseError(Exception):
    """A database server refused a statement, or is gone. The text quotes no value.

    `state` is its SQLSTATE. `is_race`: another writer was first, and the place in the
    chain is to be sought anew. `is_gone`: the connection is lost, and a new one may do.
    """

    def __init__(
        self, text: str, *, state: str = "", is_race: bool = False, is_gone: bool = False
    ) -> None:
        super().__init__(text)
        self.state = state
        self.is_race = is_race
        self.is_gone = is_gone


REFUSED = (sqlite3.Error, DatabaseError)
"""What a statement may raise."""
UNREADABLE = (*REFUSED, UnicodeDecodeError)
"""What reading may raise; the last where SQLite quotes the damage of a file."""


class HeadMoved(Exception):
    """The log holds entries beyond the head that was read: another look is needed."""


class Rows(Protocol):
    """The rows that a statement gave."""

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """One connection to one log. It may change threads, and is not shared by two."""

    def execute(self, statement: str, values: Any = ..., /) -> Rows: ...

    def stream(self, statement: str, values: Values = (), /) -> Iterator[Any]:
        """The rows of a long list, a few at a time, within `begin_reading`."""

    @property
    def in_transaction(self) -> bool: ...

    def close(self) -> None: ...

    def begin_writing(self) -> None:
        """A transaction that holds the log's one lock from its beginning."""

    def begin_reading(self) -> None:
        """A transaction that sees the log as it is now, however long it takes."""

    def in_brief(self) -> AbstractContextManager[None]:
        """A few short questions that must not take long."""

    def together(self) -> AbstractContextManager[object]:
        """Statements whose rows nobody reads, sent without waiting for each."""

    def schema_version(self) -> int:
        """The version of the tables; AuditError where they do not say it."""

    def give_patient_key(self, lookup_id: bytes, wrapped: bytes, key_id: str) -> None:
        """The first data key of a patient whose row has none."""

    def wrap_anew(self, table: str, key_id: str, before: bytes, after: bytes) -> int:
        """How many keys were changed from the one wrapping to the other: one or none."""

    def erase(self, lookup_id: bytes, key_id: str | None, pseudonym: str) -> bool:
        """Delete a patient's row and the payloads that its key did not seal; False where there is
        no such row."""

    def purge(self, first: int, last: int, types: Sequence[str], names: Sequence[str]) -> int:
        """Delete the payloads of these names of the entries of these types, from one number to
        another; how many there were. Refused where no `purge` entry names them, or they are too
        young."""

    def forget(self) -> bool:
        """See that no file keeps what was overwritten; False where readers prevent it."""

    def definitions(self) -> frozenset[tuple[str, str]]:
        """Name and text of every table, index, trigger and function."""

    def definitions_as_made(self) -> frozenset[tuple[str, str]]:
        """What `definitions` has of a log on which nobody laid hands."""

    def complaints(self) -> list[str]:
        """What the database itself finds wrong with its file."""


class Look(Protocol):
    """A look past what the connection remembers: whether the log is still the one it was."""

    def again(self, db: Any, head: Head, last: Head) -> None:
        """Raise LogUnavailable where the log does not hold the chain up to `head`, or does not go
        on from `last`, where this process left it; HeadMoved where that cannot be told."""
