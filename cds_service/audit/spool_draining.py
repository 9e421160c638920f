"""From a segment into the store: batches in order, and with the last one the entry that accounts
for all of it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid5

from cds_service.audit.spool_accounts import drained_event, refused_event
from cds_service.audit.spool_folder import SpoolFolder
from cds_service.audit.spool_segment import Batch, Segment
from cds_service.audit.store import AlreadyRecorded, Recorded, Store
from cds_service.errors import AuditError, LogUnavailable
from cds_service.operations_log import log_event

_SAID_OF_SEGMENT = UUID("5b1c8f0e-6a53-4f6b-9d2b-0d6c5a3a8c11")


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """How much one process spools, and how long its oldest event may lie there; how much of it
    goes into one transaction; how often a store that does not answer is asked again."""

    bytes: int = 256 * 1024 * 1024
    age: timedelta = timedelta(hours=72)
    batch_events: int = 64
    batch_bytes: int = 8 * 1024 * 1024
    retry_seconds: float = 1.0
    look_seconds: float = 30.0
    busy_seconds: float = 2.0


class Draining:
    """Puts what is spooled into a store, for which `asking` is the lock."""

    def __init__(
        self, store: Store, asking: threading.Lock, folder: SpoolFolder, limits: SpoolLimits
    ) -> None:
        self._store = store
        self._asking = asking
        self._folder = folder
        self._limits = limits

    def all_of(self, segment: Segment) -> None:
        """A segment to which nothing is added any more, to its end. Raises LogUnavailable where
        the store does not take it, OSError where it cannot be read."""
        for batch in self.batches(segment, segment.size):
            self.put(segment, batch)
        self.end(segment, segment.nothing, None)

    def batches(self, segment: Segment, end: int) -> Iterator[Batch]:
        return segment.batches(end, self._limits.batch_events, self._limits.batch_bytes)

    def put(self, segment: Segment, batch: Batch) -> None:
        """One batch into the store."""
        with self._asking:
            receipts = self._store.append([event for _, event in batch.events])
        _note(segment, batch, receipts)

    def end(self, segment: Segment, last: Batch, following: Segment | None) -> None:
        """The last batch, with the entry that accounts for the segment; then its file goes."""
        told = drained_event(
            segment.id,
            event_id=_id_of(segment, "drained"),
            folder=(self._folder.id, self._folder.place),
            events=segment.progress.drained + len(last.events),
            final_hash=last.last.hex(),
            bad=[*segment.progress.bad, *last.bad],
            refused=segment.progress.refused,
            following=following.id if following else None,
        )
        with self._asking:
            *receipts, of_end = self._store.append([*(event for _, event in last.events), told])
        if isinstance(of_end, LogUnavailable):
            raise of_end
        _note(segment, last, receipts)
        refused = segment.progress.refused
        if refused != told.members.get("refused", []):
            with self._asking:
                self._store.append([refused_event(_id_of(segment, "refused"), segment.id, refused)])
        segment.finish()


def _note(segment: Segment, batch: Batch, receipts: Sequence[Recorded | AuditError]) -> None:
    for receipt in receipts:
        if isinstance(receipt, LogUnavailable):
            raise receipt
    refused = [
        number
        for (number, _), receipt in zip(batch.events, receipts, strict=True)
        if isinstance(receipt, AuditError) and not isinstance(receipt, AlreadyRecorded)
    ]
    segment.note(batch, refused)
    if batch.bad:
        log_event("spool.damaged", level=logging.ERROR, count=len(batch.bad))
    if refused:
        log_event("spool.refused", level=logging.ERROR, count=len(refused))


def _id_of(segment: Segment, what: str) -> str:
    """The same id each time that this is said of a segment, so that the log takes it once."""
    return str(uuid5(_SAID_OF_SEGMENT, f"{segment.id} {what}"))
