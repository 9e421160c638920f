"""What one agent of a line tells of its dose and its courses."""

from __future__ import annotations

from decimal import Decimal

import pytest
from clinical.values import day, use
from msgspec.structs import replace

GRAM = Decimal(1000)


@pytest.mark.parametrize(
    ("orders", "days"),
    [
        pytest.param([], None, id="no dose is known"),
        pytest.param([("2024-03-01", "2000")], None, id="none by then"),
        pytest.param([("2024-01-01", "1000")], 31, id="just the dose asked for"),
        pytest.param([("2024-01-01", "999")], 0, id="less"),
        pytest.param([("2024-01-01", "500"), ("2024-01-20", "1500")], 12, id="since it was raised"),
        pytest.param([("2024-01-01", "1500"), ("2024-01-20", "500")], 0, id="it was lowered"),
        pytest.param(
            [("2024-01-01", "1500"), ("2024-01-10", "500"), ("2024-01-20", "1000")],
            12,
            id="a break in it begins it anew",
        ),
        pytest.param(
            [("2024-01-01", "500"), ("2024-01-01", "1500")], 31, id="the highest of a day counts"
        ),
    ],
)
def test_days_at_a_dose_of_a_gram_by_the_first_of_february(
    orders: list[tuple[str, str]], days: int | None
) -> None:
    doses = tuple((day(on), Decimal(mg)) for on, mg in orders)
    tablets = replace(use("hydroxyurea", "2024-01-01"), daily_doses=doses)
    assert tablets.days_at_dose(GRAM, day("2024-02-01")) == days


def test_days_at_a_dose_end_with_the_drug() -> None:
    doses = ((day("2024-01-01"), GRAM),)
    tablets = replace(use("hydroxyurea", "2024-01-01", "2024-01-11"), daily_doses=doses)
    assert tablets.days_at_dose(GRAM, day("2024-02-01")) == 10


@pytest.mark.parametrize(
    ("until", "courses"),
    [
        pytest.param("2024-01-07", 0, id="before the first"),
        pytest.param("2024-01-08", 1, id="its first day"),
        pytest.param("2024-01-20", 1, id="a dose 10 days after the last is of the same course"),
        pytest.param("2024-01-31", 2, id="one 11 days after it is not"),
    ],
)
def test_courses_are_blocks_of_doses(until: str, courses: int) -> None:
    days = ("2024-01-08", "2024-01-10", "2024-01-20", "2024-01-31", "2024-02-01")
    given = use("cytarabine", "2024-01-08", "2024-02-01", doses=days)
    assert given.courses(day(until), pause_days=10) == courses
