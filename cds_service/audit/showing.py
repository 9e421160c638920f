"""One entry with everything that belongs to it, opened for an auditor, without naming the patient.

The sealed identity and the raw request stay shut: who the patient is, is asked elsewhere and for a
reason. What is opened is checked against its digest first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from cds_service.audit.chain import leaf_hash
from cds_service.audit.data_keys import KeysNeeded
from cds_service.audit.events import EventType
from cds_service.audit.listing import Wanted
from cds_service.audit.reading import LogReader, StoredEvent
from cds_service.audit.said_last import current_feedback
from cds_service.audit.seal import PayloadErased, PayloadPurged
from cds_service.errors import AuditError

_READINGS = 1_000
_CONTENT_OF: Mapping[str, str] = {
    EventType.DECISION: "response",
    EventType.FEEDBACK: "feedback",
    EventType.REVIEW: "comment",
}
"""The payload that tells of an entry whether its contents are there."""
_CARD_MEMBERS = ("uuid", "indicator", "summary", "detail")
_INPUT_MEMBERS = ("reference", "versionId", "lastUpdated", "origin", "whole", "statement")


class _Reason(msgspec.Struct, rename="camel"):
    user_comment: str | None = None


class _Feedback(msgspec.Struct, rename="camel"):
    """A feedback entry, as far as it is shown; the rest of it may hold anything."""

    override_reason: _Reason | None = None


@dataclass(slots=True)
class _Lost:
    """What could not be shown: because it is not what was recorded, because its patient was erased,
    or because it was past its time; the last with when and by which entry."""

    faults: list[str] = field(default_factory=list)
    erased: set[str] = field(default_factory=set)
    purged: dict[tuple[str, int], set[str]] = field(default_factory=dict)

    @contextmanager
    def without(self, name: str) -> Iterator[None]:
        """Note what is raised in the block; KeysNeeded goes on."""
        try:
            yield
        except KeysNeeded:
            raise
        except PayloadErased:
            self.erased.add(name)
        except PayloadPurged as gone:
            self.purged.setdefault((gone.purge.at, gone.purge.seq), set()).add(name)
        except (AuditError, msgspec.DecodeError) as error:
            self.faults.append(str(error))

    def as_json(self) -> dict[str, Any]:
        told = {
            "faults": self.faults,
            "erased": sorted(self.erased),
            "purged": [
                {"at": at, "by": seq, "names": sorted(names)}
                for (at, seq), names in sorted(self.purged.items())
            ],
        }
        return {name: what for name, what in told.items() if what}


def summary(event: StoredEvent, reader: LogReader) -> dict[str, Any]:
    """One line of a list: what a reader needs to pick an entry; also since when it is gone."""
    members = event.read()
    content = _CONTENT_OF.get(event.event_type)
    purge = reader.purge_of(event, content) if content else None
    lines = [
        {"disease": cancer["disease"], "line": line["number"], "status": line["status"]}
        for cancer in members.get("cancers", ())
        for line in cancer.get("lines", ())
    ]
    on_card = members.get("onCard")
    if on_card:
        lines = [{name: on_card[name] for name in ("disease", "line", "status") if name in on_card}]
    picked = {
        "seq": event.seq,
        "eventId": event.event_id,
        "decisionId": event.decision_id,
        "eventType": event.event_type,
        "recordedAt": event.recorded_at,
        "serviceId": members.get("serviceId"),
        "hook": members.get("hook"),
        "userId": members.get("user", {}).get("userId"),
        "outcome": members.get("outcome"),
        "overrideReason": members.get("overrideReason", {}).get("code"),
        "httpStatus": members.get("httpStatus"),
        "patientPseudonym": members.get("patientPseudonym"),
        "lines": lines,
        "advice": members.get("advice"),
        "cards": len(members.get("cards", ())) if event.event_type == EventType.DECISION else None,
        "verdict": members.get("verdict"),
        "duplicateOf": members.get("duplicateOf"),
        "orphan": members.get("orphan"),
        "purgedAt": purge.at if purge else None,
        "purged": _counts(members.get("purged", {})),
        "result": members.get("result") if event.event_type == EventType.PURGE else None,
    }
    return {name: value for name, value in picked.items() if value not in (None, [], {})}


def _counts(purged: Any) -> dict[str, Any]:
    names = ("part", "entries", "payloads", "bytes", "before")
    return {name: purged[name] for name in names if name in purged}


def whole_entry(reader: LogReader, event: StoredEvent) -> dict[str, Any]:
    """The envelope, what was sealed beside it, and what followed. `faults` says what could not be
    shown because it is not what was recorded, `erased` what was erased, `purged` what was past its
    time.

    Raises KeysNeeded where the keys to what was sealed cannot be had.
    """
    lost = _Lost()
    if leaf_hash(event.envelope) != event.leaf_hash:
        lost.faults.append(f"event {event.seq} is not what was recorded: run verify")
    shown: dict[str, Any] = {
        "seq": event.seq,
        "eventType": event.event_type,
        "leafHash": event.leaf_hash.hex(),
        "standing": _standing(reader, event),
        "envelope": event.read(),
    }

    def opened(name: str, pick: Callable[[Any], Any]) -> None:
        with lost.without(name):
            content = reader.content(event, name)
            if content is not None:
                shown[name] = pick(msgspec.json.decode(content))

    if event.event_type == EventType.DECISION:
        opened("response", _cards)
        opened("inputs", _inputs)
        opened("assessment", _assessment)
        followed = reader.about(event)
        shown["followed"] = [_followed(reader, one, lost) for one in followed]
        shown["feedbackByCard"] = {
            card: members["outcome"] for card, members in current_feedback(followed).items()
        }
        shown["readings"] = _readings(reader, event)
    return shown | lost.as_json()


def _standing(reader: LogReader, event: StoredEvent) -> dict[str, Any]:
    """Where an entry stands: in which log, of how many, and whether the newest checkpoint, which
    signs for all entries before it, covers it. What the log claims; `verify` tries it."""
    log_id, _ = reader.first_link()
    size, _ = reader.head() or (0, b"")
    latest = reader.latest_checkpoint()
    signed = latest.size if latest else 0
    return {"log": log_id, "size": size, "signedFor": signed, "covered": event.seq <= signed}


def _readings(reader: LogReader, decision: StoredEvent) -> dict[str, Any]:
    """Who has looked at a decision, by the newest readings of the log: how often it was shown,
    replayed or proved. That a list had it, no entry says."""
    wanted = Wanted(event_type=EventType.ACCESS, after=decision.seq, limit=_READINGS)
    names = (decision.event_id, str(decision.seq))
    found: Counter[str] = Counter()
    looked_at = reader.page(wanted)
    for event in looked_at:
        members = event.read()
        if members.get("query", {}).get("id") in names:
            found[members.get("command", "")] += 1
    return {"byCommand": dict(sorted(found.items())), "ofReadings": len(looked_at)}


def _cards(response: Any) -> Any:
    if not isinstance(response, dict) or "cards" not in response:
        return {"members": sorted(response) if isinstance(response, dict) else []}
    return {
        "cards": [
            {name: card[name] for name in _CARD_MEMBERS if name in card}
            for card in response["cards"]
        ]
    }


def _inputs(document: Any) -> Any:
    resources = [
        {name: one[name] for name in _INPUT_MEMBERS if name in one}
        for one in document.get("resources", ())
    ]
    for resource in resources:
        if resource["reference"].startswith("Patient/"):
            resource["reference"] = "Patient/(sealed)"
    return {"request": document.get("request"), "resources": resources}


def _assessment(assessment: Any) -> Any:
    return {name: value for name, value in assessment.items() if name != "patient"}


def _comment(reader: LogReader, event: StoredEvent) -> str | None:
    if event.event_type == EventType.REVIEW:
        said = reader.content(event, "comment")
        return None if said is None else said.decode("utf-8", "replace")
    given = msgspec.json.decode(reader.content(event, "feedback") or b"{}", type=_Feedback)
    return given.override_reason.user_comment if given.override_reason else None


def _followed(reader: LogReader, event: StoredEvent, lost: _Lost) -> dict[str, Any]:
    entry: dict[str, Any] = {"seq": event.seq, **event.read()}
    if event.event_type in (EventType.FEEDBACK, EventType.REVIEW):
        with lost.without("comment"):
            entry["comment"] = _comment(reader, event)
    return {name: value for name, value in entry.items() if value is not None}
