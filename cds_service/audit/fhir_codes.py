"""The codes and canonical URLs that AuditEvents are written with.

Sources: FHIR R4 AuditEvent; IHE Basic Audit Log Patterns 1.1; DICOM PS3.15 A.5.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cds_service.audit.events import EventType

Json = dict[str, Any]

BASE: Final = "https://refractory-cds.org"
PROFILES: Final = f"{BASE}/fhir/StructureDefinition"
EVENTS: Final = f"{BASE}/fhir/CodeSystem/audit-events"
HOOKS: Final = f"{BASE}/fhir/CodeSystem/hooks"
ENTITIES: Final = f"{BASE}/fhir/CodeSystem/audit-entities"
ADVICE: Final = f"{BASE}/fhir/CodeSystem/advice"
KNOWLEDGE: Final = f"{BASE}/knowledge"
LOGS: Final = f"{BASE}/fhir/NamingSystem/decision-logs"
PSEUDONYMS: Final = f"{BASE}/fhir/NamingSystem/pseudonyms"
ACCOUNTS: Final = f"{BASE}/fhir/NamingSystem/accounts"
BALP: Final = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit"

TYPES: Final = "http://terminology.hl7.org/CodeSystem/audit-event-type"
INTERACTIONS: Final = "http://hl7.org/fhir/restful-interaction"
DCM: Final = "http://dicom.nema.org/resources/ontology/DCM"
LIFECYCLE: Final = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
PARTICIPATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
ENTITY_TYPES: Final = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
BALP_ENTITY_TYPES: Final = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType"
ROLES: Final = "http://terminology.hl7.org/CodeSystem/object-role"
SOURCES: Final = "http://terminology.hl7.org/CodeSystem/security-source-type"
PURPOSES: Final = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
PARTICIPANTS: Final = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
ABSENT: Final = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


def coding(system: str, code: str, display: str | None = None) -> Json:
    found = {"system": system, "code": code}
    return found if display is None else {**found, "display": display}


REST: Final = coding(TYPES, "rest", "RESTful Operation")
SOURCE_ROLE: Final = coding(DCM, "110153", "Source Role ID")
DESTINATION_ROLE: Final = coding(DCM, "110152", "Destination Role ID")
APPLICATION: Final = coding(DCM, "110150", "Application")
RECIPIENT: Final = coding(PARTICIPATION, "IRCP", "information recipient")
PERSON: Final = coding(ENTITY_TYPES, "1", "Person")
SYSTEM_OBJECT: Final = coding(ENTITY_TYPES, "2", "System Object")
ROLE_OF: Final[Mapping[str, Json]] = {
    "patient": coding(ROLES, "1", "Patient"),
    "report": coding(ROLES, "3", "Report"),
    "data": coding(ROLES, "4", "Domain Resource"),
    "master-file": coding(ROLES, "5", "Master file"),
    "log": coding(ROLES, "13", "Security Resource"),
    "query": coding(ROLES, "24", "Query"),
}
TREATMENT: Final = coding(PURPOSES, "TREAT", "treatment")
COMPLIANCE: Final = coding(PURPOSES, "HCOMPL", "health compliance")
TEST: Final = coding(PURPOSES, "HTEST", "test health data")


@dataclass(frozen=True, slots=True)
class Kind:
    """How a type of entry is coded: `subtypes` beside the name that the log itself gives it."""

    type: Json
    subtypes: tuple[Json, ...]
    action: str


_OPERATION = coding(INTERACTIONS, "operation", "operation")
_ACTIVITY = coding(DCM, "110100", "Application Activity")
_LOG_USED = coding(DCM, "110101", "Audit Log Used")
_EXPORT = coding(DCM, "110106", "Export")
_ALERT = coding(DCM, "110113", "Security Alert")
_SECURITY_CONFIGURATION = coding(DCM, "110129", "Security Configuration")


def _lifecycle(code: str) -> Json:
    return coding(LIFECYCLE, code)


KINDS: Final[Mapping[EventType, Kind]] = {
    EventType.DECISION: Kind(REST, (_OPERATION,), "E"),
    EventType.FEEDBACK: Kind(REST, (coding(INTERACTIONS, "create", "create"),), "C"),
    EventType.DELIVERY: Kind(REST, (_OPERATION,), "E"),
    EventType.REQUEST_REFUSED: Kind(REST, (_OPERATION,), "E"),
    EventType.CANARY: Kind(REST, (_OPERATION,), "E"),
    EventType.AUTH_FAILURE: Kind(
        coding(DCM, "110114", "User Authentication"),
        (coding(DCM, "110126", "Node Authentication"),),
        "E",
    ),
    EventType.ACCESS: Kind(_LOG_USED, (), "R"),
    EventType.VERIFICATION: Kind(_LOG_USED, (), "R"),
    EventType.EXPORT: Kind(_EXPORT, (_lifecycle("disclose"),), "R"),
    EventType.SERVICE_STARTED: Kind(_ACTIVITY, (coding(DCM, "110120", "Application Start"),), "E"),
    EventType.SERVICE_STOPPED: Kind(_ACTIVITY, (coding(DCM, "110121", "Application Stop"),), "E"),
    EventType.CONFIG_CHANGED: Kind(_ALERT, (_SECURITY_CONFIGURATION,), "U"),
    EventType.KEY_EVENT: Kind(_ALERT, (_SECURITY_CONFIGURATION,), "U"),
    EventType.KNOWLEDGE_ACTIVATED: Kind(
        _ALERT, (coding(DCM, "110131", "Software Configuration"),), "U"
    ),
    EventType.SPOOL_DRAINED: Kind(_ALERT, (coding(DCM, "110134", "Audit Recording Started"),), "E"),
    EventType.RECOVERY: Kind(_ALERT, (coding(DCM, "110133", "Audit Recording Stopped"),), "E"),
    EventType.REIDENTIFICATION: Kind(_lifecycle("reidentify"), (), "R"),
    EventType.REVIEW: Kind(_lifecycle("attest"), (), "C"),
    EventType.LEGAL_HOLD: Kind(_lifecycle("hold"), (), "U"),
    EventType.REDACTION: Kind(_lifecycle("destroy"), (), "D"),
    EventType.PURGE: Kind(_lifecycle("destroy"), (), "D"),
}
"""Every type of entry, so that none is left out of an export."""
