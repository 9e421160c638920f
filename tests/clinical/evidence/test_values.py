"""What lines ask of values by day is what looking through all of them would tell."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, timedelta

import pytest
from clinical.values import value

from cds_service.clinical.evidence import Values
from cds_service.clinical.evidence.series import BASELINE_DAYS, Day, Series
from cds_service.clinical.record import Measurement
from cds_service.dates import PartialDate

START, UNTIL = date(2024, 4, 1), date(2024, 8, 1)


def days_of(series: Series) -> list[str]:
    return [day.on.isoformat() for day in series.days]


def psa(*days: str, lab: str = "") -> list[Measurement]:
    return [value("psa", day, "5", lab=lab) for day in days]


@pytest.mark.parametrize(
    ("measured", "read"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param(["2024-04-01"], ["2024-04-01"], id="the first day is the baseline"),
        pytest.param(["2024-01-02"], ["2024-01-02"], id="90 days before is a baseline"),
        pytest.param(["2024-01-01"], [], id="91 days before is none"),
        pytest.param(["2024-03-01", "2024-03-20"], ["2024-03-20"], id="the last one before"),
        pytest.param(["2024-08-01"], ["2024-08-01"], id="the last day is inside"),
        pytest.param(["2024-08-02"], [], id="the day after it is not"),
        pytest.param(["2024-05"], [], id="a month gives no order of days"),
        pytest.param(["2024-05-02", "2024-05-01"], ["2024-05-01", "2024-05-02"], id="in order"),
    ],
)
def test_a_line_reads_its_baseline_and_its_own_days(measured: list[str], read: list[str]) -> None:
    assert days_of(Values(psa(*measured)).series("psa", START, UNTIL)) == read


def test_a_laboratory_has_days_of_its_own() -> None:
    values = Values([*psa("2024-03-01", "2024-05-01", lab="a"), *psa("2024-06-01", lab="b")])
    assert values.laboratories("psa", START, UNTIL) == ["a", "b"]
    assert days_of(values.series("psa", START, UNTIL, "a")) == ["2024-03-01", "2024-05-01"]
    assert values.laboratories("psa", date(2024, 5, 15), UNTIL) == ["b"]
    assert values.laboratories("psa", date(2024, 7, 1), UNTIL) == []


def test_one_laboratory_is_not_told_apart() -> None:
    values = Values([*psa("2024-05-01", lab="a"), *psa("2024-06-01")])
    assert list(values.laboratories("psa", START, UNTIL)) == []


@pytest.mark.parametrize(
    ("day", "is_within"),
    [
        pytest.param("2024-04-01", False, id="the day of the start"),
        pytest.param("2024-04-02", True, id="the day after it"),
        pytest.param("2024-04", True, id="a month that goes on after it"),
        pytest.param("2024", True, id="a year that does"),
        pytest.param("2024-03", False, id="a month that does not"),
        pytest.param("2024-08-01", True, id="the last day"),
        pytest.param("2024-08-02", False, id="the day after that"),
        pytest.param("2024-08", True, id="a month that begins on it"),
    ],
)
def test_what_may_be_of_a_line(day: str, is_within: bool) -> None:
    assert bool(Values(psa(day)).within("psa", START, UNTIL)) is is_within


def test_the_ends_of_a_series_are_its_first_day_and_its_last_two() -> None:
    source = random.Random(5)  # noqa: S311
    for _ in range(300):
        on = sorted({source.randint(0, 300) for _ in range(source.randint(0, 8))})
        values = Values(psa(*((date(2024, 1, 1) + timedelta(n)).isoformat() for n in on)))
        until = START + timedelta(source.randint(-20, 200))
        whole = values.series("psa", START, until)
        assert values.ends("psa", START, until).days == (*whole.days[:1], *whole.days[1:][-2:])


def test_the_days_are_those_that_looking_through_all_values_gives() -> None:
    source = random.Random(6)  # noqa: S311
    for _ in range(300):
        measured = [
            value("psa", (date(2024, 1, 1) + timedelta(source.randint(0, 300))).isoformat(),
                  str(source.randint(1, 3)), resource=f"Observation/{n}")
            for n in range(source.randint(0, 12))
        ]  # fmt: skip
        start = date(2024, 1, 1) + timedelta(source.randint(0, 250))
        until = start + timedelta(source.randint(0, 120))
        series = Values(measured).series("psa", start, until)
        assert days_of(series) == [
            day.isoformat() for day in looked_through(measured, start, until)
        ]
        assert all(told(day) == amounts_on(day.on, measured) for day in series.days)


def looked_through(measured: Sequence[Measurement], start: date, until: date) -> list[date]:
    before = [m.on.first for m in measured if m.on.first <= start]
    baseline = {max(before)} if before and (start - max(before)).days <= BASELINE_DAYS else set()
    return sorted(baseline | {m.on.first for m in measured if start < m.on.first <= until})


def amounts_on(on: date, measured: Sequence[Measurement]) -> set[str]:
    return {str(m.quantity.value) for m in measured if m.on == PartialDate.on(on) and m.quantity}


def told(day: Day) -> set[str]:
    return {str(point.value) for point in day.points}
