"""Which key signs a log's checkpoints, as the log itself tells it: `key-event` entries.

Each holds a statement, a signed note. A first key signs for itself; its successor is signed for by
both. So whoever knows one key of a log can follow to all later ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import NAMESPACE_URL, uuid5

from cds_service.audit.canonical import Json
from cds_service.audit.checkpoint import origin_of
from cds_service.audit.entries import Reader
from cds_service.audit.events import Event, EventType, present
from cds_service.audit.notes import Note, PublicKey, SigningKey, sign

Action = Literal["created", "rotated", "replaced"]
"""`replaced`: without the old key's signature, which was lost."""

_HEADING = "refractory-cds/key-event"


def key_event(
    log_id: str,
    action: Action,
    new: SigningKey,
    old: SigningKey | PublicKey | None = None,
    *,
    by: Reader | None = None,
) -> Event:
    """The entry from which on `new` signs the log's checkpoints. The same key gives the same entry
    id, so that of several processes one writes it."""
    lines = [_HEADING, f"log {log_id}", action, f"key {new.public}"]
    if old is not None:
        lines.append(f"instead of {old if isinstance(old, PublicKey) else old.public}")
    signers = (new, old) if isinstance(old, SigningKey) else (new,)
    statement = sign("".join(f"{line}\n" for line in lines), *signers)
    members: dict[str, Json] = {
        "reader": by.as_json() if by else None,
        "action": action,
        "purpose": "checkpoints",
        "keyId": new.public.key_id.hex(),
        "statement": str(statement),
    }
    event_id = str(uuid5(NAMESPACE_URL, f"{_HEADING} {new.public}"))
    return Event(
        type=EventType.KEY_EVENT,
        event_id=event_id,
        members=present(members),
        sealed=by.sealed() if by else {},
    )


@dataclass(frozen=True, slots=True)
class KeyInForce:
    """A key, the entry that brought it, and its statement."""

    key: PublicKey
    since: int
    statement: str


class KeyRing:
    """The keys of one log, learnt entry by entry.

    `trusted` are keys that an auditor brought along, and those that they signed for are trusted
    too; without any, the log's first key is believed.
    """

    def __init__(self, log_id: str, trusted: Sequence[PublicKey] | None = None) -> None:
        self._log_id = log_id
        self._trusted = None if trusted is None else set(trusted)
        self.keys: list[KeyInForce] = []

    @property
    def public(self) -> tuple[PublicKey, ...]:
        return tuple(one.key for one in self.keys)

    @property
    def newest(self) -> PublicKey | None:
        return self.keys[-1].key if self.keys else None

    def at(self, size: int) -> PublicKey | None:
        """The key that signs for the log when it has this many entries."""
        return next((one.key for one in reversed(self.keys) if one.since <= size), None)

    def learn(self, seq: int, members: Mapping[str, Any]) -> str | None:
        """Take in a `key-event`; what is wrong with it, if anything is."""
        try:
            note = Note.parse(members["statement"])
            action, new, old = self._read(note.text)
        except (KeyError, TypeError, ValueError, AttributeError):
            return "an entry about a key says nothing that could be understood"
        if not new.has_signed(note):
            return "a key was brought in that did not sign for itself"
        is_first = self.newest is None
        if is_first is not (action == "created") or old != self.newest:
            return "a key was brought in out of turn"
        is_followed = old is not None and old.has_signed(note)
        if action == "rotated" and not is_followed:
            return "a key was brought in that the one before it did not sign for"
        self.keys.append(KeyInForce(new, seq, str(note)))
        if self._trusted is None:
            is_lost = action == "replaced"
            return "a key took the place of a lost one: give it, to believe it" if is_lost else None
        if new in self._trusted or (is_followed and old in self._trusted):
            self._trusted.add(new)
            return None
        return "a key neither follows from those that were given nor is one of them"

    def _read(self, text: str) -> tuple[str, PublicKey, PublicKey | None]:
        heading, log, action, key, *rest = text.splitlines()
        new = PublicKey.parse(key.removeprefix("key "))
        old = PublicKey.parse(rest[0].removeprefix("instead of ")) if rest else None
        is_ours = (heading, log) == (_HEADING, f"log {self._log_id}")
        if not is_ours or new.name != origin_of(self._log_id) or len(rest) > 1:
            raise ValueError("a statement about another log")
        return action, new, old


def ring_of(log_id: str, key_events: Iterable[tuple[int, Mapping[str, Any]]]) -> KeyRing:
    """The keys of a log from its key-events, each with its number; faults are for `verify`."""
    ring = KeyRing(log_id)
    for seq, members in key_events:
        if is_of_checkpoints(members):
            ring.learn(seq, members)
    return ring


DATA_KEYS = "data-keys"


def data_keys_event(
    log_id: str,
    action: Literal["created", "rewrapped"],
    generation: str,
    *,
    counts: Mapping[str, Json] | None = None,
    by: Reader | None = None,
) -> Event:
    """The entry about the generation that wraps data keys: that it is in use, or how many keys were
    wrapped anew under it. That it came into use is said once, whoever says it."""
    members: dict[str, Json] = {
        "reader": by.as_json() if by else None,
        "action": action,
        "purpose": DATA_KEYS,
        "keyId": generation,
        "wrapped": dict(counts or {}),
    }
    once = str(uuid5(NAMESPACE_URL, f"{_HEADING} {log_id} {DATA_KEYS} {generation}"))
    return Event(
        type=EventType.KEY_EVENT,
        event_id=once if action == "created" else None,
        members=present(members),
        sealed=by.sealed() if by else {},
    )


def is_of_checkpoints(members: Mapping[str, Any]) -> bool:
    """Whether this `key-event` is about a key that signs."""
    return members.get("purpose") != DATA_KEYS
