"""Decisions as rows of tables: one a card, and one for each decision without a card."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import Any, Final

from cds_service.audit.events import EventType
from cds_service.audit.reading import LogReader, StoredEvent
from cds_service.audit.said_last import current_feedback

Row = dict[str, Any]

CARD_COLUMNS: Final[Mapping[str, str]] = {
    "seq": "number",
    "decisionId": "text",
    "recordedAt": "moment",
    "receivedAt": "moment",
    "asOf": "day",
    "serviceId": "text",
    "hook": "text",
    "hookInstance": "text",
    "client": "text",
    "tenant": "text",
    "userId": "text",
    "facility": "text",
    "location": "text",
    "patientPseudonym": "text",
    "mode": "text",
    "outcome": "text",
    "httpStatus": "number",
    "knowledgeVersion": "text",
    "softwareVersion": "text",
    "diseases": "list",
    "inputsMissing": "list",
    "issues": "list",
    "suppressed": "list",
    "delivery": "text",
    "card": "text",
    "indicator": "text",
    "disease": "text",
    "line": "number",
    "status": "text",
    "confidence": "text",
    "rules": "list",
    "caveats": "list",
    "advice": "list",
    "suggested": "list",
    "feedback": "text",
    "overrideReason": "text",
}
"""Each column with its kind. New ones come at the end."""

FEEDBACK_COLUMNS: Final[Mapping[str, str]] = {
    "date": "moment",
    "decisionId": "text",
    "card": "text",
    "serviceId": "text",
    "intervention": "list",
    "disease": "text",
    "line": "number",
    "status": "text",
    "rules": "list",
    "knowledgeVersion": "text",
    "user": "text",
    "facility": "text",
    "location": "text",
    "client": "text",
    "actionTaken": "text",
    "acceptedSuggestions": "list",
    "feedbackReason": "text",
    "feedbackDate": "moment",
    "site": "text",
    "siteSource": "text",
}
"""Intervention, action taken, feedback if any, user, date and location of each card. `site` is the
nearest to a location that is on record; `siteSource` says what it is.

Source: 45 CFR 170.315(b)(11)(ii)(C)."""


def card_rows(reader: LogReader, events: Iterable[StoredEvent]) -> Iterator[Row]:
    """The rows of these decisions; other entries have none."""
    for event in events:
        if event.event_type != EventType.DECISION:
            continue
        members = event.read()
        followed = reader.about(event)
        whole = _of_decision(event, members, followed)
        current = current_feedback(followed)
        for card in members.get("cards", ()):
            yield whole | _of_card(card, members, current.get(card["uuid"], {}))
        if not members.get("cards"):
            yield whole


def feedback_rows(reader: LogReader, events: Iterable[StoredEvent]) -> Iterator[Row]:
    """A row for each card that was returned, also where nobody said what was done with it."""
    for event in events:
        if event.event_type != EventType.DECISION:
            continue
        members = event.read()
        followed = reader.about(event)
        is_live = members.get("mode", "live") == "live"
        if not is_live or any(one.event_type == EventType.DELIVERY for one in followed):
            continue
        source, site = _site(members)
        whole = _of_decision(event, members, followed)
        current = current_feedback(followed)
        for card in members.get("cards", ()):
            said = current.get(card["uuid"], {})
            row = whole | _of_card(card, members, said)
            yield {name: row.get(name) for name in FEEDBACK_COLUMNS} | {
                "date": row["receivedAt"],
                "intervention": row["advice"],
                "user": row["userId"],
                "actionTaken": row["feedback"] or "none reported",
                "acceptedSuggestions": said.get("onCard", {}).get("accepted", []),
                "feedbackReason": row["overrideReason"],
                "feedbackDate": said.get("receivedAt"),
                "site": site,
                "siteSource": source,
            }


def _site(members: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Where a decision was asked for, and what says so: seldom a client names the place itself."""
    user, client = members.get("user", {}), members.get("client", {})
    told = {
        "location": user.get("location"),
        "facility": user.get("facility"),
        "tenant": client.get("tenant"),
        "client": client.get("iss"),
        "network": client.get("networkOrigin"),
    }
    return next(((name, site) for name, site in told.items() if site), (None, None))


def _of_decision(
    event: StoredEvent, members: Mapping[str, Any], followed: Iterable[StoredEvent]
) -> Row:
    client, user = members.get("client", {}), members.get("user", {})
    names = (
        "decisionId", "recordedAt", "receivedAt", "asOf", "serviceId", "hook", "hookInstance",
        "patientPseudonym", "mode", "outcome", "httpStatus",
    )  # fmt: skip
    missing = [f"{one['key']}:{one['code']}" for one in members.get("inputsMissing", ())]
    held_back = [one for one in members.get("advice", ()) if "suppressed" in one]
    deliveries = [one.read() for one in followed if one.event_type == EventType.DELIVERY]
    return {
        "seq": event.seq,
        **{name: members.get(name) for name in names},
        "client": client.get("iss"),
        "tenant": client.get("tenant"),
        "userId": user.get("userId"),
        "facility": user.get("facility"),
        "location": user.get("location"),
        "knowledgeVersion": members.get("knowledge", {}).get("version"),
        "softwareVersion": members.get("software", {}).get("version"),
        "diseases": [one["disease"] for one in members.get("cancers", ())],
        "inputsMissing": missing,
        "issues": [f"{code}:{count}" for code, count in members.get("issues", {}).items()],
        "suppressed": [f"{one['kind']}:{one['suppressed']}" for one in held_back],
        "delivery": deliveries[0].get("state") if deliveries else None,
    }


def _of_card(card: Mapping[str, Any], members: Mapping[str, Any], said: Mapping[str, Any]) -> Row:
    line = line_of(card, members)
    return {
        "card": card["uuid"],
        **{name: card.get(name) for name in ("indicator", "disease", "status", "confidence")},
        "line": card.get("line"),
        "rules": line.get("rules", []),
        "caveats": line.get("caveats", []),
        "advice": card.get("advice", []),
        "suggested": card.get("suggested", []),
        "feedback": said.get("outcome"),
        "overrideReason": said.get("overrideReason", {}).get("code"),
    }


def line_of(card: Mapping[str, Any], members: Mapping[str, Any]) -> Mapping[str, Any]:
    """The line of a card; none where two cancers of one disease have a line of this number."""
    found = [
        line
        for cancer in members.get("cancers", ())
        for line in cancer.get("lines", ())
        if (cancer["disease"], line["number"]) == (card.get("disease"), card.get("line"))
    ]
    return found[0] if len(found) == 1 else {}


def typed(kind: str, value: Any) -> Any:
    """A value for a typed column; None where it is not of that kind."""
    if value is None:
        return None
    try:
        if kind == "moment":
            return datetime.fromisoformat(value)
        if kind == "day":
            return date.fromisoformat(value)
    except ValueError:
        return None
    return list(map(str, value)) if kind == "list" else value
