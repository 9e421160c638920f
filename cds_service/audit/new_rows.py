"""The rows of the entries of one batch, written together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TypeAlias

from cds_service.audit.database import Connection
from cds_service.audit.envelope import Draft, Entry, Index, index_of

Row: TypeAlias = tuple[object, ...]
_MOST_ROWS = 100
_MOST_BYTES = 1024 * 1024


@dataclass(slots=True)
class NewRows:
    """Payloads and terms of all entries come before the first of these: the guards of the tables
    take none of an entry that stands already."""

    payloads: list[Row] = field(default_factory=list)
    terms: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)

    def add(self, draft: Draft, entry: Entry) -> Index:
        """The rows of one entry, and what it is found by."""
        index = index_of(entry.members)
        self.payloads += [
            (entry.seq, p.name, p.scheme, p.key_id, p.nonce, p.stored) for p in draft.payloads
        ]
        self.terms += [(name, str(value), entry.seq) for name, value in sorted(index.terms)]
        self.events.append(
            (
                entry.seq,
                entry.prev_hash,
                entry.leaf_hash,
                index.event_id,
                str(index.event_type),
                index.decision_id,
                index.recorded_at,
                entry.envelope,
            )
        )
        return index

    def insert_beside(self, db: Connection) -> None:
        """Write what is to stand before the events."""
        for table, rows in (("payloads", self.payloads), ("terms", self.terms)):
            for piece in _pieces(rows):
                insert(db, table, piece)


def insert(db: Connection, table: str, rows: Sequence[Row]) -> None:
    """One statement for all rows: each statement gives up Python's lock and has to win it back,
    and the log's own lock is held meanwhile."""
    values = [value for row in rows for value in row]
    db.execute(_insert(table, len(rows[0]), len(rows)), values)


@cache
def _insert(table: str, columns: int, rows: int) -> str:
    places = ", ".join(["(" + ", ".join("?" * columns) + ")"] * rows)
    return f"INSERT INTO {table} VALUES {places}"  # noqa: S608 # our own names


def _pieces(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """So many at once as a database takes values, and as memory should hold twice."""
    start = held = 0
    for end, row in enumerate(rows):
        size = sum(len(value) for value in row if isinstance(value, bytes))
        if end - start == _MOST_ROWS or (held + size > _MOST_BYTES and end > start):
            yield rows[start:end]
            start, held = end, 0
        held += size
    if rows:
        yield rows[start:]
