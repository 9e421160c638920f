"""Patient stories, one a file, and what the assessment of each chart has to say.

A vignette is `<disease>/<slug>.toml`: `story`, `source` (the clinical rule and its citation),
`as_of`, `chart` (see charts.story) and `expect` (see vignettes.expectation). A `[[variant]]` has
a `name` and an `expect` of its own and changes the chart in one respect: `set` members of entries
by their `as`, `drop` entries, `add` entries, or another `as_of`.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest
from charts import noise, resources, with_dates
from fhir.resources.R4B import get_fhir_model_class
from vignettes.expectation import CANCER_MEMBERS, LINE_MEMBERS, differences

from cds_service import assess
from cds_service.clinical.assessment_json import to_json

HERE: Final = Path(__file__).parent
WORDS: Final[Mapping[str, list[str]]] = tomllib.loads(
    (HERE / "words.toml").read_text(encoding="utf-8")
)


@dataclass(frozen=True, slots=True)
class Case:
    """One chart with the day on which it is read and what has to be said of it."""

    name: str
    as_of: date
    chart: tuple[Mapping[str, Any], ...]
    expect: Mapping[str, Any]
    text: str


def cases() -> Iterator[Case]:
    """Every vignette and every variant of it."""
    for path in sorted(HERE.glob("*/*.toml")):
        told = tomllib.loads(path.read_text(encoding="utf-8"))
        name = f"{path.parent.name}/{path.stem}"
        text = f"{told['story'].strip()}\n{told['source'].strip()}"
        yield _case(name, told, told["chart"], told["expect"], text)
        for variant in told.get("variant", []):
            yield _case(
                f"{name}: {variant['name']}",
                told | variant,
                _varied(told["chart"], variant, name),
                variant["expect"],
                text,
            )


def _case(name: str, told: Mapping[str, Any], chart: Any, expect: Any, text: str) -> Case:
    as_of = date.fromisoformat(with_dates(told["as_of"]))
    return Case(name, as_of, tuple(chart), with_dates(expect), text)


def _varied(
    chart: list[dict[str, Any]], variant: Mapping[str, Any], name: str
) -> list[dict[str, Any]]:
    changes, dropped = variant.get("set", {}), set(variant.get("drop", []))
    named = {entry.get("as") for entry in chart}
    if unknown := (changes.keys() | dropped) - named:
        raise ValueError(f"{name}: {variant['name']}: no entry is named {sorted(unknown)}")
    kept = [entry for entry in chart if entry.get("as") not in dropped]
    changed = [entry | changes.get(entry.get("as"), {}) for entry in kept]
    return [*changed, *variant.get("add", [])]


CASES: Final = tuple(cases())
each_case = pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])


@each_case
def test_the_assessment_says_what_the_story_expects(case: Case) -> None:
    said = to_json(assess(resources(case.chart, until=case.as_of), as_of=case.as_of))
    if unlike := differences(case.expect, said):
        pytest.fail("\n".join([case.name, case.text, *unlike, "", _summary(said)]), pytrace=False)


@each_case
def test_order_ordinary_visits_and_repeated_resources_mean_nothing(case: Case) -> None:
    chart = resources(case.chart, until=case.as_of)
    plain = to_json(assess(chart, as_of=case.as_of))
    noisy = [*chart, *noise(case.as_of.isoformat()), *chart][::-1]
    assert to_json(assess(noisy, as_of=case.as_of))["cancers"] == plain["cancers"]


@each_case
def test_the_chart_is_fhir_unless_it_is_broken_on_purpose(case: Case) -> None:
    for resource in resources(entry for entry in case.chart if "without" not in entry):
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)


@each_case
def test_the_expectation_is_written_in_words_of_the_contract(case: Case) -> None:
    of_cancers = case.expect.get("cancer", {})
    unknown = case.expect.keys() - CANCER_MEMBERS - {"cancer", "cancers", "issues"}
    assert not unknown, f"unknown members {sorted(unknown)}"
    assert case.expect, "a story has to expect something"
    for members in [case.expect, *of_cancers.values()]:
        for member in ("advice", "composites"):
            assert _words(members.get(member, [])) <= {*WORDS[member]}
        assert {*members.get("suppressed", {})} <= {*WORDS["advice"]}
        for line in members.get("line", {}).values():
            assert line.keys() <= LINE_MEMBERS
            for member in line.keys() & WORDS.keys():
                assert _words(line[member]) <= {*WORDS[member]}


def _words(expected: Any) -> set[str]:
    """Every word that an expectation of one member names."""
    if isinstance(expected, Mapping):
        return set().union(*map(_words, expected.values()))
    return set(expected) if isinstance(expected, list) else {expected}


def _summary(said: Mapping[str, Any]) -> str:
    """What was said, short enough to read under a failed story."""
    shown = ["What was said:"]
    for cancer in said["cancers"]:
        shown.append(f"  {cancer['disease']} {cancer['notation']} {cancer['composites']}")
        for line in cancer["lines"]:
            rest = {key: value for key, value in line.items() if key != "evidence"}
            shown.append(f"    {json.dumps(rest, ensure_ascii=False)}")
            shown.extend(f"      {json.dumps(found)}" for found in line["evidence"])
        shown.extend(f"    {json.dumps(advice)}" for advice in cancer["advice"])
    shown.extend(f"  {json.dumps(issue)}" for issue in said["issues"])
    return "\n".join(shown)
