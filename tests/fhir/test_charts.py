"""Sorting by patient: every way to write a reference finds its patient, and nobody else's."""

import json
from typing import Any

import pytest

from cds_service.fhir.bundles import Problem, RawResource
from cds_service.fhir.charts import Chart, chart_of, charts_of
from cds_service.fhir.references import head_of, local_name


def raw(resource_type: str, rid: str | None, full_url: str = "", **fields: Any) -> RawResource:
    made = {"resourceType": resource_type} | ({"id": rid} if rid else {}) | fields
    return RawResource(json.dumps(made).encode(), full_url)


def of(patient: str, rid: str = "o1") -> RawResource:
    return raw("Observation", rid, subject={"reference": patient})


def names(chart: Chart) -> list[str]:
    heads = [head_of(resource) for resource in chart.resources]
    return [head.name for head in heads if head is not None]


@pytest.mark.parametrize(
    "reference",
    [
        pytest.param("Patient/p1", id="relative"),
        pytest.param("Patient/p1/_history/3", id="versioned"),
        pytest.param("https://ehr.example/fhir/Patient/p1", id="absolute"),
        pytest.param("https://ehr.example/fhir/Patient/p1/_history/3", id="absolute, versioned"),
        pytest.param("urn:uuid:0c1f", id="the Patient's address in its Bundle"),
        pytest.param("urn:uuid:p1", id="a UUID that is the Patient's id"),
    ],
)
def test_a_reference_finds_its_patient(reference: str) -> None:
    resources = [of(reference), raw("Patient", "p1", "urn:uuid:0c1f"), raw("Patient", "p2")]
    first, second = charts_of(resources)
    assert (first.patient, names(first)) == ("Patient/p1", ["Observation/o1", "Patient/p1"])
    assert (second.patient, names(second)) == ("Patient/p2", ["Patient/p2"])


@pytest.mark.parametrize("element", ["subject", "patient", "individual"])
def test_the_patient_stands_in_one_of_several_elements(element: str) -> None:
    owner: dict[str, Any] = {element: {"reference": "Patient/p1"}}
    (chart,) = charts_of([raw("ResearchSubject", "r1", **owner)])
    assert chart.patient == "Patient/p1"


def test_a_patient_without_an_id_is_named_by_the_uuid_of_the_bundle() -> None:
    resources = [raw("Patient", None, "urn:uuid:0c1f"), of("urn:uuid:0c1f")]
    (chart,) = charts_of(resources)
    assert (chart.patient, len(chart.resources)) == ("Patient/0c1f", 2)


@pytest.mark.parametrize(
    "subject",
    [
        pytest.param({}, id="empty"),
        pytest.param({"display": "Ann"}, id="display only"),
        pytest.param({"identifier": {"value": "1"}}, id="identifier only"),
        pytest.param({"reference": "#p"}, id="contained"),
        pytest.param({"reference": "Group/g1"}, id="a group"),
        pytest.param({"reference": "urn:uuid:none"}, id="nobody's address"),
        pytest.param({"reference": "Patient?identifier=1"}, id="conditional"),
        pytest.param({"reference": 5}, id="a number"),
        pytest.param("Patient/p1", id="a text"),
        pytest.param(None, id="null"),
    ],
)
def test_a_resource_of_no_known_patient_is_left_out_and_said(subject: Any) -> None:
    charts = list(charts_of([raw("Patient", "p1"), raw("Observation", "o1", subject=subject)]))
    assert [names(chart) for chart in charts] == [["Patient/p1"]]
    problem = Problem("Observation", "1 left out, of no patient that can be told")
    assert charts[0].problems == (problem,)


def test_what_is_of_no_patient_by_nature_is_left_out_in_silence() -> None:
    resources = [raw("Patient", "p1"), raw("Practitioner", "d1"), raw("Organization", "h1")]
    (chart,) = charts_of(resources)
    assert names(chart) == ["Patient/p1"]
    assert chart.problems == ()


@pytest.mark.parametrize(
    "reference",
    [
        "Medication/m1",
        "https://ehr.example/fhir/Medication/m1",
        "urn:uuid:drug",
        "Medication/m1/_history/2",
    ],
)
def test_a_medication_is_given_to_every_patient_whose_orders_point_at_it(reference: str) -> None:
    def order(rid: str, patient: str) -> RawResource:
        subject, drug = {"reference": patient}, {"reference": reference}
        return raw("MedicationRequest", rid, subject=subject, medicationReference=drug)

    medications = [raw("Medication", "m1", "urn:uuid:drug"), raw("Medication", "m2")]
    resources = [*medications, order("a", "Patient/p1"), order("b", "Patient/p2"), of("Patient/p3")]
    assert [names(chart) for chart in charts_of(resources)] == [
        ["MedicationRequest/a", "Medication/m1"],
        ["MedicationRequest/b", "Medication/m1"],
        ["Observation/o1"],
    ]


def test_an_address_that_means_two_patients_means_neither() -> None:
    """Two exports that were put together, and number their entries alike."""
    one, other = (raw("Patient", f"p{number}", "urn:uuid:1") for number in (1, 2))
    for resources in ([one, other, of("urn:uuid:1")], [of("urn:uuid:1"), other, one]):
        charts = list(charts_of([*resources, of("Patient/p2", "o2")]))
        assert [(chart.patient, names(chart)[1:]) for chart in charts] == [
            ("Patient/p1", []),
            ("Patient/p2", ["Observation/o2"]),
        ]
        (problem,) = charts[0].problems
        assert str(problem) == "Observation: 1 left out, of no patient that can be told"


def test_an_address_that_means_two_drugs_means_neither() -> None:
    order = raw(
        "MedicationRequest",
        "a",
        subject={"reference": "Patient/p1"},
        medicationReference={"reference": "urn:uuid:drug"},
    )
    drugs = [raw("Medication", f"m{number}", "urn:uuid:drug") for number in (1, 2)]
    assert [names(chart) for chart in charts_of([*drugs, order])] == [["MedicationRequest/a"]]


def test_the_same_patient_twice_at_one_address_is_one_patient() -> None:
    twice = [raw("Patient", "p1", "urn:uuid:1")] * 2
    assert [len(chart.resources) for chart in charts_of([*twice, of("urn:uuid:1")])] == [3]


def test_charts_come_in_the_order_of_patient_ids_with_their_resources_as_they_came() -> None:
    resources = [of("Patient/b", "1"), of("Patient/a", "2"), of("Patient/b", "0")]
    assert [(c.patient, names(c)) for c in charts_of(resources)] == [
        ("Patient/a", ["Observation/2"]),
        ("Patient/b", ["Observation/1", "Observation/0"]),
    ]


def test_the_same_id_on_two_servers_is_said() -> None:
    here = raw("Patient", "p1", "https://a.example/fhir/Patient/p1")
    there = raw("Patient", "p1", "https://b.example/fhir/Patient/p1")
    (chart,) = charts_of([here, there])
    assert [problem.where for problem in chart.problems] == ["Patient"]
    (again,) = charts_of([here, here])
    assert again.problems == ()


def test_the_chart_of_one_patient_holds_nothing_of_another() -> None:
    resources = [raw("Patient", "p1"), of("Patient/p1", "mine"), of("Patient/p2", "other")]
    chart = chart_of("p1", [*resources, raw("Patient", "p2"), raw("Condition", "c1")])
    assert names(chart) == ["Patient/p1", "Observation/mine"]
    assert [(p.where, p.what[:10]) for p in chart.problems] == [
        ("Condition", "1 left out"),
        ("resources", "2 left out"),
    ]


def test_a_patient_of_whom_there_is_nothing_has_an_empty_chart() -> None:
    assert chart_of("p9", []) == Chart("Patient/p9", ())


def test_a_key_that_stands_twice_is_read_as_the_record_will_read_it() -> None:
    subjects = b'"subject":{"reference":"Patient/p1"},"subject":{"reference":"Patient/p2"}'
    twice = b'{"resourceType":"Observation",' + subjects + b"}"
    (chart,) = charts_of([RawResource(twice)])
    assert chart.patient == json.loads(twice)["subject"]["reference"]


def test_bytes_that_are_no_resource_are_left_out_and_said() -> None:
    chart = chart_of("p1", [RawResource(b"[1]"), RawResource(b"\xff"), raw("Patient", "p1")])
    assert names(chart) == ["Patient/p1"]
    assert chart.problems[0].where == "resource"


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("Observation/o-1.a", "Observation/o-1.a"),
        ("#o1", ""),
        ("", ""),
        ("o1", ""),
        ("https://a.example/Observation/o1?x=1", ""),
        ("https://a.example/fhir/Observation/o1", "Observation/o1"),
        ("urn:oid:1.2.3", "Specimen/s1"),
    ],
)
def test_the_local_name_of_a_reference(reference: str, name: str) -> None:
    assert local_name(reference, {"urn:oid:1.2.3": "Specimen/s1"}) == name
