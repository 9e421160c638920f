"""What other resources point at is read by its id, in few searches, where it is not at hand."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from cds_service.demo.fhir_server import create_fhir_app
from cds_service.demo.fhir_server_faults import Fault
from cds_service.errors import FhirForbidden, FhirOutOfScope
from cds_service.fhir.bundles import RawResource
from cds_service.fhir.client import FhirClient
from cds_service.fhir.pointed_at import fetch_pointed_at, lacking

BASE = "http://ehr.test/fhir"
KEPT = [
    *({"resourceType": "Medication", "id": f"m{number}"} for number in range(250)),
    {"resourceType": "BodyStructure", "id": "b1", "patient": {"reference": "Patient/p1"}},
    {"resourceType": "ResearchStudy", "id": "s1"},
]


class Wire(httpx.AsyncBaseTransport):
    def __init__(self, *faults: Fault) -> None:
        entries = [{"resource": resource} for resource in KEPT]
        bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
        app = create_fhir_app([json.dumps(bundle).encode()], prefix="/fhir", faults=faults)
        self._inner = httpx.ASGITransport(app=app)
        self.asked: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(f"{request.method} {request.url.path.removeprefix('/fhir/')}")
        return await self._inner.handle_async_request(request)


def raw(resource_type: str, **members: Any) -> RawResource:
    return RawResource(json.dumps({"resourceType": resource_type, "id": "x", **members}).encode())


def to(reference: str) -> dict[str, str]:
    return {"reference": reference}


POINTING = [
    pytest.param(
        raw("MedicationRequest", medicationReference=to("Medication/m1")),
        {"medications": ["m1"]},
        id="an order",
    ),
    pytest.param(
        raw("MedicationDispense", medicationReference=to(f"{BASE}/Medication/m1/_history/3")),
        {"medications": ["m1"]},
        id="a supply, by a whole address and a version",
    ),
    pytest.param(
        raw("MedicationStatement", medication=to("x") | {"reference": to("Medication/m1")}),
        {"medications": ["m1"]},
        id="a statement of R5",
    ),
    pytest.param(
        raw("MedicationRequest", medication={"concept": {"text": "x"}}), {}, id="R5, a code"
    ),
    pytest.param(
        raw("ResearchSubject", study=to("ResearchStudy/s1")),
        {"researchStudies": ["s1"]},
        id="trial",
    ),
    pytest.param(
        raw("Observation", focus=[to("BodyStructure/b1"), to("Condition/c1"), 5]),
        {"bodyStructures": ["b1"]},
        id="a tumour, beside a Condition that no search has left out",
    ),
    pytest.param(raw("Observation", specimen=to("Specimen/s1")), {}, id="a sample says no more"),
    pytest.param(raw("MedicationRequest", medicationReference=to("#m1")), {}, id="contained"),
    pytest.param(
        raw("MedicationRequest", medicationReference=to("https://elsewhere.example/fhir/Medication/m1")),
        {}, id="elsewhere",
    ),
    pytest.param(raw("MedicationRequest", medicationReference=to("urn:uuid:m1")), {}, id="a URN"),
    pytest.param(raw("MedicationRequest", medicationReference=5), {}, id="malformed"),
    pytest.param(raw("MedicationRequest", medicationReference=to("Medication/gone")),
                 {"medications": []}, id="a Medication that is gone"),
]  # fmt: skip


@pytest.mark.parametrize(("resource", "found"), POINTING)
async def test_what_is_read_because_it_is_pointed_at(
    resource: RawResource, found: dict[str, list[str]]
) -> None:
    wire = Wire()
    fetched = await fetch_pointed_at(FhirClient(BASE, transport=wire), [resource])
    read = {
        key: [json.loads(one.raw)["id"] for one in resources]
        for key, resources in fetched.resources.items()
    }
    assert (read, fetched.errors) == (found, {})
    assert len(wire.asked) == len(found)


async def test_two_hundred_and_fifty_medications_are_three_searches() -> None:
    wire = Wire()
    orders = [
        raw("MedicationRequest", medicationReference=to(f"Medication/m{n}")) for n in range(250)
    ]
    fetched = await fetch_pointed_at(FhirClient(BASE, transport=wire), [*orders, *orders])
    assert len(fetched.resources["medications"]) == 250
    assert wire.asked == ["GET Medication"] * 3


async def test_what_is_at_hand_is_not_read_again() -> None:
    order = raw("MedicationRequest", medicationReference=to("Medication/x"))
    assert lacking([order])
    assert not lacking([order, raw("Medication")])
    wire = Wire()
    await fetch_pointed_at(FhirClient(BASE, transport=wire), [order, raw("Medication")])
    assert wire.asked == []


async def test_no_failure_of_one_type_costs_another() -> None:
    wire = Wire(Fault("status", on="Medication", status=403))
    pointing = [
        raw("MedicationRequest", medicationReference=to("Medication/m1")),
        raw("Observation", focus=[to("BodyStructure/b1")]),
        raw("ResearchSubject", study=to("ResearchStudy/s1")),
    ]
    refused = {"ResearchStudy": FhirOutOfScope("ResearchStudy")}
    fetched = await fetch_pointed_at(FhirClient(BASE, transport=wire), pointing, refused=refused)
    assert list(fetched.resources) == ["bodyStructures"]
    assert isinstance(fetched.errors["medications"], FhirForbidden)
    assert fetched.errors["researchStudies"] is refused["ResearchStudy"]
    assert "GET ResearchStudy" not in wire.asked
