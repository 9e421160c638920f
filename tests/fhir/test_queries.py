"""What is asked for: discovery and fetching from one table, and no failure hides another."""

import asyncio
import json
import re
from typing import Any

import httpx
import pytest

from cds_service.demo.fhir_server import create_fhir_app
from cds_service.demo.fhir_server_faults import Fault
from cds_service.errors import FhirForbidden, FhirNotFhir, FhirNotFound, FhirUnavailable
from cds_service.fhir.bundles import RawResource
from cds_service.fhir.client import FhirClient, FhirLimits
from cds_service.fhir.pointed_at import fetch_pointed_at
from cds_service.fhir.queries import (
    KEYS,
    QUERIES,
    Fetched,
    fetch_missing,
    prefetch_templates,
)

REQUIRED = ["patient", "conditions", "medicationRequests", "observations"]
BASE = "http://ehr.test/fhir"


def of_patient(resource_type: str, rid: str, **fields: Any) -> dict[str, Any]:
    owner = {"AllergyIntolerance": "patient", "ResearchSubject": "individual"}
    reference: dict[str, Any] = {owner.get(resource_type, "subject"): {"reference": "Patient/p1"}}
    if resource_type == "Specimen":
        reference["type"] = {"coding": [{"code": "119376003"}]}
    return {"resourceType": resource_type, "id": rid} | reference | fields


RESOURCES = [
    {"resourceType": "Patient", "id": "p1"},
    *(of_patient(query.resource_type, "r1") for query in QUERIES if not query.is_read),
    of_patient("Observation", "r2"),
    {"resourceType": "Observation", "id": "r3", "subject": {"reference": "Patient/p2"}},
    {"resourceType": "Medication", "id": "m1"},
    {"resourceType": "Medication", "id": "m2"},
]


class Wire(httpx.AsyncBaseTransport):
    def __init__(self, *faults: Fault) -> None:
        bundle = {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [{"resource": resource} for resource in RESOURCES],
        }
        app = create_fhir_app([json.dumps(bundle).encode()], prefix="/fhir", faults=faults)
        self._inner = httpx.ASGITransport(app=app)
        self.asked: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url).removeprefix(f"{BASE}/"))
        return await self._inner.handle_async_request(request)


def client(*faults: Fault, **limits: Any) -> FhirClient:
    return FhirClient(BASE, transport=Wire(*faults), limits=FhirLimits(**limits))


def ids(fetched: Fetched, key: str) -> list[str]:
    return [json.loads(resource.raw)["id"] for resource in fetched.resources[key]]


def test_the_required_keys_are_the_contracts() -> None:
    assert [query.key for query in QUERIES if query.required] == REQUIRED
    assert set(prefetch_templates()) == set(KEYS)


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.key)
def test_a_template_is_within_what_every_client_can_fill(query: Any) -> None:
    template = prefetch_templates()[query.key]
    path, _, search = template.partition("?")
    assert re.fullmatch(r"[A-Z][A-Za-z]+(/\{\{context\.patientId\}\})?", path)
    names = [part.partition("=")[0] for part in search.split("&") if part]
    assert len(names) == len(set(names)), "the Sandbox joins a parameter that stands twice"
    assert set(names) <= {"patient", "_count", "type"}
    assert re.findall(r"\{\{(.*?)\}\}", template) == ["context.patientId"]


async def test_what_is_fetched_is_what_the_templates_ask_for() -> None:
    wire = Wire()
    await fetch_missing(FhirClient(BASE, transport=wire), "p1", KEYS)
    filled = [t.replace("{{context.patientId}}", "p1") for t in prefetch_templates().values()]
    assert sorted(wire.asked) == sorted(filled)


async def test_only_the_keys_that_are_missing_are_read() -> None:
    wire = Wire()
    fetched = await fetch_missing(
        FhirClient(BASE, transport=wire), "p1", ["observations", "patient", "unknown"]
    )
    assert sorted(path.partition("?")[0] for path in wire.asked) == ["Observation", "Patient/p1"]
    assert ids(fetched, "observations") == ["r1", "r2"]
    assert ids(fetched, "patient") == ["p1"]
    assert (fetched.failure, fetched.errors) == (None, {})


async def test_keys_are_read_side_by_side() -> None:
    slow = client(Fault("slow", seconds=0.3))
    began = asyncio.get_running_loop().time()
    fetched = await fetch_missing(slow, "p1", KEYS)
    assert asyncio.get_running_loop().time() - began < 1.5
    assert set(fetched.resources) == set(KEYS)


async def test_an_optional_key_may_fail() -> None:
    fetched = await fetch_missing(client(Fault("status", on="Procedure", status=403)), "p1", KEYS)
    assert fetched.failure is None
    assert set(fetched.errors) == {"procedures"}
    assert isinstance(fetched.errors["procedures"], FhirForbidden)
    assert set(fetched.resources) == set(KEYS) - {"procedures"}


@pytest.mark.parametrize(
    ("fault", "patient", "error"),
    [
        (Fault("status", on="Observation", status=403), "p1", FhirForbidden),
        (Fault("html", on="Condition"), "p1", FhirNotFhir),
        (Fault("slow", on="MedicationRequest", seconds=9), "p1", FhirUnavailable),
        (Fault("next", on="Observation", next_url="http://x.test/"), "p1", FhirUnavailable),
        (Fault("status", on="Nothing"), "p9", FhirNotFound),
    ],
    ids=["forbidden", "not FHIR", "slow", "only a part", "no such patient"],
)
async def test_a_required_key_that_fails_fails_the_chart(
    fault: Fault, patient: str, error: type[Exception]
) -> None:
    seconds = 0.5 if fault.kind == "slow" else 10.0
    deadline = asyncio.get_running_loop().time() + seconds
    fetched = await fetch_missing(client(fault), patient, KEYS, deadline)
    assert isinstance(fetched.failure, error)
    assert len(fetched.errors) == 1


async def test_of_two_failures_the_first_in_the_table_is_the_charts() -> None:
    faulty = client(Fault("status", status=403, on="Observation"), Fault("html", on="Condition"))
    fetched = await fetch_missing(faulty, "p1", KEYS)
    assert fetched.failure is fetched.errors["conditions"]


async def test_broken_entries_of_an_answer_are_said_under_their_key() -> None:
    page = {"resourceType": "Bundle", "entry": [5, {"resource": RESOURCES[1]}]}

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=httpx.ByteStream(json.dumps(page).encode()))

    broken = FhirClient(BASE, transport=httpx.MockTransport(answer))
    fetched = await fetch_missing(broken, "p1", ["conditions"])
    assert ids(fetched, "conditions") == ["r1"]
    assert [str(p) for p in fetched.problems] == ["conditions Bundle.entry[0]: not an object"]


def order(reference: str) -> RawResource:
    drug = {"reference": reference}
    made = of_patient("MedicationRequest", "o", medicationReference=drug)
    return RawResource(json.dumps(made).encode())


async def test_medications_that_orders_point_at_are_read_once() -> None:
    wire = Wire()
    orders = [order("Medication/m1"), order(f"{BASE}/Medication/m2"), order("Medication/m1")]
    fetched = await fetch_pointed_at(FhirClient(BASE, transport=wire), orders)
    assert ids(fetched, "medications") == ["m1", "m2"]
    assert wire.asked == ["Medication?_id=m1,m2"]


async def test_medications_at_hand_contained_or_elsewhere_are_not_read() -> None:
    wire = Wire()
    at_hand = RawResource(b'{"resourceType":"Medication","id":"m1"}')
    elsewhere = order("https://elsewhere.example/fhir/Medication/m2")
    resources = [at_hand, order("Medication/m1"), order("#drug"), elsewhere, RawResource(b"5")]
    fetched = await fetch_pointed_at(FhirClient(BASE, transport=wire), resources)
    assert fetched.resources == {}
    assert wire.asked == []


async def test_medications_that_cannot_be_read_are_an_error_of_their_key() -> None:
    faulty = client(Fault("status", on="Medication", status=403))
    fetched = await fetch_pointed_at(faulty, [order("Medication/m1")])
    assert isinstance(fetched.errors["medications"], FhirForbidden)
    assert fetched.failure is None
