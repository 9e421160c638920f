"""8: feedback on the cards that the other checks have brought."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from cds_service.conformance.calls import Offered
from cds_service.conformance.deployment import Deployment
from cds_service.conformance.replies import Reply, is_text, objects
from cds_service.conformance.requirement import NotChecked, Requirement

Entry = dict[str, Any]


def _carded(d: Deployment) -> list[tuple[Offered, list[dict[str, Any]]]]:
    """Services with cards to give feedback on, and these; raises NotChecked without any."""
    found = []
    for service in d.answering():
        cards = [
            card
            for reply in (d.complete(service), d.hostile(service))
            if isinstance(reply.json, dict)
            for card in objects(reply.json.get("cards"))
            if is_text(card.get("uuid"))
        ]
        if cards:
            found.append((service, cards))
    if not found:
        raise NotChecked("no card with a uuid came back to give feedback on")
    return found


def _send(d: Deployment, service: Offered, what: str, *entries: Any) -> Reply:
    return d.post(
        f"{service.path}/feedback", {"feedback": list(entries)}, f"{service.id}/feedback, {what}"
    )


def _overridden(card: dict[str, Any], **more: Any) -> Entry:
    return {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": _now()} | more


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _is_taken(d: Deployment, service: Offered) -> bool:
    """Whether the plainest feedback is; 8.1 says so where it is not."""
    return 200 <= _plainest(d, service).status < 300


def _plainest(d: Deployment, service: Offered) -> Reply:
    cards = dict((s.path, c) for s, c in _carded(d))[service.path]
    return d.once(
        f"feedback {service.path}",
        lambda: _send(d, service, "overridden without a reason", _overridden(cards[0])),
    )


def _taking(d: Deployment) -> list[tuple[Offered, list[dict[str, Any]]]]:
    found = [(service, cards) for service, cards in _carded(d) if _is_taken(d, service)]
    if not found:
        raise NotChecked("no feedback is taken at all")
    return found


def _single(d: Deployment) -> Iterator[str]:
    for service, _ in _carded(d):
        yield from _not_taken(_plainest(d, service))


def _batches(d: Deployment) -> Iterator[str]:
    for service, cards in _taking(d):
        several = [_overridden(card) for card in cards] * 2
        for what in ("several entries", "the same again"):
            yield from _not_taken(_send(d, service, what, *several))


def _moments(d: Deployment) -> Iterator[str]:
    for service, cards in _taking(d):
        for moment in (_now().replace("Z", ".123Z"), _now().replace("Z", "+00:00")):
            entry = _overridden(cards[0], outcomeTimestamp=moment)
            yield from _not_taken(_send(d, service, f"outcomeTimestamp as {moment[19:]}", entry))


def _accepted(d: Deployment) -> Iterator[str]:
    chosen = [
        (service, card, suggestion)
        for service, cards in _taking(d)
        for card in cards[:1]
        for suggestion in objects(card.get("suggestions"))[:1]
        if is_text(suggestion.get("uuid"))
    ]
    if not chosen:
        raise NotChecked("no card has a suggestion with a uuid")
    for service, card, suggestion in chosen:
        entry = _overridden(card, outcome="accepted") | {
            "acceptedSuggestions": [{"id": suggestion["uuid"]}]
        }
        yield from _not_taken(_send(d, service, "accepted", entry))


def _reasons(d: Deployment) -> Iterator[str]:
    for service, cards in _taking(d):
        offered = objects(cards[0].get("overrideReasons"))[:1]
        own = {"code": "conformance", "system": "https://conformance.invalid/reasons"}
        said: list[tuple[str, Any]] = [("a reason of its list", {"reason": one}) for one in offered]
        said += [
            ("a reason of the client's own", {"reason": own | {"display": "Conformance test"}}),
            ("a comment alone", {"userComment": "conformance test"}),
            ("a reason and a comment", {"reason": own, "userComment": "conformance test"}),
        ]
        for what, reason in said:
            entry = _overridden(cards[-1], overrideReason=reason)
            yield from _not_taken(_send(d, service, what, entry))


def malformed_feedback(d: Deployment) -> list[Reply]:
    """The answers to feedback that is wrong, each with a canary in it."""

    def make() -> Iterator[Reply]:
        for service, cards in _taking(d):
            for what, body in _wrong(cards[0], d.canary):
                yield d.post(f"{service.path}/feedback", body, f"{service.id}/feedback, {what}")

    return d.once("malformed feedback", lambda: list(make()))


def _wrong(card: dict[str, Any], canary: str) -> Iterator[tuple[str, Any]]:
    good = _overridden(card, overrideReason={"userComment": canary})
    yield "no JSON", b'{"feedback": [' + canary.encode()
    yield "a list for the whole", [good]
    yield "no feedback", {"comment": canary}
    yield "feedback is an object", {"feedback": good}
    yield "an entry that is a text", {"feedback": [canary]}
    for member in ("card", "outcome", "outcomeTimestamp"):
        yield f"no {member}", {"feedback": [{k: v for k, v in good.items() if k != member}]}
    yield "an outcome of its own", {"feedback": [good | {"outcome": canary}]}
    yield "a moment that is none", {"feedback": [good | {"outcomeTimestamp": canary}]}
    yield "accepted without a suggestion", {"feedback": [good | {"outcome": "accepted"}]}
    yield "a good and a bad entry", {"feedback": [good, {"card": canary}]}


def _refused(d: Deployment) -> Iterator[str]:
    for reply in malformed_feedback(d):
        if not reply.is_refusal:
            yield str(reply)
    entry = _overridden({"uuid": str(uuid4())})
    unknown = d.post(
        "cds-services/conformance-unknown/feedback",
        {"feedback": [entry]},
        "feedback to an unknown service",
    )
    if unknown.status != 404:
        yield str(unknown)


def _not_taken(reply: Reply) -> Iterator[str]:
    if not 200 <= reply.status < 300:
        yield str(reply)


CHECKS = (
    Requirement("8.1", "SHALL", "Feedback on a card is taken, without a reason too.", _single),
    Requirement("8.2", "SHALL", "Feedback may come in batches, and repeatedly.", _batches),
    Requirement("8.3", "SHALL", "outcomeTimestamp has every form of RFC 3339 in UTC.", _moments),
    Requirement("8.4", "SHALL", "Accepted suggestions are taken by their `id`.", _accepted),
    Requirement(
        "8.5", "SHALL", "Reasons from the list, reasons of the client's own, and comments.",
        _reasons,
    ),
    Requirement(
        "8.8", "own", "Malformed feedback is 4xx, to an unknown service 404.", _refused
    ),
)  # fmt: skip
