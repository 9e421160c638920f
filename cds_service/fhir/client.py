"""Reads from a FHIR server: one resource, or a search with all its pages, within a deadline.

The only module that imports httpx.
"""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol, Self

import httpcore
import httpx
import stamina

from cds_service.errors import FhirForbidden, FhirNotFhir, FhirUnavailable, InvalidRequest
from cds_service.fhir.allowed import AddressRules
from cds_service.fhir.bodies import BodyTooLong, BrokenBody, NoRoom, Room, read_body
from cds_service.fhir.bundles import RawResource
from cds_service.fhir.connections import AddressRefused, CheckedBackend, Resolve, resolve
from cds_service.fhir.failures import GetRefused, TryAgain, refuse_failure, wait_before_retry
from cds_service.fhir.links import BaseUrl
from cds_service.fhir.paging import Ask, SearchResult, all_pages, by_post, first_page, unpack_answer
from cds_service.fhir.references import head_of

Transport = httpx.AsyncBaseTransport
"""What carries requests: the connections of `open_connections`, or a test's own."""

_NO_CONNECTION = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpcore.ConnectError,
    httpcore.ConnectTimeout,
)
_CUT_OFF = (
    httpx.ReadError,
    httpx.WriteError,
    httpx.RemoteProtocolError,
    httpcore.ReadError,
    httpcore.WriteError,
    httpcore.RemoteProtocolError,
)
"""Of a connection that was kept, say, and that the server closed just as it was used again."""
_BROKEN = (
    httpx.HTTPError,
    httpx.InvalidURL,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
)
_STATEMENT = "CapabilityStatement"
LARGEST_STATEMENT = 16 * 2**20
MOST_CONNECTIONS = 600
"""Of a process: forty calls that wait for one server leave the others theirs. Under 1,024 files."""

_RELATIVE = re.compile(r"[A-Z][A-Za-z]+/")
_ID = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,128}", re.ASCII)
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)

HEADERS = {
    "Accept": "application/fhir+json",
    "Accept-Encoding": "gzip",
    "User-Agent": "refractory-cds",
}

for _name in ("httpx", "httpcore", "hpack"):  # they log addresses, and those hold patient ids
    logging.getLogger(_name).setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class FhirLimits:
    """What one read, or one search with all its pages, may cost; of bytes all of a client's."""

    seconds: float = 5.0
    connect_seconds: float = 1.0
    pages: int = 200
    bytes: int = 64 * 2**20


class TokenSource(Protocol):
    """Where tokens of the service's own come from."""

    async def token(self, resource_type: str) -> str:
        """A token to ask for this type with; raises FhirError where there is none."""

    def refuse(self, token: str) -> None:
        """The server did not take this token: it is not to be given again."""


class FhirClient:
    """Reads from one FHIR server, with a token that goes nowhere else: that of a call, or those
    of a source, of which a second one is asked for where the server does not take the first.

    Raises FhirForbidden, FhirNotFound, FhirUnavailable or FhirNotFhir; their messages hold
    neither address nor token nor anything of the answer. A `transport` that is given is
    shared and stays open; without one the client has its own, to any address. Of a `room`,
    what it has read stays taken until `aclose`.
    """

    def __init__(
        self,
        base_url: str | BaseUrl,
        token: str | TokenSource | None = None,
        *,
        transport: Transport | None = None,
        limits: FhirLimits | None = None,
        room: Room | None = None,
    ) -> None:
        self._base = _base_of(base_url)
        self._limits = limits or FhirLimits()
        self._room = Room(self._limits.bytes, room)
        if isinstance(token, str) and not is_token(token):
            raise InvalidRequest("not a bearer token", where="fhirAuthorization.access_token")
        self._token = token
        self._own = open_connections() if transport is None else None
        self._http = httpx.AsyncClient(
            transport=self._own or transport,
            headers=HEADERS,
            timeout=httpx.Timeout(self._limits.seconds, connect=self._limits.connect_seconds),
            follow_redirects=False,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections that this client has opened itself, and give its room back."""
        self._room.clear()
        if self._own is not None:
            await self._own.aclose()

    def keeps(self, reference: str) -> bool:
        """Whether a reference, as a chart writes it, points at a resource of this server."""
        return keeps(self._base, reference)

    async def read(
        self,
        resource_type: str,
        resource_id: str,
        *,
        version: str | None = None,
        deadline: float | None = None,
    ) -> RawResource:
        """One resource by its id, as it is or in a version that it had; `deadline` is a time of the
        event loop's clock."""
        parts = (resource_id,) if version is None else (resource_id, version)
        if not all(_ID.fullmatch(part) for part in parts):
            raise InvalidRequest("not a FHIR id")
        url = f"{self._base}/{resource_type}/{'/_history/'.join(parts)}"
        ask = Ask(resource_type, url, is_read=True)
        async with self._within(resource_type, deadline) as until:
            answer = unpack_answer(ask, await self._answer(ask, self._limits.bytes, until))
        if answer.root != resource_type:
            raise FhirNotFhir(resource_type, "a resource of another type")
        resource = RawResource(answer.resources[0].raw, ask.url)
        head = head_of(resource)
        if head is None or head.id != resource_id:
            raise FhirNotFhir(resource_type, "another resource than the one asked for")
        return resource

    async def read_statement(self) -> bytes:
        """What the server says of itself, its CapabilityStatement, as JSON."""
        kind = _STATEMENT
        ask = Ask(kind, f"{self._base}/metadata", is_read=True)
        async with self._within(kind, None) as until:
            return await self._answer(ask, LARGEST_STATEMENT, until)

    async def search(
        self,
        resource_type: str,
        params: Iterable[tuple[str, str]],
        *,
        deadline: float | None = None,
    ) -> SearchResult:
        """All that a search finds; `deadline` is a time of the event loop's clock.

        Pages are followed on this server and below its base only. Where a limit of pages, or
        a link that is not followed, ends the search, it comes back as not complete. By POST
        where the server refuses the method GET.
        """
        first = first_page(self._base, resource_type, params)
        async with self._within(resource_type, deadline) as until:
            try:
                return await self._pages(first, until)
            except GetRefused:
                if first.form is not None:  # it was a later page
                    raise
            return await self._pages(by_post(first), until)

    async def _pages(self, first: Ask, until: float) -> SearchResult:
        return await all_pages(
            self._base,
            first,
            lambda ask, most_bytes: self._answer(ask, most_bytes, until),
            most_pages=self._limits.pages,
            most_bytes=self._limits.bytes,
        )

    @property
    def base(self) -> str:
        """The address of the server, in its one spelling."""
        return str(self._base)

    @asynccontextmanager
    async def _within(self, resource_type: str, deadline: float | None) -> AsyncIterator[float]:
        until = asyncio.get_running_loop().time() + self._limits.seconds
        if deadline is not None:
            until = min(until, deadline)
        try:
            async with asyncio.timeout_at(until):
                yield until
        except TimeoutError:
            raise FhirUnavailable(resource_type, "no answer in time") from None

    async def _answer(self, ask: Ask, most_bytes: int, until: float) -> bytes:
        async for attempt in stamina.retry_context(
            on=wait_before_retry(until), attempts=2, timeout=None
        ):
            with attempt:
                return await self._answer_once(ask, most_bytes)
        raise AssertionError("unreachable")

    async def _answer_once(self, ask: Ask, most_bytes: int) -> bytes:
        kind = ask.resource_type
        try:
            return await self._exchange(ask, most_bytes)
        except AddressRefused:
            raise FhirUnavailable(kind, "its address is not one we may read from") from None
        except _NO_CONNECTION:
            raise TryAgain(kind, "no connection") from None
        except _BROKEN:
            raise FhirUnavailable(kind, "the connection broke off") from None
        except BodyTooLong:
            raise FhirUnavailable(kind, f"more than {self._limits.bytes} bytes") from None
        except NoRoom:
            raise FhirUnavailable(kind, "more than there is room for") from None
        except BrokenBody:
            raise FhirNotFhir(kind, "broken compression") from None

    async def _exchange(self, ask: Ask, most_bytes: int) -> bytes:
        source = self._token
        if source is None or isinstance(source, str):
            return await self._send(ask, most_bytes, source)
        token = await source.token(ask.resource_type)
        try:
            return await self._send(ask, most_bytes, token)
        except FhirForbidden as refusal:
            if refusal.status != 401:
                raise
        source.refuse(token)
        return await self._send(ask, most_bytes, await source.token(ask.resource_type))

    async def _send(self, ask: Ask, most_bytes: int, token: str | None) -> bytes:
        if ask.form is None:
            request = self._http.build_request("GET", ask.url)
        else:
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            request = self._http.build_request("POST", ask.url, content=ask.form, headers=form)
        if token is not None:
            request.headers["Authorization"] = f"Bearer {token}"
        try:
            response = await self._http.send(request, stream=True)
        except _CUT_OFF:  # before the answer began
            raise TryAgain(ask.resource_type, "the connection broke off") from None
        try:
            refuse_failure(ask, response.status_code, response.headers.get("retry-after"))
            encoding = response.headers.get("content-encoding", "").lower()
            # a statement may be read for longer than the call lasts, and is not kept
            room = None if ask.resource_type == _STATEMENT else self._room
            return await read_body(response.aiter_raw(), encoding, most_bytes, room)
        finally:
            await response.aclose()


def keeps(base: BaseUrl, reference: str) -> bool:
    """Whether a reference, as a chart writes it, points at a resource of the server at `base`."""
    return _RELATIVE.match(reference) is not None or reference.startswith(f"{base}/")


def _base_of(url: str | BaseUrl) -> BaseUrl:
    try:
        return BaseUrl.parse(url) if isinstance(url, str) else url
    except ValueError as error:
        raise FhirUnavailable("patient data", f"its address is {error}") from None


def is_token(text: str) -> bool:
    """Whether this can stand behind "Bearer" in a header."""
    return _TOKEN.fullmatch(text) is not None


def open_connections(
    rules: AddressRules | None = None,
    *,
    resolve: Resolve = resolve,
    most: int = MOST_CONNECTIONS,
    opener: httpcore.AsyncNetworkBackend | None = None,
    tls: ssl.SSLContext | None = None,
) -> Transport:
    """Connections to share between the clients of a process, opened and kept as needed.

    HTTP/2 where a server offers it by TLS, so that all searches of a call share one connection.
    With `rules` only to addresses that they permit; proxies of the environment are not used,
    since a proxy resolves names itself.
    """
    backend = None if rules is None else CheckedBackend(rules, resolve, opener)
    return _Connections(
        httpcore.AsyncConnectionPool(
            ssl_context=tls or httpx.create_ssl_context(),
            max_connections=most,
            keepalive_expiry=15.0,
            network_backend=backend,
            http2=True,
        )
    )


class _Connections(httpx.AsyncBaseTransport):
    """A pool of httpcore as a transport of httpx, whose own takes no network backend."""

    def __init__(self, pool: httpcore.AsyncConnectionPool) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        response = await self._pool.handle_async_request(
            httpcore.Request(
                request.method,
                httpcore.URL(
                    scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(response.status, headers=response.headers, stream=_Body(response))

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._response.aiter_stream():
            yield chunk

    async def aclose(self) -> None:
        await self._response.aclose()
