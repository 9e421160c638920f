"""What holds for every chart: laws over the vignettes and fixtures, mixed, broken and moved.

The suite tries each law on the same charts every time. `make laws` tries it on many more, others
every time.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
from charts import noise, order, problem, response
from clinical.any_chart import (
    CHARTS,
    Chart,
    Json,
    broken,
    holds_a_part_of_a_date,
    mixed,
    moved,
    numbered,
)
from contract_shape import shape_faults
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_service import assess, shipped_knowledge
from cds_service.clinical.assessment_json import to_bytes, to_json

Law = Callable[[Chart, Random], None]


def said(chart: Chart) -> Json:
    return to_json(assess(chart.resources, as_of=chart.as_of))


def stands(assessment: Json) -> list[Any]:
    """Where every line stands, without the names of resources."""
    left_out = {"evidence"}
    return [
        {
            "disease": cancer["disease"],
            "lines": [{k: v for k, v in line.items() if k not in left_out} for line in lines],
            "composites": cancer["composites"],
            "advice": cancer["advice"],
        }
        for cancer in assessment["cancers"]
        for lines in [cancer["lines"]]
    ]


# --- the laws -----------------------------------------------------------------------------------


def the_order_of_the_resources_never_matters(chart: Chart, chance: Random) -> None:
    made = broken(mixed(chart, chance), chance)
    shuffled = made.copied()
    chance.shuffle(shuffled)
    assert said(made.of(shuffled)) == said(made)


def the_same_resource_twice_is_the_resource(chart: Chart, chance: Random) -> None:
    made = mixed(chart, chance)
    again = chance.sample(made.resources, k=chance.randint(1, len(made.resources)))
    assert said(made.of([*made.copied(), *copy.deepcopy(again)])) == said(made)


def a_copy_under_another_id_changes_no_line(chart: Chart, chance: Random) -> None:
    made = mixed(chart, chance)
    own = [r for r in made.resources if r["resourceType"] != "Patient" and "id" in r]
    most = len(own) if chance.random() < 0.3 else min(5, len(own))
    copies = copy.deepcopy(chance.sample(own, k=chance.randint(1, most)))
    for resource in copies:
        # before or after the first one in any order of names
        side = chance.choice(("0{}", "{}z"))
        resource["id"] = side.format(resource["id"][:63])
    assert stands(said(made.of([*made.copied(), *copies]))) == stands(said(made))


def names_of_resources_decide_nothing(chart: Chart, chance: Random) -> None:
    made = mixed(chart, chance)
    shuffled = made.copied()
    chance.shuffle(shuffled)
    assert stands(said(numbered(made.of(shuffled)))) == stands(said(made))


def an_unrelated_resource_changes_nothing(chart: Chart, chance: Random) -> None:
    made = mixed(chart, chance)
    day = (made.as_of - timedelta(days=chance.randrange(700))).isoformat()
    own = made.patient
    unrelated = [
        *noise(day, patient=own),
        problem("Essential hypertension", code="I10", onset=day, patient=own),
        order("ondansetron", day, patient=own),
        {
            "resourceType": "AllergyIntolerance",
            "id": "allergy",
            "patient": {"reference": f"Patient/{own}"},
            "code": {"text": "Allergy to carboplatin"},
        },
        {
            "resourceType": "Encounter",
            "id": "visit",
            "status": "finished",
            "subject": {"reference": f"Patient/{own}"},
            "period": {"start": day},
        },
    ]
    added = chance.sample(unrelated, k=chance.randint(1, len(unrelated)))
    assert said(made.of([*made.copied(), *added])) == said(made)


def moving_every_day_moves_every_day_of_the_answer(chart: Chart, chance: Random) -> None:
    made = numbered(mixed(chart, chance))
    made = made.of([r for r in made.resources if not holds_a_part_of_a_date(r)])
    days = chance.choice((1, 28, 29, 365, 366, -1, -31, chance.randrange(-4000, 400)))
    later = made.of(moved(made.copied(), days), made.as_of + timedelta(days=days))
    assert said(later) == moved(said(made), days)


def a_later_complete_response_takes_the_label_back(chart: Chart, chance: Random) -> None:
    made = mixed(chart, chance)
    made = made.of(made.copied(), made.as_of + timedelta(days=chance.randrange(2, 40)))
    for cancer in said(made)["cancers"]:
        last = cancer["lines"][-1:]
        if not any(line["status"] == "possible-refractory" for line in last):
            continue
        (line,) = last
        latest = max(found["date"] for found in line["evidence"])
        if latest >= made.as_of.isoformat():
            continue
        complete = response(
            "CR",
            made.as_of.isoformat(),
            cancer=cancer["condition"].partition("/")[2],
            id="complete",
            patient=made.patient,
        )
        told = said(made.of([*made.copied(), complete]))
        # a cancer in remission by its condition, and now by its response, is assessed no more
        for again in (c for c in told["cancers"] if c["condition"] == cancer["condition"]):
            now = again["lines"][line["number"] - 1]
            assert now["status"] != "possible-refractory", line
            assert line["status"] in [earlier["status"] for earlier in now["history"]]


def the_unit_of_a_value_changes_nothing(chart: Chart, chance: Random) -> None:
    made = mixed(chart, chance)
    assert said(made.of([_in_other_units(r, chance) for r in made.copied()])) == said(made)


def _in_other_units(resource: Json, chance: Random) -> Json:
    """A result in another unit of its marker, a power of ten away."""
    terms = shipped_knowledge().terms
    codings = resource.get("code", {}).get("coding", [])
    marker = next(
        (m for c in codings if (m := terms.marker_codes.get((c.get("system"), c.get("code"))))), ""
    )
    quantity = resource.get("valueQuantity", {})
    factors = terms.markers[marker].factors if marker else {}
    if quantity.get("code") not in factors:
        return resource
    own = factors[quantity["code"]]
    others = [u for u, f in factors.items() if (f / own).normalize().as_tuple().digits == (1,)]
    unit = chance.choice(sorted(others))
    limits = [limit["high"] for limit in resource.get("referenceRange", []) if "high" in limit]
    for each in (quantity, *limits):
        if each.get("code") in factors and "value" in each:
            scaled = Decimal(str(each["value"])) * factors[each["code"]] / factors[unit]
            each |= {"value": float(scaled), "unit": unit, "code": unit}
    return resource


def a_broken_chart_is_assessed_and_the_answer_is_of_the_contracts_shape(
    chart: Chart, chance: Random
) -> None:
    for made in (mixed(chart, chance), broken(chart, chance), broken(mixed(chart, chance), chance)):
        assert not shape_faults(json.loads(to_bytes(assess(made.resources, as_of=made.as_of))))


LAWS: Final[tuple[Law, ...]] = (
    the_order_of_the_resources_never_matters,
    the_same_resource_twice_is_the_resource,
    a_copy_under_another_id_changes_no_line,
    names_of_resources_decide_nothing,
    an_unrelated_resource_changes_nothing,
    moving_every_day_moves_every_day_of_the_answer,
    a_later_complete_response_takes_the_label_back,
    the_unit_of_a_value_changes_nothing,
    a_broken_chart_is_assessed_and_the_answer_is_of_the_contracts_shape,
)
each_law = pytest.mark.parametrize(
    "law", [pytest.param(law, id=law.__name__.replace("_", " ")) for law in LAWS]
)
TRIES: Final = int(os.environ.get("LAW_TRIES", "0"))
"""How many charts for each law; 0 for the suite's own, which are the same every time."""


@each_law
@pytest.mark.timeout(3600 if TRIES else 120)
@settings(
    max_examples=TRIES or 100,
    derandomize=not TRIES,
    database=None,
    deadline=None,
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large),
)
@given(chart=st.sampled_from(CHARTS), chance=st.randoms(use_true_random=True))
def test_a_law(law: Law, chart: Chart, chance: Random) -> None:
    law(chart, chance)


@pytest.mark.parametrize("chart", [pytest.param(chart, id=chart.name) for chart in CHARTS])
def test_every_chart_at_hand_is_answered_in_the_contracts_shape(chart: Chart) -> None:
    assert not shape_faults(said(chart))


# --- the same bytes everywhere ------------------------------------------------------------------

TESTS: Final = Path(__file__).resolve().parents[1]
PRINT_A_DIGEST: Final = """
import hashlib
from clinical.any_chart import CHARTS
from cds_service import assess
from cds_service.clinical.assessment_json import to_bytes
said = b"".join(to_bytes(assess(chart.resources, chart.as_of)) for chart in CHARTS)
print(hashlib.sha256(said).hexdigest())
"""


@pytest.mark.parametrize(
    "surroundings",
    [
        pytest.param(
            {"PYTHONHASHSEED": "1", "TZ": "Pacific/Kiritimati", "LC_ALL": "C"}, id="far east, C"
        ),
        pytest.param(
            {"PYTHONHASHSEED": "4294967295", "TZ": "Pacific/Midway", "LC_ALL": "tr_TR.UTF-8"},
            id="far west, Turkish",
        ),
    ],
)
def test_another_process_says_the_same_bytes(surroundings: dict[str, str]) -> None:
    own = b"".join(to_bytes(assess(chart.resources, chart.as_of)) for chart in CHARTS)
    root = TESTS.parent
    env = {**os.environ, **surroundings, "PYTHONPATH": f"{root}{os.pathsep}{TESTS}"}
    # our own interpreter, our own words
    ran = subprocess.run(  # noqa: S603
        [sys.executable, "-c", PRINT_A_DIGEST], env=env, capture_output=True, check=True, text=True
    )
    assert ran.stdout.strip() == hashlib.sha256(own).hexdigest()
