"""Draft orders: what they ask for, how urgently, with what care, and what the record reads back."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import charts
import pytest
from charts.fhir import reference

from cds_service import assess, shipped_knowledge
from cds_service.clinical.advice.silence import answers_to
from cds_service.clinical.record import read_record
from cds_service.hooks.cards import CardMaker
from cds_service.hooks.orders import build_templates, faults_of_orders
from cds_service.knowledge.model import Order
from hooks.calls import cards_for
from hooks.card_rules import faults_of

KNOWLEDGE = shipped_knowledge()
MAKER = CardMaker(KNOWLEDGE, build_templates(KNOWLEDGE))
ID = "0e2c7a9f-5b1d-4c3e-8f60-9a7b6c5d4e3f"
AS_OF = date(2024, 6, 1)
Json = dict[str, Any]


def lung(*more: Json) -> list[Json]:
    return [
        charts.patient("p1"),
        charts.condition("nsclc", onset="2023-12-01", stage="4"),
        *charts.given("docetaxel", start="2024-01-08", every=21, times=5),
        charts.response("PD", "2024-05-10"),
        *more,
    ]


def orders(chart: list[Json], as_of: date = AS_OF) -> dict[str, Json]:
    """The draft orders of the cards, by kind of advice."""
    cards = [card.json for card in cards_for(assess(chart, as_of=as_of), ID, MAKER)]
    assert faults_of({"cards": cards}) == []
    found: dict[str, Json] = {}
    for card in cards:
        kinds = card["extension"]["org.refractory-cds"]["advice"]
        for kind, suggestion in zip(kinds, card["suggestions"], strict=False):
            found[kind] = suggestion["actions"][0]["resource"]
    return found


def allergy(text: str) -> Json:
    return {
        "resourceType": "AllergyIntolerance",
        "id": "a1",
        "patient": reference("Patient", "p1"),
        "code": {"text": text},
    }


def test_every_draft_order_of_the_knowledge_is_valid_fhir() -> None:
    assert list(faults_of_orders(KNOWLEDGE)) == []


def test_a_draft_order_that_is_not_fhir_is_a_fault_of_the_knowledge() -> None:
    nsclc = KNOWLEDGE.diseases["nsclc"]
    spoilt = Order("Imaging", ("not an address", " no code ", "Imaging"))
    advice = replace(nsclc.advice, restage=spoilt)
    changed = replace(KNOWLEDGE, diseases={"nsclc": replace(nsclc, advice=advice)})
    (fault,) = faults_of_orders(changed)
    assert fault.startswith("nsclc: the draft order of restage is not valid FHIR")


def test_images_are_ordered_by_code_and_contrast_is_left_to_local_policy() -> None:
    code = orders(lung())["restage"]["code"]
    assert [coding["code"] for coding in code["coding"]] == ["77477000"]
    assert code["text"].endswith("; contrast per local policy")


@pytest.mark.parametrize(
    ("caution", "says", "says_not"),
    [
        pytest.param(
            charts.problem("Pregnancy", code="77386006", onset="2024-04-01"),
            "ultrasound, or MRI without contrast; pregnancy is on record", "CT", id="pregnancy",
        ),
        pytest.param(
            allergy("Iodinated contrast medium"),
            "without contrast: an allergy to contrast medium on record", "local policy",
            id="an allergy to contrast",
        ),
    ],
)  # fmt: skip
def test_images_are_in_words_alone_where_a_code_would_be_unsafe(
    caution: Json, says: str, says_not: str
) -> None:
    code = orders(lung(caution))["restage"]["code"]
    assert says in code["text"]
    assert says_not not in code["text"]
    assert "coding" not in code


def test_a_caution_about_images_leaves_other_orders_alone() -> None:
    pregnant = charts.problem("Pregnancy", code="77386006", onset="2024-04-01")
    assert orders(lung(pregnant))["trial-referral"] == orders(lung())["trial-referral"]


# --- urgency ------------------------------------------------------------------------------------


def lymphoma(best: str, on: str) -> list[Json]:
    """R-CHOP from January; the day of the progression tells how risky it is."""
    agents = ("rituximab", "cyclophosphamide", "doxorubicin", "vincristine")
    return [
        charts.patient("p1"),
        charts.condition("dlbcl", onset="2023-01-01"),
        *(d for a in agents for d in charts.given(a, start="2023-01-10", every=21, times=6)),
        charts.response(best, "2023-05-20"),
        charts.response("PD", on),
    ]


@pytest.mark.parametrize(
    ("chart", "as_of", "priority"),
    [
        pytest.param(lung(), AS_OF, "routine", id="most diseases"),
        pytest.param(
            lung(charts.problem("Cord compression", code="G95.20", onset="2024-05-20")), AS_OF,
            "urgent", id="a red flag is coded",
        ),
        pytest.param(
            lymphoma("CR", "2024-01-10"), date(2024, 2, 1), "urgent", id="lymphoma back in a year"
        ),
        pytest.param(
            lymphoma("CR", "2024-09-10"), date(2024, 10, 1), "routine", id="lymphoma back later"
        ),
    ],
)  # fmt: skip
def test_how_urgent_a_restaging_is(chart: list[Json], as_of: date, priority: str) -> None:
    assert orders(chart, as_of)["restage"]["priority"] == priority


def test_no_review_of_medicines_is_ever_urgent() -> None:
    missed = charts.stated(
        "docetaxel", "2024-02-01", status="not-taken", stopped_for="nonadherence"
    )
    drafted = orders(lung(missed, charts.problem("Cord compression", code="G95.20")))
    assert drafted["adherence-review"]["priority"] == "routine"
    assert drafted["confirm-progression"]["priority"] == "urgent"


# --- an order that was taken up is read back ----------------------------------------------------

DRAFTED = [
    pytest.param(disease, kind, id=f"{disease.id}: {kind}")
    for disease in KNOWLEDGE.diseases.values()
    for kind in ("restage", "biopsy", "trial-referral", "supportive-care")
    if not (kind == "restage" and "marker" in disease.advice.restage_by)
    and not (kind == "restage" and disease.id == "other-heme")
]
"""What `other-heme` is restaged by is not known; a marker is read back as its value."""


@pytest.mark.parametrize(("disease", "kind"), DRAFTED)
def test_a_draft_that_was_taken_up_silences_its_advice(disease: Any, kind: Any) -> None:
    draft = dict(MAKER.templates.drafts[disease.id, kind])
    taken_up = draft | {
        "id": "sr1",
        "subject": {"reference": "Patient/p1"},
        "authoredOn": "2024-05-30",
    }
    record = read_record([charts.patient("p1"), taken_up], AS_OF, KNOWLEDGE)
    assert [r.is_open for r in record.requests] == [True]
    assert record.requests[0].kind in answers_to(kind, disease)
    wanted, seen = disease.advice.restage_regions, record.requests[0].regions
    if kind == "restage" and wanted and seen and "whole-body" not in seen:
        assert wanted & seen


# --- what may warn --------------------------------------------------------------------------------


def documented(disease: str, drug: str, *more: Json) -> list[Json]:
    """A disease that a clinician calls resistant on its first drug."""
    return [
        charts.patient("p1"),
        charts.condition(disease, onset="2023-01-01"),
        charts.order(drug, "2023-02-01"),
        charts.response("Resistant disease", "2024-05-10"),
        *more,
    ]


BLASTS = charts.condition("cml", code="413842007", onset="2024-05-01", id="blasts")


@pytest.mark.parametrize(
    ("chart", "indicator"),
    [
        pytest.param(documented("cml", "imatinib", BLASTS), "warning", id="CML in a higher phase"),
        pytest.param(documented("cml", "imatinib"), "info", id="CML in chronic phase"),
        pytest.param(documented("dlbcl", "lenalidomide"), "warning", id="large B-cell lymphoma"),
        pytest.param(lymphoma("CR", "2024-04-10"), "info", id="the same, not documented"),
        pytest.param(documented("multiple-myeloma", "lenalidomide"), "info", id="myeloma never"),
    ],
)
def test_which_cards_warn(chart: list[Json], indicator: str) -> None:
    cards = cards_for(assess(chart, as_of=AS_OF), ID, MAKER)
    assert [card.indicator for card in cards] == [indicator]
