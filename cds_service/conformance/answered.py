"""7: the answer, its errors, and what a card says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from cds_service.conformance.called import malformed, strange_ids, unknown_service
from cds_service.conformance.deployment import Deployment
from cds_service.conformance.given_feedback import malformed_feedback
from cds_service.conformance.prefetched import lacking
from cds_service.conformance.replies import Reply, objects
from cds_service.conformance.requirement import NotChecked, Requirement

LONGEST = 139
INDICATORS = ("info", "warning", "critical")
BEHAVIOURS = ("at-most-one", "any")
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_CODE = re.compile(r"(`+).*?\1", re.DOTALL)
_HTML = re.compile(r"(?<!\\)<(?!https?://[^\s<>]*>)(?=[A-Za-z/!?])")
_SCRIPT = re.compile(r"(?<!\\)\]\(\s*(?:javascript|data|vbscript):", re.IGNORECASE)


def _answers(d: Deployment) -> Iterator[str]:
    for service in d.offered:
        for make in (d.complete, d.hostile, d.quiet):
            reply = make(service)
            has_cards = isinstance(reply.json, dict) and isinstance(reply.json.get("cards"), list)
            if not reply.is_good:
                yield str(reply)
            elif reply.json is not None and not has_cards:
                yield f"{reply.what}: no list of cards"


def _system_actions(d: Deployment) -> Iterator[str]:
    for reply in d.answers():
        if "systemActions" in reply.json:
            actions = reply.json["systemActions"]
            if not isinstance(actions, list) or len(objects(actions)) != len(actions):
                yield f"{reply.what}: systemActions is no list of objects"
            for action in objects(actions):
                if action.get("type") not in ("create", "update", "delete"):
                    yield f"{reply.what}: a system action of type {action.get('type')}"


def _errors(d: Deployment) -> Iterator[Reply]:
    """Every error that the checks provoke, but for refused tokens, which are to say nothing."""
    made = [*malformed(d), *strange_ids(d), *lacking(d), unknown_service(d)]
    with suppress(NotChecked):
        made += malformed_feedback(d)
    yield from (reply for reply in made if reply.status >= 400 and reply.status != 401)


def _outcomes(d: Deployment) -> Iterator[str]:
    for reply in _errors(d):
        issues = objects(reply.json.get("issue")) if isinstance(reply.json, dict) else []
        is_outcome = issues and reply.json.get("resourceType") == "OperationOutcome"
        if not is_outcome or not all(i.get("severity") and i.get("code") for i in issues):
            yield f"{reply}: no OperationOutcome"


def _echoes(d: Deployment) -> Iterator[str]:
    for reply in _errors(d):
        said = reply.content + repr(list(reply.headers.items())).encode()
        if d.canary.encode() in said:
            yield f"{reply.what}: it repeats what was sent"
        if any(token.encode() in said for token in d.sent_tokens):
            yield f"{reply.what}: it repeats the client's token"


def _summary(d: Deployment) -> Iterator[str]:
    for where, card in d.cards():
        summary = card.get("summary")
        if not isinstance(summary, str):
            yield f"{where} has no summary"
        elif len(summary) > LONGEST:
            yield f"{where}: a summary of {len(summary)} characters"
        elif len(summary.splitlines()) > 1:
            yield f"{where}: a summary of several lines"


def _indicator(d: Deployment) -> Iterator[str]:
    for where, card in d.cards():
        if card.get("indicator") not in INDICATORS:
            yield f"{where}: indicator {card.get('indicator')}"


def _source(d: Deployment) -> Iterator[str]:
    for where, card in d.cards():
        source = card.get("source")
        if not isinstance(source, dict) or not isinstance(source.get("label"), str):
            yield f"{where} has no source with a label"


def _source_url(d: Deployment) -> Iterator[str]:
    yield from _addresses(d, "url")


def _source_icon(d: Deployment) -> Iterator[str]:
    yield from _addresses(d, "icon")


def _addresses(d: Deployment, member: str) -> Iterator[str]:
    found = [(w, s[member]) for w, s in _sources(d) if member in s]
    if not found:
        raise NotChecked(f"no source has a member {member}")
    yield from (f"{where}: source.{member} is no address" for where, url in found if not _web(url))


def _web(url: Any) -> bool:
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
    except ValueError:
        return False
    return parts is not None and parts.scheme in ("http", "https") and bool(parts.netloc)


def _topic(d: Deployment) -> Iterator[str]:
    found = [(where, source["topic"]) for where, source in _sources(d) if "topic" in source]
    if not found:
        raise NotChecked("no source has a topic")
    for where, topic in found:
        if not isinstance(topic, dict) or "coding" in topic:
            yield f"{where}: source.topic is no Coding"


def _sources(d: Deployment) -> Iterator[tuple[str, dict[str, Any]]]:
    for where, card in d.cards():
        if isinstance(card.get("source"), dict):
            yield where, card["source"]


def _uuids(d: Deployment) -> Iterator[str]:
    found = [(where, card["uuid"]) for where, card in d.cards() if "uuid" in card]
    if not found:
        raise NotChecked("no card has a uuid")
    yield from odd_uuids(found)


def odd_uuids(found: list[tuple[str, Any]]) -> Iterator[str]:
    """Uuids that are none, and those that stand twice."""
    for where, name in found:
        if not isinstance(name, str) or not UUID.fullmatch(name):
            yield f"{where}: a uuid that is none"
    counted = Counter(str(name).lower() for _, name in found)
    if max(counted.values(), default=1) > 1:
        yield "a uuid stands more than once"


def _detail(d: Deployment) -> Iterator[str]:
    found = [(where, card["detail"]) for where, card in d.cards() if "detail" in card]
    if not found:
        raise NotChecked("no card has a detail")
    for where, detail in found:
        if not isinstance(detail, str):
            yield f"{where}: detail is no text"
            continue
        prose = _CODE.sub("", detail)
        if _HTML.search(prose):
            yield f"{where}: HTML in the detail"
        if _SCRIPT.search(prose):
            yield f"{where}: a link in the detail that runs a script"


def _suggestions(d: Deployment) -> Iterator[str]:
    for where, card in d.cards():
        if "suggestions" in card:
            listed = card["suggestions"]
            if not isinstance(listed, list) or len(objects(listed)) != len(listed):
                yield f"{where}: suggestions is no list of objects"
            if "selectionBehavior" not in card:
                yield f"{where}: suggestions without selectionBehavior"


def _behaviour(d: Deployment) -> Iterator[str]:
    found = [(w, card) for w, card in d.cards() if "selectionBehavior" in card]
    if not found:
        raise NotChecked("no card has a selectionBehavior")
    for where, card in found:
        if card["selectionBehavior"] not in BEHAVIOURS:
            yield f"{where}: selectionBehavior {card['selectionBehavior']}"


def _reasons(d: Deployment) -> Iterator[str]:
    found = [(w, card["overrideReasons"]) for w, card in d.cards() if "overrideReasons" in card]
    if not found:
        raise NotChecked("no card has override reasons")
    for where, reasons in found:
        if not isinstance(reasons, list) or len(objects(reasons)) != len(reasons):
            yield f"{where}: overrideReasons is no list of Codings"
        for reason in objects(reasons):
            if not isinstance(reason.get("display"), str):
                yield f"{where}: an override reason without display"


def _codings(d: Deployment) -> Iterator[str]:
    found = False
    for where, card in d.cards():
        source = card.get("source")
        topic = source.get("topic") if isinstance(source, dict) else None
        named = [("source.topic", topic)] if isinstance(topic, dict) else []
        named += [("an override reason", one) for one in objects(card.get("overrideReasons"))]
        for what, coding in named:
            found = True
            for member in ("code", "system"):
                if "coding" not in coding and not isinstance(coding.get(member), str):
                    yield f"{where}: {what} without {member}"
    if not found:
        raise NotChecked("no card has a Coding")


CHECKS = (
    Requirement("7.1", "SHALL", "A complete call is answered with 200 and `cards`.", _answers),
    Requirement(
        "7.2", "SHALL", "`systemActions`, where given, are actions.", _system_actions
    ),
    Requirement("7.4", "SHOULD", "The body of an error is an OperationOutcome.", _outcomes),
    Requirement(
        "7.5", "own", "No error repeats anything of the request, least of all a token.", _echoes
    ),
    Requirement(
        "7.10", "SHALL", "`summary` is a line of fewer than 140 characters.", _summary
    ),
    Requirement("7.11", "SHALL", "`indicator` is info, warning or critical.", _indicator),
    Requirement("7.12", "SHALL", "`source` has a `label`.", _source),
    Requirement("7.13", "SHALL", "`source.url`, where given, is an address.", _source_url),
    Requirement("7.14", "SHALL", "`source.icon`, where given, is an address.", _source_icon),
    Requirement(
        "7.15", "SHALL", "`source.topic`, where given, is a Coding itself.", _topic
    ),
    Requirement("7.16", "SHALL", "`uuid` is a UUID, and of one card only.", _uuids),
    Requirement(
        "7.17", "SHALL",
        "`detail` is Markdown in which nothing of a chart becomes HTML or a script.", _detail,
    ),
    Requirement(
        "7.18", "SHALL", "`suggestions` are objects, with a selectionBehavior.", _suggestions
    ),
    Requirement("7.19", "SHALL", "`selectionBehavior` is at-most-one or any.", _behaviour),
    Requirement("7.20", "SHALL", "`overrideReasons` are Codings with `display`.", _reasons),
    Requirement("7.22", "SHALL", "Every Coding of a card has `code` and `system`.", _codings),
)  # fmt: skip
