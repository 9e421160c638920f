"""Results of markers: comparators, text values, status, versions, samples, laboratories, dates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from charts import condition, marker, patient

from cds_service import shipped_knowledge
from cds_service.clinical.record import Record, read_record

Json = dict[str, Any]
AS_OF = date(2024, 6, 10)
CANCER = condition("prostate", onset="2020-10-01")


def read(*resources: Json, person: Json | None = None) -> Record:
    chart = [person or patient("p1"), CANCER, *resources]
    return read_record(chart, AS_OF, shipped_knowledge())


def psa(value: float = 4.0, on: str = "2024-05-01", **said: Any) -> Json:
    id = said.pop("id", None)
    given = {k: said.pop(k) for k in ("lab", "status", "identifier", "issued") if k in said}
    return marker("psa", on, value, id=id, **given) | said


def values(record: Record) -> list[str]:
    return [str(m.quantity) for m in record.measurements]


def issues(record: Record) -> list[str]:
    return [issue.code for issue in record.issues]


# --- comparators and text values ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("comparator", "is_upper", "is_lower"),
    [("<", True, False), ("<=", True, False), (">", False, True), (">=", False, True),
     ("ad", False, False)],
)  # fmt: skip
def test_a_comparator_bounds_the_value(comparator: str, is_upper: bool, is_lower: bool) -> None:
    (found,) = read(marker("psa", "2024-05-01", 4.0, comparator=comparator)).measurements
    assert found.quantity is not None
    assert (found.quantity.is_upper_bound, found.quantity.is_lower_bound) == (is_upper, is_lower)


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        pytest.param("4.2 ng/mL", "4.2 ng/mL", id="number and unit"),
        pytest.param("4.2ng/mL", "4.2 ng/mL", id="without a blank"),
        pytest.param("< 0.1 ug/L", "<0.1 ng/mL", id="a bound"),
        pytest.param("≤0.1 ng/mL", "<=0.1 ng/mL", id="a bound in one character"),
        pytest.param("4,2 ng/mL", None, id="a comma divides one knows not what"),
        pytest.param("4.2", None, id="no unit"),
        pytest.param("4.2 ng/mL (high)", None, id="more than number and unit"),
        pytest.param("4-5 ng/mL", None, id="a range"),
        pytest.param("about 4 ng/mL", None, id="a word"),
        pytest.param("see report", None, id="no number"),
    ],
)
def test_a_text_is_a_result_where_all_of_it_is_number_and_unit(
    text: str, read_as: str | None
) -> None:
    written = psa(valueString=text)
    del written["valueQuantity"]
    found = [str(m.quantity) for m in read(written).measurements if m.quantity is not None]
    assert found == ([] if read_as is None else [read_as])


@pytest.mark.parametrize(
    "elements",
    [
        pytest.param({"dataAbsentReason": {"text": "not performed"}}, id="no value, and why"),
        pytest.param({"interpretation": [{"text": "High"}]}, id="an interpretation alone"),
        pytest.param({}, id="nothing"),
    ],
)
def test_without_a_value_there_is_no_result(elements: Json) -> None:
    empty = psa() | elements
    del empty["valueQuantity"]
    assert read(empty).measurements == ()


# --- status, versions, corrections ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "is_read", "said"),
    [
        ("final", True, []), ("amended", True, []), ("corrected", True, []),
        ("preliminary", False, ["pending-result"]), ("registered", False, ["pending-result"]),
        ("entered-in-error", False, []), ("cancelled", False, []), ("unknown", False, []),
    ],
)  # fmt: skip
def test_what_counts_is_final(status: str, is_read: bool, said: list[str]) -> None:
    record = read(psa(status=status))
    assert (len(record.measurements) == 1, issues(record)) == (is_read, said)


def dated(resource: Json, updated: str | None = None, version: str | None = None) -> Json:
    meta = {"lastUpdated": updated, "versionId": version}
    return resource | {"meta": {name: said for name, said in meta.items() if said}}


VERSIONS: dict[str, tuple[Callable[[], list[Json]], list[str]]] = {
    "the later update": (
        lambda: [
            dated(psa(4, id="o"), "2024-05-02T10:00:00Z"),
            dated(psa(5, id="o"), "2024-05-02T11:30:00+02:00"),
        ],
        ["4 ng/mL"],
    ),
    "the higher version, as a number": (
        lambda: [dated(psa(4, id="o"), version="9"), dated(psa(5, id="o"), version="10")],
        ["5 ng/mL"],
    ),
    "the corrected one": (
        lambda: [psa(4, id="o"), psa(5, id="o", status="corrected")],
        ["5 ng/mL"],
    ),
    "the withdrawn one takes it away": (
        lambda: [psa(4, id="o"), psa(4, id="o", status="entered-in-error")],
        [],
    ),
    "a later version after the withdrawal": (
        lambda: [
            dated(psa(4, id="o", status="entered-in-error"), version="2"),
            dated(psa(5, id="o"), version="3"),
        ],
        ["5 ng/mL"],
    ),
    "where nothing tells them apart, both": (
        lambda: [psa(4, id="o"), psa(5, id="o")],
        ["4 ng/mL", "5 ng/mL"],
    ),
    "other resources have nothing to do with it": (
        lambda: [dated(psa(4, id="o"), version="1"), dated(psa(5, id="p"), version="2")],
        ["4 ng/mL", "5 ng/mL"],
    ),
}


@pytest.mark.parametrize("what", VERSIONS)
def test_of_several_versions_of_a_resource_the_newest_counts(what: str) -> None:
    make, expected = VERSIONS[what]
    for chart in (make(), make()[::-1]):
        record = read(*chart)
        assert sorted(values(record)) == expected
        has_older = len(expected) < 2
        assert ("older-version" in issues(record)) is has_older


CORRECTIONS: dict[str, tuple[Callable[[], list[Json]], list[str]]] = {
    "a corrected result for the first one": (
        lambda: [psa(4, identifier="a"), psa(5, identifier="a", status="corrected")],
        ["5 ng/mL"],
    ),
    "of two corrections the later": (
        lambda: [
            psa(4, identifier="a", status="corrected", issued="2024-05-03"),
            psa(5, identifier="a", status="amended", issued="2024-05-02"),
        ],
        ["4 ng/mL"],
    ),
    "another identifier": (
        lambda: [psa(4, identifier="a"), psa(5, identifier="b", status="corrected")],
        ["4 ng/mL", "5 ng/mL"],
    ),
    "one of several identifiers": (
        lambda: [
            psa(4, identifier="a"),
            psa(5, id="x", status="corrected")
            | {
                "identifier": [
                    {"value": "order-7"},
                    {"value": "a", "system": "urn:example:result"},
                ]
            },
        ],
        ["5 ng/mL"],
    ),
    "two final ones with one identifier are two results": (
        lambda: [psa(4, identifier="a"), psa(5, identifier="a")],
        ["4 ng/mL", "5 ng/mL"],
    ),
}


@pytest.mark.parametrize("what", CORRECTIONS)
def test_a_corrected_result_stands_for_the_one_it_corrects(what: str) -> None:
    make, expected = CORRECTIONS[what]
    for chart in (make(), make()[::-1]):
        assert sorted(values(read(*chart))) == expected


def test_the_identifier_of_an_order_is_shared_by_its_analytes() -> None:
    testosterone = marker("testosterone", "2024-05-01", 20, identifier="order-7")
    record = read(testosterone, psa(5, identifier="order-7", status="corrected"))
    assert {m.marker for m in record.measurements} == {"psa", "testosterone"}


# --- one day, one sample, several laboratories ----------------------------------------------------

SAMPLE, OTHER = ({"specimen": {"reference": f"Specimen/{name}"}} for name in "ab")
EARLY, LATE = ({"issued": f"2024-05-02T{hour}:00:00Z"} for hour in ("08", "12"))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param(SAMPLE | EARLY, SAMPLE | LATE, ["5 ng/mL"], id="one sample: issued last"),
        pytest.param(SAMPLE | LATE, SAMPLE | EARLY, ["4 ng/mL"], id="the other way round"),
        pytest.param(SAMPLE | EARLY, OTHER | LATE, ["4 ng/mL", "5 ng/mL"], id="two samples"),
        pytest.param(SAMPLE, SAMPLE, ["4 ng/mL", "5 ng/mL"], id="nobody says when"),
        pytest.param(EARLY, LATE, ["4 ng/mL", "5 ng/mL"], id="nobody says of which sample"),
    ],
)
def test_of_one_sample_on_one_day_the_result_issued_last_counts(
    first: Json, second: Json, expected: list[str]
) -> None:
    assert sorted(values(read(psa(4, id="a", **first), psa(5, id="b", **second)))) == expected


@pytest.mark.parametrize(
    ("elements", "laboratory"),
    [
        pytest.param({"performer": [{"reference": "Organization/lab"}]}, "Organization/lab",
                     id="an organisation"),
        pytest.param({"performer": [{"reference": "Practitioner/dr"},
                                    {"reference": "Organization/lab"}]}, "Organization/lab",
                     id="not the person who signed"),
        pytest.param({"performer": [{"reference": "Practitioner/dr"}]}, "", id="a person alone"),
        pytest.param({"method": {"text": "ECLIA"}}, "eclia", id="a method"),
        pytest.param({"performer": [{"reference": "Organization/lab"}],
                      "method": {"coding": [{"code": "m1"}]}}, "Organization/lab m1", id="both"),
        pytest.param({}, "", id="nobody says"),
    ],
)  # fmt: skip
def test_results_are_kept_by_laboratory_and_method(elements: Json, laboratory: str) -> None:
    (found,) = read(psa(**elements)).measurements
    assert found.laboratory == laboratory


def test_the_upper_limit_is_that_of_the_result() -> None:
    (found,) = read(marker("psa", "2024-05-01", 4.0, unit="ug/L", high=2.5)).measurements
    assert str(found.uln) == "2.5"


# --- dates ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("elements", "on", "said"),
    [
        pytest.param({"effectiveDateTime": "2024-05"}, "2024-05", [], id="a month"),
        pytest.param({"effectiveDateTime": "2023"}, "2023", [], id="a year"),
        pytest.param({"effectiveDateTime": "2024"}, "2024-01-01", [], id="this year, so far"),
        pytest.param({"effectivePeriod": {"start": "2024-05-01", "end": "2024-05-03"}},
                     "2024-05-01", [], id="the start of a period"),
        pytest.param({"effectiveInstant": "2024-05-01T23:30:00-05:00"}, "2024-05-01", [],
                     id="the day as written, whatever its zone"),
        pytest.param({"issued": "2024-05-02T10:00:00Z"}, "2024-05-02", ["issued-date"],
                     id="issued, flagged"),
        pytest.param({"effectiveDateTime": "2024-05-01", "issued": "2024-05-02T10:00:00Z"},
                     "2024-05-01", [], id="of the sample, not of the report"),
        pytest.param({}, None, ["missing-date"], id="none"),
        pytest.param({"effectiveDateTime": "2024-06-10"}, "2024-06-10", [], id="the day asked"),
        pytest.param({"effectiveDateTime": "2024-06-11"}, None, ["future-date"], id="a day later"),
        pytest.param({"effectiveDateTime": "1960-03-04"}, "1960-03-04", [], id="the day of birth"),
        pytest.param({"effectiveDateTime": "1960-03-03"}, None, ["impossible-date"],
                     id="before birth"),
    ],
)  # fmt: skip
def test_the_day_of_a_result(elements: Json, on: str | None, said: list[str]) -> None:
    result = psa() | elements
    if "effectiveDateTime" not in elements:
        del result["effectiveDateTime"]
    record = read(result, person=patient("p1") | {"birthDate": "1960-03-04"})
    found = [str(m.on.first if on == "2024-01-01" else m.on) for m in record.measurements]
    assert (found, issues(record)) == ([] if on is None else [on], said)
