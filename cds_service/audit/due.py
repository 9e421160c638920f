"""Which payloads are past their time, entry by entry, and why one of them stays: it is under a
legal hold, or is not what was recorded."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from cds_service.audit.chain import leaf_hash
from cds_service.audit.due_rows import DueReader
from cds_service.audit.events import EventType, timestamp
from cds_service.audit.gone import PARTS, Removed, digest_line
from cds_service.audit.holding import Holding
from cds_service.audit.reading import StoredEvent
from cds_service.audit.seal import Payload
from cds_service.errors import AuditError

_ENTRIES_A_BATCH: Final = 1_000
_BYTES_A_BATCH: Final = 16 * 1024 * 1024
"""The log's lock is held while a batch is removed."""
_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True)
class Part:
    """What is kept equally long: payloads of these names, of entries of these types."""

    name: str
    types: tuple[EventType, ...]
    names: tuple[str, ...]


CONTENTS: Final = Part(
    PARTS[0],
    (EventType.DECISION, EventType.FEEDBACK, EventType.REVIEW),
    ("assessment", "comment", "feedback", "inputs", "request", "response", "snapshot"),
)
"""What a chart says, and what was said about it."""
IDENTITIES: Final = Part(
    PARTS[1],
    (
        EventType.DECISION,
        EventType.ACCESS,
        EventType.EXPORT,
        EventType.REIDENTIFICATION,
        EventType.VERIFICATION,
    ),
    ("identity", "reason"),
)
"""Who it was about, and why somebody read it, which may name patients, too. Never purged: the
knowledge that decided, the settings of a start, the grounds of holds and erasures."""


@dataclass(slots=True)
class Batch:
    """Payloads of one part that go in one transaction, and what was passed over on the way to them:
    payloads by the hold that keeps them, numbers of entries that are not as recorded."""

    part: Part
    before: datetime
    runs: list[list[int]] = field(default_factory=list)
    entries: int = 0
    payloads: int = 0
    bytes: int = 0
    oldest: str = ""
    newest: str = ""
    held: Counter[str] = field(default_factory=Counter)
    not_as_recorded: list[int] = field(default_factory=list)
    up_to: int = 0
    """The last entry that was looked at."""
    is_last: bool = False
    _state: Any = field(default_factory=hashlib.sha256)

    def removed(self) -> Removed:
        """What the entry about it says."""
        return Removed(
            part=self.part.name,
            types=tuple(map(str, self.part.types)),
            names=self.part.names,
            before=timestamp(self.before),
            runs=tuple((first, last) for first, last in self.runs),
            entries=self.entries,
            payloads=self.payloads,
            digest=f"sha256:{self._state.hexdigest()}",
        )

    @property
    def is_full(self) -> bool:
        return self.entries >= _ENTRIES_A_BATCH or self.bytes >= _BYTES_A_BATCH

    def add(self, event: StoredEvent, payloads: Sequence[Payload], *, joins: bool) -> None:
        """Take these in; `joins`: nothing that stays stands between them and the entry before."""
        if joins and self.runs:
            self.runs[-1][1] = event.seq
        else:
            self.runs.append([event.seq, event.seq])
        for payload in payloads:
            self._state.update(digest_line(event.seq, payload.name, payload.digest))
            self.bytes += len(payload.nonce) + len(payload.stored)
        self.entries += 1
        self.payloads += len(payloads)
        self.oldest = min(self.oldest or event.recorded_at, event.recorded_at)
        self.newest = max(self.newest, event.recorded_at)


def next_batch(
    reader: DueReader, part: Part, before: datetime, holdings: Sequence[Holding], after: int
) -> Batch:
    """The first payloads of a part that were recorded before that day and may go, beyond the entry
    `after`."""
    batch = Batch(part, before, up_to=after)
    youngest = timestamp(before)
    last_taken = 0
    for event in _candidates(reader, part, youngest, after):
        if batch.is_full:
            return batch
        batch.up_to = event.seq
        if event.event_type not in part.types or event.recorded_at >= youngest:
            continue
        payloads = reader.payloads_of(event.seq, part.names)
        members = _as_recorded(event, part, payloads)
        if members is None:
            batch.not_as_recorded.append(event.seq)
            continue
        kept_by = [one.hold.hold_id for one in holdings if one.keeps(members)]
        for hold_id in kept_by:
            batch.held[hold_id] += len(payloads)
        if not kept_by:
            joins = not reader.has_between(last_taken, event.seq, part.types)
            batch.add(event, payloads, joins=joins)
            last_taken = event.seq
    batch.is_last = True
    return batch


def _candidates(reader: DueReader, part: Part, youngest: str, after: int) -> Iterator[StoredEvent]:
    """Entries with a payload of these names, in their order, as far as any is old enough."""
    while found := reader.with_payloads(part.names, youngest, after, _AT_ONCE):
        yield from found
        after = found[-1].seq


def _as_recorded(
    event: StoredEvent, part: Part, payloads: Sequence[Payload]
) -> dict[str, Any] | None:
    """The envelope, where it and all its payloads of this part are what was recorded. What is not
    stays as it is: it is for `verify` to find, and for people to see."""
    try:
        members = event.read()
        digests = members["sealed"]["digests"]
        expected = {name: digests[name] for name in digests if name in part.names}
    except (AuditError, KeyError, TypeError):
        return None
    is_sound = (
        leaf_hash(event.envelope) == event.leaf_hash
        and (members["eventType"], members["recordedAt"]) == (event.event_type, event.recorded_at)
        and {one.name: one.digest for one in payloads} == expected
    )
    return members if is_sound else None
