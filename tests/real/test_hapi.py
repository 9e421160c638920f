"""A real FHIR server: the service's client reads from HAPI what it reads from the demo's server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from fixtures.stories import STORIES, Story
from real.fetch import NotRun
from real.hapi_server import hapi

from cds_service import assess
from cds_service.app import create_app
from cds_service.clinical.assessment_json import to_json
from cds_service.demo.fhir_server import create_fhir_app
from cds_service.errors import FhirNotFound
from cds_service.fhir.bundles import RawResource
from cds_service.fhir.charts import chart_of
from cds_service.fhir.client import FhirClient, FhirLimits
from cds_service.fhir.paging import LONGEST_GET
from cds_service.fhir.pointed_at import fetch_pointed_at
from cds_service.fhir.queries import KEYS, QUERIES, fetch_missing
from cds_service.fhir.references import head_of
from cds_service.settings import Settings

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

DEMO = "http://demo.test/fhir"
UNHURRIED = FhirLimits(seconds=60.0)

Chart = Mapping[str, Sequence[RawResource]]


@pytest.fixture(scope="module")
def hapi_base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A HAPI server that holds all fixture patients."""
    try:
        with hapi(tmp_path_factory.mktemp("hapi")) as base:
            assert (
                command("fixtures", "load", "--to", base)
                .splitlines()[-1]
                .startswith(f"{len(STORIES)} of")
            )
            yield base
    except NotRun as why:
        pytest.skip(f"HAPI FHIR server: {why}")


def command(*arguments: str) -> str:
    """What a command of ours prints."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "cds_service", *arguments],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def on_hapi(base: str) -> FhirClient:
    return FhirClient(base, limits=UNHURRIED)


def on_demo() -> FhirClient:
    app = create_fhir_app((orjson.dumps(story.bundle) for story in STORIES), prefix="/fhir")
    return FhirClient(DEMO, transport=httpx.ASGITransport(app=app), limits=UNHURRIED)


async def read_chart(client: FhirClient, patient_id: str) -> Chart:
    """All that the service asks for, by the key that asks for it."""
    async with client:
        fetched = await fetch_missing(client, patient_id, KEYS)
        assert (fetched.errors, fetched.problems) == ({}, ())
        orders = [r for resources in fetched.resources.values() for r in resources]
        pointed_at = await fetch_pointed_at(client, orders)
        assert (pointed_at.errors, pointed_at.problems) == ({}, ())
    return {**fetched.resources, **pointed_at.resources}


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


def test_the_command_line_assesses_a_patient_of_hapi(hapi_base: str) -> None:
    (story,) = (s for s in STORIES if s.slug == "mm-len")
    as_of = f"--as-of={story.as_of}"
    said = command("assess", "--fhir-base", hapi_base, "--patient", "mm-len", as_of)
    found = orjson.loads(said)
    asked = {"Patient", *(query.resource_type for query in QUERIES)}
    file = [r for r in story.resources if r["resourceType"] in asked]
    assert found == assessment(story, [RawResource(orjson.dumps(r)) for r in file])


async def test_a_call_without_prefetch_gets_its_card_from_hapi(
    hapi_base: str, tmp_path: Path
) -> None:
    (story,) = (s for s in STORIES if s.slug == "mm-len")
    noon = datetime.combine(story.as_of, time(12), UTC)
    settings = Settings(audit_db=tmp_path / "decisions.db", allow_loopback=True)
    app = create_app(settings, clock=lambda: noon)
    call = {
        "hook": "patient-view",
        "hookInstance": "0f6c1c9e-7b0f-4d0c-8f0e-2c5a0a1b3c4d",
        "fhirServer": hapi_base,
        "context": {"userId": "Practitioner/x", "patientId": story.slug},
    }
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://cds") as client,
    ):
        answer = await client.post("/cds-services/refractory-status", json=call)
    assert answer.status_code == 200, answer.text
    (card,) = answer.json()["cards"]
    told = card["extension"]["org.refractory-cds"]
    assert (told["disease"], told["status"]) == ("multiple-myeloma", "possible-refractory")
