"""Hostile text in every text of every resource that is read (8.4, 7.17), found by walking stories.

Each text of the fixture stories, by resource type and path, is spoilt in turn, and then all at
once: whatever place a later version reads is tried here without being named.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fixtures.stories import STORIES, Story
from typer.testing import CliRunner

from cds_service import assess, shipped_knowledge
from cds_service.audit.commands import audit_app
from cds_service.cli import app
from cds_service.clinical.assessment_json import to_bytes
from cds_service.hooks.cards import CardMaker
from cds_service.hooks.orders import build_templates
from hooks.calls import bundle, call, cards_for, myeloma, prefetch_of
from hooks.card_rules import INVISIBLE, URI
from hooks.gfm import dangers_of
from hooks.serving import serving

Resource = dict[str, Any]
Place = tuple[str, ...]
KNOWLEDGE = shipped_knowledge()
MAKER = CardMaker(KNOWLEDGE, build_templates(KNOWLEDGE))
ID = "0e2c7a9f-5b1d-4c3e-8f60-9a7b6c5d4e3f"
ESC, BEL, CSI = "\x1b", "\x07", "\x9b"
ATTACKS = {
    "markup": "<script>evil()</script><img src=x onerror=evil()> &lt;svg/onload=evil()&gt;"
    " &#60;b&#62;"
    " [evil](javascript:evil) ![evil](//evil.example/p) **evil** `evil` <evil@e.vil>"
    " www.evil.example evil@evil.example ~~evil~~ | evil |",
    "lines": "evil\n# FORGED\n\n```\nFORGED\n```\r\nFORGED 200 OK\u2028FORGED\u2029FORGED\x85FORGED"
    f"{ESC}[2J{ESC}]0;evil{BEL}{CSI}31m\x00\x08\u202eevil\u2066x\u2069\u200b\ufeff\u00ad\U000e0041",
    "programs": '=HYPERLINK("https://evil.example","x") \' OR 1=1; DROP TABLE log;-- +1 @evil'
    " [bold red]evil[/bold red] [link=https://evil.example]x[/link] ${evil} {{evil}}",
}
"""Cards cut texts at 240 characters, so none is longer."""
STRUCTURE = frozenset({"resourceType", "reference"})
"""A resource without its type or its patient is not read at all."""
SPOIL: dict[str, Callable[[str, str], str]] = {
    "instead": lambda _, attack: attack,
    "behind": lambda usual, attack: f"{usual} {attack}",
}


def texts_in(value: Any, place: Place = ()) -> Iterator[tuple[Place, dict[str, Any], str]]:
    """Every text with its place, without positions, and the object and member that hold it."""
    if isinstance(value, list):
        for inside in value:
            yield from texts_in(inside, place)
    elif isinstance(value, dict):
        for name, inside in value.items():
            if isinstance(inside, str) and name not in STRUCTURE:
                yield (*place, name), value, name
            else:
                yield from texts_in(inside, (*place, name))


def places_of(resources: Iterable[Resource]) -> set[Place]:
    found = set()
    for resource in resources:
        found |= {place for place, _, _ in texts_in(resource, (resource["resourceType"],))}
    return found


def spoilt(
    resources: Iterable[Resource], is_hit: Callable[[Place], bool], how: str, attack: str
) -> list[Resource]:
    made = [copy.deepcopy(resource) for resource in resources]
    for resource in made:
        for place, holder, name in list(texts_in(resource, (resource["resourceType"],))):
            if is_hit(place):
                holder[name] = SPOIL[how](holder[name], attack)
    return made


@cache
def by_place() -> dict[Place, Story]:
    """The shortest story with a text in a place, of those with a card where there is one."""
    found: dict[Place, Story] = {}
    for story in sorted(STORIES, key=lambda story: (not has_card(story), len(story.resources))):
        for place in places_of(story.resources):
            found.setdefault(place, story)
    return found


def has_card(story: Story) -> bool:
    return bool(cards_for(assess(story.resources, as_of=story.as_of), ID, MAKER))


def faults_in(card: dict[str, Any]) -> Iterator[str]:
    """What a hostile text has got through, in any text that a client shows."""
    orders = [action["resource"] for s in card["suggestions"] for action in s["actions"]]
    markdown = [card["detail"], *(note["text"] for o in orders for note in o.get("note", ()))]
    for text in markdown:
        yield from (f"markdown: {danger}" for danger in dangers_of(text))
        yield from (f"forged: {line}" for line in text.splitlines() if line.startswith("FORGED"))
    plain = [card["summary"], card["source"]["label"]]
    for suggestion in card["suggestions"]:
        plain += [suggestion["label"], *(a["description"] for a in suggestion["actions"])]
    plain += [order["code"]["text"] for order in orders]
    for text in plain:
        if "<" in text or "evil" in text.lower() or "FORGED" in text:
            yield f"plain: {text}"
    for text in (*markdown, *plain):
        if found := INVISIBLE.search(text):
            yield f"invisible {found[0]!r}: {text[:80]!r}"
    if len(card["summary"]) >= 140 or len(card["detail"]) > 20_000:
        yield "too long"
    for link in card.get("links", ()):
        if not URI.fullmatch(link["url"]):
            yield f"address: {link['url']}"


def faults_of_chart(resources: Iterable[Resource], story: Story) -> list[str]:
    assessment = assess(resources, as_of=story.as_of)
    json.loads(to_bytes(assessment))
    cards = cards_for(assessment, ID, MAKER)
    return [fault for card in cards for fault in faults_in(card.json)]


PLACES = sorted(by_place())


def test_the_walk_finds_the_places_of_every_type_that_stories_have() -> None:
    assert len(PLACES) > 150
    assert {place[0] for place in PLACES} >= {
        "Patient", "Condition", "MedicationRequest", "Observation", "Procedure", "ServiceRequest",
        "MedicationAdministration", "DiagnosticReport",
    }  # fmt: skip


@pytest.mark.parametrize("resource_type", sorted({place[0] for place in PLACES}))
def test_8_4_no_text_of_a_resource_is_more_than_text_on_a_card(resource_type: str) -> None:
    faults = []
    for place in (place for place in PLACES if place[0] == resource_type):
        story = by_place()[place]
        for name, attack in ATTACKS.items():
            chart = spoilt(story.resources, place.__eq__, "behind", attack)
            faults += [(place, story.slug, name, f) for f in faults_of_chart(chart, story)]
    assert faults == []


@pytest.mark.parametrize("how", SPOIL)
@pytest.mark.parametrize("attack", ATTACKS)
def test_8_4_nor_are_all_texts_at_once(attack: str, how: str) -> None:
    faults, count = [], 0
    for story in STORIES:
        is_words = lambda place: place[-1] in ("text", "display", "valueString", "div")  # noqa: E731
        chart = spoilt(story.resources, is_words, how, ATTACKS[attack])
        count += len(cards_for(assess(chart, as_of=story.as_of), ID, MAKER))
        faults += [(story.slug, fault) for fault in faults_of_chart(chart, story)]
    assert faults == []
    assert count > 5, "else nothing was shown"


MOVES = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)
"""What a terminal acts on, but for the line break."""


@pytest.mark.parametrize("attack", ATTACKS)
def test_8_4_the_text_of_the_command_line_moves_no_terminal_and_forges_no_line(
    attack: str, tmp_path: Path
) -> None:
    for story in STORIES[::3]:
        chart = spoilt(story.resources, lambda _: True, "behind", ATTACKS[attack])
        words = spoilt(
            story.resources, lambda p: p[-1] in ("text", "display", "id"), "behind",
            ATTACKS[attack],
        )  # fmt: skip
        for resources in (chart, words):
            file = tmp_path / "chart.json"
            file.write_text(json.dumps(bundle(*resources)))
            asked = ["assess", str(file), "--as-of", str(story.as_of), "--format", "text"]
            result = CliRunner().invoke(app, asked)
            assert result.exit_code in (0, 2), result.output
            assert not MOVES.search(result.output)
            forged = [line for line in result.output.splitlines() if line.startswith("FORGED")]
            assert forged == []


@pytest.mark.parametrize("attack", ATTACKS)
async def test_8_4_nor_does_the_decision_log_when_it_is_read(attack: str, tmp_path: Path) -> None:
    text = ATTACKS[attack]
    words = spoilt(myeloma(), lambda p: p[-1] in ("text", "display"), "behind", text)
    with serving(tmp_path) as served:
        answer = await served.hook(call(prefetch_of(words)), X_Request_Id="a[red]b[/red]")
        (card,) = answer.json()["cards"]
        reason = {"code": text, "system": text, "display": text}
        entry = {
            "card": card["uuid"], "outcome": "overridden",
            "outcomeTimestamp": "2026-11-21T12:30:00Z",
            "overrideReason": {"reason": reason, "userComment": f"before {text}"},
        }  # fmt: skip
        assert (await served.feedback({"feedback": [entry]})).status_code == 200
        await served.hook(b"{" + text.encode())
        names = [entry["eventId"] for entry in served.entries()]
    for asked in (["list"], *(["show", name] for name in names)):
        result = CliRunner().invoke(audit_app, [*asked, "--db", str(tmp_path / "decisions.db")])
        assert result.exit_code == 0, result.output
        assert not MOVES.search(result.output)
        assert not [line for line in result.output.splitlines() if line.startswith("FORGED")]
