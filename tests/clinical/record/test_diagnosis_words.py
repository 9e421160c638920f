"""What the words of a diagnosis settle where its code leaves the disease open."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from charts import condition, patient

from cds_service import shipped_knowledge
from cds_service.clinical.record import read_record

AS_OF = date(2024, 6, 10)


def diseases(code: str | None, words: str) -> list[str]:
    made: dict[str, Any] = condition("nsclc", onset="2023-12-01", code=code or "C34.90")
    made["code"]["text"] = words
    for coding in made["code"]["coding"]:
        del coding["display"]  # the builder's words of another cancer
    if code is None:
        del made["code"]["coding"]
    record = read_record([patient("p1"), made], AS_OF, shipped_knowledge())
    return [cancer.disease for cancer in record.cancers]


@pytest.mark.parametrize(
    ("code", "words", "disease"),
    [
        pytest.param("C34.11", "Small cell lung cancer", "sclc", id="a name alone"),
        pytest.param("C34.11", "Small cell lung cancer, extensive stage", "sclc", id="a phrase"),
        pytest.param("C34.11", "Extensive-stage small cell lung cancer", "sclc", id="stage before"),
        pytest.param("C34.11", "Small cell lung cancer of right upper lobe", "sclc", id="a lobe"),
        pytest.param("C34.11", "SCLC (limited stage)", "sclc", id="in brackets"),
        pytest.param("C22.9", "Hepatocellular carcinoma, multifocal", "hcc", id="liver"),
        pytest.param("C22.9", "Intrahepatic cholangiocarcinoma", "cholangiocarcinoma", id="bile"),
        pytest.param("C73", "Anaplastic thyroid carcinoma", "anaplastic-thyroid", id="thyroid"),
        pytest.param("C73", "Medullary thyroid carcinoma", "other-solid", id="medullary"),
        pytest.param("C74.90", "Neuroblastoma, high risk", "neuroblastoma", id="a site of many"),
        pytest.param("C80.1", "Metastatic melanoma, unknown primary", "melanoma", id="no site"),
        pytest.param(None, "Metastatic pancreatic cancer, stage IV", "pancreatic", id="no code"),
    ],
)
def test_words_settle_what_a_code_leaves_open(code: str | None, words: str, disease: str) -> None:
    assert diseases(code, words) == [disease]


@pytest.mark.parametrize(
    ("code", "words", "disease"),
    [
        pytest.param("C34.11", "Non small-cell lung cancer", "nsclc", id="part of another name"),
        pytest.param("C34.11", "Small cell lung cancer excluded", "nsclc", id="denied"),
        pytest.param("C34.11", "Small cell lung cancer, ruled out", "nsclc", id="denied later"),
        pytest.param("C34.11", "Lung cancer, ? small cell lung cancer", "nsclc", id="asked"),
        pytest.param("C34.11", "SCLC vs. lymphoma", "nsclc", id="one of two"),
        pytest.param("C34.11", "NSCLC; SCLC", "nsclc", id="two"),
        pytest.param("C34.11", "Lung cancer, history of SCLC", "nsclc", id="of the past"),
        pytest.param("C34.11", "Hepatocellular carcinoma", "nsclc", id="not what the code leaves"),
        pytest.param(
            "C50.919", "Small cell lung cancer", "breast", id="a code that leaves nothing"
        ),
        pytest.param("C73", "Multiple myeloma", "thyroid-differentiated", id="another family"),
    ],
)
def test_words_that_settle_nothing(code: str, words: str, disease: str) -> None:
    assert diseases(code, words) == [disease]


@pytest.mark.parametrize("words", ["Family history of pancreatic cancer", "? pancreatic cancer"])
def test_words_of_doubt_without_a_code_are_no_diagnosis(words: str) -> None:
    assert diseases(None, words) == []
