"""One entry of the log as a FHIR Bundle that names the patient: for the privacy officer only.

A decision brings its AuditEvent with each resource that it rests on, the resources themselves where
the log kept them, reads and searches of the service, and for each card that was returned a
GuidanceResponse with its Provenance. What was erased, or was never kept, is left out; then the
AuditEvent is the pseudonymous one. Of a decision whose contents were purged the patient is named,
and when that was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec

from cds_service.audit.audit_entities import details, patient_entity
from cds_service.audit.audit_events import Frame, audit_event, network, user_agent
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
from cds_service.audit.identified_contents import IN_BUNDLE, Opened, Used, opened_of
from cds_service.audit.reading import LogReader, StoredEvent

_OTHER_DATA: Final = ROLE_OF["data"]


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
    url = IN_BUNDLE + str(uuid5(NAMESPACE_URL, log_id))
    frame = Frame(log_id, {"type": "Device", "reference": url})
    opened = opened_of(reader, event, members)
    ours = [(IN_BUNDLE + event.event_id, _audit_event(event, frame, members, opened))]
    ours.append((url, _device(log_id, members)))
    if opened is not None:
        ours += _of_server(members, frame, opened)
        left = members.get("mode", LIVE) == LIVE
        if (
            left
            and not opened.purge
            and not any(one.event_type == EventType.DELIVERY for one in followed)
        ):
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


def _audit_event(
    event: StoredEvent, frame: Frame, members: Mapping[str, Any], opened: Opened | None
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
    replaced = (_PATIENT,) if opened.purge else (_PATIENT, _OTHER_DATA)
    others = [one for one in made["entity"] if one.get("role") not in replaced]
    if opened.purge:
        log = next(one for one in others if one.get("role") == ROLE_OF["log"])
        log["detail"] += details(purgedAt=opened.purge.at, purgedBy=opened.purge.seq)
    made["entity"] = patient + others + data
    return made


_PATIENT: Final = ROLE_OF["patient"]


def _of_server(
    members: Mapping[str, Any], frame: Frame, opened: Opened
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
    members: Mapping[str, Any], frame: Frame, opened: Opened, how: str, used: Sequence[Used]
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
    return IN_BUNDLE + name, made


def _of_cards(
    members: Mapping[str, Any], frame: Frame, opened: Opened
) -> Iterator[tuple[str, Json]]:
    """What each card said, and what it rests on."""
    knowledge = f"{KNOWLEDGE}|{members['knowledge']['version']}"
    for card in members.get("cards", ()):
        place = IN_BUNDLE + card["uuid"]
        yield place, _guidance(members, frame, opened, card, knowledge)
        name = str(uuid5(UUID(card["uuid"]), "provenance"))
        yield IN_BUNDLE + name, _provenance(members, frame, opened, place, name, knowledge)


def _guidance(
    members: Mapping[str, Any], frame: Frame, opened: Opened, card: Mapping[str, Any], module: str
) -> Json:
    made: Json = {
        "resourceType": "GuidanceResponse",
        "id": card["uuid"],
        "meta": {"profile": [f"{PROFILES}/returned-card"]},
        "requestIdentifier": {"value": opened.decision_id},
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": IN_BUNDLE + card["uuid"]}],
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
    opened: Opened,
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
