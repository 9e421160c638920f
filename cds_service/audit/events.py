"""What the decision log records: the catalogue of events, and the parts that most of them share.

An event has two sides. Its *envelope* is hashed into the chain and holds codes, ids that we made
and ids of staff: nothing that a chart says. Its *sealed* content (request, answer, inputs,
comments) is stored apart, and the envelope carries its digest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeAlias

from cds_service.audit.canonical import Json
from cds_service.audit.card_names import CardSubject
from cds_service.audit.pieces import Pieces
from cds_service.audit.pseudonyms import PatientIdentity

Content: TypeAlias = bytes | Callable[[], bytes | Pieces | None]
"""Bytes to seal, or the work that makes them: it is done by the log's writer, not by the route.

None keeps them out of the log; the envelope then names them as withheld."""


class EventType(StrEnum):
    """Everything that can stand in the log. Closed: a new kind of event is a new format version."""

    DECISION = "decision"
    FEEDBACK = "feedback"
    DELIVERY = "delivery"
    ACCESS = "access"
    EXPORT = "export"
    REIDENTIFICATION = "reidentification"
    REVIEW = "review"
    KNOWLEDGE_ACTIVATED = "knowledge-activated"
    CONFIG_CHANGED = "config-changed"
    KEY_EVENT = "key-event"
    LEGAL_HOLD = "legal-hold"
    REDACTION = "redaction"
    PURGE = "purge"
    SPOOL_DRAINED = "spool-drained"
    RECOVERY = "recovery"
    VERIFICATION = "verification"
    AUTH_FAILURE = "auth-failure"
    REQUEST_REFUSED = "request-refused"
    SERVICE_STARTED = "service-started"
    SERVICE_STOPPED = "service-stopped"
    CANARY = "canary"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One entry before it has its place. `event_id` None lets the log make one.

    `held` is about how many bytes it keeps in memory while it waits to be written. `subjects` says
    of cards, by uuid, what they are about: the log writes it down in names of its own.
    """

    type: EventType
    event_id: str | None = None
    members: Mapping[str, Json] = field(default_factory=dict)
    sealed: Mapping[str, Content] = field(default_factory=dict)
    patient: PatientIdentity | None = None
    subjects: Mapping[str, CardSubject] = field(default_factory=dict)
    held: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who called, from the claims of its token; never the token."""

    iss: str | None = None
    aud: str | None = None
    jti: str | None = None
    kid: str | None = None
    alg: str | None = None
    tenant: str | None = None
    network_origin: str | None = None

    def as_json(self) -> dict[str, Json]:
        return present(
            {
                "iss": id_shaped(self.iss),
                "aud": id_shaped(self.aud),
                "jti": id_shaped(self.jti),
                "kid": id_shaped(self.kid),
                "alg": id_shaped(self.alg),
                "tenant": id_shaped(self.tenant),
                "networkOrigin": id_shaped(self.network_origin),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Which call it was: the service's id and the ids that tie it to other logs."""

    service_id: str
    hook: str | None = None
    hook_instance: str | None = None
    request_id: str | None = None
    trace_id: str | None = None

    def as_json(self) -> dict[str, Json]:
        return present(
            {
                "serviceId": id_shaped(self.service_id),
                "hook": id_shaped(self.hook),
                "hookInstance": id_shaped(self.hook_instance),
                "requestId": id_shaped(self.request_id),
                "traceId": id_shaped(self.trace_id),
            }
        )


NOT_ID_SHAPED = "(not an id)"
SEALED = "(sealed)"
"""Stands in an envelope for an id that is the patient's, or a relative's."""
_ID = re.compile(r"[!-~]{1,256}")


def id_shaped(text: str | None) -> str | None:
    """The text if it could be an id or a URL (printable ASCII, no space, at most 256 characters).

    Callers choose these values freely; what is no id could be anything, so the envelope says only
    that something stood there.
    """
    if text is None or _ID.fullmatch(text):
        return text
    return NOT_ID_SHAPED


_MAY_BE_EMPTY = (str, tuple, list, dict)


def present(members: Mapping[str, Json]) -> dict[str, Json]:
    """The members that have a value. An absent one is left out, never null, nor empty."""
    return {
        name: value
        for name, value in members.items()
        if value or (value is not None and not isinstance(value, _MAY_BE_EMPTY))
    }


def utc_now() -> datetime:
    """The log's clock; everything that needs the time of day is given this or a test's own."""
    return datetime.now(UTC)


def timestamp(moment: datetime) -> str:
    """This moment in UTC, always with six digits of a second, so that texts sort as times do.

    Source: RFC 3339 §5.6.
    """
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone cannot be recorded")
    written = moment.astimezone(UTC).isoformat(timespec="microseconds")
    return written.removesuffix("+00:00") + "Z"
