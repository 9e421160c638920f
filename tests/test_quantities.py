"""Measured values: conversion, comparators, and how they are written for people."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.quantities import Quantity, format_decimal, plain_unit

TO_G_PER_DL = {"g/dL": Decimal(1), "g/L": Decimal("0.1"), "mg/dL": Decimal("0.001")}


@pytest.mark.parametrize(
    ("value", "unit", "converted"),
    [
        pytest.param("3.2", "g/dL", "3.2", id="the unit itself"),
        pytest.param("32", "g/L", "3.2", id="a tenth"),
        pytest.param("3200", "mg/dL", "3.2", id="a thousandth"),
        pytest.param("3.2", "g/dl", None, id="another spelling is another unit"),
        pytest.param("3.2", "", None, id="no unit"),
        pytest.param("3.2", "%", None, id="another quantity"),
    ],
)
def test_a_value_is_converted_or_not_at_all(value: str, unit: str, converted: str | None) -> None:
    read = Quantity(Decimal(value), unit).to("g/dL", TO_G_PER_DL)
    assert read == (None if converted is None else Quantity(Decimal(converted), "g/dL"))


def test_a_bound_stays_a_bound_when_it_is_converted() -> None:
    assert Quantity(Decimal(5), "g/L", "<").to("g/dL", TO_G_PER_DL) == Quantity(
        Decimal("0.5"), "g/dL", "<"
    )


@pytest.mark.parametrize(
    ("comparator", "is_upper", "is_lower"),
    [
        ("", False, False),
        ("<", True, False),
        ("<=", True, False),
        (">", False, True),
        (">=", False, True),
        ("ad", False, False),
        ("~", False, False),
    ],
)
def test_what_a_comparator_bounds(comparator: str, is_upper: bool, is_lower: bool) -> None:
    quantity = Quantity(Decimal(1), "ng/mL", comparator)
    assert (quantity.is_upper_bound, quantity.is_lower_bound) == (is_upper, is_lower)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        pytest.param("1.10", "1.1", id="no trailing nought"),
        pytest.param("100", "100", id="noughts before the point stay"),
        pytest.param("1E+3", "1000", id="no exponent"),
        pytest.param("2.5E-2", "0.025", id="nor a negative one"),
        pytest.param("0.12344", "0.1234", id="four places, rounded down"),
        pytest.param("0.12346", "0.1235", id="four places, rounded up"),
        pytest.param("0.00004", "0", id="too small to be seen"),
        pytest.param("0", "0", id="nought"),
        pytest.param("-1.50", "-1.5", id="negative"),
        pytest.param("1E+40", "1" + "0" * 40, id="more digits than arithmetic keeps"),
    ],
)
def test_a_decimal_for_people(value: str, written: str) -> None:
    assert format_decimal(Decimal(value)) == written


def test_a_quantity_for_people() -> None:
    assert str(Quantity(Decimal("0.10"), "ng/mL", "<")) == "<0.1 ng/mL"
    assert str(Quantity(Decimal("7.0"), "")) == "7"


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15))
def test_a_written_decimal_is_within_half_of_the_last_place(value: Decimal) -> None:
    written = format_decimal(value)
    assert abs(Decimal(written) - value) <= Decimal("0.00005")
    assert "E" not in written
    assert not (("." in written) and written.endswith(("0", ".")))


@pytest.mark.parametrize(
    ("unit", "plain"),
    [
        pytest.param("g/L{total}", "g/L", id="an annotation changes nothing"),
        pytest.param("g / L", "g/L", id="blanks around the slash"),
        pytest.param("{ratio}", "{ratio}", id="nothing but an annotation"),
        pytest.param("[IU]/mL", "[IU]/mL", id="brackets are no annotation"),
    ],
)
def test_what_changes_nothing_of_a_unit_is_passed_over(unit: str, plain: str) -> None:
    assert plain_unit(unit) == plain


def test_an_annotated_unit_converts_as_the_plain_one() -> None:
    assert Quantity(Decimal(32), "g/L{total}").to("g/dL", TO_G_PER_DL) == Quantity(
        Decimal("3.2"), "g/dL"
    )
