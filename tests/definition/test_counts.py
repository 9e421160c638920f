"""Numbers by origin: each once, those of rules that decide nothing alone told apart."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from cds_service import shipped_knowledge
from cds_service.definition import count_numbers
from cds_service.definition.counts import numbers_in
from cds_service.knowledge.model import LineRules, MarkerRule, Minimum, Pattern, Rule

RULE = Rule("x.y", "Says.", "progression-in-window", "C", ("kumar-2016",), days=60)


@pytest.mark.parametrize(
    ("rule", "numbers"),
    [
        pytest.param(RULE, [60], id="days"),
        pytest.param(replace(RULE, after_days=0), [60], id="0 asks for nothing"),
        pytest.param(replace(RULE, minimum=Minimum(21, 1)), [60, 21, 1], id="exposure"),
        pytest.param(replace(RULE, pattern=Pattern(stable_days=180)), [60, 180], id="pattern"),
        pytest.param(replace(RULE, is_inclusive=False), [60], id="yes and no are no numbers"),
    ],
)
def test_numbers_of_a_rule(rule: Rule, numbers: list[int]) -> None:
    assert sorted(numbers_in(rule)) == sorted(numbers)


def test_a_factor_of_one_is_no_number() -> None:
    rule = MarkerRule("x.y", "Says.", "rise-over-nadir", "psa", "C", (), min_delta=Decimal(2))
    assert list(numbers_in(rule)) == [2]
    assert list(numbers_in(replace(rule, multiplier=Decimal("1.25")))) == [Decimal("1.25"), 2]


def test_numbers_are_counted_by_origin_and_what_has_none_is_operational() -> None:
    cml = shipped_knowledge().diseases["cml"]
    bare = replace(cml, rules=(), marker_rules=(), milestones=(), targets=(), composites=())
    own = count_numbers(bare)
    assert own.by_origin["C"] == 0
    assert own.by_origin["O"] > len(list(numbers_in(LineRules())))
    rules = (RULE, replace(RULE, origin="T", is_unverified=True, minimum=Minimum(21)))
    told = count_numbers(replace(bare, rules=rules))
    assert told.by_origin == {**own.by_origin, "C": 1, "T": 2}
    assert (told.unverified, told.all) == (2, own.all + 3)
