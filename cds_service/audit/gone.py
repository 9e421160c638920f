"""What is gone from the log for good, and which entries say so: patients who were erased, payloads
that were purged by their age."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from cds_service.audit.events import timestamp
from cds_service.audit.retention import LEAST_MONTHS, day_before

PARTS = ("contents", "identities")
"""What is kept equally long (`due.py`); the runs of one part do not overlap."""
_CLOCKS_DIFFER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Erased:
    """What the log's redactions name: pseudonyms, and the ids of data keys that were destroyed."""

    pseudonyms: frozenset[str]
    keys: frozenset[str]

    @classmethod
    def by(cls, redactions: Iterable[Mapping[str, Any]]) -> Erased:
        found = [members.get("erased") for members in redactions]
        return cls(_names(found, "pseudonyms"), _names(found, "dataKeys"))


def _names(erased: Sequence[Any], member: str) -> frozenset[str]:
    """What redactions name under this member; whatever else somebody wrote there names nobody."""
    lists = [one.get(member) for one in erased if isinstance(one, dict)]
    named = [name for names in lists if isinstance(names, list) for name in names]
    return frozenset(name for name in named if isinstance(name, str))


class Removed(msgspec.Struct, frozen=True):
    """What a `purge` entry says: of all entries of these `types` in these `runs` (first and last
    number), all payloads of these `names` are gone. All of them were recorded before `before`.

    `digest` is over a line for each payload (`digest_line`), in the order of numbers and names.
    """

    part: str
    types: tuple[str, ...]
    names: tuple[str, ...]
    before: str
    runs: tuple[tuple[int, int], ...]
    entries: int
    payloads: int
    digest: str


@dataclass(frozen=True, slots=True)
class Purge:
    """One `purge` entry that removed something: its number and its time."""

    seq: int
    at: str
    removed: Removed

    @classmethod
    def of(cls, seq: int, members: Mapping[str, Any]) -> Purge | None:
        """None where the entry removed nothing, or says what no purge could have done."""
        try:
            removed = msgspec.convert(members["purged"], Removed)
            at = str(members["recordedAt"])
            youngest = day_before(datetime.fromisoformat(at) + _CLOCKS_DIFFER, LEAST_MONTHS)
        except (KeyError, ValueError):
            return None
        ends = [0, *(end for run in removed.runs for end in run), seq]
        in_order = all(first <= last for first, last in removed.runs) and sorted(ends) == ends
        if not removed.runs or not in_order or removed.before > timestamp(youngest):
            return None
        return cls(seq, at, removed)

    @property
    def first(self) -> int:
        return self.removed.runs[0][0]

    @property
    def last(self) -> int:
        return self.removed.runs[-1][1]

    @property
    def told(self) -> str:
        """For people: what became of a payload."""
        return f"purged by its age on {self.at[:10]} (entry {self.seq})"


class Purged:
    """All purges of a log, and which of them removed a payload."""

    def __init__(self, entries: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
        found = (Purge.of(seq, members) for seq, members in entries)
        self._purges = [purge for purge in found if purge is not None]
        runs: dict[str, list[tuple[int, int, Purge]]] = {}
        for purge in self._purges:
            of_part = runs.setdefault(purge.removed.part, [])
            of_part += [(first, last, purge) for first, last in purge.removed.runs]
        for of_part in runs.values():
            of_part.sort(key=lambda run: run[:2])
        self._runs = [(of_part, [run[0] for run in of_part]) for of_part in runs.values()]
        self._last = max((purge.last for purge in self._purges), default=0)

    def __iter__(self) -> Iterator[Purge]:
        return iter(self._purges)

    def over(self, seq: int) -> list[Purge]:
        """The purges in whose runs this entry stands; one of each part at most."""
        if seq > self._last:
            return []
        found = []
        for of_part, firsts in self._runs:
            place = bisect_right(firsts, seq) - 1
            if place >= 0 and of_part[place][1] >= seq:
                found.append(of_part[place][2])
        return found

    def of(self, seq: int, event_type: str, recorded_at: str, name: str) -> Purge | None:
        """The purge that removed this payload of an entry; None where none did."""
        for purge in self.over(seq):
            removed = purge.removed
            if (
                name in removed.names
                and event_type in removed.types
                and recorded_at < removed.before
            ):
                return purge
        return None


def digest_line(seq: int, name: str, digest: str) -> bytes:
    """The line by which a payload that is removed goes into the digest of its purge; `digest` is
    the one in its envelope."""
    return f"{seq} {name} {digest}\n".encode()


def runs_of(members: Mapping[str, Any]) -> Iterator[str]:
    """The search terms of a purge: by these the database knows what may be deleted."""
    purged = members.get("purged", {})
    for first, last in purged.get("runs", ()):
        yield f"{purged['part']}/{first:020d}-{last:020d}"


@dataclass(slots=True)
class _Sum:
    state: Any = field(default_factory=hashlib.sha256)
    entries: int = 0
    payloads: int = 0
    last: int = 0


class Recount:
    """What purges say that they removed, counted again from the envelopes that are walked over.

    A purge that reaches back before the walk (`after`), or over an entry that cannot be asked, is
    not judged.
    """

    def __init__(self, purged: Purged, after: int = 0) -> None:
        self._purged = purged
        self._sums = {purge.seq: _Sum() for purge in purged if purge.first > after}

    def add(self, purge: Purge, seq: int, name: str, digest: str) -> None:
        found = self._sums.get(purge.seq)
        if found is not None:
            found.state.update(digest_line(seq, name, digest))
            found.payloads += 1
            found.entries += seq != found.last
            found.last = seq

    def pass_over(self, seq: int) -> None:
        for purge in self._purged.over(seq):
            self._sums.pop(purge.seq, None)

    def is_wrong(self, purge: Purge) -> bool:
        """Whether this entry says something else than what it names comes to; to be asked when all
        before it were walked over."""
        found = self._sums.pop(purge.seq, None)
        if found is None:
            return False
        removed = purge.removed
        counted = (found.entries, found.payloads, f"sha256:{found.state.hexdigest()}")
        return counted != (removed.entries, removed.payloads, removed.digest)
