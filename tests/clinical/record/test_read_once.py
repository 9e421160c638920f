"""A chart reads a concept once, however many resources carry it; no answer tells of it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from charts import marker, order, patient, problem
from clinical.any_chart import CHARTS, Chart

from cds_service import assess
from cds_service.clinical.assessment_json import to_bytes

EVERY = 7
"""Of the vignettes one in so many, and every fixture."""


def _told_apart(value: Any, numbers: Iterator[int]) -> Any:
    """The same, every concept with a coding of its own that says nothing: no two are alike."""
    if isinstance(value, list):
        return [_told_apart(inner, numbers) for inner in value]
    if not isinstance(value, dict):
        return value
    made = {key: _told_apart(inner, numbers) for key, inner in value.items()}
    if isinstance(made.get("coding"), list):
        made["coding"].append({"system": f"urn:example:{next(numbers)}"})
    return made


@pytest.mark.parametrize("chart", [pytest.param(c, id=c.name) for c in CHARTS[::EVERY]])
def test_concepts_that_are_alike_are_read_as_each_would_be(chart: Chart) -> None:
    apart = _told_apart(copy.deepcopy(list(chart.resources)), count())
    alike = assess(chart.resources, as_of=chart.as_of)
    assert to_bytes(assess(apart, as_of=chart.as_of)) == to_bytes(alike)


def test_one_concept_is_read_in_each_place_by_the_rules_of_that_place() -> None:
    """The words of a drug are no diagnosis, though the same concept stands in both."""
    words = {"text": "docetaxel"}
    one = order("docetaxel", "2024-01-01")
    one["medicationCodeableConcept"] = words
    other = problem("docetaxel", code="Z99", onset="2024-01-01")
    other["code"] = words
    found = assess([patient(), problem("prostate cancer", code="C61", onset="2023-01-01"), one,
                    other], as_of="2024-06-01")  # fmt: skip
    assert [cancer.disease.id for cancer in found.cancers] == ["prostate"]
    assert [line.line.agents for line in found.cancers[0].judged] == [("docetaxel",)]


def test_a_code_with_a_fault_costs_its_own_observation_alone() -> None:
    good = marker("psa", "2024-05-01", 4, id="good")
    bad = marker("psa", "2024-05-02", 5, id="bad")
    bad["code"] = {"coding": [{"system": "http://loinc.org", "code": 28571}]}
    found = assess([patient(), problem("prostate cancer", code="C61", onset="2023-01-01"), good,
                    bad], as_of="2024-06-01")  # fmt: skip
    assert [m.resource for m in found.record.measurements] == ["Observation/good"]
    assert [(i.code, i.resource) for i in found.issues] == [("invalid-resource", "Observation/bad")]
