"""Pages of entries that a filter holds of, each with bounded work; and all of them, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from cds_service.audit.events import EventType
from cds_service.audit.filters import Filter
from cds_service.audit.listing import Wanted
from cds_service.audit.reading import LogReader, StoredEvent

MOST_LOOKED_AT = 25_000
"""How many entries a page looks through before it says where to go on."""
_AT_ONCE = 500
_ALL = 2**62


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
    whole = asked == Filter()
    enough = wanted.limit + 1 if whole else (most or _ALL)
    candidates = reader.newest(replace(wanted, limit=enough))
    found: list[StoredEvent] = []
    looked_at, last = 0, None
    for batch in in_batches(candidates, first=min(wanted.limit + 1, _AT_ONCE)):
        looked_at += len(batch)
        for event in _those(reader, batch, asked):
            if len(found) == wanted.limit:
                return Page(found, found[-1].seq, looked_at)
            found.append(event)
        last = batch[-1].seq
    is_cut = not whole and looked_at == enough
    return Page(found, last if is_cut else None, looked_at)


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


def in_batches(events: Iterable[StoredEvent], first: int = _AT_ONCE) -> Iterator[list[StoredEvent]]:
    """The same events, some hundreds at a time."""
    left = iter(events)
    batch = list(islice(left, first))
    while batch:
        yield batch
        batch = list(islice(left, _AT_ONCE))


def what_followed(reader: LogReader, events: Sequence[StoredEvent]) -> dict[str, list[StoredEvent]]:
    """By the id of a decision, what names it: feedback that counts, deliveries, reviews."""
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
