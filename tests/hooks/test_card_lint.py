"""A text that commands, promises or hides is found: one spoilt card for each rule of the linter."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any, get_args

import pytest

from cds_service import assess, shipped_knowledge
from cds_service.clinical import wording
from cds_service.clinical.wording import CLOSING
from cds_service.demo.stories import read_stories
from cds_service.fhir.bundles import unpack
from cds_service.hooks.card_lint import LintRule, ToBeSaid, lint_card, lint_texts
from cds_service.hooks.cards import CardMaker
from cds_service.hooks.orders import build_templates
from hooks.calls import cards_for

KNOWLEDGE = shipped_knowledge()
MAKER = CardMaker(KNOWLEDGE, build_templates(KNOWLEDGE), "https://cds.example")
ID = "0e2c7a9f-5b1d-4c3e-8f60-9a7b6c5d4e3f"
Card = dict[str, Any]
Spoil = Callable[[Card], None]


def cards_of_the_fixtures() -> list[Card]:
    found = []
    for story in read_stories():
        resources = unpack(story.bundle).resources
        patient = f"Patient/{story.patient_id}"
        assessment = assess(resources, story.as_of, patient=patient)
        found += [card.json for card in cards_for(assessment, ID, MAKER)]
    return found


CARDS = cards_of_the_fixtures()
GOOD = next(card for card in CARDS if "possibl" in card["summary"].lower())


def text(member: str, old: str, new: str) -> Spoil:
    """In this member, the first of some words replaced by others."""

    def spoil(card: Card) -> None:
        assert old in card[member]
        card[member] = card[member].replace(old, new, 1)

    return spoil


def member(name: str, value: Any) -> Spoil:
    return lambda card: card.__setitem__(name, value)


def within(block: str, line: str) -> Spoil:
    """One more line at the beginning of a block."""
    return text("detail", f"**{block}**\n\n", f"**{block}**\n\n- {line}\n")


def button(said: str) -> Spoil:
    return lambda card: card["suggestions"][0].update(label=said)


def source(name: str, value: str) -> Spoil:
    return lambda card: card["source"].update({name: value})


def swapped(one: str, other: str) -> Spoil:
    def spoil(card: Card) -> None:
        kept = card["detail"].replace(f"**{one}**", "**?**")
        card["detail"] = kept.replace(f"**{other}**", f"**{one}**").replace("**?**", f"**{other}**")

    return spoil


def only_option(line: str) -> Spoil:
    def spoil(card: Card) -> None:
        before, _, rest = card["detail"].partition("**Options to consider**")
        after = rest.partition("**What would change this**")[2]
        card["detail"] = (
            f"{before}**Options to consider**\n\n- {line}\n\n**What would change this**{after}"
        )

    return spoil


def undated(card: Card) -> None:
    before, _, rest = card["detail"].partition("**What was seen**")
    after = rest.partition("**Rule used**")[2]
    card["detail"] = f"{before}**What was seen**\n\n- M protein 8 g/L\n\n**Rule used**{after}"


NO_CHANGE = "No change, with a reason (Dismiss)"
SPOILT: list[tuple[str, LintRule, Spoil]] = [
    ("a command verb", "directive", within("Options to consider", "Stop the drug")),
    ("a command after a colon", "directive", within("Rule used", "Next: switch to another line")),
    ("must", "directive", within("Rule used", "The line must be changed")),
    ("should", "directive", within("Not certain because", "Imaging should follow")),
    ("at once", "directive", text("summary", "Possible", "Immediately look: possible")),
    ("a recommendation", "directive", within("Rule used", "A biopsy is recommended")),
    ("a commanding button", "directive", button("Start a new line")),
    ("a bare option", "directive", within("Options to consider", "Restaging")),
    ("no possible", "not-hedged", text("summary", "Possible", "Certain")),
    ("one option", "few-options", only_option(NO_CHANGE)),
    ("no way out", "no-way-out", text("detail", f"- {NO_CHANGE}\n", "- Consider tea\n")),
    ("no reasons", "no-reasons", member("overrideReasons", [])),
    ("a reason without words", "no-reasons", member("overrideReasons", [{"code": "x"}])),
    ("a probability", "probability", within("Rule used", "The probability is high")),
    ("a likelihood", "probability", within("Not certain because", "Progression is likely")),
    ("a certainty in numbers", "probability", within("Rule used", "With a certainty of 90 %")),
    ("critical", "indicator", member("indicator", "critical")),
    ("hard-stop", "indicator", member("indicator", "hard-stop")),
    ("advice before doubts", "order", swapped("Not certain because", "Options to consider")),
    ("rule before evidence", "order", swapped("What was seen", "Rule used")),
    ("no doubts", "order", text("detail", "**Not certain because**", "Not certain because")),
    ("a conclusion as evidence", "order", within("What was seen", "Line 1: possibly refractory")),
    ("no version", "no-source", source("label", "refractory-cds")),
    ("a link elsewhere", "no-source", source("url", "https://cds.example/docs")),
    ("no link", "no-source", lambda card: card["source"].pop("url")),
    ("no day", "no-date", undated),
    ("a long summary", "long-summary", member("summary", "Possible. " + "x" * 130)),
    ("a long detail", "long-detail", within("Rule used", "word " * 1200)),
    ("a card that was shown", "shown", within("Rule used", "This card was shown before")),
    ("advice shown to", "shown", within("Not certain because", "Shown to the user on Monday")),
    ("a doubt not said", "not-said", text("detail", "The latest evidence is old.", "")),
    ("no closing", "no-closing", text("detail", CLOSING, "Good luck.")),
]  # fmt: skip
SAID = ToBeSaid(("The latest evidence is old.",), is_linked=True)


def good() -> Card:
    """A card that breaks nothing, with one doubt that has to stand on it."""
    card = deepcopy(GOOD)
    within("Not certain because", "The latest evidence is old.")(card)
    return card


def test_the_card_that_is_spoilt_below_is_well_before() -> None:
    assert lint_card(good(), SAID) == []


@pytest.mark.parametrize(
    ("rule", "spoil"), [pytest.param(rule, spoil, id=name) for name, rule, spoil in SPOILT]
)
def test_a_spoilt_card_breaks_its_rule(rule: LintRule, spoil: Spoil) -> None:
    card = good()
    spoil(card)
    assert rule in {broken.rule for broken in lint_card(card, SAID)}


def test_every_rule_has_a_card_that_breaks_it() -> None:
    assert {rule for _, rule, _ in SPOILT} == set(get_args(LintRule))


def test_the_cards_of_the_fixtures_break_none() -> None:
    assert len(CARDS) >= 20
    for card in CARDS:
        assert lint_card(card, ToBeSaid(is_linked=True)) == []


# --- templates ----------------------------------------------------------------------------------


def test_no_text_that_cards_are_made_of_breaks_any() -> None:
    assert lint_texts(KNOWLEDGE) == []


def test_what_the_chart_says_may_say_anything() -> None:
    card = good()
    within("What was seen", "2026-01-02: must stop at once, in the words of the report")(card)
    within("Options to consider", "Consider a referral: on record: a variant shown here")(card)
    assert lint_card(card, SAID) == []


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        pytest.param("switch the drug", "directive", id="a command"),
        pytest.param("imaging must follow", "directive", id="a modal word"),
        pytest.param("progression is probable", "probability", id="a probability"),
    ],
)
def test_a_text_of_the_knowledge_is_refused_by_the_check(said: str, rule: str) -> None:
    cml = KNOWLEDGE.diseases["cml"]
    spoilt = replace(cml, advice=replace(cml.advice, confirm=said))
    found = lint_texts(replace(KNOWLEDGE, diseases={**KNOWLEDGE.diseases, "cml": spoilt}))
    assert [(broken.rule, broken.where) for broken in found] == [(rule, "cml.advice.confirm")]


def test_a_text_of_our_own_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(wording.ADVICE, "restage", "Restaging must be done")
    (found,) = lint_texts(KNOWLEDGE)
    assert (found.rule, found.where) == ("directive", "wording ADVICE.restage")
