"""What is said beside an advice: supply, the first day of assessment, when a repeat settles it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from clinical.advice.situations import situation, stands
from clinical.values import day, line, on, use
from msgspec import structs

from cds_service.clinical.advice.reasons import covered_days, reason_for, settles_between
from cds_service.clinical.advice.situation import Situation
from cds_service.clinical.record import Exposure


def days(drug: str, first: str, last: str) -> Exposure:
    return Exposure(f"MedicationDispense/{first}", drug, "dispense", on(first), on(last))


IMATINIB = use("imatinib", "2024-01-01", "2024-04-09", is_continuous=True)
SUPPLY = (
    days("imatinib", "2024-01-01", "2024-01-28"),
    days("imatinib", "2024-01-15", "2024-01-30"),
    days("imatinib", "2024-03-11", "2024-04-09"),
    days("dasatinib", "2024-02-01", "2024-02-28"),
)


def on_imatinib(missed_until: str) -> Situation:
    told = situation(stands("indeterminate", "signal", "adherence"), "cml")
    taken = structs.replace(IMATINIB, breaks=((day("2024-01-31"), day(missed_until)),))
    judged = replace(told.judged, line=line(taken, exposures=SUPPLY))
    return structs.replace(told, judged=judged)


def test_days_of_supply_are_counted_once_and_of_the_drug_alone() -> None:
    assert covered_days(IMATINIB, SUPPLY) == 30 + 30


@pytest.mark.parametrize(
    ("missed_until", "said"),
    [
        pytest.param(
            "2024-03-01", "Recorded supply of imatinib covers 60 of 100 days.", id="31 days"
        ),
        pytest.param(
            "2024-02-29", "Intake, interactions and access may explain the course.", id="30 days"
        ),
    ],
)
def test_a_gap_in_supply_is_told_in_days(missed_until: str, said: str) -> None:
    assert reason_for("adherence-review", "A2", on_imatinib(missed_until)) == said


def test_an_early_assessment_is_told_the_first_day_that_counts() -> None:
    early = situation(stands("progressing", "signal", "assessment-too-early", rules=()))
    earliest = "This therapy can be assessed from 2024-02-16 on."  # 42 days after 5 January
    assert reason_for("confirm-progression", "A3", early).endswith(earliest)


@pytest.mark.parametrize(
    ("disease", "rules", "caveats", "between"),
    [
        pytest.param(
            "nsclc", ("nsclc.checkpoint-single-agent",), ("pseudoprogression-possible",),
            ("2024-06-29", "2024-07-27"), id="images after 28 to 56 days",
        ),
        pytest.param(
            "colorectal", ("colorectal.cea",), ("unconfirmed",),
            ("2024-06-15", "2024-07-13"), id="a marker after its own days",
        ),
        pytest.param(
            "prostate", ("prostate.psa-pcwg3",), ("unconfirmed",), ("2024-06-22", None),
            id="a marker without a last day",
        ),
        pytest.param(
            "cml", ("cml.eln-2020-milestones",), ("unconfirmed",), ("2024-07-01", "2024-08-30"),
            id="a milestone after its own days",
        ),
        pytest.param(
            "nsclc", ("nsclc.palliative-90-days",), ("unconfirmed",), None, id="no number given"
        ),
        pytest.param(
            "nsclc", ("nsclc.palliative-90-days",), ("assessment-too-early",), None,
            id="nothing to repeat",
        ),
    ],
)  # fmt: skip
def test_when_a_repeat_could_settle_it(
    disease: str, rules: tuple[str, ...], caveats: tuple[str, ...], between: Any
) -> None:
    told = situation(stands("progressing", "signal", *caveats, rules=rules), disease)
    row = "A4" if caveats != ("assessment-too-early",) else "A6"
    found = settles_between("confirm-progression", row, told)
    wanted = between and tuple(day(text) if text else None for text in between)
    assert found == wanted


def test_only_a_confirmation_has_such_days() -> None:
    told = situation(stands("progressing", "signal", "pseudoprogression-possible"))
    assert settles_between("restage", "A4", told) is None
