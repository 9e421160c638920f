"""What the decision log asks of a database. SQLite is the one there is so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cds_service.audit.events import Event
from cds_service.errors import AuditError


@dataclass(frozen=True, slots=True)
class Recorded:
    """The receipt for one entry that is on disk. For a decision, `event_id` is its decision id."""

    seq: int
    event_id: str
    leaf_hash: bytes


class AlreadyRecorded(AuditError):
    """An entry with this id is in the log: it is not put in a second time."""


class Store(Protocol):
    """Where entries are put. One thread uses it at a time; many processes share the database."""

    def append(self, events: Sequence[Event]) -> list[Recorded | AuditError]:
        """A receipt for each event, in one transaction that is on disk when this returns.

        An event that is itself at fault gets its error and leaves the others alone. Raises
        LogUnavailable where nothing could be stored; then nothing was. Of no events, this tells
        whether some could be stored.
        """

    def close(self) -> None:
        """Let go of the database. Everything that got a receipt is in it."""
