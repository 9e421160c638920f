"""A chart that is four times as long takes four times as many steps, whatever it is long of.

Steps are counted, not timed: calls of functions, of ours and of Python's own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from bench import growth
from bench.growth import Resource, exponent

from cds_service import shipped_knowledge
from cds_service.clinical.assessment import assess

SMALL, LARGE = 400, 1_600
LINEAR = 1.1


def steps_of(resources: list[Resource]) -> int:
    raw = [orjson.dumps(resource) for resource in resources]
    knowledge = shipped_knowledge()
    assess(raw[:3], growth.TODAY, knowledge)
    count = 0

    def step(_frame: Any, event: str, _arg: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(step)
    try:
        assess(raw, growth.TODAY, knowledge)
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize(
    "chart",
    [
        pytest.param(growth.surroundings, id="vital signs, blood counts, tablets"),
        pytest.param(growth.tablets, id="tablets for other illnesses"),
        pytest.param(growth.old_illnesses, id="other illnesses"),
        pytest.param(growth.values_of_a_marker, id="values of one marker"),
        pytest.param(growth.statuses, id="statuses that contradict each other"),
        pytest.param(growth.orders_of_a_line, id="orders of one drug"),
        pytest.param(growth.lines_of_therapy, id="lines of therapy"),
        pytest.param(growth.cancers, id="fifty cancers"),
        pytest.param(growth.progression_without_response, id="progression that no response ends"),
        pytest.param(growth.statuses_of_forty_days, id="statuses of a few days"),
        pytest.param(growth.orders_stopped, id="orders stopped"),
        pytest.param(growth.doses_not_given, id="doses not given"),
        pytest.param(growth.orders_doses_and_statements, id="orders, doses and statements"),
        pytest.param(growth.infusions_of_cells, id="infusions of cells"),
        pytest.param(growth.all_at_once, id="a little of everything"),
        pytest.param(growth.lines_beside_values, id="lines of therapy beside values"),
        pytest.param(growth.laboratories, id="each value from a laboratory of its own"),
        pytest.param(growth.never_confirmed, id="a rise that no laboratory confirms"),
        pytest.param(growth.never_higher, id="a rise that no higher value confirms"),
        pytest.param(growth.transcripts, id="transcripts"),
        pytest.param(growth.light_chains, id="light chains beside lines of therapy"),
        pytest.param(growth.blood_counts, id="counts that a drug has to have reached"),
        pytest.param(growth.sizes_of_a_tumour, id="sizes of one tumour"),
    ],
)
def test_work_grows_with_the_chart_and_no_faster(
    chart: Callable[[int], list[Resource]],
) -> None:
    steps = [steps_of(chart(size)) for size in (SMALL, LARGE)]
    assert exponent((SMALL, LARGE), steps) <= LINEAR


def test_what_is_about_nothing_that_is_read_costs_next_to_nothing() -> None:
    """Nine resources of ten: some steps each, the reading of their heads."""
    added = steps_of(growth.surroundings(3_000)) - steps_of(growth.surroundings(1_000))
    others = growth.tablets(1_200), growth.tablets(1_034)
    orders = steps_of(others[0]) - steps_of(others[1])  # 166 of 2,000 resources are tablets
    assert (added - orders) / 1_834 <= 20
