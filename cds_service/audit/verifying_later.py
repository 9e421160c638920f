"""What came into the log since it was last verified, judged as `verify` judges all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from cds_service.audit.canonical import Json
from cds_service.audit.events import EventType
from cds_service.audit.findings import Findings, Kind, Report
from cds_service.audit.key_events import is_of_checkpoints
from cds_service.audit.listing import Wanted
from cds_service.audit.reading import (
    CHECKPOINT_COLUMNS,
    PAYLOAD_COLUMNS,
    TERM_COLUMNS,
    LogReader,
    StoredCheckpoint,
    StoredEvent,
    StoredTerms,
)
from cds_service.audit.tree import Tree
from cds_service.audit.verify import Brought, Walk, row_of
from cds_service.audit.vouching import Vouching

_OF_SPOOLS = (
    EventType.SERVICE_STARTED,
    EventType.SERVICE_STOPPED,
    EventType.SPOOL_DRAINED,
    EventType.RECOVERY,
)


@dataclass(frozen=True, slots=True)
class Reached:
    """How far the log was found whole: its size then, its newest hash, and its tree."""

    size: int
    leaf: bytes
    frontier: bytes

    def as_json(self) -> dict[str, Json]:
        return {"size": self.size, "leaf": self.leaf.hex(), "frontier": self.frontier.hex()}

    @classmethod
    def of(cls, said: Any) -> Reached | None:
        """None where nothing could be gone on from: then all is to be verified."""
        try:
            found = cls(
                int(said["size"]), bytes.fromhex(said["leaf"]), bytes.fromhex(said["frontier"])
            )
            Tree.resume(found.size, found.frontier)
        except (KeyError, TypeError, ValueError):
            return None
        return found if found.size > 0 else None


class _Later(LogReader):
    """The same view of a log, that hands out only what came after an entry."""

    def __init__(self, reader: LogReader, size: int) -> None:
        self.__dict__.update(reader.__dict__)
        self._path = None  # nobody else reads it just so
        self._size = self.begins_after = size

    def events(self) -> Iterator[StoredEvent]:
        return self.matching(Wanted(event_type=None, after=self._size))

    def terms(self) -> Iterator[StoredTerms]:
        query = f"SELECT {TERM_COLUMNS} FROM terms WHERE seq > ? GROUP BY seq ORDER BY seq"  # noqa: S608
        return self._db.stream(query, (self._size,))

    def payloads(self) -> Iterator[tuple[Any, ...]]:
        query = f"SELECT seq, {PAYLOAD_COLUMNS} FROM payloads WHERE seq > ? ORDER BY seq"  # noqa: S608
        return self._db.stream(query, (self._size,))

    def checkpoints(self) -> Iterator[StoredCheckpoint]:
        if not self.has_checkpoints:
            return iter(())
        query = f"SELECT {CHECKPOINT_COLUMNS} FROM checkpoints WHERE size > ? ORDER BY number"  # noqa: S608
        return (StoredCheckpoint(*row) for row in self._db.stream(query, (self._size,)))

    def last_checkpoint_before(self) -> StoredCheckpoint | None:
        """The largest checkpoint over no more than what is passed over."""
        if not self.has_checkpoints:
            return None
        query = (
            f"SELECT {CHECKPOINT_COLUMNS} FROM checkpoints WHERE size <= ?"  # noqa: S608
            " ORDER BY size DESC LIMIT 1"
        )
        row = self._db.execute(query, (self._size,)).fetchone()
        return StoredCheckpoint(*row) if row else None


class _Walk(Walk):
    """A walk that goes on from an entry."""

    def __init__(self, reader: LogReader, since: Reached) -> None:
        later = _Later(reader, since.size)
        super().__init__(later, Brought())
        for seq, members in reader.entries_of(EventType.KEY_EVENT):
            if seq <= since.size and is_of_checkpoints(members):
                self._ring.learn(seq, members)
        for seq, members in _in_order(reader, since.size):
            list(self._spools.take_in(seq, members))
        self._findings = Findings()  # what was found before is on record
        before = later.last_checkpoint_before()
        self._vouching = Vouching(self._ring, self._log_id, later, (), self._findings, after=before)
        self._tree = Tree.resume(since.size, since.frontier)
        self._may_follow = (since.leaf,)
        last = reader.find(str(since.size))
        if last is None:
            self._findings.add(
                Kind.TRUNCATED, "the entry that was verified last is gone", first=since.size
            )
            return
        self._last = row_of(last)
        self._latest_at = last.recorded_at
        if self._last.leaf != since.leaf:
            detail = "the entry that was verified last is not what it was"
            self._findings.add(Kind.CONTENT_ALTERED, detail, first=since.size)

    def reached(self) -> Reached | None:
        """How far this came, to go on from; None where the log has no sound end."""
        if self._last is None or self._last.place != self._tree.size:
            return None
        return Reached(self._tree.size, self._last.leaf, self._tree.frontier)


def verify_later(
    reader: LogReader, since: Reached, progress: Callable[[int], None] = lambda _: None
) -> tuple[Report, Reached | None]:
    """The report on what came after `since`, and how far the log reaches now. Entries before it,
    and SQLite's own structures, are for a whole verification."""
    walk = _Walk(reader, since)
    rows = map(row_of, _Later(reader, since.size).events())
    row = next(rows, None)
    while row is not None:
        following = next(rows, None)
        walk.step(row, following)
        if not row.place % 1_000:
            progress(row.place)
        row = following
    return walk.finish(()), walk.reached()


def reached_now(reader: LogReader) -> Reached | None:
    """How far the log reaches, from its bytes; to be believed where it was just found whole."""
    tree, leaf = Tree(), b""
    for leaf in reader.leaves():  # the last one
        tree.add(leaf)
    return Reached(tree.size, leaf, tree.frontier) if tree.size else None


def _in_order(reader: LogReader, size: int) -> list[tuple[int, dict[str, Any]]]:
    found = [entry for kind in _OF_SPOOLS for entry in reader.entries_of(kind)]
    return sorted((entry for entry in found if entry[0] <= size), key=lambda entry: entry[0])
