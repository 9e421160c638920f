"""Text of the chart in a card renders as itself: no link, image, HTML, markup or hidden word.

Real clients render the detail of a card as GitHub Flavored Markdown with HTML let through.
"""

from __future__ import annotations

import asyncio
import html
import re
from typing import Any

import charts
import pytest

from hooks.calls import call, prefetch_of
from hooks.card_rules import INVISIBLE, faults_of
from hooks.gfm import dangers_of, html_of, shape_of, words_of
from hooks.serving import Served

PLAIN = "a plain word"
ATTACKS = {
    "script": "<script>alert(1)</script>",
    "iframe": '<iframe srcdoc="<script>alert(1)</script>">',
    "image handler": "<img src=x onerror=alert(1)>",
    "svg": "<svg/onload=alert(1)>",
    "closing tags": "</li></ul></div><h1>evil</h1>",
    "comment": "<!-- evil -->",
    "declaration": "<!DOCTYPE html>",
    "CDATA": "<![CDATA[evil]]>",
    "processing instruction": "<?php evil ?>",
    "split tag": "<scr\u200bipt>alert(1)</scr\u200bipt>",
    "entities": "&lt;script&gt;alert(1)&lt;/script&gt;",
    "numeric entities": "&#60;script&#62;&#x3c;b&#x3e;",
    "entity without semicolon": "&lt script",
    "link": "[click](https://evil.example)",
    "script link": "[click](javascript:alert(1))",
    "reference link": "[click][1] [1]: https://evil.example",
    "link with a title": '[a](<https://evil.example> "b")',
    "collapsed link": "[click][]",
    "image": "![x](https://evil.example/p.png)",
    "image of data": "![x](data:image/svg+xml;base64,PHN2Zz4=)",
    "autolink": "<https://evil.example>",
    "mail autolink": "<evil@evil.example>",
    "bare http": "http://evil.example/a?b=c",
    "bare https": "https://evil.example",
    "bare ftp": "ftp://evil.example",
    "bare www": "www.evil.example",
    "capital www": "WWW.EVIL.EXAMPLE",
    "bare mail": "evil@evil.example",
    "mailto": "mailto:evil@evil.example",
    "xmpp": "xmpp:evil@evil.example/chat",
    "bracketed address": "(https://evil.example)",
    "escaped escape": "\\[a](https://evil.example) \\\\[b](https://evil.example)",
    "backslash at the end": "evil\\",
    "bold": "**evil** __evil__",
    "italic": "*evil* _evil_",
    "strike": "~~evil~~ ~evil~",
    "code": "`evil` ``evil``",
    "open code": "```",
    "fence": "\n```html\n<b>evil</b>\n```\n",
    "tilde fence": "\n~~~\nevil\n~~~\n",
    "indented code": "\n\n        evil\n",
    "heading": "\n# evil\n",
    "underlined heading": "evil\n====\n",
    "rule": "\n---\n",
    "list": "\n- evil\n1. evil\n",
    "task": "\n- [x] evil\n",
    "quote": "\n> evil\n",
    "table": "\n| a | b |\n| --- | --- |\n| evil | evil |\n",
    "table row": "| evil | evil |",
    "hard break": "evil  \nevil\\\nevil",
    "paragraph": "a\n\nb",
    "carriage return": "a\r# evil",
    "other line breaks": "a\u2028# b\u2029# c\u0085# d\x0b# e\x0c# f",
    "footnote": "[^1] [^1]: evil",
    "mention": "@evil #1 GH-1",
    "maths": "$evil$ $$evil$$",
    "zero": "a\x00b",
    "escape sequence": "\x1b[31mevil\x1b[0m\x9b31m",
    "bell and backspace": "a\x07\x08b",
    "turned round": "\u202elive\u202c \u2066x\u2069 \u200fy",
    "invisible": "a\u200b\u200c\u200d\u2060\ufeff\u00adb",
    "tag characters": "a\U000e0065\U000e0076b",
    "private and unassigned": "a\ue000\uffff\U0010ffffb",
    "combining marks": "e" + "\u0301" * 200,
    "very long": "evil " * 5000,
    "a formula": '=HYPERLINK("https://evil.example")',
    "a template": "{{context.patientId}} ${evil} {% evil %} <%= evil %>",
}


def chart(text: str, place: str) -> list[dict[str, Any]]:
    """Progression on lenalidomide, with this text in one place of the chart, or in all."""

    def put(name: str, usual: str) -> str:
        return text if place in (name, "everywhere") else usual

    order = charts.order("lenalidomide", "2026-01-05", "2026-11-01", stopped_for="no-response")
    order["medicationCodeableConcept"]["text"] = put("drug", "lenalidomide")
    order["medicationCodeableConcept"]["coding"][0]["display"] = put("drug display", "lenalidomide")
    order["statusReason"]["text"] = put("reason", "no response")
    order["statusReason"]["coding"][0]["display"] = put("reason display", "no response")
    order["dosageInstruction"][0]["text"] = put("dosage", "one a day")
    other = charts.order("lenalidomide", "2026-02-05", "2026-11-01", id="free")
    other["medicationCodeableConcept"] = {"text": put("free-text drug", "lenalidomide 25 mg")}
    condition = charts.condition("multiple-myeloma", onset="2025-12-01")
    condition["code"]["text"] = put("condition", "Multiple myeloma")
    condition["code"]["coding"][0]["display"] = put("condition display", "Multiple myeloma")
    condition["note"] = [{"text": put("note", "a note")}]
    status = charts.disease_status("progression", "2026-11-02", by="imaging", site="liver")
    status["valueCodeableConcept"]["text"] = put("value", "worse")
    status["valueCodeableConcept"]["coding"][0]["display"] = put("value display", "worse")
    status["bodySite"]["text"] = put("site", "liver")
    status["bodySite"]["coding"][0]["display"] = put("site display", "liver")
    worded = charts.response("PD", "2026-11-03", id="worded")
    worded["valueCodeableConcept"]["text"] = put("response", "progressive disease")
    values = [
        charts.marker("m-protein", "2026-02-05", 1.0, id="m1"),
        charts.marker("m-protein", "2026-11-01", 4.0, id="m2"),
    ]
    for value in values:
        value["valueQuantity"]["unit"] = put("unit", "g/dL")
        value["code"]["text"] = put("marker", "M-protein")
    report = charts.report(put("conclusion", "no change"), "2026-11-02")
    report["conclusionCode"] = [
        {
            "coding": [{"system": "http://snomed.info/sct", "code": "271299001"}],
            "text": put("conclusion text", "worse"),
        }
    ]
    variant = charts.disease_status("stable", "2026-03-02", id="variant")
    variant |= {
        "code": {"coding": [{"system": "http://loinc.org", "code": "69548-6"}]},
        "valueCodeableConcept": {"coding": [{"system": "http://loinc.org", "code": "LA9633-4"}]},
        "component": [
            {
                "code": {"coding": [{"system": "http://loinc.org", "code": "48018-6"}]},
                "valueCodeableConcept": {"text": put("gene", "TP53")},
            }
        ],
    }
    procedure = charts.procedure("biopsy", "2025-11-20")
    procedure["code"]["text"] = put("procedure", "Biopsy")
    patient = charts.patient()
    patient["name"] = [{"text": put("name", "Sam Doe"), "family": put("family", "Doe")}]
    return [
        patient, condition, order, other, status, worded, *values, report, variant, procedure,
    ]  # fmt: skip


SHOWN = ("drug", "free-text drug", "reason", "value", "site", "response", "conclusion text", "gene")


async def cards_of(served: Served, text: str, place: str) -> list[dict[str, Any]]:
    answer = await served.hook(call(prefetch_of(chart(text, place))))
    assert answer.status_code == 200, answer.text
    assert faults_of(answer.json()) == []
    cards: list[dict[str, Any]] = answer.json()["cards"]
    assert cards
    return cards


def markdown_of(card: dict[str, Any]) -> list[str]:
    """Every text of a card that is Markdown: its detail, and the notes of its draft orders."""
    orders = [action["resource"] for s in card["suggestions"] for action in s["actions"]]
    return [card["detail"], *(note["text"] for order in orders for note in order["note"])]


def plain_of(card: dict[str, Any]) -> list[str]:
    """Every text of a card that is plain, and so not escaped: nothing of a chart is in it."""
    texts = [card["summary"], card["source"]["label"]]
    for suggestion in card["suggestions"]:
        texts += [suggestion["label"], suggestion["actions"][0]["description"]]
        texts.append(suggestion["actions"][0]["resource"]["code"]["text"])
    return texts


@pytest.mark.parametrize("attack", [pytest.param(text, id=name) for name, text in ATTACKS.items()])
async def test_hostile_text_everywhere_in_a_chart_renders_as_text(
    served: Served, attack: str
) -> None:
    text = f"{PLAIN} {attack}"
    for card in await cards_of(served, text, "everywhere"):
        for markdown in markdown_of(card):
            assert dangers_of(markdown) == []
            assert not INVISIBLE.search(markdown)
            assert re.search(r"<(?!/?(p|ul|li|strong|em|br)\b)", html_of(markdown)) is None
        for plain in plain_of(card):
            assert "evil" not in plain
            assert "<" not in plain


@pytest.mark.parametrize("place", SHOWN)
async def test_hostile_text_does_not_change_the_structure_of_a_card(
    served: Served, place: str
) -> None:
    attacks = [attack for attack in ATTACKS.values() if len(attack) < 1000]
    harmless, *hostile = await asyncio.gather(
        cards_of(served, f"{PLAIN} of no meaning", place),
        *(cards_of(served, f"{PLAIN} {attack}", place) for attack in attacks),
    )
    for attack, cards in zip(attacks, hostile, strict=True):
        for one, other in zip(cards, harmless, strict=True):
            for bad, good in zip(markdown_of(one), markdown_of(other), strict=True):
                assert shape_of(bad) == shape_of(good), attack


@pytest.mark.parametrize(
    "text",
    [
        "Müller-Lüdenscheidt, 25 °C, ≥ 30 %",
        "a < b & c > d",
        "5*3 = 15_x [1] (2) #3",
        "C:\\labs\\2026",
        "日本語 العربية עברית ไทย",
        "~20 % | 30 %",
    ],
)
async def test_honest_text_is_shown_as_it_stands(served: Served, text: str) -> None:
    (card,) = await cards_of(served, text, "value")
    assert text in words_of(card["detail"]).replace("\n", "") or text in html.unescape(
        re.sub(r"<[^>]+>", "", html_of(card["detail"]))
    )


async def test_a_long_text_is_cut_and_says_so(served: Served) -> None:
    (card,) = await cards_of(served, "x" * 100_000, "value")
    assert "x…" in card["detail"]
    assert len(card["detail"]) < 10_000


async def test_the_attacks_do_reach_the_card(served: Served) -> None:
    """Else the tests above would prove nothing: each of these places is shown."""
    for place in ("reason", "value", "site", "response"):
        (card,) = await cards_of(served, "SHOWN HERE", place)
        assert "shown here" in card["detail"].lower(), place
    gene = await cards_of(served, "SHOWN HERE", "gene")
    assert "shown here" in " ".join(markdown_of(gene[0])).lower()


@pytest.mark.parametrize(
    "name",
    [
        "<b>x</b>",
        "x](javascript:alert(1))",
        "../../p2",
        "a b",
        "x\ny",
        "x" * 5000,
        "http://evil.example",
        "\u202ex",
    ],
)
async def test_a_hostile_resource_id_is_no_markup_and_no_reference(
    served: Served, name: str
) -> None:
    resources = chart(PLAIN, "nowhere")
    for resource in resources:
        if resource["resourceType"] in ("Observation", "Condition"):
            resource["id"] = f"{name}{resource['id'][:2]}"
    answer = await served.hook(call(prefetch_of(resources)))
    assert answer.status_code == 200
    for card in answer.json()["cards"]:
        for markdown in markdown_of(card):
            assert dangers_of(markdown) == []
        card["extension"]["org.refractory-cds"]["condition"] = "Condition/c1"  # a JSON member only
        assert faults_of({"cards": [card]}) == []


@pytest.mark.parametrize(
    ("markdown", "danger"),
    [
        ("[a](http://x.y)", "a"),
        ("![a](http://x.y)", "image"),
        ("<b>a</b>", "html_inline"),
        ("`a`", "code_inline"),
        ("a\n\n| b | c |\n|---|---|\n", "table"),
        ("see www.x.y", "autolink"),
        ("see a@b.cd", "autolink"),
        ("~~a~~", "s"),
    ],
)
def test_dangers_are_seen(markdown: str, danger: str) -> None:
    assert any(danger in found for found in dangers_of(markdown))
