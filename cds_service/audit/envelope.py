"""From an event to the bytes that are chained, and from those bytes to what can be searched for."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from cds_service.audit.canonical import Json, canonical_json, digest, write_unambiguous
from cds_service.audit.chain import FORMAT_VERSION, leaf_hash
from cds_service.audit.data_keys import DataKey, DataKeys
from cds_service.audit.events import (
    NOT_ID_SHAPED,
    SEALED,
    Event,
    EventType,
    id_shaped,
    present,
    timestamp,
    utc_now,
)
from cds_service.audit.gone import runs_of
from cds_service.audit.pseudonyms import PseudonymKey
from cds_service.audit.seal import AES_256_GCM, Bond, Payload, pack, seal


@dataclass(frozen=True, slots=True)
class Process:
    """Which process wrote an entry: names of the machine and of its current start, and the pid."""

    host_id: str
    boot_id: str
    pid: int

    @classmethod
    def this(cls) -> Process:
        try:
            boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        except OSError:
            boot = "unknown"
        return cls(id_shaped(socket.gethostname()) or "unknown", boot, os.getpid())


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry that waits for its place: everything dear is done, before any lock is taken.

    `packed` are its contents before they are encrypted, `payloads` after that.
    """

    event: Event
    event_id: str
    members: Mapping[str, Json]
    packed: Mapping[str, bytes]
    withheld: tuple[str, ...]
    call_key: str | None
    payloads: tuple[Payload, ...] = ()


@dataclass(frozen=True, slots=True)
class Index:
    """What a stored envelope can be found by. Nothing here that is not in the envelope."""

    event_id: str
    event_type: str
    decision_id: str | None
    recorded_at: str
    terms: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry in its place."""

    seq: int
    prev_hash: bytes
    leaf_hash: bytes
    envelope: bytes
    members: Mapping[str, Json]
    """What the envelope says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorder:
    """Makes entries of events, with one clock, one maker of ids and one set of keys.

    Unless `data_keys` says otherwise, they are those of the file beside the log.
    """

    keys: tuple[PseudonymKey, ...]
    data_keys: DataKeys | None = None
    clock: Callable[[], datetime] = utc_now
    make_id: Callable[[], str] = lambda: str(uuid4())
    process: Process

    def draft(self, event: Event) -> Draft:
        """Compress and write all but what depends on a key and on the entry's place.

        Raises ValueError where a member has no canonical form or an input is no resource.
        """
        contents = {
            name: content() if callable(content) else content
            for name, content in event.sealed.items()
        }
        event_id = event.event_id or self.make_id()
        members: dict[str, Json] = {
            "hostId": self.process.host_id,
            "bootId": self.process.boot_id,
            "pid": self.process.pid,
            **event.members,  # of a spooled event, the process that took it
            "schemaVersion": FORMAT_VERSION,
            "eventType": event.type,
            "eventId": event_id,
        }
        canonical_json(members)  # an event at fault is found here, not under the lock
        return Draft(
            event,
            event_id,
            members,
            {name: pack(content) for name, content in contents.items() if content is not None},
            tuple(name for name, content in contents.items() if content is None),
            call_key(members),
        )

    def seal(self, draft: Draft, key: DataKey | None) -> Draft:
        """The draft with its contents encrypted; without a key they are withheld."""
        if not draft.packed and not draft.withheld:
            return draft
        if key is None:
            withheld: dict[str, Json] = {"withheld": [*draft.withheld, *draft.packed]}
            return replace(draft, members={**draft.members, "sealed": withheld})
        bond = Bond(draft.event_id, FORMAT_VERSION)
        payloads = tuple(seal(name, packed, key, bond) for name, packed in draft.packed.items())
        digests: dict[str, Json] = {payload.name: payload.digest for payload in payloads}
        sealed: dict[str, Json] = {
            "scheme": AES_256_GCM,
            "keyId": key.key_id,
            "digests": digests,
            "withheld": list(draft.withheld),
        }
        members = {**draft.members, "sealed": present(sealed)}
        return replace(draft, members=members, payloads=payloads)

    def place(self, draft: Draft, seq: int, prev_hash: bytes, links: Mapping[str, Json]) -> Entry:
        """The entry at this place of the chain; `links` are what the log knows about it."""
        place: dict[str, Json] = {
            "seq": seq,
            "prevHash": prev_hash.hex(),
            "recordedAt": timestamp(self.clock()),
        }
        members = {**draft.members, **links, **place}
        envelope = write_unambiguous(members)
        return Entry(seq, prev_hash, leaf_hash(envelope), envelope, members)


def index_of(envelope: Mapping[str, Any]) -> Index:
    """What this envelope is found by; KeyError or TypeError where it is not one of ours."""
    return Index(
        event_id=envelope["eventId"],
        event_type=envelope["eventType"],
        decision_id=envelope.get("decisionId"),
        recorded_at=envelope["recordedAt"],
        terms=frozenset(_terms(envelope)),
    )


def call_key(members: Mapping[str, Any]) -> str | None:
    """The same text for the same hook call of the same client; None where it is no hook call."""
    instance = members.get("hookInstance")
    if members["eventType"] != EventType.DECISION or instance in (None, NOT_ID_SHAPED):
        return None
    client = members.get("client", {})
    caller = [client[name] for name in ("iss", "tenant") if name in client] or [""]
    return digest("\x1f".join((*caller, members["serviceId"], instance.lower())).encode())


_TERMS_OF_ONE = {
    "service": "serviceId",
    "hook": "hook",
    "outcome": "outcome",
    "patient": "patientPseudonym",
    "card": "card",
}


def _terms(envelope: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for field, member in _TERMS_OF_ONE.items():
        if member in envelope:
            yield field, envelope[member]
    for cancer in envelope.get("cancers", ()):
        yield "disease", cancer["disease"]
        for line in cancer.get("lines", ()):
            yield "status", line["status"]
    for advice in envelope.get("advice", ()):
        yield "advice", advice["kind"]
    for card in envelope.get("cards", ()):
        yield "card", card["uuid"]
    for pseudonym in envelope.get("erased", {}).get("pseudonyms", ()):
        yield "erased", pseudonym
    for run in runs_of(envelope):
        yield "purged", run
    key = call_key(envelope)
    if key is not None:
        yield "call", key
    yield from _remembered_by(envelope)


def _remembered_by(envelope: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What an entry is found by when the next decision about its patient is made.

    Entries of earlier versions do not say what their cards were about: they have none of these.
    """
    user = envelope.get("user", {}).get("userId")
    if user not in (None, SEALED, NOT_ID_SHAPED) and any(
        "about" in card for card in envelope.get("cards", ())
    ):
        yield "given", given_to(envelope["patientPseudonym"], envelope["serviceId"], user)
    on_card = envelope.get("onCard")
    if on_card is None:
        return
    yield "said", feedback_key(envelope)
    if "duplicateOf" not in envelope:
        yield "feedback", envelope["patientPseudonym"]
    for field in ("disease", "status"):
        if field in on_card:
            yield field, on_card[field]
    for kind in on_card.get("advice", ()):
        yield "advice", kind
    if code := envelope.get("overrideReason", {}).get("code"):
        yield "reason", code


def given_to(pseudonym: str, service_id: str, user_id: str) -> str:
    """The search term for cards about this patient that a service gave to this user."""
    return digest("\x1f".join((pseudonym, service_id, user_id)).encode())


def feedback_key(members: Mapping[str, Any]) -> str:
    """The same text for feedback that says the same of the same card."""
    said = {name: members.get(name) for name in ("card", "outcome", "overrideReason")}
    said["acceptedSuggestions"] = sorted(members.get("acceptedSuggestions", ()))
    return digest(canonical_json(present(said)))
