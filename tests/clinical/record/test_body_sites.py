"""A code that only says malignant, with the body site, the histology or the words beside it."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service import assess

SNOMED = "http://snomed.info/sct"
HISTOLOGY = "http://hl7.org/fhir/us/mcode/StructureDefinition/mcode-histology-morphology-behavior"
MALIGNANT = [{"system": SNOMED, "code": "363346000", "display": "Malignant neoplastic disease"}]


def site(code: str, display: str | None = None) -> dict[str, Any]:
    coding = {"system": SNOMED, "code": code} | ({"display": display} if display else {})
    return {"coding": [coding]}


def disease_of(**members: Any) -> str:
    condition = {
        "resourceType": "Condition",
        "id": "c1",
        "subject": {"reference": "Patient/p1"},
        "code": {"coding": MALIGNANT},
        "onsetDateTime": "2023-01-01",
        **members,
    }
    (cancer,) = assess([{"resourceType": "Patient", "id": "p1"}, condition], "2024-01-01").cancers
    return cancer.disease.id


@pytest.mark.parametrize(
    ("sites", "disease"),
    [
        pytest.param([site("80248007")], "breast", id="left breast by its code alone"),
        pytest.param([{"text": "Left breast"}], "breast", id="left breast in words"),
        pytest.param(
            [site("1", "Right breast structure (body structure)")], "breast", id="display"
        ),
        pytest.param([site("71854001")], "colorectal", id="colon"),
        pytest.param([site("41216001"), {"text": "Prostate"}], "prostate", id="one place twice"),
        pytest.param([site("80248007"), site("71854001")], "other-solid", id="two places"),
        pytest.param([{"text": "Left breast"}, {"text": "Axilla"}], "other-solid", id="an unknown"),
        pytest.param([site("39607008", "Lung structure")], "other-solid", id="lung: two cancers"),
        pytest.param([site("10200004", "Liver structure")], "other-solid", id="liver"),
        pytest.param([], "other-solid", id="no place"),
    ],
)
def test_a_body_site_tells_where_it_leaves_little_open(
    sites: list[dict[str, Any]], disease: str
) -> None:
    assert disease_of(bodySite=sites) == disease


def test_the_histology_is_more_than_the_place() -> None:
    lymphoma = {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/icd-o-3", "code": "9680/3"}]
    }
    told = {"extension": [{"url": HISTOLOGY, "valueCodeableConcept": lymphoma}]}
    assert disease_of(bodySite=[site("80248007")], **told) == "dlbcl"


def test_a_telling_code_or_name_beside_it_counts() -> None:
    coded = [*MALIGNANT, {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "C50.912"}]
    assert disease_of(code={"coding": coded}) == "breast"
    assert disease_of(code={"coding": coded[::-1]}) == "breast"
    named = {"coding": MALIGNANT, "text": "Melanoma"}
    assert disease_of(code=named) == "melanoma"
    assert disease_of(code=named, bodySite=[site("80248007")]) == "melanoma"


def test_a_site_does_not_change_a_code_that_says_which_cancer() -> None:
    code = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "C34.90"}]}
    assert disease_of(code=code, bodySite=[site("80248007")]) == "nsclc"
