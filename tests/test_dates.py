"""Dates of a chart: what is read, how they compare, and the windows over them."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.dates import PartialDate, parse_day


def on(text: str) -> PartialDate:
    return PartialDate.parse(text)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        pytest.param("2024-06-01", "2024-06-01", "2024-06-01", id="a day"),
        pytest.param("2024-06", "2024-06-01", "2024-06-30", id="a month of 30 days"),
        pytest.param("2024-02", "2024-02-01", "2024-02-29", id="February of a leap year"),
        pytest.param("2023-02", "2023-02-01", "2023-02-28", id="February of another year"),
        pytest.param("2024-12", "2024-12-01", "2024-12-31", id="the last month"),
        pytest.param("2024", "2024-01-01", "2024-12-31", id="a year"),
        pytest.param("2024-06-01T10:00:00Z", "2024-06-01", "2024-06-01", id="an instant"),
        pytest.param("2024-06-01T23:30:00-05:00", "2024-06-01", "2024-06-01", id="day as written"),
        pytest.param("2024-06-01T00:10:00+0200", "2024-06-01", "2024-06-01", id="zone, no colon"),
        pytest.param("2024-06-01T10:00:00.123Z", "2024-06-01", "2024-06-01", id="milliseconds"),
        pytest.param("2024-06-01T10:00", "2024-06-01", "2024-06-01", id="without a zone"),
        pytest.param("0001-01-01", "0001-01-01", "0001-01-01", id="the first day there is"),
        pytest.param("9999-12-31", "9999-12-31", "9999-12-31", id="the last day there is"),
    ],
)
def test_a_date_is_the_interval_of_its_days(text: str, first: str, last: str) -> None:
    assert on(text) == PartialDate(date.fromisoformat(first), date.fromisoformat(last))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("2024-02-30", id="no such day"),
        pytest.param("2023-02-29", id="no leap year"),
        pytest.param("2024-13", id="no such month"),
        pytest.param("2024-00-01", id="month nought"),
        pytest.param("0000", id="year nought"),
        pytest.param("24-06-01", id="two digits of a year"),
        pytest.param("2024-6-1", id="without leading noughts"),
        pytest.param("20240601", id="without hyphens"),
        pytest.param("01.06.2024", id="another order"),
        pytest.param("2024-06-01 10:00", id="a blank for the T"),
        pytest.param("2024-06T10:00:00Z", id="a time without a day"),
        pytest.param("2024-06-01T", id="a T without a time"),
        pytest.param(" 2024-06-01", id="a blank before"),
        pytest.param("2024-06-01\n", id="a line end"),
        pytest.param("yesterday", id="words"),
    ],
)
def test_anything_else_is_no_date(text: str) -> None:
    with pytest.raises(ValueError, match=r"FHIR date|month|day|year|range"):
        on(text)


@pytest.mark.parametrize("text", ["2024", "2024-06", "2024-06-01", "2024-02", "0999-01"])
def test_a_date_is_written_as_precisely_as_it_is_known(text: str) -> None:
    assert str(on(text)) == text
    assert on(text).is_exact == (len(text) == len("2024-06-01"))


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        pytest.param("2024-05-31", "2024-06-01", id="days"),
        pytest.param("2024-05-31", "2024-06", id="a day before a month"),
        pytest.param("2024-06-01", "2024-06", id="the first day of the month, then the month"),
        pytest.param("2024-06", "2024-06-02", id="a month counts from its first day"),
        pytest.param("2024-01", "2024", id="the month, then the year"),
        pytest.param("2024", "2024-01-02", id="a year counts from its first day"),
    ],
)
def test_dates_are_in_order_of_their_first_then_last_day(earlier: str, later: str) -> None:
    assert on(earlier) < on(later)
    assert on(later) > on(earlier)
    assert not on(later) <= on(earlier)
    assert max(on(earlier), on(later)) == on(later)


# 2024-06-01 is the last dose throughout; 2024-07 is day 30 to 60 after it, 2024 day -152 to 213
@pytest.mark.parametrize(
    ("found", "days", "inclusive", "within"),
    [
        pytest.param("2024-07-31", 60, True, True, id="the last day is inside"),
        pytest.param("2024-08-01", 60, True, False, id="the day after is outside"),
        pytest.param("2024-07-30", 60, False, True, id="fewer than: the day before is inside"),
        pytest.param("2024-07-31", 60, False, False, id="fewer than: the last day is outside"),
        pytest.param("2024-06-01", 0, True, True, id="the day itself"),
        pytest.param("2024-06-01", 0, False, False, id="fewer than nought days"),
        pytest.param("2024-05-01", 0, True, True, id="before the start counts as within"),
        pytest.param("2024-07", 60, True, True, id="all of the month is inside"),
        pytest.param("2024-07", 59, True, None, id="the month reaches a day too far"),
        pytest.param("2024-07", 30, True, None, id="only its first day is inside"),
        pytest.param("2024-07", 29, True, False, id="all of the month is outside"),
        pytest.param("2024-07", 61, False, True, id="fewer than: all inside"),
        pytest.param("2024-07", 60, False, None, id="fewer than: the last day is not"),
        pytest.param("2024-07", 31, False, None, id="fewer than: only its first day"),
        pytest.param("2024-07", 30, False, False, id="fewer than: none"),
        pytest.param("2024", 213, True, True, id="the year's last day is inside"),
        pytest.param("2024", 212, True, None, id="the year's last day is not"),
    ],
)
def test_a_window_after_1_june(found: str, days: int, inclusive: bool, within: bool | None) -> None:
    start = date(2024, 6, 1)
    assert on(found).within_days_after(start, days, inclusive=inclusive) is within


def test_a_shift_keeps_the_length() -> None:
    assert on("2024-02").plus(28) == PartialDate(date(2024, 2, 29), date(2024, 3, 28))


@pytest.mark.parametrize(
    ("text", "day"),
    [
        pytest.param("2024-06-01", date(2024, 6, 1), id="a day"),
        pytest.param("2024-06", None, id="a month"),
        pytest.param("2024", None, id="a year"),
        pytest.param("2024-06-01T10:00:00Z", None, id="an instant"),
        pytest.param("2024-02-30", None, id="no such day"),
    ],
)
def test_the_command_line_takes_whole_days_only(text: str, day: date | None) -> None:
    if day is not None:
        assert parse_day(text) == day
        return
    with pytest.raises(ValueError, match=r"."):
        parse_day(text)


# --- laws ---------------------------------------------------------------------------------------

DAYS = st.dates(date(1900, 1, 1), date(2100, 12, 31))
PARTIAL = st.builds(
    lambda day, length: PartialDate.parse(day.isoformat()[:length]),
    DAYS,
    st.sampled_from((4, 7, 10)),
)
LIMITS = st.integers(-800, 800)


@given(PARTIAL)
def test_what_is_written_reads_back(known: PartialDate) -> None:
    assert on(str(known)) == known


@given(PARTIAL, PARTIAL)
def test_the_order_is_total(one: PartialDate, other: PartialDate) -> None:
    assert (one < other) + (one == other) + (other < one) == 1


@given(PARTIAL, DAYS, LIMITS, st.booleans())
def test_a_window_speaks_for_every_day_that_is_possible(
    known: PartialDate, start: date, days: int, inclusive: bool
) -> None:
    answers = {
        PartialDate.on(day).within_days_after(start, days, inclusive=inclusive)
        for day in (known.first, known.last)
    }
    said = known.within_days_after(start, days, inclusive=inclusive)
    assert said is (answers.pop() if len(answers) == 1 else None)


@given(PARTIAL, DAYS, LIMITS)
def test_fewer_than_is_at_most_one_less(known: PartialDate, start: date, days: int) -> None:
    fewer = known.within_days_after(start, days, inclusive=False)
    assert fewer is known.within_days_after(start, days - 1)


@given(PARTIAL, DAYS, LIMITS)
def test_a_wider_window_never_says_no_where_a_narrower_one_says_yes(
    known: PartialDate, start: date, days: int
) -> None:
    if known.within_days_after(start, days):
        assert known.within_days_after(start, days + 1)


@given(PARTIAL, DAYS, LIMITS)
def test_moving_both_ends_changes_no_answer(known: PartialDate, start: date, days: int) -> None:
    moved = start + timedelta(days=days)
    assert known.plus(days).days_after(moved) == known.days_after(start)
    assert known.plus(days).within_days_after(moved, 60) is known.within_days_after(start, 60)
