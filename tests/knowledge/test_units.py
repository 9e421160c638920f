"""Units: every code against a UCUM library, every spelling, and what the loader refuses."""

from __future__ import annotations

import csv
import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from cds_service.errors import KnowledgeError
from cds_service.knowledge.check_units import check_units, ucum_factor
from cds_service.knowledge.load import DATA
from cds_service.knowledge.terms import Terminology
from cds_service.knowledge.terms_load import load_terminology
from cds_service.quantities import Quantity

TABLES = DATA / "terms"


@pytest.fixture(scope="module")
def terms() -> Terminology:
    return load_terminology(TABLES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy = tmp_path / "terms"
    shutil.copytree(TABLES, copy)
    return copy


def change(folder: Path, file: str, old: str, new: str) -> Path:
    text = (folder / file).read_text("utf-8")
    assert old in text, f"{file} has no {old!r} any more"
    (folder / file).write_text(text.replace(old, new, 1), "utf-8")
    return folder


def test_the_library_agrees_with_every_unit_of_every_marker(terms: Terminology) -> None:
    assert list(check_units(terms)) == []
    assert len(terms.units) > 500


@pytest.mark.parametrize(
    ("code", "of", "factor"),
    [
        pytest.param("g/L", "g/dL", "0.1", id="per decilitre"),
        pytest.param("ug/L", "ng/mL", "1", id="the same by other prefixes"),
        pytest.param("mg/dL", "mg/dL", "1", id="itself"),
        pytest.param("10*3/uL", "10*9/L", "1", id="counts"),
        pytest.param("ukat/L", "U/L", "60", id="katal"),
        pytest.param("L/L", "%", "100", id="share"),
        pytest.param("g/(24.h)", "mg/d", "1000", id="a day"),
        pytest.param("m[IU]/mL", "[IU]/L", "1", id="international units"),
        pytest.param("[in_i]", "mm", "25.4", id="inch"),
        pytest.param("mmol/L", "g/L", None, id="substance is no mass"),
        pytest.param("U/mL", "[IU]/mL", None, id="enzyme unit is no international one"),
        pytest.param("[IU]/L", "[arb'U]/L", None, id="arbitrary units compare with themselves"),
        pytest.param("[IU]/L", "/L", None, id="an arbitrary unit is no number"),
        pytest.param("ng/mL", "%", None, id="no share"),
        pytest.param("mcg/L", "g/L", None, id="no UCUM code"),
        pytest.param("", "1", None, id="nothing"),
    ],
)
def test_the_library_converts_where_the_dimension_allows(
    code: str, of: str, factor: str | None
) -> None:
    assert ucum_factor(code, of) == (None if factor is None else Decimal(factor))


@pytest.mark.parametrize(
    ("marker", "value", "unit", "canonical"),
    [
        pytest.param("psa", "4", "ug/dL", "40", id="a unit that no marker lists"),
        pytest.param("psa", "4", "ng/ml", "4", id="small l"),
        pytest.param("ca-125", "35", "IU/L", "0.035", id="one fact opens its kind"),
        pytest.param("ca-125", "35", "k[arb'U]/L", "35", id="a prefix that UCUM forbids"),
        pytest.param("afp", "10", "kIU/L", "12.1", id="assay units of AFP"),
        pytest.param("hcg", "5", "mIU/mL", "5", id="milli per millilitre"),
        pytest.param("hcg", "5", "mU/mL", "5", id="units for international units"),
        pytest.param("ldh", "4", "ukat/L", "240", id="katal"),
        pytest.param("testosterone", "1700", "pmol/L", "49.028", id="pmol by the fact of nmol"),
        pytest.param("hemoglobin", "6.2", "mmol/L", "9.9882", id="molar haemoglobin"),
        pytest.param("platelets", "90", "10^9/L", "90", id="a caret"),
        pytest.param("platelets", "90", "K/uL", "90", id="thousands"),
        pytest.param("platelets", "90", "G/L", "90", id="giga"),
        pytest.param("platelets", "90000", "{Platelets}/uL", "90", id="an annotation not listed"),
        pytest.param("hematocrit", "0.45", "L/L", "45", id="a share"),
        pytest.param("plasma-cells-marrow-percent", "0.6", "1", "60", id="fraction"),
        pytest.param("bcr-abl-is", "0.1", "%{IS}", "0.1", id="the scale said"),
        pytest.param("m-protein-urine-24h", "0.2", "g/day", "200", id="a day's urine"),
        pytest.param("glomerular-filtration-rate", "60", "mL/min", "60", id="without the area"),
    ],
)
def test_a_result_is_converted_whatever_its_unit_is_called(
    marker: str, value: str, unit: str, canonical: str, terms: Terminology
) -> None:
    known = terms.markers[marker]
    converted = Quantity(Decimal(value), unit).to(known.unit, known.factors)
    assert converted is not None
    assert converted.value == Decimal(canonical)


@pytest.mark.parametrize(
    ("marker", "unit"),
    [
        pytest.param("bcr-abl-is", "1", id="a bare ratio is not on the scale"),
        pytest.param("bcr-abl-is", "L/L", id="nor is any other share"),
        pytest.param("psa", "nmol/L", id="no molar mass of PSA is known here"),
        pytest.param("psa", "", id="no unit"),
        pytest.param("blasts-marrow-percent", "", id="a bare number is no percentage"),
        pytest.param("he4", "ng/mL", id="mass of a substance"),
    ],
)
def test_what_does_not_convert_is_not_used(marker: str, unit: str, terms: Terminology) -> None:
    known = terms.markers[marker]
    assert Quantity(Decimal(1), unit).to(known.unit, known.factors) is None


def test_every_spelling_stands_once(terms: Terminology) -> None:
    with (TABLES / "units.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    spellings = [s for row in rows for s in (row["code"], *row["spellings"].split(";")) if s]
    assert sorted(spellings) == sorted(terms.units)


@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        pytest.param(
            "markers.csv", 'total",tumour-marker,response,ng/mL,',
            'total",tumour-marker,response,drops,',
            "column unit: 'drops' is not in units.csv", id="unit",
        ),
        pytest.param(
            "markers.csv", "nmol/L=28.84", "drops=28.84",
            "column conversions: 'drops' is not in units.csv", id="listed unit",
        ),
        pytest.param(
            "markers.csv", "nmol/L=28.84", "ng/mL=28.84",
            "column conversions: 'ng/mL' converts already", id="the dimension tells",
        ),
        pytest.param(
            "markers.csv", "nmol/L=28.84", "nmol/L=28.84;umol/L=28840",
            "column conversions: 'umol/L' converts already", id="one fact a kind",
        ),
        pytest.param(
            "markers.csv", "nmol/L=28.84", "nmol/L=0", "makes nothing of it", id="nothing",
        ),
        pytest.param(
            "markers.csv", "nmol/L=28.84", "nmol/L=many", "'many' is not a number", id="word",
        ),
        pytest.param("units.csv", "mg/dL,g/L,", "mg/dL,drops,", "column kind", id="kind"),
        pytest.param("units.csv", "mg/dL,g/L,0.01", "mg/dL,g/L,0", "no measure", id="factor"),
        pytest.param("units.csv", "mg/dl;", "mg/L;", "'mg/L' stands twice", id="spelling twice"),
    ],
)  # fmt: skip
def test_a_table_of_units_that_does_not_hold_together_is_refused(
    file: str, old: str, new: str, fault: str, folder: Path
) -> None:
    with pytest.raises(KnowledgeError, match=fault):
        load_terminology(change(folder, file, old, new))


@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        pytest.param(
            "units.csv", "mg/dL,g/L,0.01", "mg/dL,g/L,0.1",
            "units.csv: mg/dL: one of it is 0.01 g/L, not 0.1", id="wrong factor",
        ),
        pytest.param(
            "units.csv", "mg/dL,g/L,0.01", "mg/dL,U/L,0.01",
            "units.csv: mg/dL: UCUM has no way from it to U/L", id="wrong kind",
        ),
        pytest.param(
            "units.csv", "fg/mL,g/L", "femto,g/L",
            "units.csv: femto: UCUM has no way from it to g/L", id="no code",
        ),
    ],
)  # fmt: skip
def test_a_factor_that_the_library_does_not_make_is_a_fault(
    file: str, old: str, new: str, fault: str, folder: Path
) -> None:
    terms = load_terminology(change(folder, file, old, new))
    assert fault in [str(found) for found in check_units(terms)]
