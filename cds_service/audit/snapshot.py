"""What an answer depended on beside the request: kept, sealed, so that it can be worked out again.

The request itself is kept whole, so this holds only what came from elsewhere: resources read from
the FHIR server, what was remembered of earlier cards, and the settings that show on a card.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal

import msgspec

from cds_service.audit.inputs import Origin
from cds_service.clinical.advice import Accepted, EarlierCards, Override, Returned
from cds_service.errors import AuditError

FORM = "snapshot-1"
Keeping = Literal["full", "hashes"]
"""Whether what a replay needs was kept, or only digests of it."""


class ReadResource(msgspec.Struct, omit_defaults=True):
    """One resource that the service read itself, in the very characters it came with."""

    raw: str
    full_url: str = ""
    origin: Origin = "search"


class Fault(msgspec.Struct, omit_defaults=True):
    """Something that could not be read on the way in."""

    where: str
    what: str
    code: str


class Recalled(msgspec.Struct, omit_defaults=True):
    """What was remembered of earlier cards. `names`: under which names the evidence of each line
    might have been written down, by its digest."""

    overrides: tuple[Override, ...] = ()
    returned: tuple[Returned, ...] = ()
    accepted: tuple[Accepted, ...] = ()
    names: dict[str, tuple[str, ...]] = {}

    @classmethod
    def of(cls, earlier: EarlierCards, digests: Iterable[str]) -> Recalled | None:
        """The memory as it was used; None where nothing was remembered."""
        if not (earlier.overrides or earlier.returned or earlier.accepted):
            return None
        names = {one: tuple(earlier.known_as(one)) for one in digests} if earlier.returned else {}
        return cls(earlier.overrides, earlier.returned, earlier.accepted, names)

    def as_earlier_cards(self) -> EarlierCards:
        """The same memory again; evidence of another digest than then has no names."""

        def known_as(digest: str) -> Collection[str]:
            return self.names.get(digest, ())

        return EarlierCards(self.overrides, self.returned, self.accepted, known_as)

    @property
    def sources(self) -> frozenset[str]:
        """The entries of the log that were remembered."""
        every: tuple[Override | Returned | Accepted, ...] = (
            *self.overrides,
            *self.returned,
            *self.accepted,
        )
        return frozenset(one.source for one in every if one.source)


class Snapshot(msgspec.Struct, omit_defaults=True, frozen=True):
    """What one answer depended on, beside the request, the day, the knowledge and the software."""

    form: str
    public_url: str = ""
    read: tuple[ReadResource, ...] = ()
    faults: tuple[Fault, ...] = ()
    medications: tuple[ReadResource, ...] = ()
    recalled: Recalled | None = None
    explain: bool = False

    def as_bytes(self) -> bytes:
        """One line of JSON."""
        return msgspec.json.encode(self)

    @property
    def held(self) -> int:
        """About how many bytes it keeps in memory."""
        return sum(len(one.raw) for one in (*self.read, *self.medications))


def read_snapshot(stored: bytes) -> Snapshot:
    """A snapshot out of the log; AuditError where this version cannot read it."""
    try:
        snapshot = msgspec.json.decode(stored, type=Snapshot)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise AuditError("the snapshot cannot be read") from None
    if snapshot.form != FORM:
        raise AuditError(f"the snapshot has the form {snapshot.form}, not {FORM}")
    return snapshot
