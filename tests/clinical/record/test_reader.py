"""References, days and numbers of a chart, and the issues that faults in them leave behind."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service import shipped_knowledge
from cds_service.clinical.record.elements import Period, Quantity, decode
from cds_service.clinical.record.reader import EARLIEST, LATEST, Reader
from cds_service.dates import PartialDate

UUID = "6f1a3c9e-4b7d-4c1e-9a55-0d2f4f9b8e11"
OID = "1.2.36.146.595.217.0.1"
AS_OF = date(2024, 6, 15)


def reader(as_of: date = AS_OF, born: str | None = None) -> Reader:
    made = Reader(shipped_knowledge(), as_of)
    made.aliases = {f"urn:uuid:{UUID}": "Condition/c1", UUID: "Condition/c1"}
    made.birth_date = PartialDate.parse(born) if born else None
    return made


def issues(of: Reader) -> list[str]:
    return [issue.code for issue in of.issues]


# --- references ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "local"),
    [
        pytest.param("Condition/c2", "Condition/c2", id="relative"),
        pytest.param("Condition/c2/_history/3", "Condition/c2", id="relative, of one version"),
        pytest.param("https://ehr.example/fhir/Condition/c2", "Condition/c2", id="absolute"),
        pytest.param(
            "https://ehr.example/a/b/fhir/R4/Condition/c2/_history/3",
            "Condition/c2",
            id="absolute, of one version",
        ),
        pytest.param(f"urn:uuid:{UUID}", "Condition/c1", id="the URN of a Bundle entry"),
        pytest.param(f"Condition/{UUID}", f"Condition/{UUID}", id="a UUID as id needs no alias"),
        pytest.param(UUID, "Condition/c1", id="a bare UUID"),
        pytest.param(f"urn:oid:{OID}", f"urn:oid:{OID}", id="a URN that is not in the chart"),
        pytest.param("#m1", "#m1", id="contained"),
        pytest.param("c2", "c2", id="a bare id says no type"),
        pytest.param("", "", id="an empty one"),
        pytest.param(None, "", id="none"),
    ],
)
def test_a_reference_is_read_as_type_and_id(written: str | None, local: str) -> None:
    assert reader().local(written) == local


def test_the_urn_of_an_entry_is_found_under_another_scheme() -> None:
    of = reader()
    of.aliases = {UUID: "Condition/c1"}
    assert of.local(f"urn:uuid:{UUID}") == "Condition/c1"
    assert of.local(f"urn:uuid:{UUID}/_history/2") == "Condition/c1"


@given(st.text())
def test_no_text_of_a_reference_is_too_odd(written: str) -> None:
    assert isinstance(reader().local(written), str)


# --- days ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "read", "said"),
    [
        pytest.param("2024-06-15", "2024-06-15", [], id="the day asked"),
        pytest.param("2024-06-16", None, ["future-date"], id="the day after"),
        pytest.param("2024-06", "2024-06-01 2024-06-15", [], id="a month that is not over"),
        pytest.param("2024", "2024-01-01 2024-06-15", [], id="a year that is not over"),
        pytest.param("2024-07", None, ["future-date"], id="the next month"),
        pytest.param("2024-02-30", None, ["invalid-date"], id="no such day"),
        pytest.param("soon", None, ["invalid-date"], id="words"),
        pytest.param("1960-05-01", "1960-05-01", [], id="the day of birth"),
        pytest.param("1960-04-30", None, ["impossible-date"], id="the day before it"),
        pytest.param("1960", "1960-01-01 1960-12-31", [], id="the year of birth"),
        pytest.param("0001-01-01", None, ["impossible-date"], id="what stands for no date"),
        pytest.param("", None, [], id="empty"),
        pytest.param(None, None, [], id="absent"),
    ],
)
def test_a_day_of_the_chart(written: str | None, read: str | None, said: list[str]) -> None:
    of = reader(born="1960-05-01")
    day = of.day(written, "Observation/o1", "effectiveDateTime")
    first, _, last = (read or "").partition(" ")
    expected = read and PartialDate(date.fromisoformat(first), date.fromisoformat(last or first))
    assert day == expected
    assert issues(of) == said
    assert all(issue.resource == "Observation/o1" for issue in of.issues)


@pytest.mark.parametrize(
    ("written", "is_read"),
    [(str(EARLIEST), True), ("1849-12-31", False), (str(LATEST), True), ("9000-01-02", False)],
)
def test_without_a_birth_date_no_day_is_read_that_stands_for_none(
    written: str, is_read: bool
) -> None:
    of = reader(as_of=date.max)
    assert (of.day(written, "Observation/o1", "issued") is not None) is is_read
    assert issues(of) == ([] if is_read else ["impossible-date"])


@pytest.mark.parametrize(
    ("at", "start", "end", "read"),
    [
        pytest.param("2024-01-05", None, None, "2024-01-05 2024-01-05", id="a day"),
        pytest.param(None, "2024-01-05", "2024-02-01", "2024-01-05 2024-02-01", id="a period"),
        pytest.param(None, "2024-01-05", None, "2024-01-05 2024-01-05", id="open at its end"),
        pytest.param(None, None, "2024-02-01", None, id="open at its start"),
        pytest.param(None, "2024-02-01", "2024-01-05", "2024-02-01 2024-02-01", id="turned round"),
        pytest.param(None, "2024-01-05", "2025-01-01", "2024-01-05 2025-01-01", id="not over yet"),
        pytest.param("2024-01-05", "2023-01-05", None, "2024-01-05 2024-01-05", id="a day wins"),
        pytest.param("nonsense", "2024-01-05", None, None, id="and is not replaced"),
    ],
)
def test_a_period_of_the_chart(
    at: str | None, start: str | None, end: str | None, read: str | None
) -> None:
    period = None if start is None and end is None else Period(start=start, end=end)
    spoken = reader().period(at, period, "Procedure/x", "performed")
    assert spoken == (read and tuple(map(PartialDate.parse, read.split())))


# --- numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "value"),
    [
        pytest.param("1.10", "1.10", id="with its digits"),
        pytest.param("-3", "-3", id="negative"),
        pytest.param("1e3", "1E+3", id="an exponent"),
        pytest.param("999999999999999.9", "999999999999999.9", id="fifteen places"),
        pytest.param("1e16", None, id="more than any measurement has"),
        pytest.param("1e-16", None, id="or fewer"),
        pytest.param("1e999999999", None, id="more than arithmetic has"),
        pytest.param('"7"', None, id="a text"),
        pytest.param("true", None, id="a boolean"),
        pytest.param("{}", None, id="an object"),
    ],
)
def test_the_number_of_a_quantity(written: str, value: str | None) -> None:
    of = reader()
    number = of.number(decode(b'{"value": %s}' % written.encode(), Quantity), "Observation/o1")
    assert (None if number is None else str(number)) == value
    assert issues(of) == ([] if value else ["invalid-value"])


@pytest.mark.parametrize("written", ['{"unit": "g/dL"}', '{"value": null}'])
def test_a_quantity_without_a_number_is_silent(written: str) -> None:
    of = reader()
    assert of.number(decode(written.encode(), Quantity), "Observation/o1") is None
    assert issues(of) == []


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_whatever_number_is_read_can_be_reckoned_with(value: Decimal) -> None:
    raw = b'{"value": %s}' % str(value).encode()
    number = reader().number(decode(raw, Quantity), "Observation/o1")
    if number is not None:
        assert (number * Decimal("28.84") * 1000 - number).is_finite()
