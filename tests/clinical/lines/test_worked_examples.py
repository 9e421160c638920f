"""Lines of therapy, end to end: worked examples, both sides of each number, other algorithms.

`disease` names the cancer of the chart (the id of its Condition); `decided` says what decides an
example that others draw otherwise.

Published bases of the rules: Meng 2019 (J Biomed Inform 100:103335) and 2021 (JMIR Med Inform
9:e29017) for windows, gaps and maintenance; Rajkumar 2015 (Blood 126:921) for myeloma; Saini and
Twelves 2021 (Br J Cancer 125:155) for the notation.
"""

import json
import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest
from charts import resources, with_dates
from fhir.resources.R4B import get_fhir_model_class
from vignettes.expectation import LINE_MEMBERS, differences

from cds_service import assess
from cds_service.clinical.assessment_json import to_json

Example = Mapping[str, Any]

TABLES: Final = ("worked_examples.toml", "boundaries.toml", "other_algorithms.toml")
EXAMPLES: Final[list[Example]] = [
    example
    for table in TABLES
    for example in tomllib.loads(Path(__file__).with_name(table).read_text("utf-8"))["example"]
]
each_example = pytest.mark.parametrize(
    "example", [pytest.param(one, id=f"{one['id']} {one['says']}") for one in EXAMPLES]
)


@each_example
def test_the_lines_are_those_of_the_example(example: Example) -> None:
    said = to_json(assess(resources(example["chart"]), as_of=date.fromisoformat(example["as_of"])))
    condition = f"Condition/{example['disease']}"
    cancers = [cancer for cancer in said["cancers"] if cancer["condition"] == condition]
    if unlike := differences(_expected(example), said | {"cancers": cancers}):
        lines = [
            {key: line[key] for key in ("number", "agents", "start", "end", "setting", "flags")}
            for cancer in cancers
            for line in cancer["lines"]
        ]
        shown = "\n".join(json.dumps(line) for line in lines)
        pytest.fail("\n".join([example["says"], *unlike, "", shown]), pytrace=False)


def test_every_worked_example_is_in_the_table() -> None:
    ids = {example["id"].split(",")[0] for example in EXAMPLES}
    assert {f"E{number:02}" for number in range(1, 66)} <= ids


@each_example
def test_the_chart_of_the_example_is_fhir(example: Example) -> None:
    for resource in resources(example["chart"]):
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    for line in example["lines"]:
        assert line.keys() <= LINE_MEMBERS


def _expected(example: Example) -> dict[str, Any]:
    """The example in the shape of a vignette's expectation."""
    lines = with_dates(example["lines"])
    about: dict[str, Any] = {
        "lines": len(lines),
        "line": {
            str(number): line
            | ({"flags": {"has": flags}} if isinstance(flags := line.get("flags"), list) else {})
            for number, line in enumerate(lines, start=1)
        },
    }
    return about | ({"notation": example["notation"]} if "notation" in example else {})
