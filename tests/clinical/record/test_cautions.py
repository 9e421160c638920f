"""What makes a suggestion unsuitable, as charts record it; and what only looks like it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from charts import condition, patient, problem, procedure, report
from charts.codes import LOINC, SNOMED
from charts.fhir import concept, reference

from cds_service import shipped_knowledge
from cds_service.clinical.record import read_record

AS_OF = date(2024, 6, 30)
KNOWLEDGE = shipped_knowledge()
Json = dict[str, Any]


def cautions(*resources: Json) -> list[tuple[str, str]]:
    """Kind and day of every caution, beside a lung cancer that has none of its own."""
    chart = [patient("p1"), condition("nsclc", onset="2023-12-01"), *resources]
    record = read_record(chart, AS_OF, KNOWLEDGE)
    return [(caution.kind, str(caution.on or "")) for caution in record.cautions]


def with_status(resource: Json, status: str) -> Json:
    system = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    return resource | {"clinicalStatus": concept((system, status, None))}


def pregnancy(onset: str | None = "2024-03-01", code: str = "77386006") -> Json:
    return problem("Pregnancy", code=code, onset=onset)


def measured(code: str, value: float, when: str = "2024-06-01", status: str = "final") -> Json:
    return {
        "resourceType": "Observation",
        "id": f"egfr-{code}-{when}",
        "status": status,
        "code": concept((LOINC, code, "Glomerular filtration rate")),
        "subject": reference("Patient", "p1"),
        "effectiveDateTime": when,
        "valueQuantity": {"value": value, "unit": "mL/min/{1.73_m2}"},
    }


def allergy(text: str, **more: Any) -> Json:
    made: Json = {
        "resourceType": "AllergyIntolerance",
        "id": "a1",
        "patient": reference("Patient", "p1"),
        "code": {"text": text},
    }
    return made | more


def sample(outcome: Json | None, what: str = "biopsy") -> Json:
    made = procedure(what, "2024-06-10")
    return made | ({"outcome": outcome} if outcome else {})


def sampled(conclusion: str, name: str = "Liver biopsy") -> Json:
    made = report("text", "2024-06-12")
    made["code"] = {"text": name}
    made["conclusionCode"] = [{"text": conclusion}]
    return made


VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
REFUTED = concept((VERIFICATION, "refuted", None))
RESOLVED = concept(("http://terminology.hl7.org/x", "resolved", None))


@pytest.mark.parametrize(
    ("resource", "found"),
    [
        pytest.param(pregnancy(), [("pregnancy", "2024-03-01")], id="pregnant"),
        pytest.param(pregnancy("2023-09-04"), [("pregnancy", "2023-09-04")], id="300 days ago"),
        pytest.param(pregnancy("2023-09-03"), [], id="301 days ago: over"),
        pytest.param(pregnancy(None), [("pregnancy", "")], id="without a day"),
        pytest.param(pregnancy(code="Z34.80"), [("pregnancy", "2024-03-01")], id="a visit for it"),
        pytest.param(with_status(pregnancy(), "resolved"), [], id="resolved"),
        pytest.param(pregnancy() | {"verificationStatus": REFUTED}, [], id="refuted"),
        pytest.param(pregnancy() | {"abatementDateTime": "2024-05-01"}, [], id="abated"),
        pytest.param(measured("98979-8", 29), [("kidney", "2024-06-01")], id="eGFR 29"),
        pytest.param(measured("62238-1", 29.9), [("kidney", "2024-06-01")], id="eGFR 29.9"),
        pytest.param(measured("98979-8", 30), [], id="eGFR 30"),
        pytest.param(measured("2160-0", 12), [], id="creatinine is no eGFR"),
        pytest.param(measured("98979-8", 12, status="preliminary"), [], id="not final"),
        pytest.param(allergy("Iodinated contrast medium"), [("contrast-allergy", "")], id="iodine"),
        pytest.param(allergy("Gadobutrol"), [("contrast-allergy", "")], id="gadolinium"),
        pytest.param(allergy("Penicillin"), [], id="penicillin"),
        pytest.param(
            allergy("Contrast medium", verificationStatus=REFUTED), [], id="allergy refuted"
        ),
        pytest.param(
            allergy("Contrast medium", clinicalStatus=RESOLVED), [], id="allergy resolved"
        ),
        pytest.param(
            problem("Radiographic dye allergy status", code="Z91.041"), [("contrast-allergy", "")],
            id="an allergy on the problem list",
        ),
        pytest.param(
            problem("Refusal of treatment by patient", code="105480006", recorded="2024-06-01"),
            [("refusal", "2024-06-01")], id="refusal",
        ),
        pytest.param(
            problem("Procedure not carried out", code="Z53.20", recorded="2024-06-01"),
            [("refusal", "2024-06-01")], id="refusal in ICD-10",
        ),
        pytest.param(
            problem("Cord compression", code="G95.20", onset="2024-04-01"),
            [("red-flag", "2024-04-01")], id="cord compression 90 days ago",
        ),
        pytest.param(
            problem("Cord compression", code="G95.20", onset="2024-03-31"), [], id="91 days ago"
        ),
        pytest.param(
            problem("Neoplasm related pain", code="G89.3", onset="2024-05-01"),
            [("symptom", "2024-05-01")], id="cancer pain",
        ),
        pytest.param(
            problem("Encounter for palliative care", code="Z51.5", onset="2024-05-01"),
            [("palliative-care", "2024-05-01")], id="palliative care",
        ),
        pytest.param(problem("Do not resuscitate", code="Z66"), [], id="no resuscitation is none"),
        pytest.param(problem("Hypertension", code="I10"), [], id="any other problem"),
        pytest.param(
            sample({"text": "Insufficient tissue"}), [("insufficient-sample", "2024-06-10")],
            id="too little tissue",
        ),
        pytest.param(
            sample(concept((SNOMED, "385671000", "Unsuccessful"))),
            [("insufficient-sample", "2024-06-10")], id="unsuccessful",
        ),
        pytest.param(sample({"text": "Successful"}), [], id="successful"),
        pytest.param(sample(None), [], id="nothing said"),
        pytest.param(
            sampled("Non-diagnostic sample"), [("insufficient-sample", "2024-06-12")],
            id="a report says so",
        ),
        pytest.param(sampled("Adenocarcinoma"), [], id="a report says what it is"),
        pytest.param(sampled("Inadequate inspiration", "Chest CT"), [], id="a report on no sample"),
    ],
)  # fmt: skip
def test_what_is_read_as_a_caution(resource: Json, found: list[tuple[str, str]]) -> None:
    assert cautions(resource) == found


def test_the_latest_kidney_function_counts() -> None:
    low, fine = measured("98979-8", 20, "2024-05-01"), measured("98979-8", 60, "2024-06-01")
    assert cautions(low, fine) == []
    assert cautions(measured("98979-8", 60, "2024-05-01"), measured("98979-8", 20)) == [
        ("kidney", "2024-06-01")
    ]


def test_a_pregnancy_as_an_observation() -> None:
    told = {
        "resourceType": "Observation",
        "id": "pregnant",
        "status": "final",
        "code": concept((LOINC, "82810-3", "Pregnancy status")),
        "subject": reference("Patient", "p1"),
        "effectiveDateTime": "2024-05-01",
        "valueCodeableConcept": concept((SNOMED, "77386006", "Pregnant")),
    }
    assert cautions(told) == [("pregnancy", "2024-05-01")]
    no = concept((SNOMED, "60001007", "Not pregnant"))
    assert cautions(told | {"valueCodeableConcept": no}) == []
    later = told | {"id": "later", "effectiveDateTime": "2024-06-01", "valueCodeableConcept": no}
    assert cautions(told, later) == []
    international = concept((LOINC, "LA15173-0", "Pregnant"))
    assert cautions(told | {"valueCodeableConcept": international}) == [("pregnancy", "2024-05-01")]


def test_a_caution_is_among_what_the_answer_rests_on() -> None:
    chart = [patient("p1"), condition("nsclc", onset="2023-12-01"), allergy("Contrast medium")]
    record = read_record(chart, AS_OF, KNOWLEDGE)
    assert "AllergyIntolerance/a1" in [reference for reference, _ in record.sources]
    assert record.issues == ()
