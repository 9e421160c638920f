"""An entry of the log as a FHIR R4 AuditEvent, made of its envelope alone: pseudonymous.

What the envelope does not hold is not made up: no single resource, no address of a FHIR server, no
request to one. Those are sealed; `identified.py` adds them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any

from cds_service.audit.audit_entities import Members, entities, log_entity, without_empty
from cds_service.audit.events import SEALED, EventType, timestamp
from cds_service.audit.fhir_codes import (
    ABSENT,
    ACCOUNTS,
    APPLICATION,
    COMPLIANCE,
    DESTINATION_ROLE,
    EVENTS,
    HOOKS,
    KINDS,
    LOGS,
    PROFILES,
    RECIPIENT,
    SOURCE_ROLE,
    SOURCES,
    TEST,
    TREATMENT,
    Json,
    coding,
)
from cds_service.audit.reading import StoredEvent
from cds_service.version import __version__

NOT_GOT = frozenset({"search-failed", "denied", "granted-in-part"})
"""Why data are missing that the service asked for itself, and did not get."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What all AuditEvents of an export share: the log, and how its service is referred to."""

    log_id: str
    device: Mapping[str, Any]

    @classmethod
    def of(cls, log_id: str) -> Frame:
        identifier = {"system": LOGS, "value": log_id}
        display = f"refractory-cds {__version__}"
        return cls(log_id, {"type": "Device", "identifier": identifier, "display": display})


def audit_event(event: StoredEvent, frame: Frame) -> Json:
    """The AuditEvent of an entry, as plain JSON; AuditError where the entry cannot be read."""
    members = event.read()
    kind = KINDS[EventType(event.event_type)]
    subtypes = [*kind.subtypes, coding(EVENTS, event.event_type)]
    if "hook" in members:
        subtypes.append(coding(HOOKS, members["hook"]))
    made: Json = {
        "resourceType": "AuditEvent",
        "id": event.event_id,
        "meta": _meta(event.event_type, members),
        "type": kind.type,
        "subtype": subtypes,
        "action": kind.action,
        "recorded": members["recordedAt"],
        "outcome": outcome(members),
        "agent": list(_agents(members, frame)),
        "source": {
            "site": members.get("hostId", "unknown"),
            "observer": dict(frame.device),
            "type": [coding(SOURCES, "4", "Application Server")],
        },
        "entity": [*entities(members), log_entity(event, frame.log_id)],
    }
    if period := _period(members):
        made["period"] = period
    if described := _described(members):
        made["outcomeDesc"] = described
    if purpose := _purpose(members):
        made["purposeOfEvent"] = [{"coding": [purpose]}]
    return made


def outcome(members: Members) -> str:
    """0 success; 4 the caller's fault, or data that could not be had; 8 ours, or a serious finding.

    There is no 12: what the log could not take is not in it.
    """
    status = members.get("httpStatus", 200)
    failed = members.get("outcome") == "failed" or status >= 500
    if (
        failed
        or members.get("result", {}).get("exitCode") == 1
        or members.get("state") == "aborted"
    ):
        return "8"
    missing = {one["code"] for one in members.get("inputsMissing", ())}
    is_refused = members["eventType"] in (EventType.AUTH_FAILURE, EventType.REQUEST_REFUSED)
    return "4" if status >= 400 or is_refused or missing & NOT_GOT else "0"


def network(address: str | None) -> Json:
    """Where a machine is; a reason where that is not known, for the element has to be there."""
    if address is None:
        return {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}
    try:
        ip_address(address)
    except ValueError:
        return {"address": address, "type": "5" if "://" in address else "1"}
    return {"address": address, "type": "2"}


def user_agent(members: Members) -> Json | None:
    """Who opened the chart, as the client named them; None where it named nobody."""
    user = members.get("user", {})
    if "userId" not in user:
        return None
    client = members.get("client", {})
    roles = [{"text": role} for role in user.get("roles", ())]
    return without_empty(
        {
            "type": {"coding": [RECIPIENT]},
            "role": roles,
            "who": _person(user["userId"], client.get("iss")),
            "requestor": True,
            "policy": _token_policy(client),
            "purposeOfUse": [{"coding": [TREATMENT]}],
        }
    ) | {"requestor": True}


def _person(user_id: str, issuer: str | None) -> Json:
    if user_id == SEALED:
        return {"display": "the patient, or a relative (sealed)"}
    identifier: Json = {"value": user_id}
    if issuer and " " not in issuer:
        identifier["system"] = issuer
    return {"identifier": identifier}


def _token_policy(client: Members) -> list[str]:
    token = client.get("jti")
    return [f"urn:ietf:params:oauth:jti:{token}"] if token and " " not in token else []


def _meta(event_type: str, members: Members) -> Json:
    meta: Json = {"profile": [f"{PROFILES}/audit-{event_type}"]}
    if members.get("asOfSource") == "fixed" or "canary" in (event_type, members.get("mode")):
        meta["security"] = [TEST]
    return meta


def _agents(members: Members, frame: Frame) -> Iterator[Json]:
    server = {
        "who": dict(frame.device),
        "requestor": False,
        "network": network(members.get("hostId")),
    }
    reader = members.get("reader")
    if members["eventType"] == EventType.EXPORT:
        yield {"type": {"coding": [SOURCE_ROLE]}, **server}
        yield {
            "type": {"coding": [DESTINATION_ROLE]},
            "who": {"display": members.get("recipient", "whom the account hands it to")},
            "requestor": False,
            "network": network(None),
        }
    elif "client" in members or "serviceId" in members:
        user = user_agent(members)
        yield _client_agent(members, is_requestor=user is None)
        yield {"type": {"coding": [DESTINATION_ROLE]}, **server}
        if user is not None:
            yield user
    else:
        yield {"type": {"coding": [APPLICATION]}, **server}
    if reader is not None:
        yield {
            "type": {"coding": [RECIPIENT]},
            "role": [{"text": reader.get("role", "operator")}],
            "who": {"identifier": {"system": ACCOUNTS, "value": reader.get("account", "unknown")}},
            "requestor": True,
        }


def _client_agent(members: Members, *, is_requestor: bool) -> Json:
    client = members.get("client", {})
    named: Json = {"identifier": {"value": client["iss"]}} if "iss" in client else {}
    agent: Json = {
        "type": {"coding": [SOURCE_ROLE]},
        "who": named or {"display": "a client without authentication"},
        "requestor": is_requestor,
        "network": network(client.get("networkOrigin")),
    }
    if is_requestor and (policy := _token_policy(client)):
        agent["policy"] = policy
    return agent


def _period(members: Members) -> Json | None:
    """From receipt to the end of the work, as the service's own clock measured it."""
    start = members.get("receivedAt")
    if start is None:
        return None
    took = members.get("latencyMs", {}).get("total")
    if took is None:
        return {"start": start}
    end = datetime.fromisoformat(start) + timedelta(milliseconds=took)
    return {"start": start, "end": timestamp(end)}


def _described(members: Members) -> str | None:
    """The outcome in the codes of the log."""
    told = [members.get(name) for name in ("outcome", "reason", "state", "orphan", "errorClass")]
    missing = [f"{one['key']}:{one['code']}" for one in members.get("inputsMissing", ())]
    return ", ".join([one for one in told if isinstance(one, str)] + missing) or None


def _purpose(members: Members) -> Json | None:
    if members["eventType"] in (EventType.DECISION, EventType.FEEDBACK):
        return TREATMENT
    return COMPLIANCE if members["eventType"] == EventType.EXPORT else None
