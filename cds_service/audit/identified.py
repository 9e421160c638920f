"""One entry of the log as a FHIR Bundle that names the patient: for the privacy officer only.

A decision brings its AuditEvent with each resource that it rests on, the resources themselves where
the log kept them, reads and searches of the service, and for each card that was returned a
GuidanceResponse with its Provenance. What was erased, or was never kept, is left out; then the
AuditEvent is the pseudonymous one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec

from cds_service.audit.audit_entities import details, patient_entity
from cds_service.audit.audit_events import Frame, audit_event, network, user_agent
from cds_service.audit.canonical import content_hashes
from cds_service.audit.events import EventType
from cds_service.audit.fhir_codes import (
    ADVICE,
    BALP,
    DESTINATION_ROLE,
    ENTITIES,
    EVENTS,
    INTERACTIONS,
    KNOWLEDGE,
    PARTICIPANTS,
    PROFILES,
    REST,
    ROLE_OF,
    SOURCE_ROLE,
    SYSTEM_OBJECT,
    Json,
    coding,
)
from cds_service.audit.filters import LIVE
from cds_service.audit.reading import LogReader, StoredEvent
from cds_service.audit.reidentifying import Identity, identity_of
from cds_service.audit.seal import PayloadErased
from cds_service.audit.snapshot import Snapshot, read_snapshot

_IN_BUNDLE: Final = "urn:uuid:"
_OTHER_DATA: Final = ROLE_OF["data"]


class _Used(msgspec.Struct, rename="camel"):
    """One resource that a decision rests on."""

    reference: str
    origin: str = ""
    version_id: str | None = None
    last_updated: str | None = None
    url: str | None = None
    whole: str = ""
    statement: str = ""


class _Inputs(msgspec.Struct):
    resources: tuple[_Used, ...] = ()


class _Named(msgspec.Struct, rename="camel"):
    """As much of a resource as tells which one it is, and what it holds."""

    resource_type: str = ""
    id: str = ""
    entry: tuple[dict[str, msgspec.Raw], ...] = ()


class _Request(msgspec.Struct, rename="camel"):
    prefetch: dict[str, msgspec.Raw] = {}


@dataclass(frozen=True, slots=True)
class _Opened:
    """What was sealed of a decision. `kept`: the resources as they came, by reference."""

    identity: Identity
    used: tuple[_Used, ...]
    kept: Mapping[str, bytes]
    cards: Mapping[str, Json]
    decision_id: str

    def full_url(self, reference: str) -> str:
        """Where a resource is: on its server; without one, under a name of its own."""
        if self.identity.fhir_server:
            return f"{self.identity.fhir_server.rstrip('/')}/{reference}"
        return _IN_BUNDLE + str(uuid5(UUID(self.decision_id), reference))

    def reference(self, used: _Used) -> Json:
        """A resource in the version that was read; one that the bundle has not by its name only."""
        kind = used.reference.partition("/")[0]
        if used.reference not in self.kept:
            return {"type": kind, "identifier": {"value": _versioned(used)}}
        url = self.full_url(used.reference)
        is_versioned = used.version_id and not url.startswith(_IN_BUNDLE)
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


@dataclass(slots=True)
class _Bundle:
    entries: list[Json] = field(default_factory=list)

    def add(self, url: str, resource: Json | msgspec.Raw) -> None:
        self.entries.append({"fullUrl": url, "resource": resource})

    def written(self, seq: int, recorded: str) -> bytes:
        made = {
            "resourceType": "Bundle",
            "id": f"entry-{seq}",
            "type": "collection",
            "timestamp": recorded,
            "entry": self.entries,
        }
        return msgspec.json.encode(made)


def bundle_of(
    reader: LogReader, event: StoredEvent, log_id: str, followed: Sequence[StoredEvent] = ()
) -> tuple[bytes, list[Json]]:
    """The Bundle of one entry on one line, and those of its resources that are ours, to be checked.

    Raises KeysNeeded where what is sealed cannot be opened here.
    """
    members = event.read()
    url = _IN_BUNDLE + str(uuid5(NAMESPACE_URL, log_id))
    frame = Frame(log_id, {"type": "Device", "reference": url})
    opened = _opened(reader, event, members)
    ours = [(_IN_BUNDLE + event.event_id, _audit_event(event, frame, members, opened))]
    ours.append((url, _device(log_id, members)))
    if opened is not None:
        ours += _of_server(members, frame, opened)
        left = members.get("mode", LIVE) == LIVE
        if left and not any(one.event_type == EventType.DELIVERY for one in followed):
            ours += _of_cards(members, frame, opened)
    bundle = _Bundle()
    for place, resource in ours:
        bundle.add(place, resource)
    if opened is not None:
        for reference, content in opened.kept.items():
            bundle.add(opened.full_url(reference), msgspec.Raw(content))
    return bundle.written(event.seq, members["recordedAt"]), [one for _, one in ours]


def _device(log_id: str, members: Mapping[str, Any]) -> Json:
    made: Json = {
        "resourceType": "Device",
        "id": str(uuid5(NAMESPACE_URL, log_id)),
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": f"urn:refractory-cds:{log_id}"}],
        "deviceName": [{"name": "refractory-cds", "type": "manufacturer-name"}],
    }
    if version := members.get("software", {}).get("version"):
        made["version"] = [{"value": version}]
    return made


def _opened(reader: LogReader, event: StoredEvent, members: Mapping[str, Any]) -> _Opened | None:
    if event.event_type != EventType.DECISION:
        return None
    try:
        identity = identity_of(reader, event)
        used = _read(reader.content(event, "inputs"), _Inputs).resources
        request = reader.content(event, "request")
        snapshot = reader.content(event, "snapshot")
        response = _read(reader.content(event, "response"), dict)
    except PayloadErased:
        return None
    kept = _kept(used, request, read_snapshot(snapshot) if snapshot else None)
    named = f"Patient/{identity.patient_id}"
    if identity.patient_id is not None and named not in kept:
        kept[named] = msgspec.json.encode({"resourceType": "Patient", "id": identity.patient_id})
    cards = {
        str(one.get("uuid")): one for one in response.get("cards", ()) if isinstance(one, dict)
    }
    return _Opened(identity, used, kept, cards, members["decisionId"])


def _read(content: bytes | None, kind: Any) -> Any:
    return msgspec.json.decode(content or b"{}", type=kind)


def _kept(
    used: Sequence[_Used], request: bytes | None, snapshot: Snapshot | None
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


def _versioned(used: _Used) -> str:
    return f"{used.reference}/_history/{used.version_id}" if used.version_id else used.reference


def _audit_event(
    event: StoredEvent, frame: Frame, members: Mapping[str, Any], opened: _Opened | None
) -> Json:
    made = audit_event(event, frame)
    if opened is None:
        return made
    patient = list(patient_entity(members, opened.patient))
    data = [
        {
            "type": SYSTEM_OBJECT,
            "role": _OTHER_DATA,
            "what": opened.reference(one),
            "detail": details(
                whole=one.whole,
                statement=one.statement,
                lastUpdated=one.last_updated,
                origin=one.origin,
                url=one.url,
            ),
        }
        for one in opened.used
    ]
    others = [one for one in made["entity"] if one.get("role") not in (_OTHER_DATA, _PATIENT)]
    made["entity"] = patient + others + data
    return made


_PATIENT: Final = ROLE_OF["patient"]


def _of_server(
    members: Mapping[str, Any], frame: Frame, opened: _Opened
) -> Iterator[tuple[str, Json]]:
    """What the service itself got from the FHIR server: an event for each resource it read, and one
    for all that it searched. Which searches it sent is not on record, so none is claimed."""
    if opened.patient is None:
        return
    searched = [one for one in opened.used if one.origin == "search"]
    for used in opened.used:
        if used.origin == "read":
            yield _server_event(members, frame, opened, "read", [used])
    if searched:
        yield _server_event(members, frame, opened, "search-type", searched)


def _server_event(
    members: Mapping[str, Any], frame: Frame, opened: _Opened, how: str, used: Sequence[_Used]
) -> tuple[str, Json]:
    """In a read the data flow to the client, in a search the question to the server."""
    is_read = how == "read"
    name = str(uuid5(UUID(opened.decision_id), f"{how}|{used[0].reference if is_read else ''}"))
    server = opened.identity.fhir_server
    roles = (DESTINATION_ROLE, SOURCE_ROLE) if is_read else (SOURCE_ROLE, DESTINATION_ROLE)
    user = user_agent({**members, "client": {**members.get("client", {}), "jti": None}})
    client = {
        "type": {"coding": [roles[0]]},
        "who": dict(frame.device),
        "requestor": user is None,
        "network": network(members.get("hostId")),
    }
    asked = {
        "type": {"coding": [roles[1]]},
        "who": {"identifier": {"value": server}} if server else {"display": "a FHIR server"},
        "requestor": False,
        "network": network(server),
    }
    profile = f"{BALP}.PatientRead" if is_read else f"{PROFILES}/audit-fhir-search"
    data = [
        {
            "type": SYSTEM_OBJECT,
            "role": _OTHER_DATA,
            "what": opened.reference(one),
            "detail": details(whole=one.whole, lastUpdated=one.last_updated),
        }
        for one in used
    ]
    made: Json = {
        "resourceType": "AuditEvent",
        "id": name,
        "meta": {"profile": [profile]},
        "type": REST,
        "subtype": [coding(INTERACTIONS, how)],
        "action": "R" if is_read else "E",
        "recorded": members["recordedAt"],
        "outcome": "0",
        "agent": [client, asked, *([user] if user else [])],
        "source": {
            "site": members.get("hostId", "unknown"),
            "observer": dict(frame.device),
        },
        "entity": [
            *patient_entity(members, opened.patient),
            {
                "type": coding(ENTITIES, "decision"),
                "what": {"identifier": {"value": opened.decision_id}},
            },
            *data,
        ],
    }
    return _IN_BUNDLE + name, made


def _of_cards(
    members: Mapping[str, Any], frame: Frame, opened: _Opened
) -> Iterator[tuple[str, Json]]:
    """What each card said, and what it rests on."""
    knowledge = f"{KNOWLEDGE}|{members['knowledge']['version']}"
    for card in members.get("cards", ()):
        place = _IN_BUNDLE + card["uuid"]
        yield place, _guidance(members, frame, opened, card, knowledge)
        name = str(uuid5(UUID(card["uuid"]), "provenance"))
        yield _IN_BUNDLE + name, _provenance(members, frame, opened, place, name, knowledge)


def _guidance(
    members: Mapping[str, Any], frame: Frame, opened: _Opened, card: Mapping[str, Any], module: str
) -> Json:
    made: Json = {
        "resourceType": "GuidanceResponse",
        "id": card["uuid"],
        "meta": {"profile": [f"{PROFILES}/returned-card"]},
        "requestIdentifier": {"value": opened.decision_id},
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": _IN_BUNDLE + card["uuid"]}],
        "moduleCanonical": module,
        "status": "success",
        "occurrenceDateTime": members["receivedAt"],
        "performer": dict(frame.device),
        "reasonCode": [{"coding": [coding(ADVICE, kind)]} for kind in card["advice"]],
    }
    if opened.patient is not None:
        made["subject"] = opened.patient
    if opened.identity.encounter_id:
        made["encounter"] = {
            "type": "Encounter",
            "identifier": {"value": opened.identity.encounter_id},
        }
    said = opened.cards.get(card["uuid"], {})
    if text := "\n\n".join(filter(None, (said.get("summary"), said.get("detail")))):
        made["note"] = [{"text": text}]
    return {name: value for name, value in made.items() if value != []}


def _provenance(
    members: Mapping[str, Any],
    frame: Frame,
    opened: _Opened,
    target: str,
    name: str,
    knowledge: str,
) -> Json:
    made: Json = {
        "resourceType": "Provenance",
        "id": name,
        "meta": {"profile": [f"{PROFILES}/card-provenance"]},
        "target": [{"type": "GuidanceResponse", "reference": target}],
        "occurredDateTime": members["receivedAt"],
        "recorded": members["recordedAt"],
        "policy": [knowledge],
        "activity": {"coding": [coding(EVENTS, "decision-support")]},
        "agent": [
            {
                "type": {"coding": [coding(PARTICIPANTS, "assembler", "Assembler")]},
                "who": dict(frame.device),
            }
        ],
        "entity": [{"role": "source", "what": opened.reference(one)} for one in opened.used],
    }
    return {name: value for name, value in made.items() if value != []}
