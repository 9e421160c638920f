"""Pages of entries that a filter holds of, each with bounded work; and all of them, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from cds_service.audit.events import EventType
from cds_service.audit.filters import Filter
from cds_service.audit.listing import Wanted
from cds_service.audit.reading import LogReader, StoredEvent

MOST_LOOKED_AT = 50_000
"""How many entries a page looks through before it says where to go on."""
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Page:
    """Entries, the newest first. `go_on_before` is where the next page begins; None: none is left.

    `looked_at` entries were compared with the filter one by one.
    """

    events: list[StoredEvent]
    go_on_before: int | None
    looked_at: int


def page(reader: LogReader, wanted: Wanted, asked: Filter, most: int = MOST_LOOKED_AT) -> Page:
    """The newest entries of a list. Where `most` were looked at before the page was full, it ends
    there: a page never reads the whole of a large log. `most` 0 looks as far as it takes."""
    found: list[StoredEvent] = []
    looked_at, before = 0, wanted.before
    while True:
        size = _AT_ONCE if looked_at else min(_AT_ONCE, wanted.limit + 1)
        size = min(size, most - looked_at) if most else size
        candidates = reader.page(replace(wanted, before=before, limit=size))
        for event in _those(reader, candidates, asked):
            if len(found) == wanted.limit:
                return Page(found, found[-1].seq, looked_at)
            found.append(event)
        looked_at += len(candidates)
        if len(candidates) < size:
            return Page(found, None, looked_at)
        before = candidates[-1].seq
        if most and looked_at >= most:
            return Page(found, before, looked_at)


def matching(
    reader: LogReader,
    wanted: Wanted,
    asked: Filter,
    progress: Callable[[int], None] = lambda _: None,
) -> Iterator[StoredEvent]:
    """All entries of a list, the oldest first. `progress` is told how many were looked at."""
    looked_at = 0
    for batch in in_batches(reader.matching(wanted)):
        yield from _those(reader, batch, asked)
        looked_at += len(batch)
        progress(looked_at)


def in_batches(events: Iterable[StoredEvent]) -> Iterator[list[StoredEvent]]:
    """The same events, some hundreds at a time."""
    batch: list[StoredEvent] = []
    for event in events:
        batch.append(event)
        if len(batch) == _AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def what_followed(reader: LogReader, events: Sequence[StoredEvent]) -> dict[str, list[StoredEvent]]:
    """By the id of a decision, what names it: feedback that counts, and deliveries."""
    decisions = [one.event_id for one in events if one.event_type == EventType.DECISION]
    followed: dict[str, list[StoredEvent]] = {one: [] for one in decisions}
    for event in reader.following(decisions):
        followed[str(event.decision_id)].append(event)
    return followed


def _those(
    reader: LogReader, candidates: Sequence[StoredEvent], asked: Filter
) -> list[StoredEvent]:
    needles = asked.needles
    left = [one for one in candidates if all(needle in one.envelope for needle in needles)]
    followed = what_followed(reader, left) if asked.needs_what_followed else {}
    if asked == Filter():
        return left
    return [one for one in left if asked.holds(one.read(), followed.get(one.event_id, ()))]
