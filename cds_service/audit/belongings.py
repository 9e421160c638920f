"""Whether the search terms and payloads beside the events are those that the envelopes tell of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from functools import lru_cache
from typing import Any, TypedDict, cast

import msgspec

from cds_service.audit.envelope import index_of
from cds_service.audit.events import EventType
from cds_service.audit.findings import Kind
from cds_service.audit.gone import Purge, Recount
from cds_service.audit.reading import TERMS_APART, LogReader, StoredEvent
from cds_service.audit.seal import digest_of

_KEYS_REMEMBERED = 4_096


class _InStep:
    """Rows in the order of the events, handed out event by event, none skipped unseen."""

    def __init__(self, rows: Iterator[tuple[Any, ...]]) -> None:
        self._rows = rows
        self._next = next(rows, None)
        self.stray: int | None = None

    def of(self, seq: int | None) -> list[tuple[Any, ...]]:
        """The rows of this event, without its number; of None, those after the last. A row passed
        on the way belongs to no event: `stray` keeps the first."""
        found = []
        row = self._next
        while row is not None and (seq is None or row[0] <= seq):
            if row[0] == seq:
                found.append(row[1:])
            elif self.stray is None:
                self.stray = row[0]
            row = next(self._rows, None)
        self._next = row
        return found


class Sealed(msgspec.Struct, frozen=True):
    """What an envelope says of the payloads beside it."""

    scheme: str = ""
    keyId: str | None = None
    digests: dict[str, str] = msgspec.field(default_factory=dict)


class Belongings:
    """Walks terms and payloads beside the events, so that each is read once and none is missed."""

    def __init__(self, reader: LogReader) -> None:
        self._erased = reader.erased()
        self._purged = reader.purged()
        self._recount = Recount(self._purged, reader.begins_after)
        self._has_key = lru_cache(_KEYS_REMEMBERED)(reader.has_key)
        self._terms = _InStep(reader.terms())
        self._payloads = _InStep(reader.payloads())

    def faults_of(
        self, event: StoredEvent, members: dict[str, Any], sealed: Sealed
    ) -> Iterator[tuple[Kind, str]]:
        """What is wrong beside an event whose bytes are sound."""
        terms = _terms_in(self._terms.of(event.seq))
        if not _are_derived(event, terms, members):
            yield Kind.INDEX_MISMATCH, "a column or search term is not what the event says"
        expected = dict(sealed.digests)
        purged = self._purged_of(event, expected)
        for name, scheme, key_id, nonce, stored in self._payloads.of(event.seq):
            recorded = expected.pop(name, None)
            if digest_of(nonce, stored) != recorded or scheme != sealed.scheme:
                yield Kind.PAYLOAD_ALTERED, "a payload is not the one that was recorded"
            elif key_id != sealed.keyId:  # `plain` has none, and no envelope names one
                yield Kind.PAYLOAD_ALTERED, "a payload names a key that was not used"
            elif name in purged:
                yield Kind.PAYLOAD_ALTERED, "a payload that was purged stands in the log again"
        if not purged >= expected.keys():
            if members.get("patientPseudonym") in self._erased.pseudonyms:
                yield Kind.PAYLOAD_SHREDDED, "payloads were deleted when the patient was erased"
            else:
                yield Kind.PAYLOAD_MISSING, "a payload that was recorded is gone"
        if sealed.keyId is not None:
            yield from self._faults_of_key(sealed.keyId)
        purge = Purge.of(event.seq, members) if event.event_type == EventType.PURGE else None
        if purge is not None and self._recount.is_wrong(purge):
            yield Kind.PAYLOAD_MISSING, "what a purge says that it removed is not what it names"

    def _purged_of(self, event: StoredEvent, expected: Mapping[str, str]) -> Set[str]:
        """Which of the payloads of an entry were purged."""
        if not self._purged.over(event.seq):
            return frozenset()
        found = {name: self._purged.of(*event.known_by, name) for name in sorted(expected)}
        for name, purge in found.items():
            if purge is not None:
                self._recount.add(purge, event.seq, name, expected[name])
        return {name for name, purge in found.items() if purge is not None}

    def _faults_of_key(self, key_id: str) -> Iterator[tuple[Kind, str]]:
        is_there, is_erased = self._has_key(key_id), key_id in self._erased.keys
        if is_erased and is_there:
            yield Kind.PAYLOAD_ALTERED, "a key that was destroyed stands in the log again"
        elif is_erased:
            yield Kind.PAYLOAD_SHREDDED, "the key of its payloads was destroyed"
        elif not is_there:
            yield Kind.PAYLOAD_MISSING, "the key of its payloads is gone, and no entry says why"

    def pass_over(self, event: StoredEvent) -> None:
        """The same walk past an event that cannot be asked."""
        self._terms.of(event.seq)
        self._payloads.of(event.seq)
        self._recount.pass_over(event.seq)

    def strays(self) -> Iterator[tuple[Kind, int]]:
        """What belongs to no event, with the place it claims. To be asked last."""
        self._terms.of(None)
        self._payloads.of(None)
        if self._terms.stray is not None:
            yield Kind.INDEX_MISMATCH, self._terms.stray
        if self._payloads.stray is not None:
            yield Kind.PAYLOAD_ALTERED, self._payloads.stray


def _terms_in(rows: Sequence[tuple[Any, ...]]) -> frozenset[tuple[str, str]] | None:
    """The terms in the one row that an entry has of them; None where they are none of ours."""
    if not rows:
        return frozenset()
    count, texts, fields, values = rows[0]
    if texts != count:
        return None
    named, said = fields.split(TERMS_APART), values.split(TERMS_APART)
    return frozenset(zip(named, said, strict=True)) if len(named) == len(said) == count else None


class _Line(TypedDict, total=False):
    status: Any


class _Cancer(TypedDict, total=False):
    disease: Any
    lines: list[_Line]


class _Advice(TypedDict, total=False):
    kind: Any


class _Card(TypedDict, total=False):
    uuid: Any
    about: Any


class _Found(TypedDict, total=False):
    """The members of a decision that its columns and search terms follow from, or would follow
    from if it had them, and no more: most of an envelope is rules that were not met."""

    eventId: Any
    eventType: Any
    decisionId: Any
    recordedAt: Any
    hookInstance: Any
    client: Any
    serviceId: Any
    hook: Any
    outcome: Any
    patientPseudonym: Any
    card: Any
    cancers: list[_Cancer]
    advice: list[_Advice]
    cards: list[_Card]
    erased: Any
    purged: Any
    user: Any
    onCard: Any
    duplicateOf: Any
    overrideReason: Any
    acceptedSuggestions: Any
    sealed: Any


_found_in = msgspec.json.Decoder(_Found).decode


def found_in(event: StoredEvent) -> dict[str, Any]:
    """As much of a decision as `Belongings` asks for, in half the time of reading all of it; all of
    any other entry, and where it is not of the usual form. AuditError where it cannot be read."""
    if event.event_type != EventType.DECISION:
        return event.read()
    try:
        return cast(dict[str, Any], _found_in(event.envelope))
    except (msgspec.DecodeError, UnicodeDecodeError, TypeError):
        return event.read()


def _are_derived(
    event: StoredEvent, terms: frozenset[tuple[str, str]] | None, members: dict[str, Any]
) -> bool:
    try:
        index = index_of(members)
    except (KeyError, TypeError, ValueError, AttributeError):
        return False
    return terms == index.terms and (
        event.event_id,
        event.event_type,
        event.decision_id,
        event.recorded_at,
    ) == (index.event_id, index.event_type, index.decision_id, index.recorded_at)
