"""What was sealed of a decision, opened for a Bundle that names the patient: the identity, the
resources it rests on, where the log kept them the very ones, and the cards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid5

import msgspec

from cds_service.audit.canonical import content_hashes
from cds_service.audit.events import EventType
from cds_service.audit.fhir_codes import Json
from cds_service.audit.gone import Purge
from cds_service.audit.reading import LogReader, StoredEvent
from cds_service.audit.reidentifying import Identity, identity_of
from cds_service.audit.seal import PayloadErased, PayloadPurged
from cds_service.audit.snapshot import Snapshot, read_snapshot

IN_BUNDLE: Final = "urn:uuid:"


class Used(msgspec.Struct, rename="camel"):
    """One resource that a decision rests on."""

    reference: str
    origin: str = ""
    version_id: str | None = None
    last_updated: str | None = None
    url: str | None = None
    whole: str = ""
    statement: str = ""


class _Inputs(msgspec.Struct):
    resources: tuple[Used, ...] = ()


class _Named(msgspec.Struct, rename="camel"):
    """As much of a resource as tells which one it is, and what it holds."""

    resource_type: str = ""
    id: str = ""
    entry: tuple[dict[str, msgspec.Raw], ...] = ()


class _Request(msgspec.Struct, rename="camel"):
    prefetch: dict[str, msgspec.Raw] = {}


@dataclass(frozen=True, slots=True)
class Opened:
    """What was sealed of a decision. `kept`: the resources as they came, by reference. `purge`: by
    which all but the identity is gone."""

    identity: Identity
    used: tuple[Used, ...]
    kept: Mapping[str, bytes]
    cards: Mapping[str, Json]
    decision_id: str
    purge: Purge | None = None

    def full_url(self, reference: str) -> str:
        """Where a resource is: on its server; without one, under a name of its own."""
        if self.identity.fhir_server:
            return f"{self.identity.fhir_server.rstrip('/')}/{reference}"
        return IN_BUNDLE + str(uuid5(UUID(self.decision_id), reference))

    def reference(self, used: Used) -> Json:
        """A resource in the version that was read; one that the bundle has not by its name only."""
        kind = used.reference.partition("/")[0]
        if used.reference not in self.kept:
            return {"type": kind, "identifier": {"value": _versioned(used)}}
        url = self.full_url(used.reference)
        is_versioned = used.version_id and not url.startswith(IN_BUNDLE)
        return {
            "type": kind,
            "reference": f"{url}/_history/{used.version_id}" if is_versioned else url,
        }

    @property
    def patient(self) -> Json | None:
        if self.identity.patient_id is None:
            return None
        return {
            "type": "Patient",
            "reference": self.full_url(f"Patient/{self.identity.patient_id}"),
        }


def opened_of(reader: LogReader, event: StoredEvent, members: Mapping[str, Any]) -> Opened | None:
    """What can be opened of this entry; None of one that is no decision, or about nobody any more.

    Raises KeysNeeded where what is sealed cannot be opened here.
    """
    if event.event_type != EventType.DECISION:
        return None
    try:
        identity = identity_of(reader, event)
        used = used_in(reader, event)
        request = reader.content(event, "request")
        snapshot = reader.content(event, "snapshot")
        response = _read(reader.content(event, "response"), dict)
    except PayloadErased:
        return None
    except PayloadPurged as gone:
        return _without_contents(reader, event, members, gone.purge)
    kept = _kept(used, request, read_snapshot(snapshot) if snapshot else None)
    _name_patient(identity, kept)
    cards = {
        str(one.get("uuid")): one for one in response.get("cards", ()) if isinstance(one, dict)
    }
    return Opened(identity, used, kept, cards, members["decisionId"])


def used_in(reader: LogReader, event: StoredEvent) -> tuple[Used, ...]:
    """The resources that a decision rests on. Raises as `LogReader.content`."""
    found: tuple[Used, ...] = _read(reader.content(event, "inputs"), _Inputs).resources
    return found


def _without_contents(
    reader: LogReader, event: StoredEvent, members: Mapping[str, Any], purge: Purge
) -> Opened | None:
    """The patient alone, where the contents were purged; None where the patient was, too."""
    try:
        identity = identity_of(reader, event)
    except PayloadPurged:
        return None
    kept: dict[str, bytes] = {}
    _name_patient(identity, kept)
    return Opened(identity, (), kept, {}, members["decisionId"], purge)


def _name_patient(identity: Identity, kept: dict[str, bytes]) -> None:
    """See that the Patient is among the resources, if by the id alone."""
    named = f"Patient/{identity.patient_id}"
    if identity.patient_id is not None and named not in kept:
        kept[named] = msgspec.json.encode({"resourceType": "Patient", "id": identity.patient_id})


def _read(content: bytes | None, kind: Any) -> Any:
    return msgspec.json.decode(content or b"{}", type=kind)


def _kept(
    used: Sequence[Used], request: bytes | None, snapshot: Snapshot | None
) -> dict[str, bytes]:
    """Those of the resources that the log has in full, each the very one that was used."""
    wanted = {one.reference: one.whole for one in used}
    found: dict[str, bytes] = {}
    for content in _contents(request, snapshot):
        named = msgspec.json.decode(content, type=_Named)
        reference = f"{named.resource_type}/{named.id}"
        if reference not in wanted or reference in found:
            continue
        if content_hashes(content).whole == wanted[reference]:
            found[reference] = content.replace(b"\n", b" ").replace(b"\r", b" ")
    return found


def _contents(request: bytes | None, snapshot: Snapshot | None) -> Iterator[bytes]:
    for one in (*snapshot.read, *snapshot.medications) if snapshot else ():
        yield from _in_bundle(one.raw.encode())
    if request is None:
        return
    prefetched = msgspec.json.decode(request, type=_Request).prefetch.values()
    for raw in (*prefetched, msgspec.Raw(request)):
        yield from _in_bundle(bytes(raw))


def _in_bundle(content: bytes) -> Iterator[bytes]:
    """The resource, or those in it where it is a Bundle; nothing where it is none."""
    try:
        named = msgspec.json.decode(content, type=_Named)
    except msgspec.ValidationError:  # null, or of another form than FHIR's
        return
    if named.resource_type == "Bundle":
        for entry in named.entry:
            if "resource" in entry:
                yield from _in_bundle(bytes(entry["resource"]))
    elif named.id:
        yield content


def _versioned(used: Used) -> str:
    return f"{used.reference}/_history/{used.version_id}" if used.version_id else used.reference
