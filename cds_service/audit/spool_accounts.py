"""What the log says of spool segments, and whether it adds up: a file that was deleted is missed.

A segment is announced before it is used: by `service-started`, or by the `spool-drained` of the one
before it. It is accounted for by its own `spool-drained`, or by the `service-stopped` of a process
that had not used it. Each start names the segments that lie in the folder; one that was announced
from there, is not accounted for and is not named is gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cds_service.audit.canonical import Json
from cds_service.audit.events import Event, EventType, present


def started_member(
    folder: str, place: str, segment: str, others: Sequence[str] | None
) -> dict[str, Json]:
    """What `service-started` says: the segment that begins, and those that lie beside it (None:
    could not be told)."""
    member: dict[str, Json] = {"folder": folder, "place": place, "segmentId": segment}
    return member if others is None else {**member, "others": list(others)}


def closing_member(segment: str) -> dict[str, Json]:
    """What `service-stopped` says of a segment that nothing was written to."""
    return {"closed": segment}


def drained_event(
    segment: str,
    *,
    event_id: str,
    folder: tuple[str, str],
    events: int,
    final_hash: str,
    bad: Sequence[int],
    refused: Sequence[int],
    following: str | None,
) -> Event:
    """The entry for a segment all of which is in the log now, in the transaction of its end."""
    members: dict[str, Json] = {
        "segmentId": segment,
        "events": events,
        "finalHash": final_hash,
        "badFrames": list(bad),
        "refused": list(refused),
        "folder": folder[0],
        "place": folder[1],
        "nextSegment": following,
    }
    return Event(type=EventType.SPOOL_DRAINED, event_id=event_id, members=present(members))


def refused_event(event_id: str, segment: str, refused: Sequence[int]) -> Event:
    """The entry for events at the end of a segment that the log refused."""
    members: dict[str, Json] = {"segmentId": segment, "refused": list(refused)}
    return Event(type=EventType.SPOOL_DRAINED, event_id=event_id, members=members)


@dataclass(frozen=True, slots=True)
class _Announced:
    at: int
    folder: str
    where: tuple[str, str]

    def is_in(self, folder: str, where: tuple[str, str]) -> bool:
        return self.folder == folder or self.where == where


@dataclass(slots=True)
class SpoolAccounts:
    """The segments that the log knows of, while it is gone through."""

    waiting: dict[str, _Announced] = field(default_factory=dict)

    def take_in(self, place: int, members: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
        """What this entry shows to be wrong: the number of an entry, and why."""
        kind = members.get("eventType")
        if kind == EventType.SERVICE_STARTED:
            yield from self._started(place, members)
        elif kind == EventType.SERVICE_STOPPED:
            self._settle(_text(_of(members, "spool"), "closed"))
        elif kind == EventType.SPOOL_DRAINED:
            yield from self._drained(place, members)
        elif kind == EventType.RECOVERY:
            self.waiting.clear()  # what became of these, the lost entries said

    def _started(self, place: int, members: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
        spool = _of(members, "spool")
        where = (_text(members, "hostId"), _text(spool, "place"))
        folder, others = _text(spool, "folder"), spool.get("others")
        if isinstance(others, list):
            gone = [
                (name, one)
                for name, one in self.waiting.items()
                if one.is_in(folder, where) and name not in others
            ]
            for name, one in gone:
                del self.waiting[name]
                yield one.at, f"the spool segment {name} was announced, never drained, and is gone"
        self._announce(_text(spool, "segmentId"), _Announced(place, folder, where))

    def _drained(self, place: int, members: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
        self._settle(_text(members, "segmentId"))
        where = (_text(members, "hostId"), _text(members, "place"))
        following = _Announced(place, _text(members, "folder"), where)
        self._announce(_text(members, "nextSegment"), following)
        for name, what in (("badFrames", "damaged"), ("refused", "refused by the log")):
            found = members.get(name)
            if found:
                count = len(found) if isinstance(found, list) else "some"
                yield place, f"{count} events of this spool segment were {what}: its file was kept"

    def _announce(self, name: str, announced: _Announced) -> None:
        if name:
            self.waiting.setdefault(name, announced)

    def _settle(self, name: str) -> None:
        self.waiting.pop(name, None)


def _of(members: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = members.get(name)
    return found if isinstance(found, dict) else {}


def _text(members: Mapping[str, Any], name: str) -> str:
    found = members.get(name)
    return found if isinstance(found, str) else ""
