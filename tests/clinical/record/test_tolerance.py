"""A fault in a chart costs what it has to, and nothing else; a fault where nobody looks, nothing.

The chart below has a resource of every type that is read, and most elements that are.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final

import pytest
from charts import (
    condition,
    dispensed,
    ecog,
    given,
    marker,
    noise,
    order,
    patient,
    procedure,
    receptors,
    report,
    response,
    service_request,
    stated,
)
from charts.codes import MCODE, SNOMED
from charts.fhir import concept
from fhir.resources.R4B import get_fhir_model_class

from cds_service import assess
from cds_service.clinical.assessment_json import to_json
from cds_service.clinical.record.elements import READ_TYPES

Json = dict[str, Any]
Path = tuple[str | int, ...]

AS_OF: Final = date(2024, 6, 1)
USE: Final = frozenset(
    {"status", "medicationCodeableConcept", "medicationReference", "contained", "extension"}
)
WHY: Final = frozenset({"reasonCode", "reasonReference", "statusReason"})
READ: Final[Mapping[str, frozenset[str]]] = {
    "Patient": frozenset({"birthDate", "deceasedBoolean", "deceasedDateTime"}),
    "Condition": frozenset(
        {
            "clinicalStatus", "verificationStatus", "code", "stage", "onsetDateTime",
            "onsetPeriod", "abatementDateTime", "abatementPeriod", "recordedDate", "extension",
        }
    ),
    "Medication": frozenset({"code", "ingredient"}),
    "MedicationRequest": USE
    | WHY
    | {"intent", "doNotPerform", "authoredOn", "dosageInstruction", "dispenseRequest"},
    "MedicationAdministration": USE | WHY | {"effectiveDateTime", "effectivePeriod", "dosage"},
    "MedicationDispense": USE
    | {"whenHandedOver", "whenPrepared", "daysSupply", "dosageInstruction"},
    "MedicationStatement": USE | WHY | {"effectiveDateTime", "effectivePeriod", "dosage"},
    "Observation": frozenset(
        {
            "status", "code", "focus", "effectiveDateTime", "effectivePeriod", "effectiveInstant",
            "issued", "valueQuantity", "valueCodeableConcept", "valueString", "valueInteger",
            "valueBoolean", "extension", "bodySite", "method", "specimen", "interpretation",
            "referenceRange", "performer", "identifier", "component",
        }
    ),
    "Procedure": frozenset(
        {
            "status", "statusReason", "code", "performedDateTime", "performedPeriod",
            "reasonReference", "extension", "bodySite", "outcome",
        }
    ),
    "ServiceRequest": frozenset(
        {
            "status", "intent", "code", "authoredOn", "occurrenceDateTime", "reasonReference",
            "reasonCode", "extension", "bodySite",
        }
    ),
    "DiagnosticReport": frozenset(
        {"status", "code", "effectiveDateTime", "effectivePeriod", "conclusionCode"}
    ),
    "ResearchSubject": frozenset({"status", "individual", "study"}),
    "ResearchStudy": frozenset({"condition", "status"}),
    "AllergyIntolerance": frozenset({"clinicalStatus", "verificationStatus", "code", "patient"}),
    "ImagingStudy": frozenset(
        {"status", "started", "description", "modality", "procedureCode", "series"}
    ),
    "Specimen": frozenset({"status", "type", "receivedTime", "collection"}),
    "Encounter": frozenset({"status", "type", "period", "hospitalization"}),
    "BodyStructure": frozenset({"patient", "location", "extension"}),
}  # fmt: skip
"""The elements that some stage reads, by resource type; besides them those of all."""
OF_ALL: Final = frozenset({"resourceType", "id", "subject", "meta"})


def chart() -> list[Json]:
    """A myeloma on its second line: every type of resource, most elements that are read."""
    lenalidomide = order("lenalidomide", "2023-01-10", "2023-07-01", stopped_for="no-response")
    lenalidomide["dispenseRequest"] = {
        "validityPeriod": {"start": "2023-01-10"},
        "expectedSupplyDuration": {"value": 28, "code": "d"},
    }
    lenalidomide["dosageInstruction"][0]["timing"]["repeat"] |= {"period": 4, "periodUnit": "wk"}
    lenalidomide["reasonCode"] = [concept((SNOMED, "109989006", "Multiple myeloma"))]
    pomalidomide = order("pomalidomide", "2023-08-01", id="pom")
    del pomalidomide["medicationCodeableConcept"]
    pomalidomide["medicationReference"] = {"reference": "#m"}
    pomalidomide["contained"] = [
        {"resourceType": "Medication", "id": "m", "code": {"text": "pomalidomide"}}
    ]
    daratumumab = given("daratumumab", start="2023-08-01", every=28, times=9, reason="mm")
    for dose in daratumumab[:4]:
        del dose["medicationCodeableConcept"]
        dose["medicationReference"] = {"reference": "Medication/dara"}
    staged = report("Read by a radiologist.", "2024-05-12")
    staged["conclusionCode"] = [concept((SNOMED, "271299001", "Patient's condition worsened"))]
    worse = response("PD", "2024-05-20", site="bone", cancer="mm")
    worse["extension"] = [
        {
            "url": f"{MCODE}mcode-cancer-disease-status-evidence-type",
            "valueCodeableConcept": concept((SNOMED, "363679005", "Imaging")),
        }
    ]
    worse["component"] = [{"code": {"text": "grade"}, "valueString": "as before"}]
    proteins = (("2023-07-20", 3.2), ("2023-12-01", 1.1), ("2024-05-02", 2.0), ("2024-05-22", 2.3))
    return [
        patient("p1"),
        condition(
            "multiple-myeloma", onset="2022-12-01", recorded="2022-12-05", id="mm", stage="3"
        ),
        {
            "resourceType": "Medication",
            "id": "dara",
            "code": concept((f"{SNOMED}", "716125002", "daratumumab"), text="daratumumab"),
        },
        lenalidomide,
        *given("bortezomib", start="2023-01-10", every=21, times=6, route="subcutaneous"),
        dispensed("lenalidomide", "2023-01-09"),
        stated("dexamethasone", "2023-08-01", "2024-05-30", status="completed"),
        pomalidomide,
        *daratumumab,
        response("PR", "2023-12-10"),
        worse,
        *(marker("m-protein", on, value, lab="lab", high=0.1) for on, value in proteins),
        marker(
            "m-protein", "2024-05-23", 2.4, status="amended", identifier="a", issued="2024-05-24"
        ),
        ecog(1, "2024-05-01"),
        *receptors("ER+", "2023-01-01"),
        procedure("biopsy", "2024-02-01", reason="mm"),
        procedure("asct", "2023-06-15", "2023-06-20"),
        service_request("trial", "2024-05-25"),
        staged,
        {
            "resourceType": "ResearchSubject",
            "id": "rs",
            "status": "candidate",
            "individual": {"reference": "Patient/p1"},
            "study": {"reference": "ResearchStudy/x"},
        },
        {"resourceType": "ResearchStudy", "id": "x", "status": "active"},
        {
            "resourceType": "AllergyIntolerance",
            "id": "allergy",
            "patient": {"reference": "Patient/p1"},
            "code": {"text": "penicillin"},
        },
        {
            "resourceType": "ImagingStudy",
            "id": "images",
            "status": "available",
            "subject": {"reference": "Patient/p1"},
            "started": "2024-05-12",
            "modality": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"}],
        },
        {
            "resourceType": "Specimen",
            "id": "marrow",
            "status": "available",
            "type": concept((SNOMED, "119359002", "Bone marrow specimen")),
            "subject": {"reference": "Patient/p1"},
            "collection": {"collectedDateTime": "2024-02-01"},
        },
        {
            "resourceType": "Encounter",
            "id": "stay",
            "subject": {"reference": "Patient/p1"},
            "status": "finished",
            "class": {"code": "IMP"},
            "type": [{"text": "Inpatient stay"}],
            "period": {"start": "2024-04-02", "end": "2024-04-09"},
            "hospitalization": {"dischargeDisposition": {"text": "Home"}},
        },
        {
            "resourceType": "BodyStructure",
            "id": "plasmacytoma",
            "patient": {"reference": "Patient/p1"},
            "location": concept((SNOMED, "51282000", "Vertebra")),
            "extension": [
                {
                    "url": f"{MCODE}mcode-related-condition",
                    "valueReference": {"reference": "Condition/mm"},
                }
            ],
        },
        *noise("2024-05-01"),
    ]  # fmt: skip


CHART: Final = chart()


def said(resources: Sequence[Json]) -> Json:
    return to_json(assess(resources, as_of=AS_OF))


BASE: Final = said(CHART)


def name(resource: Json) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def with_(position: int, changed: Json | None) -> list[Json]:
    """The chart with one resource changed, or without it."""
    middle = [] if changed is None else [changed]
    return [*CHART[:position], *middle, *CHART[position + 1 :]]


def test_the_chart_is_of_every_type_and_valid_and_says_something() -> None:
    assert {resource["resourceType"] for resource in CHART} == READ_TYPES == READ.keys()
    for resource in CHART:
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    (cancer,) = BASE["cancers"]
    assert [line["status"] for line in cancer["lines"]] == ["progressing", "possible-refractory"]
    assert BASE["issues"] == []


# --- where no stage looks -----------------------------------------------------------------------

FAULTS: Final[tuple[Any, ...]] = (
    "nonsense", "2024-06-01T10:00", "", 7, 1e300, True, None, [], {}, [7], [[]], {"reference": 7},
    {"coding": 7}, [{"system": [], "value": {}}], {"start": "never", "end": 0},
)  # fmt: skip


def not_read(resource: Json) -> list[str]:
    """Every element of FHIR that no stage reads, the companions of primitives, and a vendor's."""
    fields = get_fhir_model_class(resource["resourceType"]).model_fields
    names = {(field.alias or key) for key, field in fields.items()} | {"vendorElement", "id_"}
    return sorted(names - READ[resource["resourceType"]] - OF_ALL)


@pytest.mark.parametrize("resource_type", sorted(READ))
@pytest.mark.parametrize("fault", [pytest.param(fault, id=repr(fault)) for fault in FAULTS])
def test_a_fault_where_no_stage_looks_changes_nothing(resource_type: str, fault: Any) -> None:
    def faulty(elements: Sequence[str] | None = None) -> list[Json]:
        return [
            resource | dict.fromkeys(elements or not_read(resource), fault)
            if resource["resourceType"] == resource_type
            else resource
            for resource in CHART
        ]

    if said(faulty()) != BASE:
        sample = next(r for r in CHART if r["resourceType"] == resource_type)
        guilty = [each for each in not_read(sample) if said(faulty([each])) != BASE]
        pytest.fail(f"{resource_type}: {guilty or 'several together'}")


@pytest.mark.parametrize(
    "foreign",
    [
        pytest.param({"resourceType": "Account", "subject": [{"reference": "x"}]}, id="a list"),
        pytest.param({"resourceType": "SearchParameter", "code": "x"}, id="a code that is a text"),
        pytest.param({"resourceType": "Appointment", "status": 7, "id": "e"}, id="a wrong type"),
        pytest.param({"resourceType": "Appointment", "id": 7}, id="an id that is a number"),
        pytest.param({"resourceType": "VendorThing", "code": [[]]}, id="no type of FHIR"),
    ],
)
def test_resources_of_other_types_are_passed_over(foreign: Json) -> None:
    assert said([*CHART, foreign]) == BASE


# --- where a stage looks ------------------------------------------------------------------------


def nodes(value: Any, path: Path = ()) -> Iterator[Path]:
    """The path of every JSON node below the root."""
    entries: Iterator[tuple[str | int, Any]] = iter(())
    if isinstance(value, dict):
        entries = iter(value.items())
    elif isinstance(value, list):
        entries = iter(enumerate(value))
    for key, inner in entries:
        yield (*path, key)
        yield from nodes(inner, (*path, key))


def replaced(resource: Json, path: Path, fault: Any) -> Json:
    made = copy.deepcopy(resource)
    *way, last = path
    node: Any = made
    for key in way:
        node = node[key]
    node[last] = fault
    return made


def removed(resource: Json, path: Path) -> Json:
    made = copy.deepcopy(resource)
    *way, last = path
    node: Any = made
    for key in way:
        node = node[key]
    del node[last]
    return made


def wrong_types(value: Any) -> list[Any]:
    """Values of other JSON types than this one."""
    kinds: list[Any] = ["nonsense", 7, {"nonsense": 7}, [7]]
    own = int if isinstance(value, float) else type(value)
    return [kind for kind in kinds if type(kind) is not own]


def value_at(resource: Json, path: Path) -> Any:
    node: Any = resource
    for key in path:
        node = node[key]
    return node


def apart_from(resource: str, assessment: Json) -> Json:
    """The assessment without what it says of one resource."""
    issues = [issue for issue in assessment["issues"] if issue["resource"] != resource]
    return assessment | {"issues": issues}


def unexplained(position: int, path: Path, fault: Any) -> str | None:
    """What a fault has cost beyond the resource (with an issue) or a part of it; None if nothing.

    A part is the faulty node, or anything that holds it.
    """
    resource = CHART[position]
    own = name(resource)
    got = said(with_(position, replaced(resource, path, fault)))
    rest = apart_from(own, got)
    if rest == BASE:
        return None
    for length in range(len(path), 0, -1):
        without = with_(position, removed(resource, path[:length]))
        if rest == apart_from(own, said(without)):
            return None
    if rest != apart_from(own, said(with_(position, None))):
        return f"{own}: {path} = {fault!r} changes more than the resource"
    if rest == got:
        return f"{own}: {path} = {fault!r} costs the resource, and no issue says so"
    return None


POSITIONS: Final = tuple(
    position
    for position, resource in enumerate(CHART)
    # one dose and one visit stand for the others
    if not (resource["id"].startswith(("given-bortezomib", "given-daratumumab", "noise")))
    or resource["id"] in ("given-bortezomib-2023-01-10", "given-daratumumab-2023-08-01")
)


@pytest.mark.parametrize(
    "position", [pytest.param(position, id=name(CHART[position])) for position in POSITIONS]
)
def test_a_fault_costs_the_element_or_the_resource_with_an_issue(position: int) -> None:
    resource = CHART[position]
    found = [
        said_of
        for path in nodes(resource)
        if path[0] in READ[resource["resourceType"]] | {"subject"}
        for fault in wrong_types(value_at(resource, path))
        if (said_of := unexplained(position, path, fault)) is not None
    ]
    assert not found


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        pytest.param('{"resourceType": "Observation", "id": 7}', "Observation/#", id="its id"),
        pytest.param('{"resourceType": 7, "id": "o1"}', "resource/o1", id="its type"),
        pytest.param('{"id": "o1"}', "resource/o1", id="no type"),
        pytest.param('{"resourceType": "Observation", "id": "o1"', "resource/#", id="cut short"),
        pytest.param("7", "resource/#", id="a number"),
        pytest.param("", "resource/#", id="nothing"),
        pytest.param(
            b'{"resourceType": "Observation", "code": {"text": "\xff"}, "id": "o1"}',
            "Observation/o1",
            id="not UTF-8",
        ),
        pytest.param(
            f'{{"resourceType": "Observation", "id": "o1", "x": {"[" * 9000}{"]" * 9000}}}',
            "resource/#",
            id="nested too deep",
        ),
    ],
)
def test_what_cannot_be_opened_is_left_out_and_named(broken: str | bytes, named: str) -> None:
    before, after = said([*CHART, broken]), said([broken, *CHART])  # type: ignore[list-item]
    assert before == after
    (issue,) = before["issues"]
    assert (issue["severity"], issue["code"]) == ("warning", "invalid-resource")
    assert issue["resource"].startswith(named)
    assert before["cancers"] == BASE["cancers"]


DATES: Final = {
    "Patient": ("birthDate", "deceasedDateTime"),
    "Condition": ("onsetDateTime", "abatementDateTime", "recordedDate"),
    "MedicationRequest": ("authoredOn",),
    "MedicationAdministration": ("effectiveDateTime",),
    "MedicationDispense": ("whenHandedOver",),
    "Observation": ("effectiveDateTime",),
    "Procedure": ("performedDateTime",),
    "ServiceRequest": ("authoredOn",),
    "DiagnosticReport": ("effectiveDateTime",),
}


@pytest.mark.parametrize(
    ("resource_type", "element"), [(t, e) for t, elements in DATES.items() for e in elements]
)
@pytest.mark.parametrize("written", ["2024-02-30", "12/05/2024", "soon"])
def test_a_date_that_cannot_be_read_is_said(resource_type: str, element: str, written: str) -> None:
    position = next(i for i, r in enumerate(CHART) if r["resourceType"] == resource_type)
    resource = {key: value for key, value in CHART[position].items() if "Period" not in key}
    # the order is dated by its dosage before it is dated by its author
    resource.pop("dosageInstruction", None)
    resource.pop("dispenseRequest", None)
    got = said(with_(position, resource | {element: written}))
    told = [(i["code"], i["resource"]) for i in got["issues"]]
    assert ("invalid-date", name(resource)) in told


@pytest.mark.parametrize("zone", ["Z", "+02:00", "-05:00", ""])
def test_a_time_and_its_zone_change_nothing_of_the_day(zone: str) -> None:
    timed = [
        {
            key: f"{value}T22:15:00{zone}" if key in ("effectiveDateTime", "authoredOn") else value
            for key, value in resource.items()
        }
        for resource in CHART
    ]
    assert said(timed) == BASE


@pytest.mark.parametrize(
    ("element", "value"),
    [
        pytest.param("value", 10**30, id="a value of thirty digits"),
        pytest.param("value", -(10**30), id="and below nought"),
        pytest.param("value", "7", id="a value that is a text"),
    ],
)
def test_a_number_that_nobody_measured_costs_its_own_result(element: str, value: Any) -> None:
    position = next(i for i, r in enumerate(CHART) if "valueQuantity" in r)
    resource = CHART[position]
    changed = resource | {"valueQuantity": resource["valueQuantity"] | {element: value}}
    got = said(with_(position, changed))
    assert [i["code"] for i in got["issues"]] == ["invalid-value"]
    assert apart_from(name(resource), got) == said(with_(position, None))


@pytest.mark.parametrize(
    ("resource_type", "change"),
    [
        pytest.param("MedicationDispense", {"daysSupply": {"value": 10**10}}, id="days of supply"),
        pytest.param(
            "MedicationRequest",
            {
                "dosageInstruction": [],
                "dispenseRequest": {
                    "expectedSupplyDuration": {"value": 28, "code": "d"},
                    "numberOfRepeatsAllowed": 10**12,
                },
            },
            id="repeats",
        ),
        pytest.param(
            "MedicationRequest",
            {"dosageInstruction": [{"timing": {"repeat": {"period": 1e308, "periodUnit": "a"}}}]},
            id="the length of a cycle",
        ),
    ],
)
def test_a_span_of_centuries_is_a_slip_of_the_pen(resource_type: str, change: Json) -> None:
    position = next(i for i, r in enumerate(CHART) if r["resourceType"] == resource_type)
    for changed in ({**CHART[position], **change}, {**CHART[position], **change, "id": "x"}):
        assert said(with_(position, changed))["cancers"]
