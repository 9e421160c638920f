"""The risk file: every control is held by a test that exists, and the page is made of the file."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from docs.risk_page import ACCEPTED_UP_TO, PAGE, read_risks, risk_page, score

ROOT = Path(__file__).resolve().parents[2]
RISKS = read_risks()["risks"]
MEMBERS = {
    "id", "hazard", "sequence", "harm", "severity", "before", "after", "residual", "signal",
    "controls",
}  # fmt: skip
SEEDS = (
    "false “possibly refractory”", "missed progression", "wrong patient", "stale or partial",
    "wrong units", "override memory", "alert fatigue", "after an update", "misread",
    "lost or altered", "identity leak",
)  # fmt: skip
each = pytest.mark.parametrize("risk", RISKS, ids=lambda risk: risk["id"])


@cache
def named_in(path: Path) -> frozenset[str]:
    """The test functions of a file, by its text: nothing is run."""
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text("utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(n.name for n in tree.body if isinstance(n, kinds))


def is_there(test: str) -> bool:
    path, _, name = test.partition("::")
    return name.startswith("test_") and name in named_in(ROOT / path)


@each
def test_every_control_is_held_by_a_test_that_exists(risk: dict[str, Any]) -> None:
    assert risk["controls"]
    assert [c["test"] for c in risk["controls"] if not is_there(c["test"])] == []


@pytest.mark.parametrize(
    "test",
    [
        "tests/docs/test_risk_file.py::test_nothing_of_this_name",
        "tests/docs/test_nowhere.py::test_every_control_is_held_by_a_test_that_exists",
        "tests/docs/test_risk_file.py::is_there",
        "tests/docs/test_risk_file.py",
    ],
)
def test_a_test_that_is_not_there_is_found_out(test: str) -> None:
    assert not is_there(test)


@each
def test_a_risk_is_told_whole(risk: dict[str, Any]) -> None:
    assert set(risk) == MEMBERS
    assert all(str(value).strip() for value in risk.values())
    assert risk["severity"] in range(1, 6)
    assert 1 <= risk["after"] <= risk["before"] <= 4
    for control in risk["controls"]:
        assert set(control) == {"says", "requirement", "test"}
        assert all(control.values())


def test_what_has_to_be_thought_of_is_in_the_file() -> None:
    hazards = " ".join(risk["hazard"].lower() for risk in RISKS)
    assert [seed for seed in SEEDS if seed not in hazards] == []
    assert len({risk["id"] for risk in RISKS}) == len(RISKS)


def test_what_is_not_accepted_is_said_so() -> None:
    open_risks = [risk["id"] for risk in RISKS if score(risk, "after") > ACCEPTED_UP_TO]
    assert open_risks == ["R02"]


def test_the_page_is_made_of_the_file() -> None:
    assert PAGE.read_text("utf-8") == risk_page()
