"""The client against the demo's own FHIR server, with failures staged there or on the wire."""

import asyncio
import gzip
import json
import logging
import tracemalloc
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import httpx
import pytest

from cds_service.demo.fhir_server import create_fhir_app
from cds_service.demo.fhir_server_faults import Fault
from cds_service.errors import (
    FhirError,
    FhirForbidden,
    FhirNotFhir,
    FhirNotFound,
    FhirUnavailable,
    InvalidRequest,
)
from cds_service.fhir.bundles import RawResource
from cds_service.fhir.client import FhirClient, FhirLimits

BASE = "http://ehr.test/fhir"
CANARY = "canary-patient-7"
TOKEN = "canary-token"  # noqa: S105
PATIENT = {"resourceType": "Patient", "id": CANARY}


def observation(number: int) -> dict[str, Any]:
    subject = {"reference": f"Patient/{CANARY}"}
    return {"resourceType": "Observation", "id": f"o{number}", "subject": subject}


def chart(observations: int) -> bytes:
    entries = [{"resource": PATIENT}, *({"resource": observation(n)} for n in range(observations))]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()


class Wire(httpx.AsyncBaseTransport):
    """The demo server without a socket, and what was asked of it."""

    def __init__(self, *faults: Fault, observations: int = 5, **server: Any) -> None:
        app = create_fhir_app([chart(observations)], prefix="/fhir", faults=faults, **server)
        self._inner = httpx.ASGITransport(app=app)
        self.asked: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return await self._inner.handle_async_request(request)


def reading(wire: httpx.AsyncBaseTransport, **limits: Any) -> FhirClient:
    return FhirClient(BASE, TOKEN, transport=wire, limits=FhirLimits(**limits))


def answering(*answers: httpx.Response | Exception) -> tuple[FhirClient, list[httpx.Request]]:
    """A client whose server gives these answers one after the other, then the last for ever."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        found = answers[min(len(asked), len(answers)) - 1]
        if isinstance(found, Exception):
            raise found
        return streamed(found)

    return reading(httpx.MockTransport(answer)), asked


def streamed(answer: httpx.Response) -> httpx.Response:
    """The answer with its body still to come, as from the wire."""
    body = httpx.ByteStream(answer.content)
    return httpx.Response(answer.status_code, headers=answer.headers, stream=body)


def names(resources: Sequence[RawResource]) -> list[str]:
    return [json.loads(resource.raw)["id"] for resource in resources]


OF_PATIENT = [("patient", CANARY)]
ALL = ["o0", "o1", "o2", "o3", "o4"]


# Reading


async def test_a_resource_is_read_as_its_bytes() -> None:
    wire = Wire()
    resource = await reading(wire).read("Patient", CANARY)
    assert json.loads(resource.raw) == PATIENT
    assert resource.full_url == f"{BASE}/Patient/{CANARY}"
    assert wire.asked[0].headers["accept"] == "application/fhir+json"
    assert wire.asked[0].headers["authorization"] == f"Bearer {TOKEN}"


async def test_without_a_token_none_is_sent() -> None:
    wire = Wire()
    await FhirClient(f"{BASE}/", transport=wire).read("Patient", CANARY)
    assert "authorization" not in wire.asked[0].headers
    assert wire.asked[0].url.path == f"/fhir/Patient/{CANARY}"


async def test_a_patient_that_is_not_there_has_an_error_of_its_own() -> None:
    with pytest.raises(FhirNotFound, match="no such Patient: 404"):
        await reading(Wire()).read("Patient", "p9")
    client, _ = answering(httpx.Response(410))
    with pytest.raises(FhirNotFound, match="410"):
        await client.read("Patient", CANARY)


@pytest.mark.parametrize(
    "rid", ["", ".", "..", "../Binary/b1", "p1?x", "p1/$everything", "p%2e", "ü"]
)
async def test_an_id_that_is_none_is_never_asked_for(rid: str) -> None:
    wire = Wire()
    with pytest.raises(InvalidRequest):
        await reading(wire).read("Patient", rid)
    assert wire.asked == []


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"resourceType": "Patient", "id": "p2"}, id="another patient"),
        pytest.param({"resourceType": "Patient"}, id="a patient without id"),
        pytest.param({"resourceType": "Person", "id": CANARY}, id="another type"),
        pytest.param({"resourceType": "OperationOutcome", "issue": []}, id="an outcome"),
        pytest.param({"resourceType": "Bundle", "type": "searchset"}, id="an empty Bundle"),
        pytest.param({"id": CANARY}, id="no resource"),
        pytest.param([], id="a list"),
    ],
)
async def test_a_read_answered_with_something_else_is_not_used(answer: Any) -> None:
    client, _ = answering(httpx.Response(200, json=answer))
    with pytest.raises(FhirNotFhir):
        await client.read("Patient", CANARY)


# Searching


@pytest.mark.parametrize("page_size", [1, 2, 5, 100])
async def test_all_pages_of_a_search_are_read(page_size: int) -> None:
    wire = Wire(page_size=page_size)
    found = await reading(wire).search("Observation", OF_PATIENT)
    assert names(found.resources) == ALL
    assert (found.complete, found.problems) == (True, ())
    assert found.pages == len(wire.asked) == -(-5 // page_size)


async def test_a_search_that_finds_nothing_is_complete() -> None:
    found = await reading(Wire()).search("Condition", OF_PATIENT)
    assert (found.resources, found.pages, found.complete) == ((), 1, True)


async def test_a_long_search_is_sent_as_a_form() -> None:
    wire = Wire(page_size=2)
    codes = ",".join(f"http://loinc.org|{n}-0" for n in range(300))
    found = await reading(wire).search("Observation", [*OF_PATIENT, ("made-up", codes)])
    assert [request.method for request in wire.asked] == ["POST", "GET", "GET"]
    assert wire.asked[0].url == f"{BASE}/Observation/_search"
    assert names(found.resources) == ALL


@pytest.mark.parametrize(
    "next_url",
    [
        f"{BASE}/Observation?_page=WzEsMl0=",
        "?_page=WzEsMl0=",
        "Observation?_page=WzEsMl0=",
        "/fhir/Observation?_page=WzEsMl0=",
    ],
)
async def test_a_relative_next_link_is_followed(next_url: str) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        links = [{"relation": "next", "url": next_url}] if len(asked) == 1 else []
        return streamed(httpx.Response(200, json={"resourceType": "Bundle", "link": links}))

    found = await reading(httpx.MockTransport(answer)).search("Observation", OF_PATIENT)
    assert found.complete
    assert asked[1] == f"{BASE}/Observation?_page=WzEsMl0="


@pytest.mark.parametrize(
    "next_url",
    [
        "https://evil.example/fhir/Observation?page=2",
        "https://ehr.test/fhir/Observation?page=2",
        "http://ehr.test/admin",
        "//evil.example/x",
    ],
)
async def test_a_next_link_that_leads_away_gets_no_token_and_ends_the_search(next_url: str) -> None:
    wire = Wire(Fault("next", on="Observation", next_url=next_url))
    found = await reading(wire).search("Observation", OF_PATIENT)
    assert names(found.resources) == ALL
    assert not found.complete
    assert [request.url.host for request in wire.asked] == ["ehr.test"]
    assert [problem.where for problem in found.problems] == ["page 1"]


async def test_next_links_that_lead_round_end_the_search() -> None:
    first = f"{BASE}/Observation?patient={CANARY}"
    wire = Wire(Fault("next", on="Observation", after=1, next_url=first), page_size=3)
    found = await reading(wire).search("Observation", OF_PATIENT)
    assert names(found.resources) == ALL
    assert (found.pages, found.complete) == (2, False)


async def test_a_search_of_too_many_pages_is_not_complete() -> None:
    found = await reading(Wire(page_size=1), pages=3).search("Observation", OF_PATIENT)
    assert (names(found.resources), found.pages, found.complete) == (ALL[:3], 3, False)


async def test_an_outcome_among_the_entries_makes_the_search_incomplete() -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "fatal"}]}
    entries = [{"resource": observation(0)}, {"resource": outcome}, 5]
    client, _ = answering(httpx.Response(200, json={"resourceType": "Bundle", "entry": entries}))
    found = await client.search("Observation", OF_PATIENT)
    assert (names(found.resources), found.complete) == (["o0"], False)
    assert [problem.where for problem in found.problems] == ["Bundle.entry[2]", "page 1"]


async def test_a_hint_that_a_parameter_was_ignored_leaves_the_search_complete() -> None:
    found = await reading(Wire()).search("Observation", [*OF_PATIENT, ("made-up", "1")])
    assert found.complete


# Failures


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("status", status=401), FhirForbidden),
        (Fault("status", status=403), FhirForbidden),
        (Fault("status", status=400), FhirNotFhir),
        (Fault("status", status=404), FhirNotFhir),
        (Fault("status", status=302), FhirNotFhir),
        (Fault("status", status=204), FhirNotFhir),
        (Fault("status", status=429), FhirUnavailable),
        (Fault("status", status=500), FhirUnavailable),
        (Fault("status", status=501), FhirUnavailable),
        (Fault("status", status=503), FhirUnavailable),
        (Fault("html"), FhirNotFhir),
        (Fault("half"), FhirNotFhir),
        (Fault("outcome"), FhirNotFhir),
        (Fault("slow", seconds=30), FhirUnavailable),
    ],
    ids=lambda value: f"{value.kind} {value.status}" if isinstance(value, Fault) else "",
)
async def test_a_failure_is_named_without_anything_of_the_chart(
    fault: Fault, error: type[FhirError]
) -> None:
    seconds = 0.3 if fault.kind == "slow" else 10.0
    with pytest.raises(error) as caught:
        await reading(Wire(fault), seconds=seconds).search("Observation", OF_PATIENT)
    said = repr(caught.value)
    assert "Observation" in said
    assert "canary" not in said
    assert "ehr.test" not in said
    assert "staged" not in said
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    location = {"location": "https://evil.example/fhir/Patient/p1"}
    client, asked = answering(httpx.Response(status, headers=location))
    with pytest.raises(FhirNotFhir, match="redirects are not followed"):
        await client.read("Patient", CANARY)
    assert len(asked) == 1


async def test_a_token_that_expires_between_two_pages() -> None:
    wire = Wire(Fault("status", after=1, status=401), page_size=2)
    with pytest.raises(FhirForbidden, match="refused Observation with 401"):
        await reading(wire).search("Observation", OF_PATIENT)
    assert len(wire.asked) == 2


async def test_a_server_that_wants_another_token() -> None:
    with pytest.raises(FhirForbidden):
        await reading(Wire(token="other")).read("Patient", CANARY)  # noqa: S106


async def test_a_slow_page_counts_against_the_deadline_of_the_whole_search() -> None:
    wire = Wire(Fault("slow", after=1, seconds=0.4), page_size=1)
    began = asyncio.get_running_loop().time()
    with pytest.raises(FhirUnavailable, match="no answer in time"):
        await reading(wire, seconds=0.5).search("Observation", OF_PATIENT)
    assert asyncio.get_running_loop().time() - began < 1.2
    assert len(wire.asked) < 5


async def test_a_callers_deadline_holds_where_it_is_earlier() -> None:
    now = asyncio.get_running_loop().time()
    client = reading(Wire(Fault("slow", seconds=5)))
    with pytest.raises(FhirUnavailable, match="no answer in time"):
        await client.read("Patient", CANARY, deadline=now + 0.1)
    assert asyncio.get_running_loop().time() - now < 1


async def test_a_callers_own_time_limit_is_not_taken_for_ours() -> None:
    client = reading(Wire(Fault("slow", seconds=5)))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await client.read("Patient", CANARY)


async def test_an_answer_may_not_be_longer_than_the_limit() -> None:
    with pytest.raises(FhirUnavailable, match="more than 2000 bytes"):
        await reading(Wire(observations=50), bytes=2000).search("Observation", OF_PATIENT)


async def test_the_limit_counts_all_pages_of_a_search() -> None:
    wire = Wire(observations=50, page_size=5)
    with pytest.raises(FhirUnavailable, match="more than 3000 bytes"):
        await reading(wire, bytes=3000).search("Observation", OF_PATIENT)
    assert len(wire.asked) > 1


async def test_the_limit_holds_against_a_gzip_bomb() -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    client = reading(httpx.MockTransport(zipped_with("gzip", bomb)), bytes=1_000_000)
    tracemalloc.start()
    with pytest.raises(FhirUnavailable, match="more than 1000000 bytes"):
        await client.search("Observation", OF_PATIENT)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000


def zipped_with(encoding: str, body: bytes) -> Callable[[httpx.Request], httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(
            200, headers={"content-encoding": encoding}, stream=httpx.ByteStream(body)
        )

    return answer


async def test_a_zipped_answer_is_read() -> None:
    body = gzip.compress(json.dumps(PATIENT).encode())
    client = reading(httpx.MockTransport(zipped_with("gzip", body)))
    assert json.loads((await client.read("Patient", CANARY)).raw) == PATIENT


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b"no gzip"),
        ("gzip", gzip.compress(json.dumps(PATIENT).encode())[:-6]),
        ("br", b"whatever"),
    ],
    ids=["no gzip", "gzip cut short", "not asked for"],
)
async def test_a_broken_or_unknown_compression_is_no_fhir(encoding: str, body: bytes) -> None:
    with pytest.raises(FhirNotFhir, match="broken compression"):
        await reading(httpx.MockTransport(zipped_with(encoding, body))).read("Patient", CANARY)


# One more try


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", status=429, times=1),
        Fault("status", status=429, times=1, retry_after="0"),
        Fault("status", status=502, times=1),
        Fault("status", status=503, times=1),
        Fault("status", status=504, times=1),
    ],
    ids=lambda fault: f"{fault.status} {fault.retry_after}",
)
async def test_a_failure_that_may_pass_is_tried_once_more(fault: Fault) -> None:
    wire = Wire(fault)
    found = await reading(wire).search("Observation", OF_PATIENT)
    assert names(found.resources) == ALL
    assert len(wire.asked) == 2


async def test_a_search_by_form_is_tried_once_more() -> None:
    wire = Wire(Fault("status", status=503, times=1))
    await reading(wire).search("Observation", [*OF_PATIENT, ("made-up", "x" * 3000)])
    assert [request.method for request in wire.asked] == ["POST", "POST"]


async def test_a_connection_that_is_refused_once_is_tried_again() -> None:
    right = httpx.Response(200, json=PATIENT)
    client, asked = answering(httpx.ConnectError("canary"), right)
    await client.read("Patient", CANARY)
    assert len(asked) == 2


@pytest.mark.parametrize("status", [429, 503])
async def test_there_is_no_third_try(status: int) -> None:
    wire = Wire(Fault("status", status=status))
    with pytest.raises(FhirUnavailable, match=f"status {status}"):
        await reading(wire).search("Observation", OF_PATIENT)
    assert len(wire.asked) == 2


@pytest.mark.parametrize(
    "failure",
    [
        httpx.Response(401),
        httpx.Response(403),
        httpx.Response(404),
        httpx.Response(400),
        httpx.Response(500),
        httpx.Response(200, text="<html>"),
        httpx.Response(429, headers={"retry-after": "60"}),
        httpx.Response(503, headers={"retry-after": "Wed, 21 Oct 2199 07:28:00 GMT"}),
        httpx.Response(503, headers={"retry-after": "soon"}),
        httpx.Response(503, headers={"retry-after": "-1"}),
        httpx.ReadTimeout("canary"),
    ],
    ids=str,
)
async def test_what_a_second_try_cannot_mend_is_tried_once(
    failure: httpx.Response | Exception,
) -> None:
    client, asked = answering(failure)
    with pytest.raises(FhirError) as caught:
        await client.read("Patient", CANARY)
    assert len(asked) == 1
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("retry_after", ["60", "Wed, 21 Oct 2199 07:28:00 GMT"])
async def test_a_long_retry_after_is_not_waited_for(retry_after: str) -> None:
    client, _ = answering(httpx.Response(429, headers={"retry-after": retry_after}))
    with pytest.raises(FhirUnavailable, match="status 429"):
        await client.read("Patient", CANARY)


async def test_a_short_retry_after_is_waited_for() -> None:
    wire = Wire(Fault("status", status=429, times=1, retry_after="1"))
    began = asyncio.get_running_loop().time()
    await reading(wire).read("Patient", CANARY)
    assert asyncio.get_running_loop().time() - began >= 1.0


# Addresses and secrets


@pytest.mark.parametrize(
    "base", ["", "ehr.test", "ftp://ehr.test", "http://a@ehr.test", "http://ehr.test?x=1"]
)
def test_a_base_that_is_no_address_is_refused(base: str) -> None:
    with pytest.raises(FhirUnavailable, match="its address is not a plain"):
        FhirClient(base, transport=Wire())


@pytest.mark.parametrize("token", ["", "a b", "a\r\nX: y", "é", "a,b"])
def test_a_token_that_is_none_is_refused_without_being_quoted(token: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        FhirClient(BASE, token, transport=Wire())
    assert str(caught.value) == "fhirAuthorization.access_token: not a bearer token"


async def test_nothing_is_logged_of_patient_token_or_address(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG):
        await reading(Wire()).search("Observation", OF_PATIENT)
        with pytest.raises(FhirUnavailable):
            await reading(Wire(Fault("status", status=503))).read("Patient", CANARY)
    logged = "\n".join(str(record.__dict__) for record in caplog.records)
    assert "canary" not in logged
    assert "ehr.test" not in logged


async def test_a_transport_that_is_shared_stays_open() -> None:
    class Closing(Wire):
        closed = False

        async def aclose(self) -> None:
            self.closed = True

    wire = Closing()
    async with FhirClient(BASE, transport=wire) as client:
        await client.read("Patient", CANARY)
    assert not wire.closed


# On a socket


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[bytes], Any]]:
    """Starts a server on this machine that sends these bytes to every request, and hangs up."""
    servers: list[asyncio.Server] = []

    async def start(answer: bytes) -> int:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    yield start
    for server in servers:
        server.close()


def http(body: bytes, length: int | None = None) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body) if length is None else length}\r\n\r\n"
    return head.encode() + body


async def test_a_body_is_read_over_a_socket(serve: Callable[[bytes], Any]) -> None:
    port = await serve(http(json.dumps(PATIENT).encode()))
    async with FhirClient(f"http://127.0.0.1:{port}") as client:
        assert json.loads((await client.read("Patient", CANARY)).raw) == PATIENT


async def test_a_connection_that_breaks_off_is_unavailable(serve: Callable[[bytes], Any]) -> None:
    port = await serve(http(json.dumps(PATIENT).encode(), length=5000))
    async with FhirClient(f"http://127.0.0.1:{port}") as client:
        with pytest.raises(FhirUnavailable, match="broke off"):
            await client.read("Patient", CANARY)


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    async with FhirClient(f"http://127.0.0.1:{port}") as client:
        with pytest.raises(FhirUnavailable, match="no connection"):
            await client.read("Patient", CANARY)
