"""A real FHIR server: the service's client reads from HAPI what it reads from the demo's server."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, time
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from fixtures.stories import STORIES, Story
from hooks.serving import knowledge
from real.fetch import NotRun
from real.hapi_server import hapi

from cds_service import assess
from cds_service.app import create_app
from cds_service.audit.listing import Wanted
from cds_service.audit.reading import open_reader
from cds_service.clinical.assessment_json import to_json
from cds_service.demo.fhir_server import create_fhir_app
from cds_service.errors import FhirNotFound
from cds_service.fhir.bundles import RawResource
from cds_service.fhir.charts import chart_of
from cds_service.fhir.client import FhirClient, FhirLimits
from cds_service.fhir.offers import offered_types
from cds_service.fhir.paging import LONGEST_GET
from cds_service.fhir.pointed_at import fetch_pointed_at
from cds_service.fhir.queries import KEYS, QUERIES, Query, fetch_missing
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


def call(story: Story, **members: Any) -> dict[str, Any]:
    return {
        "hook": "patient-view",
        "hookInstance": "0f6c1c9e-7b0f-4d0c-8f0e-2c5a0a1b3c4d",
        "context": {"userId": "Practitioner/x", "patientId": story.slug},
        **members,
    }


async def answer_to(story: Story, folder: Path, *, keeps: bool = True, **members: Any) -> bytes:
    """The answer of a service with a log of its own, on the day of the story."""
    noon = datetime.combine(story.as_of, time(12), UTC)
    settings = Settings(
        audit_db=folder / "decisions.db",
        audit_keep_requests=keeps,
        allow_loopback=True,
        fhir_seconds=UNHURRIED.seconds,
    )
    ids = (f"00000000-0000-4000-8000-{number:012d}" for number in count())
    app = create_app(settings, clock=lambda: noon, new_id=lambda: next(ids), knowledge=knowledge())
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://cds") as client,
    ):
        answer = await client.post("/cds-services/refractory-status", json=call(story, **members))
    assert answer.status_code == 200, answer.text
    return answer.content


def prefetch_of(story: Story) -> dict[str, Any]:
    """The file of the story under the keys of discovery, as an EHR would send it."""
    by_type: dict[str, list[dict[str, Any]]] = {}
    for resource in story.resources:
        by_type.setdefault(resource["resourceType"], []).append(resource)
    # a drug that stands apart comes with the orders, as some EHRs include it
    by_type["MedicationRequest"] += by_type.pop("Medication", [])
    found = {
        query.key: {
            "resourceType": "Bundle",
            "type": "searchset",
            "entry": [{"resource": r} for r in by_type.get(query.resource_type, ())],
        }
        for query in QUERIES
    }
    return found | {"patient": by_type["Patient"][0]}


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.slug)
async def test_cards_through_hapi_are_byte_for_byte_those_of_a_prefetch(
    hapi_base: str, story: Story, tmp_path: Path
) -> None:
    read, given = tmp_path / "read", tmp_path / "given"
    through_hapi = await answer_to(story, read, fhirServer=hapi_base)
    by_prefetch = await answer_to(story, given, prefetch=prefetch_of(story))
    assert through_hapi == by_prefetch


async def test_a_call_without_prefetch_gets_its_card_from_hapi(
    hapi_base: str, tmp_path: Path
) -> None:
    (story,) = (s for s in STORIES if s.slug == "mm-len")
    answer = orjson.loads(await answer_to(story, tmp_path, fhirServer=hapi_base))
    (card,) = answer["cards"]
    told = card["extension"]["org.refractory-cds"]
    assert (told["disease"], told["status"]) == ("multiple-myeloma", "possible-refractory")


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.key)
async def test_hapi_understands_each_search_without_a_word_of_ignoring_it(
    hapi_base: str, query: Query
) -> None:
    if query.is_read:
        return
    async with httpx.AsyncClient(base_url=f"{hapi_base}/", timeout=60) as client:
        strict = {"Prefer": "handling=strict"}
        answer = await client.get(
            query.resource_type, params=list(query.params("mm-len")), headers=strict
        )
    assert answer.status_code == 200, answer.text
    kinds = {entry["resource"]["resourceType"] for entry in answer.json().get("entry", ())}
    assert kinds <= {query.resource_type}


async def test_hapi_says_that_it_offers_all_that_is_asked_for(hapi_base: str) -> None:
    async with on_hapi(hapi_base) as client:
        types = offered_types(await client.read_statement())
    assert types is not None
    assert types >= {query.resource_type for query in QUERIES}


async def put(base: str, *resources: dict[str, Any]) -> None:
    async with httpx.AsyncClient(base_url=f"{base}/", timeout=60) as client:
        for resource in resources:
            name = f"{resource['resourceType']}/{resource['id']}"
            (await client.put(name, json=resource)).raise_for_status()


def of_another(story: Story, name: str) -> Story:
    """The same chart of another patient, every resource under an id of its own."""
    text = orjson.dumps(story.bundle).decode()
    for resource in story.resources:
        kind, rid = resource["resourceType"], resource["id"]
        text = text.replace(f'"{kind}/{rid}"', f'"{kind}/{name}-{rid}"')
        text = text.replace(f'"id":"{rid}"', f'"id":"{name}-{rid}"')
    return Story(f"{name}-{story.slug}", orjson.loads(text), story.told)


async def test_a_decision_of_digests_is_replayed_on_the_versions_that_hapi_has_kept(
    hapi_base: str, tmp_path: Path
) -> None:
    (known,) = (s for s in STORIES if s.slug == "mm-len")
    story = of_another(known, "then")
    await put(hapi_base, *story.resources)
    await answer_to(story, tmp_path, keeps=False, fhirServer=hapi_base)
    db = tmp_path / "decisions.db"
    with open_reader(db) as reader:
        (decision,) = reader.page(Wanted(limit=1))
    replay = ("audit", "replay", decision.event_id, "--db", str(db), "--fhir-base", hapi_base)
    changed = next(r for r in story.resources if r["resourceType"] == "Observation")
    await put(hapi_base, {**changed, "status": "entered-in-error"})  # a version of its own
    said = orjson.loads(await asyncio.to_thread(command, *replay, "--format", "json"))
    assert (said["result"], said["inputs"]["state"]) == ("identical", "inputs-verified")
    assert set(said["inputs"]["byType"]) >= {"Patient", "Condition", "Observation"}


async def test_samples_trials_tumours_and_drugs_that_are_pointed_at_are_found(
    hapi_base: str,
) -> None:
    """Only what the record reads of specimens; what is pointed at by a version, as it is now."""
    patient = {"reference": "Patient/pointing"}
    snomed = "http://snomed.info/sct"
    await put(
        hapi_base,
        {"resourceType": "Patient", "id": "pointing"},
        {"resourceType": "Medication", "id": "drug-x", "code": {"text": "lenalidomide"}},
        {"resourceType": "Medication", "id": "drug-x", "code": {"text": "bortezomib"}},
        {"resourceType": "MedicationRequest", "id": "order-x", "status": "active",
         "intent": "order", "subject": patient,
         "medicationReference": {"reference": "Medication/drug-x/_history/1"}},
        {"resourceType": "ResearchStudy", "id": "study-x", "status": "active"},
        {"resourceType": "ResearchSubject", "id": "subject-x", "status": "on-study",
         "individual": patient, "study": {"reference": "ResearchStudy/study-x"}},
        {"resourceType": "BodyStructure", "id": "tumour-x", "patient": patient},
        {"resourceType": "Observation", "id": "size-x", "status": "final", "subject": patient,
         "code": {"text": "size"}, "focus": [{"reference": "BodyStructure/tumour-x"}]},
        {"resourceType": "Specimen", "id": "tissue-x", "subject": patient,
         "type": {"coding": [{"system": snomed, "code": "119376003"}]}},
        {"resourceType": "Specimen", "id": "blood-x", "subject": patient,
         "type": {"coding": [{"system": snomed, "code": "119297000"}]}},
    )  # fmt: skip
    chart = names(await read_chart(on_hapi(hapi_base), "pointing"))
    assert {key: found for key, found in chart.items() if found} == {
        "patient": ["Patient/pointing"],
        "medicationRequests": ["MedicationRequest/order-x"],
        "observations": ["Observation/size-x"],
        "researchSubjects": ["ResearchSubject/subject-x"],
        "specimens": ["Specimen/tissue-x"],
        "medications": ["Medication/drug-x"],
        "researchStudies": ["ResearchStudy/study-x"],
        "bodyStructures": ["BodyStructure/tumour-x"],
    }


async def test_a_patient_who_was_deleted_is_gone_and_so_is_a_resource_from_its_search(
    hapi_base: str,
) -> None:
    await put(
        hapi_base,
        {"resourceType": "Patient", "id": "gone"},
        {"resourceType": "Condition", "id": "gone-c", "subject": {"reference": "Patient/gone"}},
    )
    async with httpx.AsyncClient(base_url=f"{hapi_base}/", timeout=60) as client:
        for name in ("Condition/gone-c", "Patient/gone"):
            (await client.delete(name)).raise_for_status()
    async with on_hapi(hapi_base) as client:
        with pytest.raises(FhirNotFound, match="410"):
            await client.read("Patient", "gone")
        assert (await client.search("Condition", [("patient", "gone")])).resources == ()
