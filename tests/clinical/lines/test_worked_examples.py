"""Lines of therapy, end to end: the tables `worked_examples.toml` and `boundaries.toml`.

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

EXAMPLES: Final[list[Example]] = [
    example
    for table in ("worked_examples.toml", "boundaries.toml")
    for example in tomllib.loads(Path(__file__).with_name(table).read_text("utf-8"))["example"]
]
each_example = pytest.mark.parametrize(
    "example", [pytest.param(one, id=f"{one['id']} {one['says']}") for one in EXAMPLES]
)


@each_example
def test_the_lines_are_those_of_the_example(example: Example) -> None:
    said = to_json(assess(resources(example["chart"]), as_of=date.fromisoformat(example["as_of"])))
    if unlike := differences(_expected(example), said):
        lines = [
            {key: line[key] for key in ("number", "agents", "start", "end", "setting", "flags")}
            for cancer in said["cancers"]
            for line in cancer["lines"]
        ]
        shown = "\n".join(json.dumps(line) for line in lines)
        pytest.fail("\n".join([example["says"], *unlike, "", shown]), pytrace=False)


@each_example
def test_the_chart_of_the_example_is_fhir(example: Example) -> None:
    for resource in resources(example["chart"]):
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    for line in example["lines"]:
        assert line.keys() <= LINE_MEMBERS


def _expected(example: Example) -> dict[str, Any]:
    """The example in the shape of a vignette's expectation, about its one cancer."""
    lines = with_dates(example["lines"])
    about: dict[str, Any] = {
        "lines": len(lines),
        "line": {
            str(number): line
            | ({"flags": {"has": flags}} if isinstance(flags := line.get("flags"), list) else {})
            for number, line in enumerate(lines, start=1)
        },
    }
    if "notation" in example:
        about["notation"] = example["notation"]
    return {"cancer": {example["disease"]: about}}
