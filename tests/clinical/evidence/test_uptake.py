"""Deauville scores: complete metabolic response, or uptake that decides nothing by itself."""

from __future__ import annotations

import pytest
from clinical.values import day, line, on, seen, use

from cds_service.clinical.evidence.uptake import from_deauville
from cds_service.clinical.record import Fact

LINE = line(use("rituximab", "2024-01-05", "2024-06-01"))


def score(value: str, when: str = "2024-06-20", name: str = "deauville") -> Fact:
    return Fact(f"Observation/{value}", name, value, on(when))


@pytest.mark.parametrize(
    ("value", "finding", "decides"),
    [
        pytest.param("1", "complete-response", True, id="no uptake"),
        pytest.param("2", "complete-response", True, id="below the blood pool"),
        pytest.param("3", "complete-response", True, id="below the liver"),
        pytest.param("4", "not-evaluable", False, id="above the liver, by itself no progression"),
        pytest.param("5", "not-evaluable", False, id="far above, by itself no progression"),
    ],
)
def test_a_score_by_itself(value: str, finding: str, decides: bool) -> None:
    (found,) = from_deauville([score(value)], (), LINE, day("2024-12-31"))
    assert (found.kind, found.finding, found.decides) == ("imaging", finding, decides)
    assert f"Deauville {value}" in found.detail


@pytest.mark.parametrize(
    "fact",
    [
        pytest.param(score("0"), id="no score"),
        pytest.param(score("2", "2024-01-05"), id="the first day of the line"),
        pytest.param(score("2", "2025-01-01"), id="after the day of reading"),
        pytest.param(score("2", name="ecog"), id="another score"),
    ],
)
def test_what_is_no_score_of_the_line(fact: Fact) -> None:
    assert from_deauville([fact], (), LINE, day("2024-12-31")) == []


def test_a_category_of_the_same_day_stands_above_it() -> None:
    said = [seen("progression", "2024-06-20", "response-category")]
    (found,) = from_deauville([score("3")], said, LINE, day("2024-12-31"))
    assert not found.decides
