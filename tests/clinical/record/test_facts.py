"""Facts about the tumour and the patient: their codes, words, and how TNM and HGVS are written."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from charts import condition, deauville, patient
from charts.fhir import concept

from cds_service import shipped_knowledge
from cds_service.clinical.record import Cancer, Patient, Record, read_record
from cds_service.dates import PartialDate
from cds_service.knowledge.terms import ICD10CM, ICDO3, LOINC, SNOMED

Json = dict[str, Any]
AS_OF = date(2024, 6, 10)
NCI = "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl"
UICC = "https://www.uicc.org/resources/tnm"
GRADING = (
    "https://www.medizininformatik-initiative.de/fhir/ext/modul-onko/CodeSystem/mii-cs-onko-grading"
)


def read(*resources: Json) -> Record:
    return read_record([patient("p1"), *resources], AS_OF, shipped_knowledge())


def observed(code: Json, **elements: Any) -> Json:
    return {
        "resourceType": "Observation", "id": "x", "status": "final", "code": code,
        "subject": {"reference": "Patient/p1"}, "effectiveDateTime": "2024-05-01", **elements,
    }  # fmt: skip


def facts(*resources: Json) -> set[tuple[str, str]]:
    return {(fact.name, fact.value) for fact in read(*resources).facts}


def coded(system: str, code: str) -> Json:
    return {"valueCodeableConcept": concept((system, code, None))}


def said(text: str) -> Json:
    return {"valueCodeableConcept": {"text": text}}


@pytest.mark.parametrize(
    ("code", "value", "fact"),
    [
        # bladder: T category and grade
        ((LOINC, "21905-5"), coded(UICC, "Tis"), ("t-category", "tis")),
        ((LOINC, "21905-5"), coded(UICC, "Ta"), ("t-category", "ta")),
        ((SNOMED, "399504009"), coded(UICC, "T2a2"), ("t-category", "t2")),
        ((SNOMED, "384625004"), coded(SNOMED, "23351008"), ("t-category", "t1")),
        ((LOINC, "21899-0"), coded("http://cancerstaging.org", "pT1"), ("t-category", "t1")),
        ((LOINC, "21899-0"), said("ypT0"), ("t-category", "t0")),
        ((LOINC, "21899-0"), said("pTa, high grade"), ("t-category", "ta")),
        ((LOINC, "21899-0"), said("Tis(pu)"), ("t-category", "tis")),
        ((LOINC, "21905-5"), said("American Joint Committee on Cancer cT3b"), ("t-category", "t3")),
        ((LOINC, "21906-3"), said("cN2"), ("n-category", "n2")),
        ((SNOMED, "371494008"), coded(SNOMED, "62455006"), ("n-category", "n0")),
        ((LOINC, "33732-9"), coded(GRADING, "H"), ("grade", "high")),
        ((LOINC, "33732-9"), coded(GRADING, "2"), ("grade", "intermediate")),
        ((NCI, "C18000"), coded(SNOMED, "1155707008"), ("grade", "high")),
        ((NCI, "C18000"), coded(SNOMED, "1155708003"), ("grade", "low")),
        ((SNOMED, "371469007"), coded(SNOMED, "61026006"), ("grade", "high")),
        ((SNOMED, "371469007"), said("Low grade"), ("grade", "low")),
        # lymphoma
        ((SNOMED, "708895006"), {"valueInteger": 4}, ("deauville", "4")),
        ((SNOMED, "708895006"), coded(NCI, "C99750"), ("deauville", "5")),
        ((SNOMED, "708895006"), {"interpretation": [concept((NCI, "C99748", None))]},
         ("deauville", "3")),
        ((SNOMED, "708895006"), said("Deauville score 2"), ("deauville", "2")),
        # blood
        ((LOINC, "42715-3"), coded(SNOMED, "260373001"), ("del5q", "positive")),
        ((LOINC, "42715-3"), coded(SNOMED, "260415000"), ("del5q", "negative")),
        ((LOINC, "79210-1"), coded(LOINC, "LA9633-4"), ("flt3-itd", "positive")),
        ((LOINC, "54448-6"), said("Not detected"), ("variant-npm1", "negative")),
        ((LOINC, "21739-8"), said("Detected"), ("variant-tp53", "positive")),
        ((LOINC, "77172-5"), said("Detected"), ("kit-exon-9", "positive")),
    ],
    ids=str,
)  # fmt: skip
def test_a_fact_by_its_code(code: tuple[str, str], value: Json, fact: tuple[str, str]) -> None:
    assert facts(observed(concept((*code, None)), **value)) == {fact}


@pytest.mark.parametrize(
    ("name", "value", "fact"),
    [
        ("Transfusion dependence", "Transfusion-dependent", ("transfusion-dependence", "yes")),
        ("Transfusion dependence", "independent", ("transfusion-dependence", "no")),
        ("Radioiodine avidity", "Non-avid", ("rai-avidity", "negative")),
        ("Radioiodine avidity", "avid", ("rai-avidity", "positive")),
        ("Measurable disease", "Yes", ("measurable-disease", "yes")),
        ("Deauville score", "5", ("deauville", "5")),
        ("FLT3-ITD", "Positive", ("flt3-itd", "positive")),
        ("del(5q)", "present", ("del5q", "positive")),
        ("FLT3-ITD", "Not detected / wild type", ("flt3-itd", "negative")),
        ("FLT3-ITD", "Not detected (wild type)", ("flt3-itd", "negative")),
    ],
)
def test_a_fact_without_a_sure_code_by_its_name(
    name: str, value: str, fact: tuple[str, str]
) -> None:
    assert facts(observed({"text": name}, valueString=value)) == {fact}


@pytest.mark.parametrize(
    ("code", "value"),
    [
        pytest.param((LOINC, "21905-5"), said("TX"), id="TX is no category"),
        pytest.param((LOINC, "21905-5"), said("Tumor invades muscle"), id="a sentence"),
        pytest.param((LOINC, "21905-5"), said("tall cell"), id="a word that begins like one"),
        pytest.param((SNOMED, "708895006"), coded(NCI, "C136879"), id="Deauville X"),
        pytest.param((LOINC, "33732-9"), coded(GRADING, "X"), id="GX"),
        pytest.param((LOINC, "42715-3"), said("see report"), id="no result"),
        pytest.param((LOINC, "21702-6"), said("Detected / wild type"), id="two meanings"),
        pytest.param((LOINC, "21702-6"), said("Wild type / see report"), id="a part unknown"),
    ],
)
def test_what_is_no_value_is_no_fact(code: tuple[str, str], value: Json) -> None:
    assert facts(observed(concept((*code, None)), **value)) == set()


def test_the_deauville_profile_of_mcode() -> None:
    assert facts(deauville(4, "2024-05-01")) == {("deauville", "4")}


# --- variants -------------------------------------------------------------------------------------


def variant(gene: str, *changes: tuple[str, str], value: str = "LA9633-4") -> Json:
    components = [
        {"code": concept((LOINC, "48018-6", None)), "valueCodeableConcept": {"text": gene}}
    ]
    components += [
        {"code": concept((LOINC, code, None)), "valueCodeableConcept": {"text": text}}
        for code, text in changes
    ]
    code = concept((LOINC, "69548-6", "Genetic variant assessment"))
    return observed(code, **coded(LOINC, value), component=components)


@pytest.mark.parametrize(
    ("gene", "changes", "named"),
    [
        pytest.param("TP53", [("48005-3", "p.Arg175His")], set(), id="a gene and some change"),
        pytest.param("PDGFRA", [("48005-3", "p.Asp842Val")], {"pdgfra-d842v"}, id="three letters"),
        pytest.param("PDGFRA", [("48005-3", "NP_006197.1:p.(D842V)")], {"pdgfra-d842v"},
                     id="one letter, with its reference"),
        pytest.param("PDGFRA", [("48005-3", "p.Asp842Tyr")], set(), id="another change there"),
        pytest.param("KIT", [("47999-8", "Exon 9")], {"kit-exon-9"}, id="an exon"),
        pytest.param("KIT", [("47999-8", "exon 11")], {"kit-exon-11"}, id="another exon"),
        pytest.param("KIT", [("48005-3", "p.Asp842Val")], set(), id="the change of another gene"),
        pytest.param("ABL1", [("48005-3", "p.Thr315Ile")], {"abl1-t315i"}, id="ABL1 T315I"),
        pytest.param("EGFR", [("48005-3", "p.Thr790Met")], {"egfr-t790m"}, id="EGFR T790M"),
        pytest.param("FLT3", [("48019-4", "ITD")], {"flt3-itd"}, id="FLT3 ITD"),
        pytest.param("IDH1", [], set(), id="a gene alone"),
    ],
)  # fmt: skip
def test_a_variant_is_a_fact_of_its_gene_and_of_its_named_change(
    gene: str, changes: list[tuple[str, str]], named: set[str]
) -> None:
    expected = {(f"variant-{gene.lower()}", "positive")} | {(name, "positive") for name in named}
    assert facts(variant(gene, *changes)) == expected


def test_a_change_that_was_looked_for_and_not_found() -> None:
    found = facts(variant("PDGFRA", ("48005-3", "p.Asp842Val"), value="LA9634-2"))
    assert found == {("variant-pdgfra", "negative"), ("pdgfra-d842v", "negative")}


# --- subtypes by the diagnosis --------------------------------------------------------------------


def diagnosis(*codings: tuple[str, str], histology: tuple[str, str] | None = None) -> Cancer:
    made: Json = {
        "resourceType": "Condition", "id": "x", "subject": {"reference": "Patient/p1"},
        "code": concept(*((system, code, None) for system, code in codings)),
        "onsetDateTime": "2024-01-05",
    }  # fmt: skip
    if histology is not None:
        url = "http://hl7.org/fhir/us/mcode/StructureDefinition/mcode-histology-morphology-behavior"
        made["extension"] = [{"url": url, "valueCodeableConcept": concept((*histology, None))}]
    (cancer,) = read(made).cancers
    return cancer


@pytest.mark.parametrize(
    ("codings", "disease", "subtypes"),
    [
        pytest.param([(ICD10CM, "D09.0")], "urothelial", {"cis"}, id="CIS of the bladder"),
        pytest.param([(SNOMED, "92546004")], "urothelial", {"cis"}, id="in SNOMED CT"),
        pytest.param([(ICD10CM, "C67.9")], "urothelial", set(), id="invasive"),
        pytest.param([(ICDO3, "8120/2"), (ICDO3, "C67.9")], "urothelial", {"cis"}, id="in ICD-O-3"),
        pytest.param([(ICD10CM, "D46.C")], "mds", {"del5q"}, id="isolated del(5q)"),
        pytest.param([(SNOMED, "277597005")], "mds", {"del5q"}, id="the same in SNOMED CT"),
        pytest.param([(ICD10CM, "D46.9")], "mds", set(), id="any myelodysplasia"),
        pytest.param([(SNOMED, "423807009")], "soft-tissue-sarcoma", {"leiomyosarcoma"},
                     id="leiomyosarcoma"),
        pytest.param([(SNOMED, "302851001")], "soft-tissue-sarcoma", {"synovial-sarcoma"},
                     id="synovial sarcoma"),
        pytest.param([(SNOMED, "302847003")], "soft-tissue-sarcoma", {"rhabdomyosarcoma"},
                     id="rhabdomyosarcoma"),
        pytest.param([(SNOMED, "424413001")], "soft-tissue-sarcoma", set(), id="sarcoma"),
        pytest.param([(ICD10CM, "C49.9")], "soft-tissue-sarcoma", set(), id="by site"),
        pytest.param([(ICD10CM, "C49.9"), (ICDO3, "8858/3")], "soft-tissue-sarcoma",
                     {"liposarcoma"}, id="by site and histology"),
        pytest.param([(ICDO3, "8800/3")], "soft-tissue-sarcoma", set(), id="sarcoma NOS"),
    ],
)  # fmt: skip
def test_a_diagnosis_that_names_a_subtype(
    codings: list[tuple[str, str]], disease: str, subtypes: set[str]
) -> None:
    cancer = diagnosis(*codings)
    assert (cancer.disease, set(cancer.subtypes)) == (disease, subtypes)


def test_the_histology_may_stand_beside_the_diagnosis() -> None:
    cancer = diagnosis((ICD10CM, "C49.9"), histology=(ICDO3, "8890/3"))
    assert cancer.subtypes == {"leiomyosarcoma"}


# --- metastases that were entered long after ------------------------------------------------------


@pytest.mark.parametrize(
    ("recorded", "is_backfilled"),
    [
        pytest.param("2024-01-05", False, id="the same day"),
        pytest.param("2024-04-04", False, id="90 days later"),
        pytest.param("2024-04-05", True, id="91 days later"),
        pytest.param(None, False, id="nobody knows when"),
    ],
)
def test_a_metastasis_entered_long_after_its_day(recorded: str | None, is_backfilled: bool) -> None:
    metastasis: Json = {
        "resourceType": "Condition", "id": "m", "subject": {"reference": "Patient/p1"},
        "code": concept((ICD10CM, "C78.7", None)), "onsetDateTime": "2024-01-05",
    }  # fmt: skip
    if recorded is not None:
        metastasis["recordedDate"] = recorded
    (statement,) = read(condition("colorectal", onset="2022-01-05"), metastasis).statements
    assert (statement.finding, statement.is_backfilled) == ("new-metastasis", is_backfilled)


# --- age ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("born", "on", "age"),
    [
        pytest.param("2006-06-10", "2024-06-09", (17, 17), id="the day before the birthday"),
        pytest.param("2006-06-10", "2024-06-10", (18, 18), id="the birthday"),
        pytest.param("2006-06", "2024-06-10", (17, 18), id="a month cannot tell"),
        pytest.param("2006", "2024-06-10", (17, 18), id="nor can a year"),
        pytest.param("2007", "2024-06-10", (16, 17), id="but a later one can"),
        pytest.param("2005", "2024-06-10", (18, 19), id="and an earlier one"),
        pytest.param("2004-02-29", "2022-02-28", (17, 17), id="a leap day is not yet over"),
        pytest.param("2004-02-29", "2022-03-01", (18, 18), id="the day after it is"),
    ],
)
def test_the_age_of_a_patient(born: str, on: str, age: tuple[int, int]) -> None:
    person = Patient("Patient/p1", PartialDate.parse(born))
    assert person.age_on(date.fromisoformat(on)) == age


def test_without_a_birth_date_nobody_knows_the_age() -> None:
    assert Patient("Patient/p1").age_on(AS_OF) is None
