"""The loader of the terminology tables: what it refuses, and where the tables come from."""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path

import pytest

import cds_service.knowledge
from cds_service.errors import KnowledgeError
from cds_service.knowledge.terms_codes import is_loinc_code, is_snomed_code
from cds_service.knowledge.terms_load import load_terminology

TABLES = Path(next(iter(cds_service.knowledge.__path__))) / "data" / "terms"
PAGE = Path(__file__).parents[2] / "docs" / "knowledge" / "terminology.md"


# --- check digits -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "holds"),
    [
        pytest.param("109989006", True, id="myeloma"),
        pytest.param("10737361000119109", True, id="a long extension code"),
        pytest.param("109989007", False, id="last digit changed"),
        pytest.param("109898006", False, id="two digits swapped"),
        pytest.param("1080451000119100", False, id="rounded by a spreadsheet"),
    ],
)
def test_a_snomed_code_carries_its_check_digit(code: str, holds: bool) -> None:
    assert is_snomed_code(code) is holds


@pytest.mark.parametrize(
    ("code", "holds"),
    [
        pytest.param("2857-1", True, id="PSA"),
        pytest.param("69380-4", True, id="BCR::ABL1"),
        pytest.param("LA6576-8", True, id="an answer with an even number of digits"),
        pytest.param("LA28366-5", True, id="an answer with an odd number of digits"),
        pytest.param("33944-8", False, id="circulates for kappa, and is none"),
        pytest.param("2857-2", False, id="check digit changed"),
    ],
)
def test_a_loinc_code_carries_its_check_digit(code: str, holds: bool) -> None:
    assert is_loinc_code(code) is holds


# --- what is refused ------------------------------------------------------------------------


def changed(folder: Path, file: str, old: str, new: str) -> Path:
    """A copy of the tables with one change, which has to be there to be made."""
    shutil.copytree(TABLES, folder, dirs_exist_ok=True)
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("file", "old", "new", "complaint"),
    [
        pytest.param(
            "drugs.csv",
            "drug,class,",
            "drug,colour,",
            "drugs.csv, line 1: the columns",
            id="column",
        ),
        pytest.param(
            "drugs.csv",
            "carboplatin;lobaplatin;nedaplatin",
            "carboplatin;lobaplatine",
            "drugs.csv, line 2, column backbone_equivalents: 'lobaplatine' is not in its table",
            id="dangling drug name",
        ),
        pytest.param(
            "regimens.csv",
            "FOLFOX,fluorouracil;oxaliplatin",
            "FOLFOX,fluorouracil;oxaliplatine",
            "regimens.csv, line 2, column components: 'oxaliplatine'",
            id="dangling component",
        ),
        pytest.param(
            "drugs.csv", "CBDCA", "Platinol", "'Platinol' already means", id="one brand, two drugs"
        ),
        pytest.param(
            "drugs.csv", ",40048,", ",2555,", "column rxnorm: 2555 already means", id="code twice"
        ),
        pytest.param(
            "drugs.csv", "carboplatin;lobaplatin;nedaplatin", "", "in turn", id="one-sided swap"
        ),
        pytest.param(
            "conditions.csv",
            "snomed,109989006,",
            "snomed,109989007,",
            "the check digit of SNOMED CT 109989007 is wrong",
            id="SNOMED check digit",
        ),
        pytest.param(
            "markers.csv",
            "2857-1;",
            "2857-2;",
            "markers.csv, line 2, column loinc: the check digit of LOINC 2857-2 is wrong",
            id="LOINC check digit",
        ),
        pytest.param(
            "markers.csv",
            "mcode;mcode-tumor-marker;lhc-flowsheet;elexis,verified",
            "clinical,memory",
            "from memory alone may only support",
            id="a marker from memory may not decide",
        ),
        pytest.param(
            "conditions.csv",
            "prefix,head-neck,primary",
            "prefix,head-neck,first",
            "column role",
            id="role",
        ),
        pytest.param(
            "conditions.csv", "snomed,94704006,", "snomed,95209008,", "stands twice", id="twice"
        ),
        pytest.param(
            "responses.csv", "snomed,268910001", "snomet,268910001", "column system", id="system"
        ),
        pytest.param(
            "procedures.csv", ",biopsy,", ", biopsy,", "blanks around the value", id="a stray blank"
        ),
        pytest.param(
            "stop_reasons.csv", ",mcode,", ",somewhere,", "neither in sources.csv", id="source"
        ),
    ],
)
def test_a_table_that_does_not_hold_together_is_refused(
    file: str, old: str, new: str, complaint: str, tmp_path: Path
) -> None:
    folder = changed(tmp_path / "terms", file, old, new)
    with pytest.raises(KnowledgeError) as refused:
        load_terminology(folder)
    assert complaint in str(refused.value)


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    folder = changed(tmp_path / "terms", "facts.csv", "loinc", "loinc")
    (folder / "facts.csv").unlink()
    with pytest.raises(KnowledgeError, match=r"facts\.csv cannot be read"):
        load_terminology(folder)


# --- provenance -----------------------------------------------------------------------------


@pytest.mark.parametrize("table", sorted(path.name for path in TABLES.glob("*.csv")))
def test_no_table_names_a_place_that_a_reader_cannot_reach(table: str) -> None:
    text = (TABLES / table).read_text(encoding="utf-8").lower()
    for unwanted in ("hemonc", "artemis", "index file", "/work/", "/home/", "localhost"):
        assert unwanted not in text


def test_every_source_is_used() -> None:
    with (TABLES / "sources.csv").open(encoding="utf-8", newline="") as file:
        listed = {row["source"] for row in csv.DictReader(file)}
    used: set[str] = set()
    for path in TABLES.glob("*.csv"):
        if path.name != "sources.csv":
            with path.open(encoding="utf-8", newline="") as file:
                used |= {s for row in csv.DictReader(file) for s in row["source"].split(";")}
    assert listed <= used


def test_the_page_for_the_reviewer_counts_the_rows_of_every_table() -> None:
    counted = {}
    for path in TABLES.glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            counted[path.name] = sum(1 for _ in csv.DictReader(file))
    page = PAGE.read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+\.csv)` \| (\d+) \|", page, flags=re.MULTILINE)
    assert {name: int(rows) for name, rows in listed} == counted
