"""A chart in the shape of FHIR R5 means what it means in R4."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from datetime import date
from typing import Any

import charts
import pytest
from clinical.record.as_r5 import as_r5
from fixtures.stories import STORIES, Story

from cds_service import assess
from cds_service.clinical.assessment_json import to_json
from cds_service.clinical.record import read_record
from cds_service.clinical.record.elements import Head, decode
from cds_service.clinical.record.r5 import CHANGED, in_r4_shape, opened_in_r4_shape
from cds_service.clinical.record.record import Record
from cds_service.knowledge.load import load_knowledge

KNOWLEDGE = load_knowledge()
TODAY = date(2026, 11, 21)
LENALIDOMIDE = {
    "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "342369"}]
}
CANCER = {"reference": "Condition/multiple-myeloma"}


def of_p1(resource_type: str, **members: Any) -> dict[str, Any]:
    return {
        "resourceType": resource_type,
        "id": f"{resource_type.lower()}-1",
        "subject": {"reference": "Patient/p1"},
        **members,
    }


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.slug)
def test_a_story_in_r5_is_assessed_as_it_is_in_r4(story: Story) -> None:
    r5 = [as_r5(resource) for resource in story.resources]
    assert r5 != story.resources
    patient = f"Patient/{story.slug}"
    assert to_json(assess(r5, story.as_of, patient=patient)) == to_json(
        assess(story.resources, story.as_of, patient=patient)
    )


MEDICATION = {"resourceType": "Medication", "id": "m1"}
CT = {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"}
TISSUE = {"coding": [{"system": "http://snomed.info/sct", "code": "119376003"}]}

RESOURCES = [
    pytest.param(
        [charts.order("lenalidomide", "2026-01-05") | {"reasonReference": [CANCER]}],
        id="an order, with its reason",
    ),
    pytest.param(
        [
            of_p1("MedicationRequest", status="active", intent="order", authoredOn="2026-01-05",
                  medicationReference={"reference": "#d"},
                  reasonCode=[{"coding": [{"system": "http://snomed.info/sct",
                                           "code": "109989006"}]}],
                  contained=[{"resourceType": "Medication", "id": "d",
                              "ingredient": [{"itemCodeableConcept": LENALIDOMIDE}]}]),
        ],
        id="an order of a contained medication, known by its ingredient",
    ),
    pytest.param(
        [
            MEDICATION | {"ingredient": [{"itemCodeableConcept": LENALIDOMIDE}]},
            of_p1("MedicationDispense", status="completed", whenHandedOver="2026-01-05",
                  medicationReference={"reference": "Medication/m1"},
                  daysSupply={"value": 28}),
        ],
        id="a supply that points at a Medication",
    ),
    pytest.param(
        charts.given("lenalidomide", ["2026-01-05", "2026-02-02"]), id="doses that were given"
    ),
    pytest.param(
        [of_p1("MedicationAdministration", status="completed",
               medicationCodeableConcept=LENALIDOMIDE,
               effectivePeriod={"start": "2026-01-05", "end": "2026-01-07"})],
        id="doses over a period",
    ),
    *(
        pytest.param(
            [of_p1("MedicationStatement", status=status, medicationCodeableConcept=LENALIDOMIDE,
                   effectivePeriod={"start": "2026-01-05"})],
            id=f"a statement: {status}",
        )
        for status in ("active", "completed", "stopped", "on-hold", "not-taken")
    ),
    pytest.param([charts.procedure("biopsy", "2026-11-20")], id="a procedure"),
    pytest.param(
        [of_p1("Procedure", status="completed", code={"text": "Biopsy"},
               performedPeriod={"start": "2026-11-19", "end": "2026-11-20"},
               reasonReference=[CANCER], outcome={"text": "insufficient tissue"})],
        id="a biopsy without a result, over two days",
    ),
    pytest.param([charts.service_request("ct", "2026-11-20")], id="an order of a scan"),
    pytest.param(
        [of_p1("ServiceRequest", status="revoked", intent="order", authoredOn="2026-11-20",
               code={"text": "biopsy"}, reasonCode=[{"coding": [{"code": "105480006"}]}])],
        id="an order that was declined",
    ),
    pytest.param([charts.report("No change of the lesions.", "2026-05-02")], id="a report"),
    pytest.param(
        [of_p1("Encounter", status="finished", period={"start": "2026-10-01", "end": "2026-10-09"},
               hospitalization={"dischargeDisposition": {"text": "discharged to hospice"}})
         | {"class": {"code": "IMP"}}],
        id="a discharge to a hospice",
    ),
    pytest.param(
        [{"resourceType": "AllergyIntolerance", "id": "a1", "patient": {"reference": "Patient/p1"},
          "type": "allergy", "code": {"text": "iohexol"}}],
        id="an allergy to contrast medium",
    ),
    pytest.param(
        [of_p1("ImagingStudy", status="available", started="2026-11-01", modality=[CT],
               procedureCode=[{"text": "CT chest"}],
               series=[{"modality": CT, "bodySite": {"code": "T-D4000", "display": "Abdomen"}}])],
        id="images",
    ),
    pytest.param(
        [of_p1("Specimen", status="available", type=TISSUE,
               collection={"collectedDateTime": "2026-11-01"})],
        id="a sample",
    ),
    pytest.param(
        [{"resourceType": "ResearchSubject", "id": "r1", "status": "on-study",
          "individual": {"reference": "Patient/p1"}, "study": {"reference": "ResearchStudy/s1"}},
         {"resourceType": "ResearchStudy", "id": "s1", "status": "active",
          "condition": [{"text": "multiple myeloma"}]}],
        id="a trial",
    ),
    pytest.param(
        [charts.tumour("t1", site="lymph-node"), charts.lesion("t1", "2026-05-01", 20, short=12)],
        id="a measured lymph node",
    ),
]  # fmt: skip


def read(resources: list[dict[str, Any]]) -> Record:
    chart = [charts.patient(), charts.condition("multiple-myeloma", onset="2025-12-01"), *resources]
    return replace(read_record(chart, TODAY, KNOWLEDGE, "Patient/p1"), sources=())


@pytest.mark.parametrize("resources", RESOURCES)
def test_a_resource_in_r5_is_read_as_it_is_in_r4(resources: list[dict[str, Any]]) -> None:
    in_r4 = read(resources)
    assert in_r4 != read([]), "the record says something of it"
    assert read([as_r5(resource) for resource in resources]) == in_r4


def test_r6_spells_an_occurrence_with_two_letters_more() -> None:
    (dose, *_) = charts.given("lenalidomide", ["2026-01-05"])
    r6 = as_r5(dose)
    r6["occurrenceDateTime"] = r6.pop("occurenceDateTime")
    assert read([r6]) == read([dose])


@pytest.mark.parametrize(
    ("effective", "status"),
    [
        pytest.param({"effectivePeriod": {"start": "2026-01-05"}}, "active", id="open"),
        pytest.param(
            {"effectivePeriod": {"start": "2026-01-05", "end": "2026-02-05"}},
            "completed",
            id="over",
        ),
        pytest.param({"effectiveDateTime": "2026-01-05"}, "completed", id="on one day"),
    ],
)
def test_a_statement_that_was_recorded_and_says_no_more_is_told_by_its_dates(
    effective: dict[str, Any], status: str
) -> None:
    said = of_p1("MedicationStatement", medicationCodeableConcept=LENALIDOMIDE, **effective)
    recorded = as_r5(said) | {"status": "recorded"}
    assert read([recorded]) == read([said | {"status": status}])


def test_a_statement_of_unknown_adherence_says_nothing() -> None:
    said = of_p1("MedicationStatement", medicationCodeableConcept=LENALIDOMIDE, status="unknown",
                 effectivePeriod={"start": "2026-01-05"})  # fmt: skip
    assert read([as_r5(said)]) == read([said]) == read([])


def test_what_stands_under_both_names_is_read_under_that_of_r4() -> None:
    both = charts.procedure("biopsy", "2026-11-20") | {"occurrenceDateTime": "2020-01-01"}
    assert read([both]) == read([charts.procedure("biopsy", "2026-11-20")])


@pytest.mark.parametrize(
    "spoil",
    [
        {"medication": 5},
        {"medication": {"concept": 5}},
        {"medication": {"concept": LENALIDOMIDE}, "reason": "x"},
        {"medication": {"concept": LENALIDOMIDE}, "reason": [5, {"concept": 5}]},
        {"medication": {"concept": LENALIDOMIDE}, "contained": [5, {"ingredient": 5}]},
        {"medication": {"reference": []}},
    ],
    ids=str,
)
def test_a_faulty_r5_element_costs_its_own_resource_at_most(spoil: dict[str, Any]) -> None:
    order = of_p1("MedicationRequest", status="active", intent="order", authoredOn="2026-01-05")
    record = read([order | spoil, charts.order("dexamethasone", "2026-01-05")])
    assert "dexamethasone" in {exposure.drug for exposure in record.exposures}


@pytest.mark.parametrize("story", STORIES[:3], ids=lambda story: story.slug)
def test_a_resource_of_r4_passes_as_the_bytes_it_is(story: Story) -> None:
    for resource in copy.deepcopy(story.resources):
        if resource["resourceType"] in ("Medication", "MedicationStatement"):
            continue
        raw = json.dumps(resource).encode()
        assert in_r4_shape(raw, resource["resourceType"]) is raw


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.slug)
def test_a_head_shows_what_the_whole_resource_would(story: Story) -> None:
    known = [r for r in copy.deepcopy(story.resources) if r["resourceType"] in CHANGED]
    for resource in (*known, *map(as_r5, copy.deepcopy(known))):
        raw = json.dumps(resource).encode()
        shaped = in_r4_shape(raw, resource["resourceType"])
        assert opened_in_r4_shape(raw, decode(raw, Head)) == shaped


@pytest.mark.parametrize("item", [True, False], ids=["of R5", "of R4"])
def test_a_medication_within_an_order_is_looked_into(item: bool) -> None:
    part = {"concept" if item else "text": {"text": "dexamethasone"} if item else "dexamethasone"}
    inside = {"resourceType": "Medication", "id": "m", "ingredient": [
        {"item": part} if item else {"itemCodeableConcept": part}]}  # fmt: skip
    order = of_p1(
        "MedicationRequest", status="active", intent="order", authoredOn="2026-01-05",
        contained=[inside], medicationReference={"reference": "#m"},
    )  # fmt: skip
    assert "dexamethasone" in {exposure.drug for exposure in read([order]).exposures}
