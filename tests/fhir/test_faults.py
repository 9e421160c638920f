"""Every way in which a FHIR server has been seen to go wrong, and what comes of it: one table.

Staged on the wire with respx. A row is what the server answers, how the search ends, and how often
it was asked. Nothing of it is ever quoted.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from hooks.calls import call
from hooks.serving import serving

from cds_service.errors import (
    FhirError,
    FhirForbidden,
    FhirNotFhir,
    FhirNotFound,
    FhirUnavailable,
)
from cds_service.fhir.client import FhirClient, FhirLimits
from cds_service.fhir.paging import SearchResult

BASE = "https://ehr.example:8443/r4"
SEARCH = f"{BASE}/Observation?patient=canary-p1"
TOKEN = "canary-token"  # noqa: S105


def observation(number: int, patient: str = "canary-p1") -> dict[str, Any]:
    subject = {"reference": f"Patient/{patient}"}
    return {"resourceType": "Observation", "id": f"o{number}", "subject": subject}


def page(*numbers: int, next_url: str | None = None, **members: Any) -> dict[str, Any]:
    links = [{"relation": "self", "url": SEARCH}]
    links += [] if next_url is None else [{"relation": "next", "url": next_url}]
    entries = [{"resource": observation(number)} for number in numbers]
    made = {"resourceType": "Bundle", "type": "searchset", "link": links, "entry": entries}
    return made | members


BODY = json.dumps(page(1, 2)).encode()
OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "x"}]}
ZIPPED = gzip.compress(BODY)


def raw(body: bytes, **headers: str) -> httpx.Response:
    """A body as it comes off the wire, still to be unzipped."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(200, headers=named, stream=httpx.ByteStream(body))


def http_date(seconds: float) -> str:
    return formatdate(time.time() + seconds, usegmt=True)


class Wire(httpx.AsyncBaseTransport):
    """What the router answers, each body still to come."""

    def __init__(self, router: respx.Router) -> None:
        self._router = router

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._router.async_handler(request)
        stream = answer.stream
        if isinstance(stream, httpx.ByteStream):
            stream = httpx.ByteStream(b"".join(stream))
        return httpx.Response(answer.status_code, headers=answer.headers, stream=stream)


@pytest.fixture
def wire() -> respx.Router:
    return respx.Router(assert_all_called=False)


def client(wire: respx.Router, **limits: Any) -> FhirClient:
    return FhirClient(BASE, TOKEN, transport=Wire(wire), limits=FhirLimits(**limits))


async def search(wire: respx.Router, **limits: Any) -> SearchResult:
    return await client(wire, **limits).search("Observation", [("patient", "canary-p1")])


# Failures ---------------------------------------------------------------------------------------

Staged = list[httpx.Response | Exception]


def status(code: int, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(code, headers=named, json=OUTCOME)


RIGHT = raw(BODY)
TABLE: list[Any] = [
    # staged, ends as (an error, or the ids that were found), requests, id
    ([status(400)], FhirNotFhir, 1, "400"),
    ([status(401)], FhirForbidden, 1, "401"),
    ([status(403)], FhirForbidden, 1, "403"),
    ([status(404)], FhirNotFhir, 1, "404: no such type here"),
    ([status(406)], FhirNotFhir, 1, "406"),
    ([status(410)], FhirNotFhir, 1, "410"),
    ([status(429)] * 2, FhirUnavailable, 2, "429 twice"),
    ([status(429), RIGHT], [1, 2], 2, "429 once"),
    ([status(429, retry_after="0"), RIGHT], [1, 2], 2, "429, Retry-After: 0"),
    ([status(429, retry_after="60")], FhirUnavailable, 1, "429, Retry-After: too long"),
    ([status(503, retry_after=http_date(0)), RIGHT], [1, 2], 2, "503, Retry-After: now, a date"),
    ([status(503, retry_after=http_date(-99)), RIGHT], [1, 2], 2, "503, Retry-After: a past date"),
    ([status(503, retry_after=http_date(1e9))], FhirUnavailable, 1, "503, Retry-After: a far date"),
    ([status(503, retry_after="soon")], FhirUnavailable, 1, "503, Retry-After: a word"),
    ([status(500)], FhirUnavailable, 1, "500"),
    ([status(501)], FhirUnavailable, 1, "501"),
    ([status(502), RIGHT], [1, 2], 2, "502 once"),
    ([status(503), RIGHT], [1, 2], 2, "503 once"),
    ([status(504), RIGHT], [1, 2], 2, "504 once"),
    ([status(503)] * 2, FhirUnavailable, 2, "503 twice"),
    ([status(301, location="https://evil.example/")], FhirNotFhir, 1, "301 elsewhere"),
    ([status(302, location=f"{BASE}/Observation")], FhirNotFhir, 1, "302 to itself"),
    ([status(307, location="https://evil.example/")], FhirNotFhir, 1, "307 elsewhere"),
    ([status(308, location="//evil.example/")], FhirNotFhir, 1, "308 without a scheme"),
    ([status(204)], FhirNotFhir, 1, "204"),
    ([status(206)], FhirNotFhir, 1, "206"),
    ([raw(b"<!doctype html><title>Log in</title>")], FhirNotFhir, 1, "a log-in page with 200"),
    ([raw(b'<Bundle xmlns="http://hl7.org/fhir"/>')], FhirNotFhir, 1, "XML"),
    ([raw(b"")], FhirNotFhir, 1, "an empty body"),
    ([raw(b"null")], FhirNotFhir, 1, "null"),
    ([raw(BODY[:-20])], FhirNotFhir, 1, "JSON cut short"),
    ([raw(BODY + b"}")], FhirNotFhir, 1, "JSON with more behind it"),
    ([raw(b"\xef\xbb\xbf" + BODY)], [1, 2], 1, "a byte order mark"),
    ([raw(b"[" * 100_000)], FhirNotFhir, 1, "JSON nested without end"),
    ([raw(ZIPPED, content_encoding="gzip")], [1, 2], 1, "gzip"),
    ([raw(ZIPPED, content_encoding="x-gzip")], [1, 2], 1, "gzip by its old name"),
    ([raw(ZIPPED[:-9], content_encoding="gzip")], FhirNotFhir, 1, "gzip cut short"),
    ([raw(ZIPPED)], FhirNotFhir, 1, "gzip that is not said"),
    ([raw(b"x", content_encoding="br")], FhirNotFhir, 1, "a compression not asked for"),
    ([raw(gzip.compress(b" " * 9_000_000), content_encoding="gzip")], FhirUnavailable, 1, "a bomb"),
    ([raw(b" " * 2_000_000 + BODY)], FhirUnavailable, 1, "more bytes than there may be"),
    ([raw(BODY, content_type="text/html")], [1, 2], 1, "the wrong Content-Type"),
    ([raw(BODY, content_type="application/xml; charset=x")], [1, 2], 1, "XML's Content-Type"),
    ([httpx.Response(200, json=OUTCOME)], FhirNotFhir, 1, "an OperationOutcome with 200"),
    ([httpx.Response(200, json=observation(1))], FhirNotFhir, 1, "a resource for a Bundle"),
    ([httpx.Response(200, json={"entry": []})], FhirNotFhir, 1, "no resourceType"),
    ([httpx.Response(200, json=page(1, type="history"))], [1], 1, "a Bundle of another type"),
    ([httpx.Response(200, json=page(1, type=None))], [1], 1, "a Bundle of no type"),
    ([httpx.Response(200, json=page(total=0))], [], 1, "nothing there"),
    ([httpx.Response(200, json=page(1, 1, 2))], [1, 1, 2], 1, "one resource twice"),
    ([httpx.ConnectError("canary"), RIGHT], [1, 2], 2, "no connection, once"),
    ([httpx.ConnectTimeout("canary")] * 2, FhirUnavailable, 2, "no connection"),
    ([httpx.ReadError("canary"), RIGHT], [1, 2], 2, "a reset before the answer, once"),
    ([httpx.RemoteProtocolError("canary"), RIGHT], [1, 2], 2, "closed while it was kept"),
    ([httpx.WriteError("canary"), RIGHT], [1, 2], 2, "closed while the request was sent"),
    ([httpx.ReadError("canary")] * 2, FhirUnavailable, 2, "a reset"),
    ([httpx.RemoteProtocolError("canary")] * 2, FhirUnavailable, 2, "no HTTP"),
    ([httpx.ReadTimeout("canary")], FhirUnavailable, 1, "no answer"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("staged", "ends", "requests"), [pytest.param(*row[:3], id=row[3]) for row in TABLE]
)
async def test_what_a_server_answers_and_how_the_search_ends(
    wire: respx.Router, staged: Staged, ends: Any, requests: int
) -> None:
    route = wire.get(SEARCH).mock(side_effect=staged)
    elsewhere = wire.route().mock(return_value=httpx.Response(200, json=page(99)))
    if isinstance(ends, list):
        assert ids(await search(wire, bytes=1_000_000)) == [f"o{number}" for number in ends]
    else:
        with pytest.raises(ends) as caught:
            await search(wire, bytes=1_000_000)
        assert type(caught.value).__mro__.index(ends) <= 1
        for secret in ("canary", "ehr.example", "evil", "8443"):
            assert secret not in repr(caught.value)
    assert route.call_count == requests
    assert not elsewhere.called


def ids(found: SearchResult) -> list[str]:
    return [json.loads(resource.raw)["id"] for resource in found.resources]


@pytest.mark.parametrize(
    ("code", "error"),
    [(401, FhirForbidden), (403, FhirForbidden), (404, FhirNotFound), (410, FhirNotFound)],
)
async def test_a_patient_who_may_not_be_read_or_is_not_there(
    wire: respx.Router, code: int, error: type[FhirError]
) -> None:
    wire.get(f"{BASE}/Patient/p1").mock(return_value=status(code))
    with pytest.raises(error, match=str(code)):
        await client(wire).read("Patient", "p1")


# Pages ------------------------------------------------------------------------------------------

PAGES = [
    # what stands in the link, the address that is asked for it
    (f"{BASE}?_getpages=ab-c&_getpagesoffset=2&_count=2&_bundletype=searchset",) * 2 + ("HAPI",),
    (f"{BASE}/?_getpages=ab-c&_getpagesoffset=2",) * 2 + ("HAPI, with a slash",),
    (f"{BASE}/Observation?ct=b64~opaque%3D%3D",) * 2 + ("opaque",),
    (f"{BASE}/Observation/_search?page=2",) * 2 + ("of a search by form",),
    (f"{BASE}/page/2",) * 2 + ("a path alone",),
    ("?page=2", f"{BASE}/Observation?page=2", "a query only"),
    ("Observation?page=2", f"{BASE}/Observation?page=2", "relative to the base"),
    ("/r4/Observation?page=2", f"{BASE}/Observation?page=2", "relative to the host"),
    ("//ehr.example:8443/r4/Observation?p=2", f"{BASE}/Observation?p=2", "without a scheme"),
    ("HTTPS://EHR.example:8443/r4/Observation?p=2", f"{BASE}/Observation?p=2", "capitals"),
    (f"{BASE}/Observation?page=2#top", f"{BASE}/Observation?page=2", "a fragment"),
]


@pytest.mark.parametrize(("link", "asked"), [pytest.param(*row[:2], id=row[2]) for row in PAGES])
async def test_a_next_link_is_followed_in_whatever_style_it_is_written(
    wire: respx.Router, link: str, asked: str
) -> None:
    wire.get(SEARCH).respond(json=page(1, next_url=link))
    following = wire.get(asked).respond(json=page(2))
    found = await search(wire)
    assert (ids(found), found.pages, found.complete) == (["o1", "o2"], 2, True)
    assert following.calls.last.request.headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    "link",
    [
        pytest.param("https://evil.example/r4/Observation?page=2", id="another host"),
        pytest.param("https://ehr.example/r4/Observation?page=2", id="another port"),
        pytest.param("http://ehr.example:8443/r4/Observation?page=2", id="another scheme"),
        pytest.param("ftp://ehr.example:8443/r4/Observation", id="no HTTP"),
        pytest.param("https://u:p@ehr.example:8443/r4/Observation", id="user-info"),
        pytest.param("https://ehr.example:8443@evil.example/r4", id="the host as user-info"),
        pytest.param("https://evil.example#@ehr.example:8443/r4", id="the host as fragment"),
        pytest.param("//evil.example/r4/Observation", id="another host, no scheme"),
        pytest.param("\\\\evil.example\\r4", id="backslashes"),
        pytest.param("https:\\\\evil.example/r4", id="backslashes behind the scheme"),
        pytest.param("https://ehr.example:8443/admin?x=1", id="beside the base"),
        pytest.param(f"{BASE}/../admin", id="a way out"),
        pytest.param(f"{BASE}/%2e%2e/admin", id="an escaped way out"),
        pytest.param(f"{BASE}/..;/admin", id="a way out for some servers"),
        pytest.param(f"{BASE}/Observation?x=\r\nX: y", id="a line break"),
        pytest.param(f"{BASE}/Observation?x=ü", id="beyond ASCII"),
        pytest.param("https://ehr.example:99999/r4", id="no port"),
        pytest.param("", id="empty"),
        pytest.param(SEARCH, id="a loop"),
    ],
)
async def test_a_next_link_that_leads_away_ends_the_search_as_a_part(
    wire: respx.Router, link: str
) -> None:
    wire.get(SEARCH).respond(json=page(1, next_url=link))
    elsewhere = wire.route().respond(json=page(99))
    found = await search(wire)
    assert (ids(found), found.complete) == (["o1"], False)
    assert not elsewhere.called


async def test_a_server_that_takes_searches_by_post_alone_is_read(wire: respx.Router) -> None:
    by_get = wire.get(SEARCH).respond(405)
    by_post = wire.post(f"{BASE}/Observation/_search").respond(json=page(1, 2))
    assert ids(await search(wire)) == ["o1", "o2"]
    assert (by_get.call_count, by_post.call_count) == (1, 1)
    request = by_post.calls[0].request
    assert request.content == b"patient=canary-p1"
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"


async def test_a_server_that_takes_searches_by_no_method_fails(wire: respx.Router) -> None:
    by_get = wire.get(SEARCH).respond(405)
    by_post = wire.post(f"{BASE}/Observation/_search").respond(405)
    with pytest.raises(FhirNotFhir, match="status 405"):
        await search(wire)
    assert (by_get.call_count, by_post.call_count) == (1, 1)


async def test_pages_without_end_are_read_up_to_their_number(wire: respx.Router) -> None:
    count = 0

    def another(request: httpx.Request) -> httpx.Response:
        nonlocal count
        count += 1
        return httpx.Response(200, json=page(count, next_url=f"{BASE}/Observation?page={count}"))

    wire.route().mock(side_effect=another)
    found = await search(wire, pages=40)
    assert (found.pages, found.complete, count) == (40, False, 40)


@pytest.mark.parametrize(("pages", "complete"), [(200, True), (201, False)])
async def test_two_hundred_pages_of_a_server_that_does_not_heed_the_count_are_read(
    wire: respx.Router, pages: int, complete: bool
) -> None:
    def numbered(request: httpx.Request) -> httpx.Response:
        number = int(request.url.params.get("page", "1"))
        after = f"{BASE}/Observation?page={number + 1}" if number < pages else None
        return httpx.Response(200, json=page(number, next_url=after))

    wire.route().mock(side_effect=numbered)
    found = await search(wire)
    assert (found.pages, found.complete) == (200, complete)


async def test_a_server_that_ignores_count_gives_all_its_pages(wire: respx.Router) -> None:
    links = [f"{BASE}/Observation?page={number}" for number in range(2, 31)]
    wire.get(SEARCH).respond(json=page(1, next_url=links[0]))
    for number, link in enumerate(links, 2):
        following = links[number - 1] if number <= len(links) else None
        wire.get(link).respond(json=page(number, next_url=following))
    found = await search(wire)
    assert (len(found.resources), found.pages, found.complete) == (30, 30, True)


async def test_what_stands_on_two_pages_and_what_is_anothers_costs_nothing(
    wire: respx.Router,
) -> None:
    """A chart that changes while it is read: the record takes each resource once."""
    foreign = {"resource": observation(3, "canary-p2")}
    last = page(2, 4) | {"entry": [*page(2, 4)["entry"], foreign]}
    wire.get(SEARCH).respond(json=page(1, 2, next_url="?page=2"))
    wire.get(f"{BASE}/Observation?page=2").respond(json=last)
    found = await search(wire)
    assert (ids(found), found.complete) == (["o1", "o2", "o2", "o4", "o3"], True)


async def test_a_failure_on_a_later_page_fails_the_search(wire: respx.Router) -> None:
    wire.get(SEARCH).respond(json=page(1, next_url="?page=2"))
    wire.get(f"{BASE}/Observation?page=2").respond(410)
    with pytest.raises(FhirNotFhir, match="410"):
        await search(wire)


# Time -------------------------------------------------------------------------------------------


class Dripping(httpx.AsyncByteStream):
    """A body that comes a byte at a time, each well within every time limit of its own."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for at in range(len(BODY)):
            await asyncio.sleep(0.05)
            yield BODY[at : at + 1]


async def test_a_body_that_drips_ends_with_the_time_of_the_whole_search(
    wire: respx.Router,
) -> None:
    wire.get(SEARCH).mock(return_value=httpx.Response(200, stream=Dripping()))
    began = time.perf_counter()
    with pytest.raises(FhirUnavailable, match="no answer in time"):
        await search(wire, seconds=0.3)
    assert time.perf_counter() - began < 1


async def test_a_dripping_server_is_412_for_the_call_in_time(tmp_path: Path) -> None:
    class Server(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, stream=Dripping())

    with serving(tmp_path, transport=Server(), settings={"fhir_seconds": 0.3}) as served:
        began = time.perf_counter()
        answer = await served.hook(call(fhirServer="https://ehr.example/fhir"))
        assert answer.status_code == 412
        assert time.perf_counter() - began < 2


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Le", id="half a head"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{", id="half a body"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{", id="half a chunk"
        ),
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", id="another protocol"),
    ],
)
async def test_a_connection_that_is_reset_midway_is_unavailable(sent: bytes) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        await writer.drain()
        writer.transport.abort()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with FhirClient(f"http://127.0.0.1:{port}/fhir") as reading:
            with pytest.raises(FhirUnavailable, match="broke off"):
                await reading.search("Observation", [("patient", "p1")])
    finally:
        server.close()
