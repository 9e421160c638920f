"""Whether a service starts with other settings than the one before it, and which those are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import msgspec

from cds_service.audit.canonical import Json, canonical_json, digest
from cds_service.audit.events import Event, EventType, present
from cds_service.audit.listing import Wanted
from cds_service.audit.reading import LogReader, StoredEvent
from cds_service.errors import AuditError

SEALED_AS = "configuration"


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a process starts with. `parts` has a digest of each setting by its name, never a value:
    sealed, it tells later which were changed."""

    digest: str
    parts: Mapping[str, str] = field(default_factory=dict)
    switched_off: tuple[str, ...] = ()

    def sealed(self) -> bytes:
        """What `service-started` keeps of it."""
        return msgspec.json.encode(dict(sorted(self.parts.items())))

    @property
    def fingerprint(self) -> str:
        told: dict[str, Json] = {"digest": self.digest, "off": list(self.switched_off)}
        return digest(canonical_json({**told, "parts": dict(self.parts)}))


def config_changed(reader: LogReader, now: Configuration) -> Event | None:
    """The entry to write where the last start in the log was with other settings; None where it was
    with the same, or this is the first.

    Of several processes that start together one writes it: the entry's id is made of what changed.
    """
    started = reader.page(Wanted(event_type=EventType.SERVICE_STARTED, limit=1))
    if not started:
        return None
    (last,) = started
    members = last.read()
    before = _parts(reader, last)
    off_then = set(members.get("settings", {}).get("switchedOff", ()))
    off_now = set(now.switched_off)
    changed = None if before is None else _differing(before, now.parts)
    is_same = members.get("configDigest") == now.digest and off_then == off_now
    if is_same and not changed:
        return None
    told: dict[str, Json] = {
        "configDigest": now.digest,
        "previousConfigDigest": members.get("configDigest"),
        "previousStart": last.event_id,
        "changed": list(changed) if changed else None,
        "switchedOff": sorted(off_now - off_then),
        "switchedOn": sorted(off_then - off_now),
    }
    name = f"refractory-cds/config-changed {last.event_id} {now.fingerprint}"
    return Event(
        type=EventType.CONFIG_CHANGED,
        event_id=str(uuid5(NAMESPACE_URL, name)),
        members=present(told),
    )


def _parts(reader: LogReader, started: StoredEvent) -> dict[str, str] | None:
    """The digests that were kept of the settings; None where there are none, or none can be read:
    then it can be told that settings differ, and not which."""
    try:
        kept = reader.content(started, SEALED_AS)
        found: Any = None if kept is None else msgspec.json.decode(kept, type=dict[str, str])
    except (AuditError, msgspec.DecodeError):
        return None
    return found  # type: ignore[no-any-return]


def _differing(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
