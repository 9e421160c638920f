"""CDS Hooks 2.0.1 on cards, and our own contract on top, as a list of what an answer breaks.

Written from the specification, not from the code: https://cds-hooks.hl7.org/2.0/#cds-service-response
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from fhir.resources.R4B.servicerequest import ServiceRequest
from pydantic import ValidationError

from cds_service import shipped_knowledge
from cds_service.hooks.card_lint import lint_card

OURS = "org.refractory-cds"
CLOSING = (
    "This is an inference from available records; outside care may be missing. "
    "Clinical judgement takes precedence."
)
BLOCKS = (
    "What was seen", "Rule used", "Not certain because", "Options to consider",
    "What would change this",
)  # fmt: skip
OPTION = re.compile(
    r"Consider [a-z]|No change, with a reason \(Dismiss\)$"
    r"|Where few sites grow .* could be discussed$"
)
"""How an option begins: it is offered, and one of them is always to change nothing."""
CONTRAST = frozenset({"72254-6", "36813-4", "24628-0", "24587-8"})
"""LOINC codes of studies with contrast: that is for local policy to say."""
VERSION = re.compile(r"\d{4}\.\d{2}\.\d+")
CARD = {
    "uuid", "summary", "detail", "indicator", "source", "suggestions", "selectionBehavior",
    "overrideReasons", "links", "extension",
}  # fmt: skip
STATUSES = {
    "possible-refractory", "relapsed", "progressing", "responding", "stable", "indeterminate",
    "no-evidence",
}  # fmt: skip
ADVICE = {
    "restage", "confirm-progression", "biopsy", "trial-referral", "adherence-review",
    "supportive-care",
}  # fmt: skip
EXTENSION = {
    "decisionId": str, "condition": str, "disease": str, "line": int, "status": str,
    "advice": list, "knowledgeVersion": str,
}  # fmt: skip
DIRECTIVE = re.compile(
    r"\bmust\b|\bshould immediately\b|\bcontraindicated\b|\bfailed\b|\bfailure of therapy\b"
    r"|\bfailure confirmed\b|\bresistant to all\b|\bimmediately\b|\bstat\b"
    r"|(?:^|[.;:*\n-] ?)(?:stop|start|switch|discontinue|initiate|change) (?:to )?[a-z]",
    re.IGNORECASE,
)
"""Words that tell a clinician what to do, or blame the patient: "failed" is what drugs do."""
HEDGED = re.compile(
    r"possibl[ey](?: [\w-]+){0,2} (?:[\w-]+-)?refractory|not called refractory", re.IGNORECASE
)
URI = re.compile(r"https?://[A-Za-z0-9.-]+(:\d+)?(/[A-Za-z0-9\-._~:/?#@!$&'()*+,;=%]*)?")
"""RFC 3986: what a strict client parses; no space, bar, angle bracket or letter beyond ASCII."""
INVISIBLE = re.compile(
    "[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
)
"""Control and direction characters, but for the line break that Markdown needs."""


DRUGS = shipped_knowledge().terms.drugs
RECOMMENDED = re.compile(
    rf"\b(?:consider|try|use|add|give|prefer|recommend|offer)\b[^.;:]{{0,20}}\b(?:"
    rf"{'|'.join(sorted(map(re.escape, DRUGS), key=len, reverse=True))})\b",
    re.IGNORECASE,
)
"""A drug named as a recommendation. Named as a fact (what was given, what to state) it may be."""


def faults_of(answer: dict[str, Any], decision_id: str | None = None) -> list[str]:
    """Everything that is wrong with an answer; nothing where all is well."""
    return list(_answer(answer, decision_id))


def _answer(answer: dict[str, Any], decision_id: str | None) -> Iterator[str]:
    if set(answer) != {"cards"}:
        yield f"members of the answer: {sorted(answer)}"
    cards = answer["cards"]
    for path, what in _empties(cards, "cards"):
        yield f"{path} is {what}"
    for position, card in enumerate(cards):
        yield from (f"cards[{position}]: {fault}" for fault in _card(card, decision_id))
    names = [name for card in cards for name in _uuids(card)]
    if len(set(names)) != len(names):
        yield "a uuid stands twice"
    lines = [tuple(card["extension"][OURS][m] for m in ("condition", "line")) for card in cards]
    if len(set(lines)) != len(lines):
        yield "two cards on one line"


def _empties(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Null, and empty texts, lists and objects, at any depth; only `cards` may be empty."""
    if value is None:
        yield path, "null"
    elif isinstance(value, str | list | dict):
        if not (value.strip() if isinstance(value, str) else value) and path != "cards":
            yield path, "empty"
        inside = value.items() if isinstance(value, dict) else enumerate(value)
        if not isinstance(value, str):
            for step, member in inside:
                yield from _empties(member, f"{path}.{step}")


def _uuids(card: dict[str, Any]) -> list[str]:
    return [card["uuid"], *(suggestion["uuid"] for suggestion in card.get("suggestions", ()))]


def _card(card: dict[str, Any], decision_id: str | None) -> Iterator[str]:
    if unknown := set(card) - CARD:
        yield f"unknown members {unknown}"
    for name in _uuids(card):
        if str(UUID(name)) != name:
            yield "a uuid in an unusual spelling"
    if card["indicator"] not in ("info", "warning"):
        yield f"indicator {card['indicator']}"
    for text in _texts(card):
        if INVISIBLE.search(text):
            yield f"control or direction characters in {text[:60]!r}"
    yield from _summary(card["summary"])
    yield from _detail(card["detail"])
    yield from _wording(card)
    yield from _source(card["source"])
    yield from _suggestions(card)
    yield from _override_reasons(card.get("overrideReasons", ()))
    for link in card.get("links", ()):
        yield from _link(link)
    yield from _extension(card, decision_id)
    yield from map(str, lint_card(card))


def _suggestions(card: dict[str, Any]) -> Iterator[str]:
    if "suggestions" not in card:
        return
    if card.get("selectionBehavior") not in ("any", "at-most-one"):
        yield "suggestions without selectionBehavior"
    if len(card["suggestions"]) > 3:
        yield "more than three suggestions"
    for suggestion in card["suggestions"]:
        yield from _suggestion(suggestion)
    recommended = sum(s.get("isRecommended", False) for s in card["suggestions"])
    if recommended > 1 and card.get("selectionBehavior") != "any":
        yield "several recommended of which one can be chosen"


def _override_reasons(reasons: Iterable[dict[str, Any]]) -> Iterator[str]:
    codes = []
    for reason in reasons:
        yield from _coding(reason, "override reason", display=True)
        codes.append((reason.get("system"), reason.get("code")))
    if len(set(codes)) != len(codes):
        yield "an override reason stands twice"


def _summary(summary: str) -> Iterator[str]:
    if len(summary) >= 140:
        yield f"a summary of {len(summary)} characters"
    if "\n" in summary:
        yield "a summary of several lines"
    if "refractory" in HEDGED.sub("", summary).lower():
        yield f"refractory without possible: {summary}"
    if not summary.endswith((".", "…")):
        yield "a summary that is no sentence"


def _detail(detail: str) -> Iterator[str]:
    if detail.splitlines()[-1] != f"_{CLOSING}_":
        yield "no closing sentence"
    yield from _blocks(detail)
    for odd in ("()", "( ", " )", "  ", "None", " ,", "[]", "{}"):
        if odd in detail:
            yield f"{odd!r} in the detail: something was not there"


def _blocks(detail: str) -> Iterator[str]:
    """Five, always the same and in this order, each with something in it."""
    parts = re.split(r"^\*\*(.+)\*\*$", detail, flags=re.MULTILINE)
    titles, bodies = parts[3::2], parts[4::2]
    if tuple(titles) != BLOCKS:
        yield f"blocks {titles}"
        return
    for title, body in zip(titles, bodies, strict=True):
        if not body.strip().startswith("- "):
            yield f"nothing in the block {title!r}"
    for line in bodies[BLOCKS.index("Options to consider")].strip().splitlines():
        if not OPTION.match(line.removeprefix("- ")):
            yield f"an option that is not offered: {line[:60]!r}"


def _wording(card: dict[str, Any]) -> Iterator[str]:
    """No directive and no drug recommended, wherever a clinician reads."""
    said = [card["summary"], card["detail"]]
    for suggestion in card.get("suggestions", ()):
        said.append(suggestion["label"])
        for action in suggestion["actions"]:
            said += [action["description"], action["resource"]["code"]["text"]]
            said += [note["text"] for note in action["resource"].get("note", ())]
    for text in said:
        if found := DIRECTIVE.search(text):
            yield f"a directive: {text[max(0, found.start() - 40) : found.end() + 40]!r}"
        if found := RECOMMENDED.search(text):
            yield f"a drug recommended: {found[0]!r}"


def _source(source: dict[str, Any]) -> Iterator[str]:
    if unknown := set(source) - {"label", "url", "icon", "topic"}:
        yield f"unknown members of source {unknown}"
    if not isinstance(source["label"], str):
        yield "source.label is no text"
    yield from _coding(source["topic"], "source.topic", display=True)
    if source["topic"].get("code") not in STATUSES:
        yield "source.topic is no status"
    for member in ("url", "icon"):
        if member in source and not URI.fullmatch(source[member]):
            yield f"source.{member} is no address"


def _coding(coding: dict[str, Any], what: str, *, display: bool = False) -> Iterator[str]:
    """A Coding itself, not a CodeableConcept: code and system are required."""
    for member in ("code", "system", *(("display",) if display else ())):
        if not isinstance(coding.get(member), str):
            yield f"{what} without {member}"
    if "coding" in coding:
        yield f"{what} is a CodeableConcept"


def _suggestion(suggestion: dict[str, Any]) -> Iterator[str]:
    if unknown := set(suggestion) - {"label", "uuid", "isRecommended", "actions"}:
        yield f"unknown members of a suggestion {unknown}"
    if not isinstance(suggestion["label"], str):
        yield "a suggestion without label"
    if len(suggestion["label"]) > 60:
        yield "a button of more than sixty characters"
    for action in suggestion["actions"]:
        if set(action) != {"type", "description", "resource"}:
            yield f"members of an action: {sorted(action)}"
        if action["type"] != "create":
            yield f"an action that is {action['type']}"
        yield from _order(action["resource"])


def _order(order: dict[str, Any]) -> Iterator[str]:
    try:
        ServiceRequest.model_validate(order)
    except ValidationError as fault:
        yield f"a draft order that is no ServiceRequest: {fault}"
    for member, allowed in (
        ("resourceType", ("ServiceRequest",)),
        ("status", ("draft",)),
        ("intent", ("proposal",)),
        ("priority", ("routine", "urgent")),
    ):
        if order.get(member) not in allowed:
            yield f"a draft order with {member} {order.get(member)}"
    if "id" in order:
        yield "a draft order with an id of its own"
    yield from _what_it_asks(order)
    for reference in _references(order):
        if not re.fullmatch(r"[A-Z][A-Za-z]+/[A-Za-z0-9.\-]{1,64}", reference):
            yield f"a draft order with the reference {reference}"


def _what_it_asks(order: dict[str, Any]) -> Iterator[str]:
    for coding in order["code"].get("coding", ()):
        if coding["code"] in CONTRAST:
            yield f"a draft order that asks for contrast: {coding['code']}"
    for note in order.get("note", ()):
        if "advice rule " not in note["text"] or not VERSION.search(note["text"]):
            yield "a note without the rule and the version that it rests on"
    if not (order.get("reasonReference") or order.get("reasonCode")):
        yield "a draft order without a reason"


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for member in value:
            yield from _references(member)
    if isinstance(value, dict):
        for name, member in value.items():
            if name == "reference":
                yield member
            yield from _references(member)


def _link(link: dict[str, Any]) -> Iterator[str]:
    if set(link) != {"label", "url", "type"}:
        yield f"members of a link: {sorted(link)}"
    if link["type"] != "absolute":
        yield f"a link of type {link['type']}"
    parts = urlsplit(link["url"])
    if parts.scheme != "https" or not parts.hostname or not URI.fullmatch(link["url"]):
        yield f"a link to {link['url']}"


def _extension(card: dict[str, Any], decision_id: str | None) -> Iterator[str]:
    """Our own member; `advice` is left out where a card gives none."""
    extension = card["extension"]
    if set(extension) != {OURS}:
        yield f"extensions {sorted(extension)}"
    ours = extension[OURS]
    if set(ours) | {"advice"} != set(EXTENSION):
        yield f"members of our extension: {sorted(ours)}"
    for member in ours:
        kind = EXTENSION[member]
        if not isinstance(ours[member], kind):
            yield f"{member} is no {kind.__name__}"
    if ours["status"] not in STATUSES:
        yield f"status {ours['status']}"
    if unknown := set(ours.get("advice", ())) - ADVICE:
        yield f"advice {unknown}"
    if ("advice" in ours) != ("suggestions" in card):
        yield "advice without a suggestion, or a suggestion without advice"
    if decision_id is not None and ours["decisionId"] != decision_id:
        yield "the id of another decision"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for member in value.values() if isinstance(value, dict) else value:
            yield from _texts(member)
