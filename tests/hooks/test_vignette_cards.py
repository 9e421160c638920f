"""The cards of every patient story, and of every variant of it, against the rules of a card."""

from __future__ import annotations

import pytest
from charts import resources
from vignettes.test_vignettes import CASES, Case

from cds_service import assess, shipped_knowledge
from cds_service.clinical.assessment import Assessment
from cds_service.clinical.wording import CAVEATS
from cds_service.hooks.card_lint import ToBeSaid, lint_card
from cds_service.hooks.cards import Card, CardMaker
from cds_service.hooks.orders import build_templates
from hooks.calls import cards_for
from hooks.card_rules import OURS, faults_of

KNOWLEDGE = shipped_knowledge()
MAKER = CardMaker(KNOWLEDGE, build_templates(KNOWLEDGE), "https://cds.example")
ID = "0e2c7a9f-5b1d-4c3e-8f60-9a7b6c5d4e3f"


def to_be_said(assessment: Assessment, card: Card) -> ToBeSaid:
    """What holds of the chart, in the words that a clinician looks for."""
    texts = [CAVEATS[caveat] for caveat in card.content.judged.status.caveats]
    if any(issue.severity != "information" for issue in assessment.issues):
        texts.append("of the chart could not be used.")
    return ToBeSaid(tuple(texts), is_linked=True)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_the_cards_of_a_story_break_no_rule(case: Case) -> None:
    assessment = assess(resources(case.chart, until=case.as_of), as_of=case.as_of)
    made = cards_for(assessment, ID, MAKER)
    cards = [card.json for card in made]
    assert faults_of({"cards": cards}, ID) == []
    for card in made:
        assert lint_card(card.json, to_be_said(assessment, card)) == []
    shown = sum(a.suppressed is None for c in assessment.cancers for a in c.advice)
    assert sum(len(card["extension"][OURS]["advice"]) for card in cards) == shown
