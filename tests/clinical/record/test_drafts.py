"""Draft orders as real clients write them: read as far as they go, and never a reason to fail."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from clinical.ordering.drafted import Raw, draft, names, read
from clinical.values import KNOWLEDGE
from hypothesis import given
from hypothesis import strategies as st

from cds_service.clinical.record import is_worth_asking

RXNORM: Final = "http://www.nlm.nih.gov/research/umls/rxnorm"
LENALIDOMIDE: Final = {"coding": [{"system": RXNORM, "code": "342369"}]}
LEN, NONE = ["lenalidomide"], list[str]()


def nameless(**changes: Any) -> dict[str, Any]:
    return draft(None, **changes)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        pytest.param(nameless(), NONE, id="nothing chosen yet"),
        pytest.param(draft("lenalidomide"), LEN, id="words"),
        pytest.param(draft("Revlimid 25 mg capsule"), LEN, id="a brand"),
        pytest.param(nameless(medicationCodeableConcept=LENALIDOMIDE), LEN, id="RxNorm"),
        pytest.param(
            nameless(
                medicationCodeableConcept={
                    "coding": [{"system": "http://www.whocc.no/atc", "code": "L04AX04"}]
                }
            ), LEN, id="ATC",
        ),
        pytest.param(
            nameless(medicationCodeableConcept={"coding": [{"display": "lenalidomide 25 MG"}]}),
            LEN, id="a display alone",
        ),
        pytest.param(draft("VRd"), ["bortezomib", "dexamethasone", "lenalidomide"], id="a regimen"),
        pytest.param(draft("ondansetron"), NONE, id="supportive"),
        pytest.param(
            nameless(medicationCodeableConcept={"coding": LENALIDOMIDE["coding"][0]}),
            LEN, id="coding an object",
        ),
        pytest.param(
            nameless(medicationCodeableConcept={"coding": [{"system": RXNORM, "code": 342369}]}),
            LEN, id="a code that is a number",
        ),
        pytest.param(
            nameless(medicationCodeableConcept=[LENALIDOMIDE]), LEN, id="a list of concepts"
        ),
        pytest.param(nameless(medicationCodeableConcept="lenalidomide"), LEN, id="a bare text"),
        pytest.param(
            nameless(medicationCodeableConcept={"text": 5, "coding": "x"}), NONE, id="no concept"
        ),
        pytest.param(nameless(medication={"concept": LENALIDOMIDE}), LEN, id="R5"),
        pytest.param(
            nameless(medication={"reference": {"reference": "#m"}},
                     contained=[{"resourceType": "Medication", "id": "m", "code": LENALIDOMIDE}]),
            LEN, id="R5, a reference",
        ),
        pytest.param(
            nameless(medicationReference={"reference": "#m"},
                     contained=[{"resourceType": "Medication", "id": "m", "code": LENALIDOMIDE}]),
            LEN, id="contained",
        ),
        pytest.param(
            nameless(medicationReference={"reference": "#m"},
                     contained={"resourceType": "Medication", "id": "m", "code": LENALIDOMIDE}),
            LEN, id="contained an object",
        ),
        pytest.param(
            nameless(medicationReference={"reference": "Medication/x", "display": "lenalidomide"}),
            LEN, id="a reference with words",
        ),
        pytest.param(
            nameless(medicationCodeableConcept={"text": "see order set"},
                     medicationReference={"display": "lenalidomide"}),
            LEN, id="words that say nothing, and a reference",
        ),
        pytest.param(
            draft("lenalidomide", resourceType="MedicationOrder", subject=None,
                  patient={"reference": "Patient/p1"}), LEN, id="DSTU2",
        ),
        pytest.param(draft("lenalidomide", subject=None), LEN, id="of nobody: of this patient"),
        pytest.param(
            draft("lenalidomide", subject={"reference": "https://ehr.example/fhir/Patient/p1"}),
            LEN, id="an absolute subject",
        ),
        pytest.param(
            draft("lenalidomide", dosageInstruction=[{"timing": {"repeat": {"frequency": "x"}}}]),
            LEN, id="a faulty dosage",
        ),
        pytest.param(draft("lenalidomide", status=7, intent={}), LEN, id="faulty codes"),
        pytest.param(draft("lenalidomide", status="active"), LEN, id="signed again"),
        pytest.param(draft("lenalidomide", status="entered-in-error"), NONE, id="an error"),
        pytest.param(draft("lenalidomide", status="stopped"), NONE, id="an order to end it"),
        pytest.param(draft("lenalidomide", doNotPerform=True), NONE, id="an order not to give it"),
        pytest.param(
            draft("methotrexate", dosageInstruction=[{"route": {"text": "intrathecal"}}]),
            NONE, id="into a compartment",
        ),
        pytest.param(draft("lenalidomide", resourceType="NutritionOrder"), NONE, id="other type"),
        pytest.param(draft("lenalidomide", resourceType=None), NONE, id="no type"),
        pytest.param([draft("lenalidomide")], NONE, id="a list in place of a resource"),
    ],
)  # fmt: skip
def test_which_drugs_a_draft_names(order: Any, expected: list[str]) -> None:
    assert names(read(order)) == expected


def test_a_medication_among_the_drafts_names_the_drug() -> None:
    order = nameless(medicationReference={"reference": "Medication/m1"})
    medication = {"resourceType": "Medication", "id": "m1", "code": LENALIDOMIDE}
    assert names(read(order, medication)) == LEN
    assert names(read(medication, order)) == LEN


@pytest.mark.parametrize(
    "ingredients",
    [
        pytest.param({"ingredient": [{"itemCodeableConcept": LENALIDOMIDE}]}, id="R4"),
        pytest.param({"ingredient": [{"item": {"concept": LENALIDOMIDE}}]}, id="R5"),
        pytest.param({"product": {"ingredient": [{"item": LENALIDOMIDE}]}}, id="DSTU2"),
    ],
)
def test_a_medication_is_known_by_its_ingredients(ingredients: dict[str, Any]) -> None:
    order = nameless(medicationReference={"reference": "Medication/m1"})
    medication = {"resourceType": "Medication", "id": "m1", **ingredients}
    assert names(read(order, medication)) == LEN


def test_a_medication_that_nobody_sent_is_asked_for_and_then_names_the_drug() -> None:
    order = nameless(medicationReference={"reference": "https://ehr.example/fhir/Medication/m1"})
    first = read(order)
    assert (names(first), first.unread) == ([], ("https://ehr.example/fhir/Medication/m1",))
    second = read(
        order, medications=[{"resourceType": "Medication", "id": "m1", "code": LENALIDOMIDE}]
    )
    assert (names(second), second.unread) == (LEN, ())


def test_nothing_is_asked_for_where_the_draft_names_its_drug_itself() -> None:
    order = nameless(medicationReference={"reference": "Medication/m1", "display": "lenalidomide"})
    assert read(order).unread == ()
    unselected = nameless(medicationReference={"reference": "Medication/m1"})
    assert read(unselected, selections=["MedicationRequest/another"]).unread == ()


@pytest.mark.parametrize(
    ("selections", "expected"),
    [
        pytest.param(["MedicationRequest/one"], LEN, id="with its type"),
        pytest.param(["one"], LEN, id="without its type"),
        pytest.param(["https://ehr.example/fhir/MedicationRequest/one"], LEN, id="an address"),
        pytest.param(["one", "MedicationRequest/two"], ["bortezomib", "lenalidomide"], id="both"),
        pytest.param(["urn:uuid:6a0c6b6e-0a0e-4e4b-8a4c-6b6e0a0e4e4b"], ["carfilzomib"], id="URN"),
        pytest.param(["ServiceRequest/one"], NONE, id="another type"),
        pytest.param(["MedicationRequest/three"], NONE, id="nothing that is there"),
        pytest.param([], NONE, id="none"),
        pytest.param([""], NONE, id="an empty one"),
    ],
)
def test_only_what_is_selected_is_judged(selections: list[str], expected: list[str]) -> None:
    unnamed = json.dumps(draft("carfilzomib", id=None)).encode()  # type: ignore[arg-type]
    drafts = read(
        draft("lenalidomide", id="one"),
        draft("bortezomib", id="two"),
        Raw(unnamed, "urn:uuid:6a0c6b6e-0a0e-4e4b-8a4c-6b6e0a0e4e4b"),
        selections=selections,
    )
    assert names(drafts) == expected


def study(**changes: Any) -> dict[str, Any]:
    made = {
        "resourceType": "ServiceRequest",
        "id": "s1",
        "status": "draft",
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "77477000"}]},
    }
    return made | changes


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        pytest.param(study(), {"imaging-ct"}, id="CT"),
        pytest.param(study(resourceType="ProcedureRequest"), {"imaging-ct"}, id="STU3"),
        pytest.param(study(code={"concept": {"text": "MRI of the liver"}}), {"imaging-mri"},
                     id="R5"),
        pytest.param(study(status="revoked"), set[str](), id="taken back"),
        pytest.param(study(subject={"reference": "Patient/p2"}), set[str](), id="of another"),
        pytest.param(study(code=None), set[str](), id="nothing chosen"),
    ],
)  # fmt: skip
def test_the_studies_on_the_same_drafts_are_known_selected_or_not(
    order: dict[str, Any], expected: set[str]
) -> None:
    assert read(order, selections=["MedicationRequest/request-123"]).studies == expected


def test_a_draft_of_another_patient_is_left_out_and_reported() -> None:
    drafts = read(draft("lenalidomide", subject={"reference": "Patient/p2"}))
    assert names(drafts) == []
    assert [(issue.code, issue.resource) for issue in drafts.issues] == [
        ("other-patient", "MedicationRequest/request-123")
    ]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        pytest.param(draft("lenalidomide"), True, id="an agent"),
        pytest.param(draft("dexamethasone"), False, id="a corticosteroid"),
        pytest.param(draft("epoetin alfa"), True, id="an agent of myelodysplasia"),
        pytest.param(draft("leucovorin"), False, id="supportive"),
        pytest.param(
            draft("methotrexate", reasonCode=[{"coding": [
                {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "M06.9"}]}]),
            False, id="for joints",
        ),
        pytest.param(
            draft("methotrexate", reasonReference=[{"reference": "Condition/c1"}]),
            True, id="for a condition that only the chart tells",
        ),
    ],
)  # fmt: skip
def test_whether_a_chart_has_to_be_looked_at(order: dict[str, Any], expected: bool) -> None:
    assert any(is_worth_asking(one, KNOWLEDGE) for one in read(order).drugs) is expected


JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
    | st.sampled_from(["lenalidomide", "Patient/p1", "Medication/m", "#m", "active", "Medication"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["coding", "text", "code", "system", "display", "reference", "concept", "item",
             "itemReference", "route", "id", "url", "valueCodeableConcept", "resourceType"]
        ), inner, max_size=4,
    ),
    max_leaves=8,
)  # fmt: skip
MEMBERS: Final = st.sampled_from(
    ["id", "status", "intent", "subject", "patient", "medicationCodeableConcept",
     "medicationReference", "medication", "contained", "reasonCode", "reasonReference", "reason",
     "dosageInstruction", "extension", "doNotPerform", "code", "ingredient", "product"]
)  # fmt: skip
ANY_DRAFT: Final = st.builds(
    lambda kind, members: {**members, "resourceType": kind},
    st.sampled_from(["MedicationRequest", "MedicationOrder", "ServiceRequest", "Medication", 5]),
    st.dictionaries(MEMBERS, JSON, max_size=6),
)


@given(st.lists(ANY_DRAFT, max_size=3))
def test_whatever_stands_as_a_draft_is_read_and_costs_no_other(drafts: list[Any]) -> None:
    found = read(*drafts, draft("lenalidomide", id="own"))
    assert any(one.resource == "MedicationRequest/own" for one in found.drugs)
