"""Drugs by ATC, and by a Medication that another resource points to."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from charts import condition, order, patient
from charts.fhir import concept

from cds_service import shipped_knowledge
from cds_service.clinical.lines import find_lines
from cds_service.clinical.record import Record, read_record
from cds_service.clinical.record.drug_names import recognise_medication
from cds_service.knowledge.terms import ATC, RXNORM

Json = dict[str, Any]
AS_OF = date(2024, 6, 10)
NDC = "http://hl7.org/fhir/sid/ndc"


# --- ATC ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "system",
    [
        "http://www.whocc.no/atc",
        "https://www.whocc.no/atc",
        "http://www.whocc.no/atc/",
        "https://www.whocc.no/atc_ddd_index",
        "http://fhir.de/CodeSystem/bfarm/atc",
        "http://fhir.de/CodeSystem/dimdi/atc",
        "urn:oid:2.16.840.1.113883.6.73",
    ],
)
def test_atc_goes_by_several_names(system: str) -> None:
    chart = [{"system": system, "code": "L01XA02"}]
    record = read(medication_of(code={"coding": chart}))
    assert [e.drug for e in record.exposures] == ["carboplatin"]


@pytest.mark.parametrize(
    ("code", "drugs"),
    [
        pytest.param("L01FF02", ("pembrolizumab",), id="today's code of an antibody"),
        pytest.param("L01XC18", ("pembrolizumab",), id="its code before 2022"),
        pytest.param("L01EA01", ("imatinib",), id="today's code of a kinase inhibitor"),
        pytest.param("L01XE01", ("imatinib",), id="its code before 2021"),
        pytest.param("L02BX03", ("abiraterone",), id="endocrine"),
        pytest.param("L04AX04", ("lenalidomide",), id="among the immunosuppressants"),
        pytest.param("L03AX03", ("bcg live",), id="among the immunostimulants"),
        pytest.param("V10XX04", ("lutetium-177 dotatate",), id="radiopharmaceutical"),
        pytest.param("L01FY01", ("pertuzumab", "trastuzumab"), id="a fixed combination"),
        pytest.param("L01XK52", ("abiraterone", "niraparib"), id="another"),
        pytest.param("V03AF01", (), id="mesna"),
        pytest.param("L03AA13", (), id="pegfilgrastim"),
        pytest.param("M05BX04", (), id="denosumab"),
        pytest.param("L04AH02", (), id="everolimus for a transplant"),
    ],
)
def test_an_atc_code_means_its_drugs(code: str, drugs: tuple[str, ...]) -> None:
    found = recognise_medication([(ATC, code)], [], shipped_knowledge().terms)
    assert (found.drugs, found.how) == (drugs, "code")


@pytest.mark.parametrize("code", ["S01LA08", "D10AD01", "S01BA01"])
def test_an_atc_code_of_the_eye_or_skin_is_not_systemic(code: str) -> None:
    assert not recognise_medication([(ATC, code)], [], shipped_knowledge().terms).systemic


# --- Medication resources -------------------------------------------------------------------------


def medication_of(**elements: Any) -> list[Json]:
    """An order, and the Medication with these elements that it points to."""
    return [
        pointing("Medication/m"),
        {"resourceType": "Medication", "id": "m", **elements},
    ]


def pointing(to: str | None, **elements: Any) -> Json:
    made = order("carboplatin", "2024-01-05", "2024-03-01", id="o")
    del made["medicationCodeableConcept"]
    made["medicationReference"] = {"reference": to} if to else {}
    made["medicationReference"] |= elements.pop("reference_has", {})
    return {**made, **elements}


def read(chart: list[Json]) -> Record:
    return read_record([patient("p1"), *chart], AS_OF, shipped_knowledge())


def contained(*medications: Json) -> list[Json]:
    return [pointing("#a", contained=list(medications))]


CISPLATIN = concept((RXNORM, "2555", None))


@pytest.mark.parametrize(
    ("chart", "drugs"),
    [
        pytest.param(medication_of(code=CISPLATIN), ["cisplatin"], id="by its code"),
        pytest.param(medication_of(code={"text": "Taxol"}), ["paclitaxel"], id="by its text"),
        pytest.param(
            medication_of(code={"coding": [{"system": NDC, "code": "0"}], "text": "Taxol"}),
            ["paclitaxel"],
            id="by its text beside an NDC",
        ),
        pytest.param(
            medication_of(ingredient=[{"itemCodeableConcept": CISPLATIN}]),
            ["cisplatin"],
            id="by its ingredient",
        ),
        pytest.param(
            medication_of(
                code={"text": "infusion 7"}, ingredient=[{"itemCodeableConcept": CISPLATIN}]
            ),
            ["cisplatin"],
            id="by its ingredient where the code says nothing",
        ),
        pytest.param(
            medication_of(
                ingredient=[
                    {"itemCodeableConcept": {"text": "carboplatin"}, "isActive": True},
                    {"itemCodeableConcept": {"text": "paclitaxel"}, "isActive": False},
                ]
            ),
            ["carboplatin"],
            id="only what is active",
        ),
        pytest.param(
            contained({"resourceType": "Medication", "id": "a", "code": {"text": "R-CHOP"}}),
            ["cyclophosphamide", "doxorubicin", "prednisone", "rituximab", "vincristine"],
            id="contained, a regimen",
        ),
        pytest.param(
            contained(
                {
                    "resourceType": "Medication",
                    "id": "a",
                    "ingredient": [{"itemReference": {"reference": "#b"}}],
                },
                {"resourceType": "Medication", "id": "b", "code": CISPLATIN},
            ),
            ["cisplatin"],
            id="contained, its ingredient contained too",
        ),
        pytest.param(
            [pointing("Medication/gone", reference_has={"display": "Keytruda 200 mg"})],
            ["pembrolizumab"],
            id="by the words beside a reference that leads nowhere",
        ),
        pytest.param(
            [pointing(None, reference_has={"display": "Keytruda"})],
            ["pembrolizumab"],
            id="by words alone",
        ),
    ],
)
def test_a_referenced_medication_names_the_drug(chart: list[Json], drugs: list[str]) -> None:
    record = read(chart)
    assert sorted(e.drug for e in record.exposures) == drugs
    assert not record.issues


@pytest.mark.parametrize(
    ("chart", "issue"),
    [
        pytest.param(medication_of(code={"text": "foozumab"}), "unrecognised-drug", id="a name"),
        pytest.param(
            medication_of(code={"coding": [{"system": NDC, "code": "0"}]}),
            "unrecognised-drug",
            id="a code that says nothing, without words",
        ),
        pytest.param(
            [pointing("Medication/gone", reference_has={"display": "foozumab"})],
            "unrecognised-drug",
            id="words beside a reference",
        ),
        pytest.param([pointing("Medication/gone")], "invalid-resource", id="nothing at all"),
        pytest.param(medication_of(code={"text": "placebo"}), "unrecognised-drug", id="a placebo"),
    ],
)
def test_what_is_not_recognised_is_reported_and_not_used(chart: list[Json], issue: str) -> None:
    record = read(chart)
    assert not record.exposures
    assert [found.code for found in record.issues] == [issue]


# --- drugs of two uses ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("disease", "drug", "is_agent"),
    [
        pytest.param("colorectal", "octreotide", False, id="for diarrhoea"),
        pytest.param("colorectal", "lanreotide", False, id="its sibling"),
        pytest.param("nsclc", "megestrol", False, id="for appetite"),
        pytest.param("breast", "megestrol", True, id="against breast cancer"),
        pytest.param("prostate", "ketoconazole", True, id="against prostate cancer"),
        pytest.param("breast", "ketoconazole", False, id="against a fungus"),
        pytest.param("multiple-myeloma", "siltuximab", False, id="for cytokine release"),
        pytest.param("multiple-myeloma", "luspatercept", False, id="for anaemia"),
    ],
)
def test_a_drug_of_two_uses_is_an_agent_where_it_treats(
    disease: str, drug: str, is_agent: bool
) -> None:
    chart = [condition(disease, onset="2023-01-01", id="c"), order(drug, "2024-01-05", id="o")]
    knowledge = shipped_knowledge()
    lines = find_lines(read(chart), knowledge).of.values()
    agents = [use.drug.name for own in lines for line in own for use in line.uses]
    assert agents == ([drug] if is_agent else [])
