"""A definition that was made for adults gives no label under eighteen years."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from charts import condition, given, patient, response
from clinical.values import KNOWLEDGE, day, on
from msgspec import structs

from cds_service import assess
from cds_service.clinical.assessment_json import to_json
from cds_service.clinical.record import Patient
from cds_service.clinical.status import (
    Earlier,
    LineStatus,
    is_child_of_adult_definition,
    without_adult_label,
)

ADULT = KNOWLEDGE.disease("nsclc")
OF_ALL_AGES = replace(ADULT, is_adult_only=False)
AS_OF = date(2024, 6, 1)
CHILD = Patient("Patient/p1", on("2010-01-01"))


@pytest.mark.parametrize(
    ("born", "disease", "child"),
    [
        pytest.param("2006-06-02", ADULT, True, id="seventeen"),
        pytest.param("2006-06-01", ADULT, False, id="eighteen on the day"),
        pytest.param("2006", ADULT, True, id="a bare year may be seventeen"),
        pytest.param("2005", ADULT, False, id="a bare year that cannot"),
        pytest.param(None, ADULT, False, id="no birth date"),
        pytest.param("2015-01-01", OF_ALL_AGES, False, id="a definition for children too"),
    ],
)
def test_who_is_a_child(born: str | None, disease: Any, child: bool) -> None:
    person = Patient("Patient/p1", on(born) if born else None)
    assert is_child_of_adult_definition(person, AS_OF, disease) is child


LABEL = LineStatus(
    "possible-refractory", "secondary", "criteria", "partial-response", ("docetaxel",), ("taxane",),
    ("nsclc.palliative-90-days",), progressed_on=day("2024-05-01"),
)  # fmt: skip


def test_the_label_is_withheld_and_what_was_seen_stays() -> None:
    status = without_adult_label(LABEL, CHILD, AS_OF, ADULT)
    assert (status.status, status.pattern, status.confidence) == ("indeterminate", None, None)
    assert (status.refractory_to, status.refractory_classes) == ((), ())
    assert (status.progressed_on, status.rules) == (LABEL.progressed_on, LABEL.rules)
    assert status.best_response == "partial-response"


def test_the_age_is_that_on_the_day_of_the_progression() -> None:
    """A survivor's early lines were judged in a child."""
    grown = date(2040, 1, 1)
    assert without_adult_label(LABEL, CHILD, grown, ADULT).status == "indeterminate"


@pytest.mark.parametrize(
    "status",
    [
        pytest.param(structs.replace(LABEL, confidence="documented"), id="a clinician's own word"),
        pytest.param(structs.replace(LABEL, status="progressing"), id="progression is no label"),
        pytest.param(LineStatus("responding"), id="a response"),
    ],
)
def test_what_is_no_label_of_ours_stays(status: LineStatus) -> None:
    assert without_adult_label(status, CHILD, AS_OF, ADULT) == status


def test_a_label_of_the_past_is_withheld_too() -> None:
    status = LineStatus("responding", history=(Earlier(day("2024-03-01"), "possible-refractory"),))
    kept = without_adult_label(status, CHILD, AS_OF, ADULT)
    assert [past.status for past in kept.history] == ["indeterminate"]


def chart(born: str) -> list[dict[str, Any]]:
    return [
        patient("p1", born=born),
        condition("nsclc", onset="2023-12-01", stage="4"),
        *given("docetaxel", start="2024-01-08", every=21, times=5),
        response("PD", "2024-04-20"),
    ]


@pytest.mark.parametrize(
    ("born", "status", "advice"),
    [
        pytest.param("2006-04-20", "possible-refractory", "restage", id="eighteen"),
        pytest.param("2006-04-21", "indeterminate", "confirm-progression", id="a day younger"),
    ],
)
def test_a_chart_on_both_sides_of_eighteen(born: str, status: str, advice: str) -> None:
    (cancer,) = to_json(assess(chart(born), as_of=AS_OF))["cancers"]
    assert cancer["lines"][0]["status"] == status
    assert cancer["advice"][0]["kind"] == advice


def test_a_child_s_advice_names_the_protocol_group_and_neither_trial_nor_biopsy() -> None:
    (cancer,) = to_json(assess(chart("2010-01-01"), as_of=AS_OF))["cancers"]
    (advice,) = cancer["advice"]
    assert "paediatric protocol group" in advice["reason"]
    assert cancer["composites"] == []
