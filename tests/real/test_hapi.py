"""A real FHIR server: the service's client reads from HAPI what it reads from the demo's server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx
import orjson
import pytest
from fixtures.stories import STORIES, Story
from real.fetch import NotRun
from real.hapi_server import hapi

from cds_service import assess
from cds_service.clinical.assessment_json import to_json
from cds_service.demo.fhir_server import create_fhir_app
from cds_service.errors import FhirNotFound
from cds_service.fhir.bundles import RawResource
from cds_service.fhir.charts import chart_of
from cds_service.fhir.client import FhirClient, FhirLimits
from cds_service.fhir.paging import LONGEST_GET
from cds_service.fhir.queries import KEYS, MEDICATIONS, fetch_medications, fetch_missing
from cds_service.fhir.references import head_of

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

DEMO = "http://demo.test/fhir"
PATIENT_HOURS = FhirLimits(seconds=60.0)

Chart = Mapping[str, Sequence[RawResource]]


@pytest.fixture(scope="module")
def hapi_base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A HAPI server that holds all fixture patients."""
    try:
        with hapi(tmp_path_factory.mktemp("hapi")) as base:
            for story in STORIES:
                load(base, story)
            yield base
    except NotRun as why:
        pytest.skip(f"HAPI FHIR server: {why}")


def load(base: str, story: Story) -> None:
    kind = {"Content-Type": "application/fhir+json"}
    body = orjson.dumps(story.bundle)
    answer = httpx.post(base, content=body, headers=kind, timeout=60, trust_env=False)
    assert answer.status_code == 200, answer.text[:500]
    assert len(answer.json()["entry"]) == len(story.resources)


def on_hapi(base: str) -> FhirClient:
    return FhirClient(base, limits=PATIENT_HOURS)


def on_demo() -> FhirClient:
    app = create_fhir_app((orjson.dumps(story.bundle) for story in STORIES), prefix="/fhir")
    return FhirClient(DEMO, transport=httpx.ASGITransport(app=app), limits=PATIENT_HOURS)


async def read_chart(client: FhirClient, patient_id: str) -> Chart:
    """All that the service asks for, by the key that asks for it."""
    async with client:
        fetched = await fetch_missing(client, patient_id, KEYS)
        assert (fetched.errors, fetched.problems) == ({}, ())
        orders = [r for resources in fetched.resources.values() for r in resources]
        medications = await fetch_medications(client, orders)
        assert (medications.errors, medications.problems) == ({}, ())
    return {**fetched.resources, MEDICATIONS: medications.resources.get(MEDICATIONS, ())}


def names(chart: Chart) -> dict[str, list[str]]:
    return {key: sorted(map(name, resources)) for key, resources in chart.items()}


def name(resource: RawResource) -> str:
    head = head_of(resource)
    assert head is not None
    return head.name


def assessment(story: Story, resources: Sequence[RawResource]) -> dict[str, Any]:
    chart = chart_of(story.slug, resources)
    assert chart.problems == ()
    return to_json(assess([r.raw for r in chart.resources], story.as_of, patient=chart.patient))


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.slug)
async def test_hapi_and_the_demo_server_give_the_same_chart(hapi_base: str, story: Story) -> None:
    real = await read_chart(on_hapi(hapi_base), story.slug)
    demo = await read_chart(on_demo(), story.slug)
    assert names(real) == names(demo)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.slug)
async def test_a_chart_from_hapi_is_assessed_as_its_file_is(hapi_base: str, story: Story) -> None:
    chart = await read_chart(on_hapi(hapi_base), story.slug)
    real = assessment(story, [r for resources in chart.values() for r in resources])
    asked = {name for names_of_key in names(chart).values() for name in names_of_key}
    file = [RawResource(orjson.dumps(resource)) for resource in story.resources]
    assert real == assessment(story, [r for r in file if name(r) in asked])


async def test_small_pages_lead_to_the_same_resources(hapi_base: str) -> None:
    found = []
    for client in (on_hapi(hapi_base), on_demo()):
        async with client:
            few = await client.search("Observation", [("patient", "mm-len"), ("_count", "7")])
            assert few.complete
            assert few.pages > 10
            found.append(sorted(map(name, few.resources)))
    assert found[0] == found[1]
    assert len(set(found[0])) == len(found[0])


async def test_a_search_too_long_for_an_address_is_sent_as_a_form(hapi_base: str) -> None:
    chart = await read_chart(on_demo(), "mm-len")
    ids = [name(resource).partition("/")[2] for resource in chart["observations"]]
    wanted = [("_id", ",".join(ids * (1 + LONGEST_GET // len(",".join(ids)))))]
    async with on_hapi(hapi_base) as client:
        found = await client.search("Observation", wanted)
    assert sorted(map(name, found.resources)) == names(chart)["observations"]


async def test_a_patient_who_is_not_there_is_not_found(hapi_base: str) -> None:
    async with on_hapi(hapi_base) as client:
        with pytest.raises(FhirNotFound):
            await client.read("Patient", "nobody")
        nothing = await client.search("Observation", [("patient", "nobody")])
        assert (nothing.resources, nothing.complete) == ((), True)
