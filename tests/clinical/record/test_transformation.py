"""A cancer that another one has become: which turns into which, and when the newer one says so."""

from __future__ import annotations

from datetime import date

import pytest
from charts import condition, patient

from cds_service import shipped_knowledge
from cds_service.clinical.record import Statement, read_record

AS_OF = date(2024, 12, 1)
KNOWLEDGE = shipped_knowledge()


def told(older: str, newer: str, onset: str | None, **more: str) -> list[Statement]:
    chart = [
        patient("p1"),
        condition(older, onset="2022-05-02", id="older"),
        condition(newer, onset=onset, id="newer", **more),
    ]
    said = read_record(chart, AS_OF, KNOWLEDGE).statements
    return [s for s in said if s.finding == "transformation"]


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("cll", "dlbcl"),
        ("follicular-lymphoma", "dlbcl"),
        ("marginal-zone-lymphoma", "dlbcl"),
        ("waldenstrom", "dlbcl"),
        ("mds", "aml"),
        ("mf", "aml"),
        ("pv", "aml"),
        ("et", "aml"),
    ],
)
def test_a_newer_cancer_is_progression_of_the_one_that_turns_into_it(
    older: str, newer: str
) -> None:
    (statement,) = told(older, newer, "2024-03-10")
    assert statement.disease == older
    assert str(statement.on) == "2024-03-10"
    assert statement.category == "progression"


@pytest.mark.parametrize(
    ("newer", "onset", "more"),
    [
        pytest.param("dlbcl", "2022-05-02", {}, id="of the same day"),
        pytest.param("dlbcl", "2021-01-01", {}, id="older"),
        pytest.param("dlbcl", None, {}, id="not dated"),
        pytest.param("dlbcl", "2024-03-10", {"verification": "provisional"}, id="not confirmed"),
        pytest.param("multiple-myeloma", "2024-03-10", {}, id="another disease"),
    ],
)
def test_what_is_no_transformation_of_follicular_lymphoma(
    newer: str, onset: str | None, more: dict[str, str]
) -> None:
    assert told("follicular-lymphoma", newer, onset, **more) == []
