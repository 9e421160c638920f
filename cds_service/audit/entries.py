"""The entries that are no decisions: feedback, refusals, deliveries, starts and stops, readings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

from cds_service.audit.canonical import Json
from cds_service.audit.decision import Versions
from cds_service.audit.events import (
    NOT_ID_SHAPED,
    Call,
    Client,
    Content,
    Event,
    EventType,
    id_shaped,
    present,
    timestamp,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """One entry of a feedback call: what a client says was done with one card.

    `entry` is that entry's JSON as it came: it holds the user's comment and is sealed.
    """

    card: str
    outcome: Literal["accepted", "overridden"]
    entry: bytes
    outcome_timestamp: str | None = None
    accepted_suggestions: Sequence[str] = ()
    reason_system: str | None = None
    reason_code: str | None = None


def feedback_event(
    feedback: Feedback, *, call: Call, client: Client, received_at: datetime
) -> Event:
    """The entry for one piece of feedback. Each is kept, repeated ones too.

    The log itself adds `decisionId`, or `orphan` where the card is unknown or another client's.
    """
    reason = present(
        {"system": id_shaped(feedback.reason_system), "code": id_shaped(feedback.reason_code)}
    )
    members = {
        **call.as_json(),
        "receivedAt": timestamp(received_at),
        "client": client.as_json(),
        "card": _uuid_text(feedback.card),
        "outcome": feedback.outcome,
        "outcomeTimestamp": id_shaped(feedback.outcome_timestamp),
        "acceptedSuggestions": [_uuid_text(one) for one in feedback.accepted_suggestions],
        "overrideReason": reason,
    }
    return Event(
        type=EventType.FEEDBACK,
        members=present(members),
        sealed={"feedback": feedback.entry},
        held=len(feedback.entry),
    )


AuthFailure = Literal[
    "no-token",
    "bad-token",
    "unlisted-issuer",
    "unlisted-algorithm",
    "wrong-audience",
    "expired-token",
    "future-token",
    "long-lived-token",
    "unlisted-tenant",
    "unknown-key",
    "bad-signature",
    "replayed-token",
]
Refusal = Literal[
    "unlisted-fhir-server",
    "oversized",
    "malformed",
    "interrupted",
    "rate-limited",
    "overloaded",
    "unknown-service",
    "trust-unavailable",
]


def refusal_event(
    reason: AuthFailure | Refusal,
    *,
    http_status: int,
    call: Call,
    client: Client,
    received_at: datetime,
    repeated: int | None = None,
) -> Event:
    """The entry for a call that was turned away. Nothing of its body is kept.

    The claims of a token that failed are what somebody claimed, no more. `repeated`: so many such
    calls that this one entry stands for, since they were too many to be told singly.
    """
    is_authentication = reason in get_args(AuthFailure)
    members: dict[str, Json] = {
        **call.as_json(),
        "receivedAt": timestamp(received_at),
        "client": client.as_json(),
        "reason": reason,
        "httpStatus": http_status,
        "outcome": "refused",
        "repeated": repeated,
    }
    kind = EventType.AUTH_FAILURE if is_authentication else EventType.REQUEST_REFUSED
    return Event(type=kind, members=present(members))


def delivery_event(
    decision_id: str, *, state: Literal["aborted"] = "aborted", cause: str | None = None
) -> Event:
    """The entry that says a recorded answer did not leave: its cards do not count as returned."""
    members = {"decisionId": decision_id, "state": state, "cause": cause}
    return Event(type=EventType.DELIVERY, members=present(members))


def service_started_event(
    versions: Versions, *, settings: Mapping[str, Json], kept: bytes | None = None
) -> Event:
    """The entry for one process that starts to serve; `settings` are those that can hide advice.
    `kept`: a digest of each setting, sealed, by which the next start tells what has changed."""
    members = {**versions.json, "settings": dict(settings)}
    sealed: dict[str, Content] = {} if kept is None else {"configuration": kept}
    return Event(type=EventType.SERVICE_STARTED, members=present(members), sealed=sealed)


def service_stopped_event(*, cause: str) -> Event:
    return Event(type=EventType.SERVICE_STOPPED, members=present({"cause": cause}))


def knowledge_activated_event(version: str, digest: str, package: bytes | None) -> Event:
    """The entry for clinical knowledge that decides from now on. `package` is all of it, sealed
    once: None where the log has it already, or nobody has its files."""
    members: dict[str, Json] = {"knowledge": {"version": version, "digest": digest}}
    return Event(
        type=EventType.KNOWLEDGE_ACTIVATED,
        members=members,
        sealed={} if package is None else {"package": package},
        held=len(package or b""),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who reads the log: an account, in what role, and why (free text, so sealed)."""

    account: str
    role: str
    reason: str | None = None

    def as_json(self) -> dict[str, Json]:
        return present({"account": id_shaped(self.account), "role": self.role})

    def sealed(self) -> dict[str, Content]:
        return {"reason": self.reason.encode()} if self.reason else {}


def access_event(reader: Reader, *, command: str, query: Mapping[str, Json], rows: int) -> Event:
    """The entry for one reading of the log: one for a command, however many rows it gave."""
    members: dict[str, Json] = {
        "reader": reader.as_json(),
        "command": command,
        "query": dict(query),
        "rows": rows,
    }
    return Event(type=EventType.ACCESS, members=present(members), sealed=reader.sealed())


def export_event(
    reader: Reader,
    *,
    form: str,
    query: Mapping[str, Json],
    rows: int,
    digest: str,
    recipient: str | None = None,
) -> Event:
    """The entry for what left the log: how much of it, by which question, and its digest.

    `recipient`: the thumbprint of the key that it was encrypted for, since it names patients.
    """
    members: dict[str, Json] = {
        "reader": reader.as_json(),
        "format": form,
        "query": dict(query),
        "rows": rows,
        "digest": digest,
        "identifiable": True if recipient else None,
        "recipient": recipient,
    }
    return Event(type=EventType.EXPORT, members=present(members), sealed=reader.sealed())


def verification_event(reader: Reader, *, result: Mapping[str, Json]) -> Event:
    """The entry for one run of `verify` and what it came to."""
    members: dict[str, Json] = {"reader": reader.as_json(), "result": dict(result)}
    return Event(type=EventType.VERIFICATION, members=present(members), sealed=reader.sealed())


Verdict = Literal["right", "wrong", "unsure"]


def review_event(
    reader: Reader,
    decision: Mapping[str, Json],
    *,
    verdict: Verdict,
    reason: str | None = None,
    comment: str | None = None,
) -> Event:
    """The entry for what a reviewer thinks of a decision, whose envelope is given. A changed mind
    is another entry. The comment is sealed under the key of the decision's patient."""
    members: dict[str, Json] = {
        **_of_decision(decision),
        "reader": reader.as_json(),
        "verdict": verdict,
        "reason": reason,
    }
    sealed: dict[str, Content] = {"comment": comment.encode()} if comment else {}
    return Event(type=EventType.REVIEW, members=present(members), sealed=sealed)


def reidentification_event(
    reader: Reader,
    *,
    state: Literal["asked", "answered", "erased", "purged", "unknown"],
    decision: Mapping[str, Json] | None = None,
    query: Mapping[str, Json] | None = None,
    rows: int = 0,
    asked_in: str | None = None,
) -> Event:
    """The entry for the naming of patients: of one decision, whose envelope is given, or of all
    that an export (`query`) has. `asked_in`: the entry by which a first person asked for it."""
    members: dict[str, Json] = {
        **_of_decision(decision or {}),
        "reader": reader.as_json(),
        "state": state,
        "query": dict(query or {}),
        "rows": rows,
        "askedIn": asked_in,
    }
    return Event(type=EventType.REIDENTIFICATION, members=present(members), sealed=reader.sealed())


def _of_decision(decision: Mapping[str, Json]) -> dict[str, Json]:
    names = ("decisionId", "patientPseudonym", "pseudonymKeyId")
    return {name: decision[name] for name in names if name in decision}


def _uuid_text(text: str) -> str:
    """The usual spelling of a UUID; anything else a client sends here is not repeated."""
    try:
        return str(UUID(text))
    except ValueError:
        return NOT_ID_SHAPED
