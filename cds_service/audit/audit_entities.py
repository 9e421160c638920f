"""What an AuditEvent is about: patient, call, decision, data, lines, cards, knowledge, the log."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

from cds_service.audit.events import EventType
from cds_service.audit.export_rows import line_of
from cds_service.audit.fhir_codes import (
    BALP_ENTITY_TYPES,
    ENTITIES,
    KNOWLEDGE,
    LOGS,
    PERSON,
    PSEUDONYMS,
    ROLE_OF,
    SYSTEM_OBJECT,
    Json,
    coding,
)
from cds_service.audit.reading import StoredEvent

Members = Mapping[str, Any]


def detail(name: str, value: object) -> Json:
    return {"type": name, "valueString": str(value)}


def details(**values: Any) -> list[Json]:
    """One detail for each value; a list gives one for each of its members."""
    found = []
    for name, value in values.items():
        for one in value if isinstance(value, list | tuple) else [value]:
            if one is not None and str(one).strip():
                found.append(detail(name, one))
    return found


def without_empty(made: Mapping[str, Any]) -> Json:
    return {name: value for name, value in made.items() if value not in (None, "", [], {}, ())}


def entities(members: Members) -> Iterator[Json]:
    yield from patient_entity(members)
    yield from _transactions(members)
    if members["eventType"] == EventType.DECISION:
        yield _decision_entity(members)
        yield from _data_entities(members)
        yield from _line_entities(members)
        yield from _card_entities(members)
    elif members["eventType"] == EventType.FEEDBACK:
        yield _feedback_entity(members)
    elif said := _said(members):
        yield {
            "type": SYSTEM_OBJECT,
            "role": ROLE_OF["query" if members["eventType"] in _QUESTIONS else "report"],
            "what": _identified(f"{ENTITIES}/entry", members["eventId"]),
            "detail": said,
        }
    if "knowledge" in members:
        yield _knowledge_entity(members["knowledge"])


def patient_entity(members: Members, what: Members | None = None) -> Iterator[Json]:
    """The patient under the pseudonym, unless `what` says who it is."""
    if "patientPseudonym" not in members and what is None:
        return
    key = members.get("pseudonymKeyId", "unknown")
    named = _identified(f"{PSEUDONYMS}/{key}", members.get("patientPseudonym", "unknown"))
    yield {
        "type": PERSON,
        "role": ROLE_OF["patient"],
        "what": dict(what) if what else {"type": "Patient"} | named,
    }


def _transactions(members: Members) -> Iterator[Json]:
    ids = {"requestId": "XrequestId", "hookInstance": None, "traceId": None}
    for name, code in ids.items():
        if name in members:
            kind = coding(BALP_ENTITY_TYPES, code) if code else coding(ENTITIES, name)
            yield {"type": kind, "what": {"identifier": {"value": members[name]}}}


def _decision_entity(members: Members) -> Json:
    """What was decided as a whole, also where no card was returned."""
    held_back = [
        f"{one['kind']}:{one['suppressed']}"
        for one in members.get("advice", ())
        if "suppressed" in one
    ]
    return without_empty(
        {
            "type": SYSTEM_OBJECT,
            "role": ROLE_OF["report"],
            "what": _identified(f"{ENTITIES}/decision", members["decisionId"]),
            "detail": details(
                serviceId=members.get("serviceId"),
                outcome=members.get("outcome"),
                httpStatus=members.get("httpStatus"),
                mode=members.get("mode"),
                asOf=members.get("asOf"),
                asOfSource=members.get("asOfSource"),
                duplicateOf=members.get("duplicateOf"),
                suppressed=held_back,
                inputMissing=[
                    f"{one['key']}:{one['code']}" for one in members.get("inputsMissing", ())
                ],
                leftOut=[f"{code}:{count}" for code, count in members.get("issues", {}).items()],
                state=list(members.get("state", ())),
                software=members.get("software", {}).get("version"),
                configuration=members.get("configDigest"),
                sealedResponse=members.get("sealed", {}).get("digests", {}).get("response"),
            ),
        }
    )


def _data_entities(members: Members) -> Iterator[Json]:
    """How many resources of each type were used; which ones is sealed."""
    for kind, count in members.get("inputsByType", {}).items():
        what = {"display": f"{count} {kind}"}
        yield {
            "type": SYSTEM_OBJECT,
            "role": ROLE_OF["data"],
            "what": what if kind == "other" else {"type": kind, **what},
            "detail": details(count=count),
        }


def _line_entities(members: Members) -> Iterator[Json]:
    for cancer in members.get("cancers", ()):
        for line in cancer.get("lines", ()):
            name = f"{members['decisionId']}/{cancer['disease']}/{line['number']}"
            unmet = [
                ":".join(filter(None, (one["rule"], one.get("condition"))))
                for one in line.get("rulesNotMet", ())
            ]
            yield {
                "type": SYSTEM_OBJECT,
                "role": ROLE_OF["report"],
                "what": _identified(f"{ENTITIES}/line", name),
                "detail": details(
                    disease=cancer["disease"],
                    line=line["number"],
                    **_judged(line),
                    ruleNotMet=unmet,
                ),
            }


def _card_entities(members: Members) -> Iterator[Json]:
    for card in members.get("cards", ()):
        held_back = [
            f"{one['kind']}:{one['suppressed']}"
            for one in members.get("advice", ())
            if "suppressed" in one
            and (one.get("disease"), one.get("line")) == (card.get("disease"), card.get("line"))
        ]
        yield {
            "type": SYSTEM_OBJECT,
            "role": ROLE_OF["report"],
            "what": _uuid(card["uuid"]),
            "detail": details(
                indicator=card.get("indicator"),
                disease=card.get("disease"),
                line=card.get("line"),
                **{**_judged(line_of(card, members)), "status": card.get("status")},
                advice=card.get("advice", []),
                suppressed=held_back,
            ),
        }


def _judged(line: Members) -> dict[str, Any]:
    return {
        "status": line.get("status"),
        "pattern": line.get("pattern"),
        "confidence": line.get("confidence"),
        "rule": line.get("rules", []),
        "caveat": line.get("caveats", []),
    }


def _feedback_entity(members: Members) -> Json:
    on_card = members.get("onCard", {})
    return {
        "type": SYSTEM_OBJECT,
        "role": ROLE_OF["data"],
        "what": _uuid(members["card"]),
        "detail": details(
            decisionId=members.get("decisionId"),
            outcome=members.get("outcome"),
            outcomeTimestamp=members.get("outcomeTimestamp"),
            overrideReason=members.get("overrideReason", {}).get("code"),
            overrideReasonSystem=members.get("overrideReason", {}).get("system"),
            acceptedSuggestion=members.get("acceptedSuggestions", []),
            acceptedAdvice=on_card.get("accepted", []),
            disease=on_card.get("disease"),
            line=on_card.get("line"),
            status=on_card.get("status"),
            orphan=members.get("orphan"),
            duplicateOf=members.get("duplicateOf"),
        ),
    }


_QUESTIONS = frozenset({EventType.ACCESS, EventType.EXPORT})
_COMMON = frozenset(
    {
        "seq", "prevHash", "eventId", "eventType", "recordedAt", "receivedAt", "schemaVersion",
        "hostId", "bootId", "pid", "client", "user", "reader", "sealed", "knowledge",
        "patientPseudonym", "pseudonymKeyId", "requestId", "traceId", "hookInstance", "hook",
    }
)  # fmt: skip
"""Members of an envelope that stand elsewhere in the AuditEvent, or nowhere."""


def _said(members: Members) -> list[Json]:
    """All else that the entry says, each member as it stands there."""
    return [
        detail(name, value if isinstance(value, str) else _written(value))
        for name, value in members.items()
        if name not in _COMMON and value not in (None, "", [], {})
    ]


def _written(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _knowledge_entity(knowledge: Members) -> Json:
    return {
        "type": SYSTEM_OBJECT,
        "role": ROLE_OF["master-file"],
        "what": _identified(KNOWLEDGE, knowledge["version"]),
        "detail": details(digest=named_information(knowledge.get("digest"))),
    }


def named_information(digest: str | None) -> str | None:
    """A digest of ours as a URI. Source: RFC 6920."""
    if digest is None or not digest.startswith("sha256:"):
        return None
    raw = bytes.fromhex(digest.removeprefix("sha256:"))
    return "ni:///sha-256;" + base64.urlsafe_b64encode(raw).decode().rstrip("=")


def log_entity(event: StoredEvent, log_id: str) -> Json:
    """Where the entry stands in the log, by which it can be found and proved again."""
    return {
        "type": SYSTEM_OBJECT,
        "role": ROLE_OF["log"],
        "what": _identified(LOGS, log_id),
        "name": "Security Audit Log",
        "detail": details(seq=event.seq, leafHash=event.leaf_hash.hex()),
    }


def _identified(system: str, value: str) -> Json:
    return {"identifier": {"system": system, "value": value}}


def _uuid(value: str) -> Json:
    return _identified("urn:ietf:rfc:3986", f"urn:uuid:{value}")
