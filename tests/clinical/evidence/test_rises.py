"""A rise, sought in one pass, is the one that setting each value against each gives."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from clinical.values import KNOWLEDGE, value
from msgspec.structs import replace

from cds_service.clinical.evidence import Values
from cds_service.clinical.evidence.marker_criteria import CRITERIA
from cds_service.clinical.evidence.rises import Course, Rise, lowest_before, rise_in
from cds_service.clinical.evidence.series import Day
from cds_service.clinical.record import Measurement
from cds_service.knowledge.model import MarkerRule

START = date(2024, 1, 1)
RULE = MarkerRule(
    "test.rise", "a rise", "rise-over-nadir", "psa", "O", (), multiplier=Decimal("1.25")
)
ASKED: tuple[dict[str, Any], ...] = (
    {},
    {"confirm_days": 10},
    {"confirm_days": 5, "confirm_within_days": 20},
    {"each_is_higher": True},
    {"each_is_higher": True, "confirm_days": 7, "confirm_within_days": 30},
    {"span_days": 21},
    {"ignore_first_days": 30},
)


def course_of(values: list[Measurement], rule: MarkerRule) -> Course:
    series = Values(values).series("psa", START, date(2040, 1, 1))
    marker = KNOWLEDGE.terms.markers["psa"]
    return Course(series, rule, CRITERIA[rule.criterion](rule, marker, series))


def any_values(source: random.Random, most: int) -> Iterator[Measurement]:
    on = START - timedelta(10)
    for n in range(source.randint(0, most)):
        on += timedelta(source.choice((0, 1, 3, 8, 20)))
        lab = source.choice(("", "Organization/a", "Organization/b", "Organization/c"))
        amount = str(source.randint(1, 9))
        yield value("psa", on.isoformat(), amount, lab=lab, resource=f"Observation/{n:02}")


def each_against_each(course: Course) -> Rise | None:
    """The first confirmed rise, else the unconfirmed one that the series ends with."""
    days, found, run = course.series.days, None, list[Day]()
    for place, day in enumerate(days):
        if place == 0 or day.on <= course.series.start:
            continue
        low = lowest_before(days[:place])
        if found is None:
            is_early = (day.on - course.series.start).days < course.rule.ignore_first_days
            if not is_early and all(course.satisfies(point, low) for point in day.points):
                labs = {p.laboratory for p in day.points} - {"", low.laboratory}
                found, run = Rise(day, low, None, bool(low.laboratory and labs)), [day]
        elif not all(course.satisfies(point, found.reference) for point in day.points):
            found = None if day.lowest.value < found.first.lowest.value else found
        else:
            for first in run:
                if confirms(first, day, found, course):
                    return replace(found, first=first, confirmed_by=day)
            run.append(day)
    return found


def confirms(first: Day, day: Day, rise: Rise, course: Course) -> bool:
    rule, days = course.rule, (day.on - first.on).days
    if days < max(rule.confirm_days, 1) or 0 < rule.confirm_within_days < days:
        return False
    if (day.on - rise.reference.on).days < rule.span_days:
        return False
    if rule.each_is_higher and day.lowest.value <= first.named.value:
        return False
    own = [d for d in course.series.days if d.named.laboratory == first.named.laboratory]
    again = [d for d in own if first.on < d.on <= day.on]
    return len(again) >= 2 or not rise.is_across_laboratories


@pytest.mark.parametrize("asked", [pytest.param(a, id=" ".join(a) or "plain") for a in ASKED])
def test_a_rise_is_the_first_that_a_later_value_confirms(asked: dict[str, Any]) -> None:
    source = random.Random(7)  # noqa: S311
    found = set()
    for _ in range(1_500):
        course = course_of(list(any_values(source, 14)), replace_rule(asked))
        rise = rise_in(course, ())
        assert rise == each_against_each(course)
        found.add(
            None if rise is None else (rise.confirmed_by is None, rise.is_across_laboratories)
        )
    assert found == {None, (True, True), (True, False), (False, True), (False, False)}


def replace_rule(asked: dict[str, Any]) -> MarkerRule:
    members = {f: getattr(RULE, f) for f in RULE.__dataclass_fields__}
    return MarkerRule(**members | asked)


def test_a_thousand_lone_lowest_values_leave_a_suspicion() -> None:
    """Without each of them the next one stands as alone."""
    rule = replace_rule({"is_nadir_confirmed": True, "min_delta": Decimal("0.5")})
    amounts = [amount for low in range(1_100) for amount in (9_000, 1 + low)] + [9_000]
    values = [
        value("psa", (START + timedelta(n)).isoformat(), str(amount))
        for n, amount in enumerate(amounts)
    ]
    rise = rise_in(course_of(values, rule), ())
    assert rise is not None
    assert (rise.stands_alone, rise.confirmed_by) == (True, None)
