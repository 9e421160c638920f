"""Single tumours: their sizes, what a status of one tumour speaks of, and which cancer it is of."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from charts import condition, disease_status, lesion, marker, patient, tumour

from cds_service import shipped_knowledge
from cds_service.clinical.record import Record, read_record

Json = dict[str, Any]
AS_OF = date(2024, 6, 10)


def read(*resources: Json) -> Record:
    return read_record([patient("p1"), *resources], AS_OF, shipped_knowledge())


def sizes(*resources: Json) -> list[Decimal]:
    return [found.millimetres for found in read(*resources).lesions]


@pytest.mark.parametrize(
    ("value", "unit", "millimetres"),
    [
        pytest.param(24, "mm", ["24"], id="mm"),
        pytest.param(2.4, "cm", ["24"], id="cm"),
        pytest.param(2.4, "centimeters", ["24"], id="in words"),
        pytest.param(1, "[in_i]", ["25.4"], id="inch"),
        pytest.param(0, "mm", ["0"], id="gone"),
        pytest.param(24, "g", [], id="a mass"),
        pytest.param(24, "", [], id="no unit"),
        pytest.param(-1, "mm", [], id="less than nothing"),
    ],
)
def test_a_size_is_read_in_millimetres(value: float, unit: str, millimetres: list[str]) -> None:
    record = read(lesion("t1", "2024-05-01", value, unit=unit))
    assert [found.millimetres for found in record.lesions] == [Decimal(m) for m in millimetres]
    assert [i.code for i in record.issues] == ([] if millimetres else ["unknown-unit"])


@pytest.mark.parametrize(
    ("site", "short", "size", "is_node"),
    [
        pytest.param("liver", 11, 24, False, id="the longest dimension"),
        pytest.param("lymph-node", 11, 11, True, id="of a node the short axis"),
        pytest.param("lymph-node", None, 24, True, id="or what there is"),
    ],
)
def test_which_dimension_counts(site: str, short: float | None, size: int, is_node: bool) -> None:
    (found,) = read(lesion("t1", "2024-05-01", 24, short=short, site=site)).lesions
    assert (found.millimetres, found.is_node) == (Decimal(size), is_node)


def test_the_place_of_a_tumour_tells_that_it_is_a_node() -> None:
    chart = [tumour("t1", site="lymph-node"), lesion("t1", "2024-05-01", 24, short=11)]
    chart[0]["location"] = {"text": "Left axillary lymph node"}
    (found,) = read(*chart).lesions
    assert (found.is_node, found.millimetres) == (True, Decimal(11))


def changed(resource: Json, **elements: Any) -> Json:
    return resource | elements


PATHOLOGY = lesion("t1", "2024-05-01", 24, method="pathology")
REMOVED = changed(lesion("t1", "2024-05-01", 24), specimen={"reference": "Specimen/s1"})
BOUND = lesion("t1", "2024-05-01", 24)
BOUND["component"][0]["valueQuantity"]["comparator"] = "<"
UNDATED = {k: v for k, v in lesion("t1", "2024-05-01", 24).items() if k != "effectiveDateTime"}
EMPTY = changed(lesion("t1", "2024-05-01", 24), component=[])


@pytest.mark.parametrize(
    "resource",
    [
        pytest.param(PATHOLOGY, id="measured on removed tissue"),
        pytest.param(REMOVED, id="of a specimen"),
        pytest.param(BOUND, id="only a bound"),
        pytest.param(UNDATED, id="without a day"),
        pytest.param(EMPTY, id="without a size"),
        pytest.param(lesion("t1", "2024-05-01", 24, status="preliminary"), id="not final"),
        pytest.param(lesion("t1", "2024-06-11", 24), id="after the day asked"),
    ],
)
def test_what_is_no_size_of_the_day(resource: Json) -> None:
    assert sizes(resource) == []


def test_a_size_may_stand_as_the_value_itself() -> None:
    plain = changed(EMPTY, valueQuantity={"value": 24, "unit": "mm"})
    assert sizes(plain) == [Decimal(24)]


@pytest.mark.parametrize(
    ("resource", "identity"),
    [
        pytest.param(lesion("t1", "2024-05-01", 24, site="liver"), "BodyStructure/t1", id="tumour"),
        pytest.param(lesion("", "2024-05-01", 24, site="liver"), "liver", id="its site"),
        pytest.param(lesion("", "2024-05-01", 24), "", id="nobody knows which"),
    ],
)
def test_what_tells_a_lesion_from_the_others(resource: Json, identity: str) -> None:
    (found,) = read(resource).lesions
    assert (found.identity, found.method) == (identity, "77477000")


@pytest.mark.parametrize(
    ("says", "is_new"),
    [
        ("New lesion", True),
        ("Unequivocal new lesion", True),
        ("No new lesion", False),
        (None, False),
    ],
)
def test_a_lesion_is_new_where_it_is_called_new(says: str | None, is_new: bool) -> None:
    (found,) = read(lesion("t1", "2024-05-01", 24, says=says)).lesions
    assert found.is_new is is_new


# --- which cancer, and how much of it -------------------------------------------------------------

TWO = [condition("nsclc", onset="2022-01-05", id="lung"),
       condition("breast", onset="2020-01-05", id="breast")]  # fmt: skip


@pytest.mark.parametrize(
    ("followed", "focus"),
    [
        pytest.param(tumour("t1", cancer="lung"), ("Condition/lung",), id="of a Condition"),
        pytest.param(tumour("t1"), (), id="of none that it names"),
    ],
)
def test_a_tumour_says_which_cancer_it_is_of(followed: Json, focus: tuple[str, ...]) -> None:
    (found,) = read(*TWO, followed, lesion("t1", "2024-05-01", 24)).lesions
    assert found.focus == focus


def test_a_marker_may_name_its_cancer_in_an_extension() -> None:
    value = marker("psa", "2024-05-01", 4.0) | {
        "extension": [
            {
                "url": "http://hl7.org/fhir/us/mcode/StructureDefinition/mcode-related-condition",
                "valueReference": {"reference": "Condition/prostate"},
            }
        ]
    }
    (found,) = read(condition("prostate", onset="2020-01-05", id="prostate"), value).measurements
    assert found.focus == ("Condition/prostate",)


def worse(*focus: str) -> Json:
    return disease_status("progression", "2024-05-01") | {
        "focus": [{"reference": reference} for reference in focus]
    }


@pytest.mark.parametrize(
    ("focus", "conditions", "sites"),
    [
        pytest.param(["Condition/lung"], ("Condition/lung",), (), id="the cancer"),
        pytest.param(["BodyStructure/t1"], ("Condition/lung",), ("liver",), id="a tumour of it"),
        pytest.param(["BodyStructure/x"], (), ("one tumour",), id="a tumour nobody knows"),
        pytest.param(["Condition/lung", "BodyStructure/t1"], ("Condition/lung",), ("liver",),
                     id="both"),
    ],
)  # fmt: skip
def test_a_status_of_one_tumour_is_limited_to_its_place(
    focus: list[str], conditions: tuple[str, ...], sites: tuple[str, ...]
) -> None:
    (said,) = read(*TWO, tumour("t1", cancer="lung"), worse(*focus)).statements
    assert (said.focus, said.sites) == (conditions, sites)


@pytest.mark.parametrize(
    ("code", "by"),
    [
        pytest.param("363679005", {"imaging"}, id="imaging"),
        pytest.param("77477000", {"imaging"}, id="a CT is imaging"),
        pytest.param("82918005", {"imaging"}, id="so is a PET"),
        pytest.param("86273004", {"histology"}, id="a biopsy is histology"),
        pytest.param("5880005", {"examination"}, id="an examination"),
        pytest.param("250724005", {"marker"}, id="a marker"),
        pytest.param("74964007", set(), id="something else"),
    ],
)
def test_the_evidence_that_a_status_names(code: str, by: set[str]) -> None:
    status = disease_status("progression", "2024-05-01", by="imaging")
    status["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] = code
    (said,) = read(TWO[0], status).statements
    assert said.by == by
