"""The cards of every patient story, and of every variant of it, against the rules of a card."""

from __future__ import annotations

import pytest
from charts import resources
from vignettes.test_vignettes import CASES, Case

from cds_service import assess, shipped_knowledge
from cds_service.hooks.cards import CardMaker, cards_for
from cds_service.hooks.orders import build_templates
from hooks.card_rules import OURS, faults_of

KNOWLEDGE = shipped_knowledge()
MAKER = CardMaker(KNOWLEDGE, build_templates(KNOWLEDGE))
ID = "0e2c7a9f-5b1d-4c3e-8f60-9a7b6c5d4e3f"


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_the_cards_of_a_story_break_no_rule(case: Case) -> None:
    assessment = assess(resources(case.chart, until=case.as_of), as_of=case.as_of)
    cards = [card.json for card in cards_for(assessment, ID, MAKER)]
    assert faults_of({"cards": cards}, ID) == []
    shown = sum(a.suppressed is None for c in assessment.cancers for a in c.advice)
    assert sum(len(card["extension"][OURS]["advice"]) for card in cards) == shown
