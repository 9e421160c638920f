"""How a card reads to a clinician: classes and papers as people write them, nothing said twice."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from html import unescape
from typing import Any

import charts
import pytest

from cds_service import assess, shipped_knowledge
from cds_service.demo.stories import read_stories
from cds_service.fhir.bundles import unpack
from cds_service.hooks.cards import CardMaker
from cds_service.hooks.citations import CitationsOfACard, label_of
from cds_service.hooks.drug_classes import drug_class_in_words
from cds_service.hooks.orders import build_templates
from hooks.calls import cards_for

KNOWLEDGE = shipped_knowledge()
MAKER = CardMaker(KNOWLEDGE, build_templates(KNOWLEDGE))
ID = "0e2c7a9f-5b1d-4c3e-8f60-9a7b6c5d4e3f"
STORIES = {story.patient_id: story for story in read_stories()}


def card_of(slug: str) -> dict[str, Any]:
    """The first card of a fixture patient on the day that its story ends."""
    story = STORIES[slug]
    resources = unpack(story.bundle).resources
    return card_on(resources, story.as_of, f"Patient/{slug}")


def card_on(resources: Iterable[Any], day: date, patient: str | None = None) -> dict[str, Any]:
    return cards_for(assess(resources, day, patient=patient), ID, MAKER)[0].json


def lines_of(card: dict[str, Any]) -> list[str]:
    return [line.removeprefix("- ") for line in card["detail"].splitlines()]


# --- classes of drugs -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("drug_class", "words"),
    [
        ("immunomodulatory-drug", "immunomodulatory drug"),
        ("anti-cd38-antibody", "anti-CD38 antibody"),
        ("cdk4-6-inhibitor", "CDK4/6 inhibitor"),
        ("egfr-tki-third-generation", "third-generation EGFR-TKI"),
        ("anti-pd-l1", "anti-PD-L1"),
        ("anti-ctla-4", "anti-CTLA-4"),
        ("anti-cldn18-2-antibody", "anti-CLDN18.2 antibody"),
        ("bcma-cd3-bispecific", "BCMA-CD3 bispecific"),
        ("non-covalent-btk-inhibitor", "non-covalent BTK inhibitor"),
        ("topoisomerase-1-inhibitor", "topoisomerase-1 inhibitor"),
        ("gnrh-agonist", "GnRH agonist"),
        ("platinum", "platinum"),
    ],
)
def test_a_class_is_written_as_oncologists_write_it(drug_class: str, words: str) -> None:
    assert drug_class_in_words(drug_class) == words


def test_every_class_of_the_knowledge_has_words_that_tell_it_from_all_others() -> None:
    classes = {drug.drug_class for drug in KNOWLEDGE.terms.drugs.values()}
    words = {drug_class_in_words(one) for one in classes}
    assert len(words) == len(classes)
    assert not [one for one in words if re.search(r"(^|[ -])(cd|her)\d|inhibitor-|-inhibitor", one)]


def test_each_drug_stands_beside_its_own_class() -> None:
    said = lines_of(card_of("mm-triple"))
    assert (
        "Possibly refractory to daratumumab (anti-CD38 antibody), "
        "pomalidomide (immunomodulatory drug)" in said
    )
    assert any(
        line.startswith("Also possibly refractory to carfilzomib (proteasome inhibitor), since ")
        for line in said
    )


# --- papers ---------------------------------------------------------------------------------------


def test_a_paper_is_named_with_its_place_once_and_by_its_label_from_then_on() -> None:
    citations = CitationsOfACard(KNOWLEDGE)
    assert list(citations.named(["rajkumar-2011"])) == [
        "Rajkumar SV, et al. Blood 2011;117:4691-4695"
    ]
    assert list(citations.named(["kumar-2016", "rajkumar-2011"])) == [
        "Kumar S, et al. Lancet Oncol 2016;17:e328-e346",
        "Rajkumar 2011",
    ]


def test_what_has_no_link_on_the_card_is_cited_whole_every_time() -> None:
    citations = CitationsOfACard(KNOWLEDGE)
    whole = KNOWLEDGE.citations["nccn-sclc"].text
    assert not KNOWLEDGE.citations["nccn-sclc"].doi
    for _ in range(2):
        assert list(citations.named(["nccn-sclc"])) == [whole]


def test_a_key_that_is_no_citation_is_passed_over() -> None:
    assert list(CitationsOfACard(KNOWLEDGE).named(["no-such-paper"])) == []


def test_every_paper_keeps_its_year_and_authors_or_publisher() -> None:
    for key, citation in KNOWLEDGE.citations.items():
        (said,) = CitationsOfACard(KNOWLEDGE).named([key])
        words = unescape(said).replace("\\", "")
        assert words.startswith(citation.text[:12])
        assert set(re.findall(r"\b(?:19|20)\d\d;\S+", citation.text)) <= set(words.split())


@pytest.mark.parametrize("slug", ["mm-triple", "prostate-crpc", "breast-cdk"])
def test_a_short_name_of_a_paper_is_the_label_of_a_link(slug: str) -> None:
    card = card_of(slug)
    labels = {link["label"] for link in card["links"]}
    rules = [line for line in lines_of(card) if ", rule " in line]
    places = [place for line in rules for place in re.findall(r"\d{4};[\d:e-]+", line)]
    assert len(places) == len(set(places)) == len(labels)
    assert any(label in line for line in rules for label in labels)
    assert label_of("de-wit-2019") == "De Wit 2019"


# --- words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("slug", "heading"),
    [
        pytest.param(
            "mm-triple",
            "**Multiple myeloma, line 3 (DPd), 2024-07-15 to 2026-10-11; "
            "LoT 3 (0 curative + 3 other)**",
            id="ended",
        ),
        pytest.param(
            "lung-pseudo",
            "**Non-small-cell lung cancer, line 1 (pembrolizumab), since 2026-06-29, ongoing; "
            "LoT 1 (0 curative + 1 other)**",
            id="ongoing",
        ),
        pytest.param(
            "colon-onecycle",
            "**Colorectal cancer, line 1 (FOLFOX-bevacizumab), on 2026-08-24; "
            "LoT 1 (0 curative + 1 other)**",
            id="one day",
        ),
    ],
)
def test_the_heading_says_which_line_when_and_how_lines_are_counted(
    slug: str, heading: str
) -> None:
    assert lines_of(card_of(slug))[0] == heading


@pytest.mark.parametrize(
    ("slug", "offer"),
    [
        pytest.param("lung-pseudo", "Consider confirming the progression", id="progression"),
        pytest.param(
            "cml-access", "Consider confirming that the response was missed", id="milestone"
        ),
        pytest.param("breast-mixed", "Consider confirming the finding", id="both ways"),
    ],
)
def test_what_is_to_be_confirmed_is_what_was_seen(slug: str, offer: str) -> None:
    assert any(line.startswith(f"{offer}: ") for line in lines_of(card_of(slug)))


def test_a_referral_could_state_facts_and_is_not_told_to() -> None:
    option = next(line for line in lines_of(card_of("mm-triple")) if "clinical trials" in line)
    assert ": it could state number of prior lines" in option
    assert option.endswith("; on record: LoT 3 (0 + 3), ECOG 0")


def test_facts_on_record_are_told_with_their_days_and_not_called_missing_as_well() -> None:
    option = next(line for line in lines_of(card_of("dirty-data")) if "clinical trials" in line)
    assert "stage IV (2025-05-14), EGFR variant (2025-05-20); not on record: ALK, PD-L1" in option


def test_a_term_of_snomed_ct_is_shown_without_its_tag() -> None:
    said = card_of("breast-cdk")["detail"]
    assert "Patient's condition worsened (by imaging)" in said
    assert "(finding)" not in said


def test_brackets_of_the_record_itself_stay() -> None:
    progression = charts.disease_status("progression", "2026-08-03")
    progression["valueCodeableConcept"]["text"] = "worse (two findings)"
    chart = [
        charts.patient(),
        charts.condition("multiple-myeloma"),
        *charts.given("lenalidomide", start="2026-01-05", every=7, times=30),
        progression,
    ]
    assert "worse (two findings)" in card_on(chart, date(2026, 9, 1))["detail"]


def test_composites_stand_on_one_line() -> None:
    together = [line for line in lines_of(card_of("mm-triple")) if "triple-class" in line]
    assert len(together) == 1
    assert together[0].startswith("All lines together: possibly refractory to a proteasome ")


def test_supportive_care_is_said_once() -> None:
    said = card_of("prostate-pain")["detail"]
    assert "Consider supportive care alongside cancer treatment: symptoms and goals of care" in said
    assert said.count("alongside cancer treatment") == 1
