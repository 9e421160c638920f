"""Where a metastasis is: by its body site, its words or its code, if they name one place."""

from __future__ import annotations

import pytest

from cds_service.clinical.record.sites import metastatic_site
from cds_service.knowledge.terms import ICD10CM, ICD10GM, SNOMED


@pytest.mark.parametrize(
    ("text", "site"),
    [
        pytest.param("Secondary malignant neoplasm of brain", "brain", id="ICD-10"),
        pytest.param("Secondary malignant neoplasm of left lung", "left lung", id="its side"),
        pytest.param("Metastatic malignant neoplasm to liver (disorder)", "liver", id="SNOMED CT"),
        pytest.param("Metastatic malignant neoplasm to bone from breast", "bone", id="origin"),
        pytest.param("Secondary malignant neoplasm of liver and bile duct", "liver", id="and"),
        pytest.param("Brain metastases", "brain", id="place first"),
        pytest.param("Metastatic disease", "", id="no place"),
        pytest.param("Secondary malignant neoplasm of unspecified site", "", id="unspecified"),
        pytest.param("Secondary malignant neoplasm of other specified sites", "", id="other"),
        pytest.param("Multiple bone metastases", "", id="not one"),
        pytest.param("Pain in the brain region", "", id="no metastasis"),
    ],
)
def test_words_name_a_place(text: str, site: str) -> None:
    assert metastatic_site([text], [], []) == site


@pytest.mark.parametrize(
    ("codes", "site"),
    [
        pytest.param([(ICD10CM, "C78.01")], "lung", id="right lung"),
        pytest.param([(ICD10GM, "C78.7")], "liver", id="German modification"),
        pytest.param([(ICD10CM, "C79.9")], "", id="no place"),
        pytest.param([(ICD10CM, "C78.7"), (ICD10CM, "C79.51")], "", id="two places"),
        pytest.param([(SNOMED, "94222008")], "", id="a code without words"),
    ],
)
def test_codes_name_a_place(codes: list[tuple[str, str]], site: str) -> None:
    assert metastatic_site([], codes, []) == site


def test_a_body_site_is_more_than_words_and_several_are_none() -> None:
    text = "Secondary malignant neoplasm of bone"
    assert metastatic_site([text], [], ["Left femur"]) == "left femur"
    assert metastatic_site([text], [], ["Left femur", "Right femur"]) == ""
