"""Whether the log is whole: every hash, link, place, column and payload worked out again.

Needs no secret, and memory for a few events at a time. It believes the bytes of the envelopes and
nothing else: every column is a claim about them.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec

from cds_service.audit.anchor import Anchor
from cds_service.audit.belongings import Belongings, Sealed
from cds_service.audit.belongings_beside import FROM_ENTRIES, BelongingsBeside
from cds_service.audit.canonical import canonical_json
from cds_service.audit.chain import FORMAT_VERSION, leaf_hash
from cds_service.audit.events import EventType
from cds_service.audit.findings import Findings, Kind, Report, Standing
from cds_service.audit.gone import Purge
from cds_service.audit.key_events import KeyRing, is_of_checkpoints
from cds_service.audit.notes import PublicKey
from cds_service.audit.reading import LogReader, StoredEvent
from cds_service.audit.spool_accounts import SpoolAccounts
from cds_service.audit.tree import Tree
from cds_service.audit.vouching import Vouching
from cds_service.errors import AuditError


@dataclass(frozen=True, slots=True)
class Brought:
    """What an auditor brings along: anchors (None for a piece of a file that is none), the keys
    that the log may have (None: the first one that it names is believed), and the numbers of the
    recovery entries whose loss is known."""

    anchors: Iterable[Anchor | None] = ()
    keys: Sequence[PublicKey] | None = None
    accepted: frozenset[int] = frozenset()


def verify(
    reader: LogReader,
    brought: Brought = Brought(),
    progress: Callable[[int], None] = lambda _: None,
) -> Report:
    """The report on the log as `reader` sees it. Raises AuditError where it cannot be read at all.

    Without an anchor, a log that was cut off at its end, and had its head row and its checkpoints
    set back to match, looks whole; so does an entry added by somebody who may write. `progress` is
    told now and then how many entries are done.
    """
    gone = _tables_gone(reader)
    if gone:
        return _without_tables(gone)
    with reader.complaints_meanwhile() as complaints:
        walk = Walk(reader, brought)
        rows = map(row_of, reader.events())
        row = next(rows, None)
        while row is not None:
            following = next(rows, None)
            walk.step(row, following)
            if not row.place % 1_000:
                progress(row.place)
            row = following
        return walk.finish(complaints())


_ITS_LOSS = {
    "log": Kind.TRUNCATED,
    "head": Kind.TRUNCATED,
    "events": Kind.TRUNCATED,
    "terms": Kind.INDEX_MISMATCH,
    "payloads": Kind.PAYLOAD_MISSING,
    "checkpoints": Kind.CHECKPOINT_MISSING,
    "patients": Kind.PAYLOAD_MISSING,
    "log_keys": Kind.PAYLOAD_MISSING,
}
"""What it means that a table is gone."""


def _tables_gone(reader: LogReader) -> list[str]:
    there = {name for name, _ in reader.definitions()}
    if "log" in there and not reader.has_checkpoints:
        there.add("checkpoints")  # a log of before there were any
    if "log" in there and not reader.has_data_keys:
        there |= {"patients", "log_keys"}  # nor are there keys
    return [table for table in _ITS_LOSS if table not in there]


def _without_tables(gone: Sequence[str]) -> Report:
    """The report where nothing can be walked, because a table is gone."""
    findings = Findings()
    for table in gone:
        findings.add(_ITS_LOSS[table], f"the table {table} is gone; nothing else was compared")
    return Report(
        log_id="(not read)",
        size=0,
        root=Tree().root(),
        anchored=0,
        first_at=None,
        last_at=None,
        events_by_type={},
        findings=tuple(findings.all),
        left_out=0,
    )


class _Said(msgspec.Struct, frozen=True, rename="camel"):
    """What every envelope says. Bytes that do not say it are no envelope of ours."""

    seq: int
    prev_hash: str
    recorded_at: str
    schema_version: int
    sealed: Sealed = Sealed()


class _Row(msgspec.Struct, frozen=True):
    """A stored event with what its bytes say of it; `said` is None where they say nothing."""

    stored: StoredEvent
    leaf: bytes
    members: dict[str, Any]
    said: _Said | None
    follows: bytes
    place: int
    shift: int
    """How far its own number is from the place it has."""
    standing: Standing


def row_of(stored: StoredEvent) -> _Row:
    leaf = leaf_hash(stored.envelope)
    try:
        members = stored.read()
        said = msgspec.convert(members, _Said)
        follows = bytes.fromhex(said.prev_hash)
    except (AuditError, ValueError):
        return _Row(stored, leaf, {}, None, b"", stored.seq, 0, Standing(stored.seq, None))
    if said.schema_version > FORMAT_VERSION and leaf == stored.leaf_hash:
        raise AuditError(f"event {stored.seq} was written by a newer version of this software")
    standing = Standing(stored.seq, said.recorded_at)
    return _Row(stored, leaf, members, said, follows, stored.seq, said.seq - stored.seq, standing)


class _Place(Enum):
    """Where an event stands, seen from the one before it."""

    NEXT = "next to it"
    AFTER_BREAK = "after a break that has been noted"
    ASTRAY = "where it does not belong"


def _belongings_of(
    reader: LogReader, head: tuple[int, bytes] | None
) -> Belongings | BelongingsBeside:
    """Read here, or beside where there is a second processor and enough to do."""
    if reader.path is None or not head or head[0] < FROM_ENTRIES or (os.cpu_count() or 1) < 2:
        return Belongings(reader)
    return BelongingsBeside(reader.path)


class Walk:
    """One pass over the events in their stored order, each seen with the one that follows it."""

    def __init__(self, reader: LogReader, brought: Brought) -> None:
        self._reader = reader
        self._log_id, first_link = reader.first_link()
        self._head = reader.head()
        self._belongings = _belongings_of(reader, self._head)
        self._findings = Findings()
        if canonical_json(self._log_id) not in first_link:
            self._findings.add(Kind.INDEX_MISMATCH, "the log's id is not that of its beginning")
        self._ring = KeyRing(self._log_id, brought.keys)
        self._vouching = Vouching(
            self._ring,
            self._log_id,
            reader,
            brought.anchors,
            self._findings,
            brought.accepted,
        )
        self._spools = SpoolAccounts()
        self._tree = Tree()
        self._types: Counter[str] = Counter()
        self._first_at: str | None = None
        self._latest_at = ""
        self._last: _Row | None = None
        self._shift = 0
        # The hashes that the next event may name as the one before it; none: not to be judged.
        self._may_follow: tuple[bytes, ...] = (leaf_hash(first_link),)

    def step(self, row: _Row, following: _Row | None) -> None:
        """Judge one event. What merely follows from a finding is not reported again."""
        self._findings.come_to(row.standing, following.standing if following else None)
        if self._is_altered(row, following):
            self._findings.add(Kind.CONTENT_ALTERED, "the bytes are not those that were recorded")
            self._belongings.pass_over(row.stored)
            self._may_follow = ()
        else:
            self._judge(row, following)
            self._judge_time(row.standing.at or "")
            self._take_in(row)
        self._types[row.stored.event_type] += 1
        self._last = row
        self._tree.add(row.leaf)
        self._vouching.compare(self._tree)

    def finish(self, complaints: Sequence[str]) -> Report:
        """Judge what concerns the log as a whole; `complaints` are the database's own."""
        self._findings.come_to(None, None)
        self._judge_head()
        self._vouching.finish(self._last.place if self._last else 0)
        for kind, place in self._belongings.strays():
            self._findings.add(kind, "rows beside the events belong to none", first=place)
        for table in self._reader.odd_ones():
            self._findings.add(
                Kind.INDEX_MISMATCH, f"the table {table} does not hold its one row, number 1"
            )
        for complaint in complaints:
            self._findings.add(Kind.INDEX_MISMATCH, complaint)
        if self._ring.keys and not self._reader.has_checkpoints:
            detail = "the log has a key and no table of checkpoints"
            self._findings.add(Kind.CHECKPOINT_MISSING, detail)
        if not self._reader.has_its_guards():
            self._findings.add(
                Kind.GUARDS_MISSING, "a table, index or trigger is not as it was made"
            )
        if not self._vouching.vouched_for:
            self._findings.add(Kind.UNANCHORED, "no anchor was given that vouches for any event")
        return Report(
            log_id=self._log_id,
            size=self._tree.size,
            root=self._tree.root(),
            anchored=self._vouching.vouched_for,
            first_at=self._first_at,
            last_at=self._latest_at or None,
            events_by_type=self._types,
            findings=tuple(self._findings.all),
            left_out=self._findings.left_out,
            checkpoints=self._vouching.checkpoints,
            anchors=self._vouching.anchors,
            keys=tuple(map(str, self._ring.public)),
            spools=tuple(self._spools.waiting),
        )

    def _is_altered(self, row: _Row, following: _Row | None) -> bool:
        """Whether the bytes have changed, and not just the column with their hash: the event that
        follows, or else the head row, tells which."""
        if row.said is None:
            return True
        if row.leaf == row.stored.leaf_hash:
            return False
        if following is not None:
            return following.follows != row.leaf
        return self._head != (row.place, row.leaf)

    def _judge(self, row: _Row, following: _Row | None) -> None:
        place = self._judge_place(row, following)
        if place is _Place.ASTRAY:
            self._belongings.pass_over(row.stored)
            self._may_follow = ()
            return
        if place is _Place.NEXT and self._may_follow and row.follows not in self._may_follow:
            self._note_broken_link(row)
        self._may_follow = (row.leaf,)
        if self._shift:  # whether terms and payloads moved with it cannot be known
            self._belongings.pass_over(row.stored)
            return
        if (row.stored.leaf_hash, row.stored.prev_hash) != (row.leaf, row.follows):
            self._findings.add(Kind.INDEX_MISMATCH, "a hash column is not what the event says")
        sealed = row.said.sealed if row.said else Sealed()
        for kind, detail in self._belongings.faults_of(row.stored, row.members, sealed):
            self._findings.add(kind, detail)

    def _judge_place(self, row: _Row, following: _Row | None) -> _Place:
        place_before = self._last.place if self._last else 0
        if row.place < 1:
            self._findings.add(Kind.INSERTED, "an event stands before the first")
            return _Place.ASTRAY
        if row.place == place_before:
            self._findings.add(Kind.FORKED, "two events stand in one place")
            return _Place.ASTRAY
        missing = row.place - max(place_before, 0) - 1
        if row.shift == self._shift and not missing:
            return _Place.NEXT
        if row.shift != self._shift and not self._has_shifted(row, following):
            self._findings.add(Kind.REORDERED, "an event stands in another's place")
            return _Place.ASTRAY
        missing += row.shift - self._shift
        self._shift = row.shift
        if missing > 0:
            own_seq = row.place + row.shift
            detail = "events are missing"
            self._findings.add(Kind.SEQUENCE_GAP, detail, first=own_seq - missing, last=own_seq - 1)
        else:
            detail = "an event was put in, and later ones moved on"
            self._findings.add(Kind.INSERTED, detail, first=row.place + missing, last=row.place - 1)
        return _Place.AFTER_BREAK

    def _has_shifted(self, row: _Row, following: _Row | None) -> bool:
        """Whether this event and all after it moved together, rather than this one alone."""
        if following is not None:
            return following.shift == row.shift and following.follows == row.leaf
        if row.shift > self._shift:
            return True
        return self._last is not None and row.follows == self._last.follows

    def _note_broken_link(self, row: _Row) -> None:
        if self._last is None:
            self._findings.add(Kind.LINK_BROKEN, "the first event belongs to another beginning")
        elif row.follows == self._last.follows:
            detail = "two events follow the same one"
            self._findings.add(Kind.FORKED, detail, first=self._last.place, last=row.place)
        else:
            detail = "an event names another hash than that of the one before it"
            self._findings.add(Kind.LINK_BROKEN, detail, first=self._last.place, last=row.place)

    def _take_in(self, row: _Row) -> None:
        """What an entry tells of the log's keys, and of what was spooled."""
        for place, detail in self._spools.take_in(row.place, row.members):
            self._findings.add(Kind.SPOOL_UNACCOUNTED, detail, first=place)
        if row.members.get("eventType") == EventType.PURGE:
            self._note_purge(row)
        if row.members.get("eventType") == EventType.KEY_EVENT and is_of_checkpoints(row.members):
            fault = self._ring.learn(row.place, row.members)
            if fault:
                self._findings.add(Kind.CHECKPOINT_SIGNATURE, fault)

    def _note_purge(self, row: _Row) -> None:
        purge = Purge.of(row.place, row.members)
        if purge is not None:
            detail = f"{purge.removed.part} were purged by age, as an entry says"
            self._findings.add(Kind.PAYLOAD_PURGED, detail, first=purge.first, last=purge.last)

    def _judge_time(self, at: str) -> None:
        self._first_at = self._first_at or at
        if at < self._latest_at:
            self._findings.add(Kind.CLOCK_REGRESSION, "recorded earlier than an event before it")
        self._latest_at = max(at, self._latest_at)

    def _judge_head(self) -> None:
        """Compare the head row, which moves with every event, to the last event there is."""
        last = self._last.place if self._last else 0
        if self._head is None:
            self._findings.add(Kind.TRUNCATED, "the head row is gone: how long the log was, too")
            return
        size, leaf = self._head
        if size > last:
            detail = "the head row knows of later events"
            self._findings.add(Kind.TRUNCATED, detail, first=last + 1, last=size)
        elif size < last:
            detail = "events stand after the head"
            self._findings.add(Kind.INSERTED, detail, first=size + 1, last=last)
        elif self._may_follow and leaf not in self._may_follow:
            detail = "the head row names another hash than that of the last event"
            self._findings.add(Kind.LINK_BROKEN, detail, first=last)
