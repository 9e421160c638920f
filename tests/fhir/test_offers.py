"""What a server does not offer by its own statement is not asked for, and that is said."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hooks.calls import KEYS, TYPE_OF, call, myeloma
from hooks.serving import EHR, serving

from cds_service.demo.fhir_server import create_fhir_app
from cds_service.fhir.client import FhirClient, FhirLimits
from cds_service.fhir.offers import KEPT_SECONDS, MOST_SERVERS, Offers, offered_types
from cds_service.fhir.queries import QUERIES

NEEDED = ("Patient", "Condition", "MedicationRequest", "Observation")


def statement(types: Iterable[str], interactions: Iterable[str] = ("read", "search-type")) -> Any:
    offered = [{"type": t, "interaction": [{"code": i} for i in interactions]} for t in types]
    return {
        "resourceType": "CapabilityStatement",
        "rest": [{"mode": "client", "resource": [{"type": "Basic"}]}, {"resource": offered}],
    }


@pytest.mark.parametrize(
    ("said", "types"),
    [
        pytest.param(statement(NEEDED), set(NEEDED), id="four types"),
        pytest.param(statement([*NEEDED, "Specimen"]), {*NEEDED, "Specimen"}, id="five"),
        pytest.param(statement(NEEDED, ()), set(NEEDED), id="no word of interactions"),
        pytest.param(statement(NEEDED, ["read"]), None, id="none can be searched: not believed"),
        pytest.param(statement(NEEDED[:3]), None, id="no Observation: not believed"),
        pytest.param({"resourceType": "CapabilityStatement"}, None, id="no rest"),
        pytest.param({"rest": 5}, None, id="malformed"),
        pytest.param([], None, id="no object"),
    ],
)
def test_the_types_that_a_statement_offers(said: Any, types: set[str] | None) -> None:
    assert offered_types(json.dumps(said).encode()) == types


def test_what_is_no_json_offers_nothing_that_is_believed() -> None:
    assert offered_types(b"<html>") is None
    assert offered_types(b"\xff\xfe") is None


async def test_the_demo_server_says_that_it_offers_all_that_is_asked_for() -> None:
    app = create_fhir_app([], prefix="/fhir")
    client = FhirClient("http://ehr.test/fhir", transport=httpx.ASGITransport(app=app))
    types = offered_types(await client.read_statement())
    assert types is not None
    assert types >= {query.resource_type for query in QUERIES}


class Wire(httpx.AsyncBaseTransport):
    """A server with a statement, and charts that hold nothing but the Patient."""

    def __init__(self, said: Any = None, status: int = 200, seconds: float = 0.0) -> None:
        self.body = json.dumps(statement(NEEDED) if said is None else said).encode()
        self.status = status
        self.seconds = seconds
        self.asked: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        kind = request.url.path.split("/")[2]
        self.asked.append(kind)
        body = b'{"resourceType":"Bundle","type":"searchset"}'
        if kind == "Patient":
            body = b'{"resourceType":"Patient","id":"p1"}'
        if kind == "metadata":
            await asyncio.sleep(self.seconds)
            return httpx.Response(self.status, stream=httpx.ByteStream(self.body))
        return httpx.Response(200, stream=httpx.ByteStream(body))


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_from_the_second_call_on_what_is_not_offered_is_not_asked_for(
    tmp_path: Path,
) -> None:
    wire = Wire()
    everything = sorted(TYPE_OF.values())
    with serving(tmp_path, transport=wire) as served:
        await served.hook(call(fhirServer=EHR))
        await settled()
        assert sorted(wire.asked) == sorted([*everything, "metadata"])
        assert served.last().get("inputsMissing") is None
        wire.asked.clear()
        await served.hook(call(fhirServer=EHR))
        assert sorted(wire.asked) == sorted(NEEDED)
        optional = sorted(key for key in KEYS if TYPE_OF[key] not in NEEDED)
        assert served.last()["inputsMissing"] == [
            {"key": key, "code": "not-offered"} for key in optional
        ]
        assert served.last().get("issues") is None


async def test_a_card_says_what_the_server_does_not_offer(tmp_path: Path) -> None:
    with serving(tmp_path, chart=myeloma()) as served:
        inner = served.wire.handle_async_request

        async def without_procedures(request: httpx.Request) -> httpx.Response:
            if request.url.path.endswith("/metadata"):
                types = [kind for kind in TYPE_OF.values() if kind != "Procedure"]
                body = json.dumps(statement(types)).encode()
                return httpx.Response(200, stream=httpx.ByteStream(body))
            return await inner(request)

        served.wire.handle_async_request = without_procedures  # type: ignore[method-assign]
        await served.hook(call(fhirServer=EHR))
        await settled()
        answer = await served.hook(call(fhirServer=EHR))
        (card,) = answer.json()["cards"]
        assert "Not seen: procedures (the FHIR server does not offer them)." in card["detail"]


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(Wire(status=401), id="401"),
        pytest.param(Wire(status=404), id="404"),
        pytest.param(Wire(status=500), id="500"),
        pytest.param(Wire(said=[]), id="no statement"),
        pytest.param(Wire(said=statement(NEEDED[:2])), id="not believed"),
    ],
)
async def test_a_statement_that_cannot_be_had_changes_nothing_and_is_not_asked_for_again(
    tmp_path: Path, wire: Wire
) -> None:
    with serving(tmp_path, transport=wire) as served:
        for _ in range(3):
            assert (await served.hook(call(fhirServer=EHR))).status_code == 200
            await settled()
            assert served.last().get("inputsMissing") is None
    assert wire.asked.count("metadata") == 1


async def test_an_error_that_nobody_foresaw_is_quoted_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Wire):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path.endswith("/metadata"):
                raise RuntimeError(f"canary {request.url}")
            return await super().handle_async_request(request)

    with caplog.at_level("DEBUG"), serving(tmp_path, transport=Broken()) as served:
        assert (await served.hook(call(fhirServer=EHR))).status_code == 200
        await settled()
        gc.collect()
    assert "canary" not in caplog.text


async def test_a_slow_statement_delays_nobody(tmp_path: Path) -> None:
    wire = Wire(seconds=30)
    with serving(tmp_path, transport=wire, settings={"fhir_seconds": 5.0}) as served:
        async with asyncio.timeout(2):
            assert (await served.hook(call(fhirServer=EHR))).status_code == 200
            assert (await served.hook(call(fhirServer=EHR))).status_code == 200
    assert wire.asked.count("metadata") == 1


async def test_a_call_that_reads_nothing_asks_for_no_statement(tmp_path: Path) -> None:
    wire = Wire()
    with serving(tmp_path, transport=wire) as served:
        await served.hook(call(dict.fromkeys(KEYS), fhirServer=EHR))
        await settled()
    assert wire.asked == []


def client_of(wire: Wire, number: int = 0) -> FhirClient:
    return FhirClient(f"https://ehr{number}.example/fhir", transport=wire, limits=FhirLimits())


async def test_a_statement_is_forgotten_after_an_hour() -> None:
    now, wire = [0.0], Wire()
    offers = Offers(clock=lambda: now[0])
    base = client_of(wire).base
    for seconds, asked in ((0.0, 1), (KEPT_SECONDS - 1, 1), (KEPT_SECONDS, 2)):
        now[0] = seconds
        offers.learn(client_of(wire))
        await settled()
        assert wire.asked.count("metadata") == asked
        assert not offers.has(base, "Specimen")
    now[0] = 2 * KEPT_SECONDS
    assert offers.has(base, "Specimen"), "unknown again"


async def test_no_more_servers_are_remembered_than_there_may_be() -> None:
    wire = Wire()
    offers = Offers(clock=lambda: 0.0)
    for number in range(MOST_SERVERS + 1):
        offers.learn(client_of(wire, number))
        await settled()
    assert offers.has("https://ehr0.example/fhir", "Specimen"), "the oldest is forgotten"
    assert not offers.has(f"https://ehr{MOST_SERVERS}.example/fhir", "Specimen")
