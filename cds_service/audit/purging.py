"""Purging: what the log has sealed is removed when it is past its time; the envelopes stay.

What goes, goes batch by batch, each in one transaction with the `purge` entry that names it. A run
that is cut short leaves whole batches, and the next one goes on; a last entry says what a run came
to, also where nothing was due.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from cds_service.audit.address import Address
from cds_service.audit.canonical import Json
from cds_service.audit.data_keys import DataKeys
from cds_service.audit.database import Connection
from cds_service.audit.due import CONTENTS, IDENTITIES, Batch, Part, next_batch
from cds_service.audit.due_rows import DueReader
from cds_service.audit.entries import Reader
from cds_service.audit.envelope import Process, Recorder
from cds_service.audit.events import Event, EventType, present, utc_now
from cds_service.audit.holding import Holding, holdings
from cds_service.audit.holds import Hold
from cds_service.audit.reading import LogReader, open_reader
from cds_service.audit.removing import RemovingStore
from cds_service.audit.retention import Retention, day_before
from cds_service.errors import AuditError


@dataclass(slots=True)
class Share:
    """What of one part is due, or went: all that was recorded before that day."""

    part: Part
    before: datetime
    entries: int = 0
    payloads: int = 0
    bytes: int = 0
    oldest: str | None = None
    newest: str | None = None

    def add(self, batch: Batch) -> None:
        if batch.entries:
            self.entries += batch.entries
            self.payloads += batch.payloads
            self.bytes += batch.bytes
            self.oldest = min(self.oldest or batch.oldest, batch.oldest)
            self.newest = max(self.newest or batch.newest, batch.newest)

    def as_json(self) -> dict[str, Json]:
        return present(
            {
                "before": self.before.date().isoformat(),
                "entries": self.entries,
                "payloads": self.payloads,
                "bytes": self.bytes,
                "oldest": self.oldest,
                "newest": self.newest,
            }
        )


@dataclass(slots=True)
class Account:
    """What is due, or what a run came to. `held`: payloads that stay, by the hold that keeps them;
    `not_as_recorded`: entries that stay because `verify` has something to say about them."""

    shares: tuple[Share, Share]
    holds: tuple[Hold, ...]
    held: Counter[str] = field(default_factory=Counter)
    not_as_recorded: set[int] = field(default_factory=set)
    is_flushed: bool = True

    def as_json(self) -> dict[str, Json]:
        told: dict[str, Json] = {share.part.name: share.as_json() for share in self.shares}
        if self.held:
            told["held"] = dict(sorted(self.held.items()))
        if self.not_as_recorded:
            told["notAsRecorded"] = {
                "entries": len(self.not_as_recorded),
                "first": min(self.not_as_recorded),
            }
        return told


def due(address: Address, retention: Retention, now: datetime) -> Account:
    """What a purge would remove now, and what would stay, and why. Removes nothing.

    Raises AuditError where the log cannot be read.
    """
    with open_reader(address) as reader:
        found, _ = _looked(reader)
        account = _account(retention, now, found)
        for share in account.shares:
            for batch in _batches(address, share, found):
                _take_in(account, share, batch)
    return account


def purge(
    address: Address,
    retention: Retention,
    *,
    by: Reader,
    data_keys: DataKeys,
    clock: Callable[[], datetime] = utc_now,
) -> Account:
    """Remove what is due. Raises AuditError where that cannot be done, or a hold comes in between;
    what went before that is on record."""
    with open_reader(address) as reader:
        found, holds_seen = _looked(reader)
    account = _account(retention, clock(), found)
    recorder = Recorder(keys=(), data_keys=data_keys, clock=clock, process=Process.this())
    store = _Purging(address, recorder, holds_seen)
    with closing(store):
        for share in account.shares:
            for batch in _batches(address, share, found):
                if batch.runs:
                    store.remove(batch, by)
                _take_in(account, share, batch)
        store.record(_event(by, {"result": account.as_json()}))
        account.is_flushed = store.flush()
    return account


def _looked(reader: LogReader) -> tuple[Sequence[Holding], int]:
    """The holds in force, and how many entries about holds there are."""
    return holdings(reader), sum(1 for _ in reader.entries_of(EventType.LEGAL_HOLD))


def _account(retention: Retention, now: datetime, found: Sequence[Holding]) -> Account:
    contents = Share(CONTENTS, day_before(now, retention.contents_months))
    identities = Share(IDENTITIES, day_before(now, retention.entries_months))
    return Account((contents, identities), tuple(one.hold for one in found))


def _batches(address: Address, share: Share, found: Sequence[Holding]) -> Iterator[Batch]:
    """Each in a view of its own: a long one would keep the log's files from being tidied."""
    after, is_last = 0, False
    while not is_last:
        with open_reader(address) as reader:
            batch = next_batch(DueReader(reader), share.part, share.before, found, after)
        after, is_last = batch.up_to, batch.is_last
        yield batch


def _take_in(account: Account, share: Share, batch: Batch) -> None:
    share.add(batch)
    account.held += batch.held
    account.not_as_recorded.update(batch.not_as_recorded)


def _event(by: Reader, members: dict[str, Json]) -> Event:
    told: dict[str, Json] = {"reader": by.as_json(), **members}
    return Event(type=EventType.PURGE, members=told, sealed=by.sealed())


class _Purging(RemovingStore):
    """A store that removes payloads in the transaction of the entry about them."""

    _batch: Batch | None = None
    """What goes with the entry at hand: nothing with the last one, which gives the result."""

    def remove(self, batch: Batch, by: Reader) -> None:
        """The entry and the removal, both or neither."""
        removed: dict[str, Json] = msgspec.json.decode(msgspec.json.encode(batch.removed()))
        times: dict[str, Json] = {
            "bytes": batch.bytes,
            "oldest": batch.oldest,
            "newest": batch.newest,
        }
        self._batch = batch
        try:
            self.record(_event(by, {"purged": removed | times}))
        finally:
            self._batch = None

    def record(self, event: Event) -> None:
        (receipt,) = self.append([event])
        if isinstance(receipt, AuditError):
            raise receipt

    def remove_from(self, db: Connection) -> None:
        if self._batch is not None:
            _remove(db, self._batch)


def _remove(db: Connection, batch: Batch) -> None:
    types, names = tuple(map(str, batch.part.types)), batch.part.names
    try:
        gone = sum(db.purge(first, last, types, names) for first, last in batch.runs)
    except sqlite3.IntegrityError as error:  # a guard's word, and no lost race
        raise AuditError(f"the log's own guards refuse the purge: {error}") from error
    if gone != batch.payloads:
        raise AuditError("payloads changed meanwhile; run it again")
