"""What single codes and words of a chart are read as, in whichever resource they stand."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from charts import condition, order, patient, response
from charts.fhir import concept

from cds_service import shipped_knowledge
from cds_service.clinical.evidence.statements import from_statement
from cds_service.clinical.record import Record, read_record
from cds_service.knowledge.terms import ICD10, ICD10CM, ICD10GM, ICDO3, LOINC, SNOMED

Json = dict[str, Any]
AS_OF = date(2024, 6, 10)
WHO_ALIAS = "urn:oid:2.16.840.1.113883.6.3"
GM_BEFORE_2021 = "http://fhir.de/CodeSystem/dimdi/icd-10-gm"
NCI = "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl"
OBDS = (
    "https://www.medizininformatik-initiative.de/fhir/ext/modul-onko/CodeSystem/"
    "mii-cs-onko-verlauf-gesamtbeurteilung"
)


def read(*resources: Json) -> Record:
    return read_record([patient("p1"), *resources], AS_OF, shipped_knowledge())


def made(resource_type: str, **elements: Any) -> Json:
    given = {"id": "x", "subject": {"reference": "Patient/p1"}}
    return {"resourceType": resource_type, **given, **elements}


def diagnosis(*codings: tuple[str, str], onset: str = "2024-01-05", **elements: Any) -> Json:
    code = concept(*((system, code, None) for system, code in codings))
    return made("Condition", code=code, onsetDateTime=onset, **elements)


def issues(record: Record) -> list[str]:
    return [issue.code for issue in record.issues]


# --- diagnoses in the modifications of ICD-10 and in ICD-O-3 --------------------------------------


@pytest.mark.parametrize(
    "system",
    [ICD10CM, ICD10, WHO_ALIAS, ICD10GM, GM_BEFORE_2021],
    ids=["CM", "WHO", "W", "GM", "D"],
)
@pytest.mark.parametrize(
    ("code", "disease", "alternatives"),
    [
        pytest.param("C34.1", "nsclc", ("sclc",), id="lung"),
        pytest.param("C50.4", "breast", (), id="breast"),
        pytest.param("C56", "ovarian", (), id="ovary"),
        pytest.param("C57.0", "ovarian", (), id="tube"),
        pytest.param("C48.2", "ovarian", ("other-solid",), id="peritoneum"),
        pytest.param("C61", "prostate", (), id="prostate"),
        pytest.param("C18.7", "colorectal", (), id="sigmoid"),
        pytest.param("C19", "colorectal", (), id="rectosigmoid"),
        pytest.param("C20", "colorectal", (), id="rectum"),
        pytest.param("C83.3", "dlbcl", (), id="DLBCL"),
        pytest.param("C833", "dlbcl", (), id="without the dot"),
        pytest.param("C90.00", "multiple-myeloma", (), id="myeloma"),
        pytest.param("C92.10", "cml", (), id="CML"),
    ],
)
def test_a_diagnosis_means_the_same_in_each_modification(
    system: str, code: str, disease: str, alternatives: tuple[str, ...]
) -> None:
    (cancer,) = read(diagnosis((system, code))).cancers
    assert (cancer.disease, cancer.alternatives) == (disease, alternatives)
    assert not cancer.is_in_remission


@pytest.mark.parametrize("code", ["C90.01", "C92.11"])
def test_the_fifth_digit_one_is_remission_in_germany_too(code: str) -> None:
    (cancer,) = read(diagnosis((ICD10GM, code))).cancers
    assert cancer.is_in_remission


@pytest.mark.parametrize(
    ("code", "read_as"),
    [
        pytest.param((ICD10CM, "C80.0"), [], id="disseminated: a metastasis in ICD-10-CM"),
        pytest.param((ICD10, "C80.0"), ["other-solid"], id="unknown primary elsewhere"),
        pytest.param((ICD10GM, "C80.0"), ["other-solid"], id="and in Germany"),
        pytest.param((ICD10CM, "C94.80"), ["other-heme"], id="another leukaemia in ICD-10-CM"),
        pytest.param((ICD10GM, "C94.8"), ["cml"], id="blast crisis of CML in Germany"),
        pytest.param((ICD10GM, "C92.8"), ["aml"], id="AML with dysplasia"),
        pytest.param((ICD10GM, "C95.8"), [], id="refractory leukaemia names no leukaemia"),
    ],
)
def test_where_the_modifications_differ(code: tuple[str, str], read_as: list[str]) -> None:
    assert [cancer.disease for cancer in read(diagnosis(code)).cancers] == read_as


def test_leukaemia_refractory_to_induction_is_said_in_so_many_words() -> None:
    leukaemia = {**diagnosis((ICD10GM, "C92.00")), "id": "aml"}
    (said,) = read(leukaemia, diagnosis((ICD10GM, "C95.8"), onset="2024-03-01")).statements
    assert (said.category, said.finding) == ("progression", "documented-refractory")


@pytest.mark.parametrize(
    ("codings", "read_as"),
    [
        pytest.param([(ICDO3, "9680/3")], ["dlbcl"], id="a morphology of one disease"),
        pytest.param([(ICDO3, "9680/3"), (ICDO3, "C50.9")], ["dlbcl"], id="wherever it is"),
        pytest.param([(ICDO3, "8140/3"), (ICDO3, "C18.7")], ["colorectal"], id="with its site"),
        pytest.param([(ICDO3, "8500/3"), (ICDO3, "C50.4")], ["breast"], id="ductal, of the breast"),
        pytest.param([(ICDO3, "8310/3"), (ICDO3, "C56.9")], ["ovarian"], id="clear cell, of ovary"),
        pytest.param([(ICD10CM, "C34.1"), (ICDO3, "8041/3")], ["sclc"], id="histology settles"),
        pytest.param([(ICD10CM, "C34.1"), (ICDO3, "8140/3")], ["nsclc"], id="or leaves it open"),
        pytest.param([(ICDO3, "8140/3")], [], id="an adenocarcinoma of somewhere"),
        pytest.param([(ICDO3, "C34.1")], [], id="a site is no diagnosis"),
        pytest.param([(ICDO3, "8140/2"), (ICDO3, "C18.7")], [], id="in situ"),
        pytest.param([(ICDO3, "8720/3"), (ICDO3, "C77.3")], ["melanoma"], id="found in a node"),
        pytest.param([(ICDO3, "9699/3"), (ICDO3, "C16.9")], [], id="no carcinoma of the stomach"),
    ],
)
def test_a_tumour_in_icd_o_3(codings: list[tuple[str, str]], read_as: list[str]) -> None:
    record = read(diagnosis(*codings))
    assert [cancer.disease for cancer in record.cancers] == read_as
    assert issues(record) == ([] if read_as else ["unrecognised-condition"])


@pytest.mark.parametrize(
    ("codings", "subtypes"),
    [
        pytest.param([(ICD10CM, "C15.5"), (ICDO3, "8140/3")], {"adenocarcinoma"}, id="beside it"),
        pytest.param([(ICDO3, "8140/3"), (ICDO3, "C15.5")], {"adenocarcinoma"}, id="with its site"),
        pytest.param([(ICD10CM, "C15.5"), (ICDO3, "8070/3")], set(), id="another histology"),
        pytest.param([(ICD10CM, "C15.5")], set(), id="none"),
    ],
)
def test_the_histology_beside_a_diagnosis_is_its_subtype(
    codings: list[tuple[str, str]], subtypes: set[str]
) -> None:
    (cancer,) = read(diagnosis(*codings)).cancers
    assert cancer.disease == "esophageal"
    assert cancer.subtypes == subtypes


@pytest.mark.parametrize(
    ("code", "noted"),
    [
        pytest.param((ICD10GM, "C97"), True, id="a neoplasm without a row"),
        pytest.param(("http://fhir.example/CodeSystem/icd-10-xx", "C50.1"), True, id="unknown ICD"),
        pytest.param((ICDO3, "8000/3"), True, id="a tumour"),
        pytest.param((ICDO3, "8140/0"), False, id="an adenoma"),
        pytest.param((ICD10GM, "I10.90"), False, id="no neoplasm"),
        pytest.param((ICD10GM, "D22.5"), False, id="a naevus"),
        pytest.param((SNOMED, "38341003"), False, id="hypertension"),
    ],
)
def test_a_code_that_looks_like_a_cancer_is_not_passed_over_in_silence(
    code: tuple[str, str], noted: bool
) -> None:
    record = read(diagnosis(code))
    assert (issues(record), record.cancers) == (["unrecognised-condition"] * noted, ())


# --- metastases that name their origin ------------------------------------------------------------

FROM_OVARY = (SNOMED, "369538008")  # broad ligament, by metastasis from ovary


def test_a_metastasis_that_names_its_origin_stands_for_the_cancer() -> None:
    (cancer,) = read(diagnosis(FROM_OVARY)).cancers
    assert (cancer.condition, cancer.disease) == ("Condition/x", "ovarian")
    assert str(cancer.metastatic_since) == "2024-01-05"
    assert not cancer.is_history


@pytest.mark.parametrize(
    ("beside", "diseases", "condition_of_first"),
    [
        pytest.param((ICD10CM, "C56.1"), ["ovarian"], "Condition/p", id="its own primary"),
        pytest.param((ICD10CM, "C57.8"), ["ovarian"], "Condition/p", id="a primary left open"),
        pytest.param((ICD10CM, "C50.9"), ["breast"], "Condition/p", id="another primary"),
        pytest.param((ICD10CM, "C80.1"), ["ovarian"], "Condition/x", id="an unknown primary"),
        pytest.param((ICD10CM, "Z85.3"), ["breast", "ovarian"], "Condition/p", id="a history"),
    ],
)
def test_beside_a_primary_a_metastasis_gives_no_second_cancer(
    beside: tuple[str, str], diseases: list[str], condition_of_first: str
) -> None:
    record = read({**diagnosis(beside, onset="2023-01-01"), "id": "p"}, diagnosis(FROM_OVARY))
    assert [cancer.disease for cancer in record.cancers] == diseases
    assert record.cancers[0].condition == condition_of_first


# --- hospice --------------------------------------------------------------------------------------

HOSPICE = ("305336008", "385763009", "133918004", "182964004", "428361000124107", "428371000124100")
YES = concept((SNOMED, "373066001", "Yes"))


@pytest.mark.parametrize("code", HOSPICE)
@pytest.mark.parametrize(
    "resource",
    [
        pytest.param(lambda code: made("Condition", code=code), id="Condition"),
        pytest.param(
            lambda code: made(
                "Procedure", code=code, status="completed", performedDateTime="2024-05-01"
            ),
            id="Procedure",
        ),
        pytest.param(
            lambda code: made("ServiceRequest", code=code, status="active", intent="order"),
            id="ServiceRequest",
        ),
        pytest.param(
            lambda code: made(
                "Observation",
                code=code,
                status="final",
                effectiveDateTime="2024-05-01",
                valueCodeableConcept=YES,
            ),
            id="Observation",
        ),
        pytest.param(
            lambda code: made(
                "Encounter",
                status="finished",
                period={"start": "2024-04-20", "end": "2024-05-01"},
                hospitalization={"dischargeDisposition": code},
            ),
            id="Encounter",
        ),
    ],
)
def test_hospice_care_is_read_wherever_it_stands(resource: Any, code: str) -> None:
    assert read(resource(concept((SNOMED, code, None)))).is_in_hospice


DISCHARGED = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/discharge-disposition",
                          "code": "hosp"}]}  # fmt: skip
STAY = {"start": "2024-04-20", "end": "2024-05-01"}


@pytest.mark.parametrize(
    ("elements", "on"),
    [
        pytest.param({}, "2024-05-01", id="from the day of discharge"),
        pytest.param({"period": {"start": "2024-04-20"}}, "2024-04-20", id="whose end is missing"),
        pytest.param({"period": {"start": "2024-06-05", "end": "2024-06-11"}}, None, id="tomorrow"),
        pytest.param({"status": "planned"}, None, id="planned"),
        pytest.param({"status": "in-progress"}, None, id="not discharged yet"),
        pytest.param({"status": "entered-in-error"}, None, id="an error"),
        pytest.param(
            {"hospitalization": {"dischargeDisposition": {"text": "Home"}}}, None, id="home"
        ),
        pytest.param(
            {"hospitalization": {"dischargeDisposition": {"text": "Discharge to hospice, home"}}},
            "2024-05-01",
            id="in words",
        ),
        pytest.param(
            {"status": "in-progress", "hospitalization": {}, "type": [concept((SNOMED, "305336008",
             "Admission to hospice"))]},
            "2024-04-20",
            id="a stay in a hospice, from its first day",
        ),
        pytest.param(
            {"hospitalization": {}, "type": [{"text": "Hospice consultation"}]}, None, id="a visit"
        ),
        pytest.param({"hospitalization": {}}, None, id="any other stay"),
    ],
)  # fmt: skip
def test_an_encounter_is_read_for_hospice_alone(elements: Json, on: str | None) -> None:
    base = {"status": "finished", "period": STAY, "hospitalization": {
        "dischargeDisposition": DISCHARGED}}  # fmt: skip
    record = read(made("Encounter", **(base | elements)))
    assert record.is_in_hospice is (on is not None)
    assert [str(event.on) for event in record.events if event.kind == "hospice"] == [on] * bool(on)


def test_a_discharge_to_hospice_without_a_day_is_said() -> None:
    record = read(
        made("Encounter", status="finished", hospitalization={"dischargeDisposition": DISCHARGED})
    )
    assert (record.is_in_hospice, issues(record)) == (False, ["missing-date"])


@pytest.mark.parametrize(
    ("elements", "is_in_hospice"),
    [
        pytest.param({}, True, id="without a date"),
        pytest.param({"onsetDateTime": "2024-06-10"}, True, id="today"),
        pytest.param({"onsetDateTime": "2024-06-11"}, False, id="tomorrow"),
        pytest.param({"clinicalStatus": {"coding": [{"code": "resolved"}]}}, False, id="over"),
        pytest.param({"clinicalStatus": {"coding": [{"code": "inactive"}]}}, False, id="paused"),
    ],
)
def test_hospice_as_a_condition_is_in_force(elements: Json, is_in_hospice: bool) -> None:
    code = concept((SNOMED, "385763009", "Hospice care"))
    assert read(made("Condition", code=code, **elements)).is_in_hospice is is_in_hospice


@pytest.mark.parametrize(
    ("value", "is_in_hospice"),
    [
        pytest.param({"valueCodeableConcept": YES}, True, id="yes"),
        pytest.param({"valueBoolean": True}, True, id="true"),
        pytest.param({"valueBoolean": False}, False, id="false"),
        pytest.param({"valueCodeableConcept": {"text": "No"}}, False, id="no"),
        pytest.param({}, False, id="nothing"),
    ],
)
def test_hospice_as_an_observation(value: Json, is_in_hospice: bool) -> None:
    code = concept((LOINC, "45755-6", "Hospice care"))
    base = {"status": "final", "effectiveDateTime": "2024-05-01"}
    assert read(made("Observation", code=code, **base, **value)).is_in_hospice is is_in_hospice


# --- performance status ---------------------------------------------------------------------------

MII_ECOG = (
    "https://www.medizininformatik-initiative.de/fhir/ext/modul-onko/CodeSystem/"
    "mii-cs-onko-allgemeiner-leistungszustand-ecog"
)


@pytest.mark.parametrize(
    ("code", "value", "grade"),
    [
        *(
            pytest.param((LOINC, "89247-1"), {"valueCodeableConcept": concept((LOINC, code, None))},
                         str(grade), id=f"answer {grade}")
            for grade, code in enumerate(
                ("LA9622-7", "LA9623-5", "LA9624-3", "LA9625-0", "LA9626-8", "LA9627-6")
            )
        ),
        pytest.param((LOINC, "89262-0"), {"valueCodeableConcept": concept((MII_ECOG, "3", None))},
                     "3", id="German oncology module"),
        pytest.param((SNOMED, "423740007"),
                     {"valueCodeableConcept": concept((SNOMED, "423053003", None))},
                     "3", id="SNOMED CT"),
        pytest.param((LOINC, "89247-1"), {"valueInteger": 2}, "2", id="a number"),
    ],
)  # fmt: skip
def test_the_grade_of_a_performance_status(code: tuple[str, str], value: Json, grade: str) -> None:
    observed = made(
        "Observation",
        code=concept((*code, None)),
        status="final",
        effectiveDateTime="2024-05-01",
        **value,
    )
    (fact,) = read(observed).facts
    assert (fact.name, fact.value) == ("ecog", grade)


def test_a_performance_status_that_is_no_grade_is_said() -> None:
    observed = made(
        "Observation",
        code=concept((LOINC, "89247-1", None)),
        status="final",
        effectiveDateTime="2024-05-01",
        valueCodeableConcept={"text": "bedridden, mostly"},
    )
    record = read(observed)
    assert (record.facts, issues(record)) == ((), ["unknown-value"])


# --- response -------------------------------------------------------------------------------------


def observed(code: tuple[str, str], value: Json, **elements: Any) -> Json:
    return made(
        "Observation",
        code=concept((*code, None)),
        status="final",
        effectiveDateTime="2024-05-01",
        valueCodeableConcept=value,
        **elements,
    )


RESPONSE = (LOINC, "21976-6")
MYELOMA = condition("multiple-myeloma", onset="2023-10-01", id="mm")
JUDGED_STABLE = (SNOMED, "359746009")


@pytest.mark.parametrize(
    ("code", "value", "is_formal"),
    [
        pytest.param(RESPONSE, {"text": "SD"}, True, id="SD"),
        pytest.param(RESPONSE, {"text": "Stable disease"}, True, id="stable disease"),
        pytest.param(RESPONSE, {"text": "no change"}, True, id="no change"),
        pytest.param(RESPONSE, concept((NCI, "C18213", None)), True, id="NCIt"),
        pytest.param(RESPONSE, concept((LOINC, "LA28371-5", None)), True, id="LOINC answer"),
        pytest.param(RESPONSE, concept((OBDS, "K", None)), True, id="oBDS"),
        pytest.param(RESPONSE, {"text": "NR"}, True, id="no response"),
        pytest.param((NCI, "C111544"), concept((NCI, "C18213", None)), True, id="RECIST 1.1"),
        pytest.param(
            RESPONSE,
            concept((SNOMED, "260388006", None), (OBDS, "K", None)),
            True,
            id="a category and its translation",
        ),
        pytest.param(RESPONSE, concept((*JUDGED_STABLE, None)), False, id="a judgement as value"),
        pytest.param(RESPONSE, {"text": "condition stable"}, False, id="a judgement in words"),
        pytest.param(RESPONSE, {"text": "Disease stable"}, False, id="and in others"),
        pytest.param((LOINC, "97509-4"), {"text": "SD"}, False, id="a clinician's status"),
        pytest.param((LOINC, "97509-4"), concept((*JUDGED_STABLE, None)), False, id="mCODE"),
    ],
)
def test_stable_disease_is_formal_where_it_is_a_response_category(
    code: tuple[str, str], value: Json, is_formal: bool
) -> None:
    (said,) = read(MYELOMA, observed(code, value)).statements
    evidence = from_statement(said)
    assert evidence is not None
    assert (evidence.finding, evidence.is_formal) == ("stable", is_formal)


EVIDENCE_TYPE = (
    "http://hl7.org/fhir/us/mcode/StructureDefinition/mcode-cancer-disease-status-evidence-type"
)


def based_on(*codes: str) -> list[Json]:
    return [
        {"url": EVIDENCE_TYPE, "valueCodeableConcept": concept((SNOMED, code, None))}
        for code in codes
    ]


@pytest.mark.parametrize(
    ("value", "types", "is_marker_based"),
    [
        pytest.param("progression", ["250724005"], True, id="evidence type: tumour marker"),
        pytest.param("progression", ["250724005", "363679005"], False, id="and imaging"),
        pytest.param("PSA progression", [], True, id="PSA progression"),
        pytest.param("Biochemical recurrence", [], True, id="biochemical recurrence"),
        pytest.param("PSA progression", ["363679005"], False, id="PSA, seen on a scan too"),
        pytest.param("progression", [], False, id="nobody says"),
        pytest.param("progression", ["386344002"], False, id="a laboratory's interpretation"),
    ],
)
def test_a_status_that_rests_on_a_marker_alone(
    value: str, types: list[str], is_marker_based: bool
) -> None:
    status = observed((LOINC, "97509-4"), {"text": value}, extension=based_on(*types))
    (said,) = read(condition("prostate", onset="2023-10-01"), status).statements
    evidence = from_statement(said)
    assert evidence is not None
    assert evidence.is_marker_based is is_marker_based


# --- why a drug was stopped -----------------------------------------------------------------------

TOXICITY = concept((SNOMED, "407563006", "Treatment not tolerated"))
STU1 = "http://hl7.org/fhir/us/mcode/StructureDefinition/mcode-termination-reason"
STU2 = "http://hl7.org/fhir/us/mcode/StructureDefinition/mcode-treatment-termination-reason"


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        pytest.param({"statusReason": TOXICITY}, "toxicity", id="mCODE today"),
        pytest.param(
            {"extension": [{"url": STU1, "valueCodeableConcept": TOXICITY}]}, "toxicity", id="STU 1"
        ),
        pytest.param(
            {"extension": [{"url": STU2, "valueCodeableConcept": TOXICITY}]}, "toxicity", id="STU 2"
        ),
        pytest.param(
            {
                "statusReason": concept((SNOMED, "266721009", "No response to treatment")),
                "extension": [{"url": STU1, "valueCodeableConcept": TOXICITY}],
            },
            "progression",
            id="the present one comes first",
        ),
        pytest.param(
            {"extension": [{"url": "urn:x:reason", "valueCodeableConcept": TOXICITY}]}, "", id="-"
        ),
    ],
)
def test_the_reason_of_a_stop_where_mcode_had_it(elements: Json, reason: str) -> None:
    stopped = order("lenalidomide", "2024-01-05", "2024-03-01") | elements
    (exposure,) = read(MYELOMA, stopped).exposures
    assert exposure.stop_reason == reason


# --- transplants ----------------------------------------------------------------------------------

PCS = "http://hl7.org/fhir/sid/icd-10-pcs"


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(concept((SNOMED, "58776007", None)), id="autologous bone marrow transplant"),
        pytest.param(concept((PCS, "30233Y0", None)), id="ICD-10-PCS by its other name"),
        pytest.param({"text": "Auto-HSCT"}, id="Auto-HSCT"),
        pytest.param({"text": "autologous HSCT, day 0"}, id="autologous HSCT"),
        pytest.param({"text": "Autologous PBSC infusion"}, id="PBSC infusion"),
        pytest.param({"text": "PBSC transplantation"}, id="PBSC transplant"),
        pytest.param({"text": "Autologe Stammzelltransplantation"}, id="German"),
    ],
)
def test_a_transplant_by_code_and_in_words(code: Json) -> None:
    done = made("Procedure", code=code, status="completed", performedDateTime="2024-03-01")
    assert [event.kind for event in read(MYELOMA, done).events] == ["stem-cell-transplant"]


# --- times ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "said"),
    [
        pytest.param("2024-05-01T25:00:00Z", ["2024-05-01"], id="an impossible hour of a day"),
        pytest.param("2024-05-32T10:00:00Z", [], id="a time of an impossible day"),
    ],
)
def test_no_hour_is_read_so_that_none_is_a_fault(written: str, said: list[str]) -> None:
    record = read(MYELOMA, response("PD", "2024-05-01") | {"effectiveDateTime": written})
    assert [str(statement.on) for statement in record.statements] == said
    assert issues(record) == ([] if said else ["invalid-date"])
