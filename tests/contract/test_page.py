"""docs/contract.md promises what the service has: commands, routes, members, words. No more."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import contract_shape
import pytest
import typer
from fixtures.stories import STORIES
from hooks.calls import KEYS, REQUIRED
from hooks.card_rules import OURS
from hooks.serving import knowledge, serving
from typer.testing import CliRunner

import cds_service
from cds_service.cli import app
from cds_service.clinical.assessment_json import to_json
from cds_service.replay.commands import audit_app

PAGE = (Path(__file__).resolve().parents[2] / "docs/contract.md").read_text(encoding="utf-8")
CODE = re.compile(r"`([^`]+)`")


@cache
def section(title: str) -> str:
    """What stands under a heading."""
    return PAGE.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def sentence(start: str, end: str = r"\.\s") -> str:
    """From these words of the page up to the end of what they begin."""
    found = re.search(re.escape(start) + r".*?" + f"(?={end}|$)", PAGE, re.DOTALL)
    assert found, start
    return found[0]


def words(text: str) -> set[str]:
    return {word for word in CODE.findall(text) if re.fullmatch(r"[A-Za-z-]+", word)}


# --- commands -----------------------------------------------------------------------------------


def promised() -> dict[str, set[str]]:
    """Each command of the page with the options that the page gives it."""
    found: dict[str, set[str]] = {}
    for usage in re.findall(r"^\| `refractory-cds ([^`]+)`", section("Command line"), re.MULTILINE):
        first, *rest = usage.replace("\\|", "|").split()
        before_options = " ".join(rest).partition("--")[0]
        group = re.findall(r"(?<![^\s|])[a-z]+(?:-[a-z]+)*(?![^\s|])", before_options)
        grouped = first in ("audit", "knowledge", "fixtures")
        names = [f"{first} {w}" for w in group] if grouped else [first]
        for name in names:
            found.setdefault(name, set()).update(re.findall(r"--[a-z-]+", usage))
    return found


def commands(of: typer.Typer) -> Iterator[str]:
    for name, command in typer.main.get_group(of).commands.items():
        inner = getattr(command, "commands", None)
        yield from (f"{name} {one}" for one in inner) if inner else (name,)


def test_the_page_names_every_command_and_no_other() -> None:
    of_the_log = {f"audit {name}" for name in commands(audit_app)}
    assert set(promised()) == {*commands(app)} - {"audit"} | of_the_log


@pytest.mark.parametrize("command", sorted(promised()))
def test_a_command_has_the_options_that_the_page_gives_it(command: str) -> None:
    group, _, name = command.partition(" ")
    of, arguments = (audit_app, [name]) if group == "audit" else (app, command.split())
    shown = CliRunner().invoke(of, [*arguments, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert promised()[command] <= set(re.findall(r"--[a-z-]+", shown.output))


# --- HTTP ---------------------------------------------------------------------------------------


def test_the_page_names_every_route_and_no_other(tmp_path: Path) -> None:
    rows = re.findall(r"^\| `(GET|POST) (.*?) \|", section("HTTP"), re.MULTILINE)
    told = {
        (method, path.partition("?")[0])
        for method, paths in rows
        for path in re.findall(r"/[^`,\s]*", paths)
    }
    with serving(tmp_path) as served:
        described = {
            (method.upper(), path.replace("{service_id}", "refractory-status"))
            for path, operations in served.app.openapi()["paths"].items()
            for method in operations
        }
    pages = ("/", "/docs", "/openapi.json", "/knowledge/", "/knowledge/{name}",
             "/knowledge/{digest}/{name}")  # fmt: skip
    assert told == described | {("GET", page) for page in pages}


def test_the_page_names_every_prefetch_key() -> None:
    told = words(sentence("Prefetch keys:", r"`specimens`\s+help")) | {"specimens"}
    assert told == set(KEYS)
    assert words(sentence("Prefetch keys:", "are needed")) == set(REQUIRED)


def test_the_page_names_what_each_card_carries() -> None:
    told = words(sentence("Each card has")) - {"extension"}
    assert told == {
        "decisionId", "condition", "disease", "line", "status", "advice", "knowledgeVersion",
    }  # fmt: skip
    assert f"`{OURS}`" in sentence("Each card has", "knowledgeVersion")


# --- the Assessment -----------------------------------------------------------------------------


def rows_of_table(after: str) -> set[str]:
    table = section("Assessment").split(after, 1)[1].split("\n\n", 2)[1]
    return {word for row in table.splitlines() for word in words(row.split("|")[1])}


VOCABULARIES = [
    pytest.param(rows_of_table("on `asOf`:"), contract_shape.STATUSES, id="statuses"),
    pytest.param(
        words(sentence("- `caveats`:", r"\. Their")) - {"caveats"},
        contract_shape.CAVEATS,
        id="caveats",
    ),
    pytest.param(words(sentence("`advice[].kind`", ";")), contract_shape.ADVICE, id="advice"),
    pytest.param(
        words(sentence("`suppressed`: null", r"\.\n")) - {"suppressed"},
        contract_shape.SUPPRESSED,
        id="suppressed",
    ),
    pytest.param(
        words(sentence("`urgency`:", ";")) - {"urgency"}, {"routine", "prompt"}, id="urgency"
    ),
    pytest.param(
        words(sentence("- `confidence`:", "or null")) - {"confidence"},
        {"documented", "criteria", "signal"},
        id="confidence",
    ),
    pytest.param(
        words(sentence("- `pattern`:", "or null")) - {"pattern"},
        {"primary", "secondary"},
        id="pattern",
    ),
]


@pytest.mark.parametrize(("told", "known"), VOCABULARIES)
def test_the_page_has_the_words_of_the_contract(told: set[str], known: Iterable[str]) -> None:
    assert told == set(known)


def test_the_page_names_every_disease() -> None:
    told = re.search(r"disease +((?:[a-z-]+,\s*)+[a-z-]+)", section("Assessment"))
    assert told
    assert set(re.split(r",\s*", told[1])) == set(knowledge().diseases)


def test_the_page_names_every_member() -> None:
    drawing = section("Assessment").split("```")[1]
    story = max(STORIES, key=lambda story: len(story.resources))
    whole = to_json(cds_service.assess(story.resources, as_of=story.as_of))
    (cancer, *_) = whole["cancers"]
    (line, *_) = cancer["lines"]
    members = {*whole, *cancer, *line, *whole["knowledge"], *line["evidence"][0]}
    members |= {*cancer["advice"][0], "severity", "code", "resource", "detail"}
    assert members - set(re.findall(r"[A-Za-z]+", drawing)) == set()
