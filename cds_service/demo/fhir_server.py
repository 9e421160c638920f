"""A FHIR R4 server over Bundles in memory: enough for the service, the CDS Hooks Sandbox, tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import orjson
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response

from cds_service.demo.fhir_server_answers import (
    MEDIA_TYPE,
    PageLink,
    capability_statement,
    refusal,
    searchset,
)
from cds_service.demo.fhir_server_faults import Fault, FaultyAnswers
from cds_service.demo.fhir_server_search import BadSearch, Pairs, read_search, run_search
from cds_service.demo.fhir_server_store import Clock, NewId, Store, random_id
from cds_service.demo.fhir_server_writes import Write, apply_bundle, create, update
from cds_service.fhir.bundles import unpack

USUAL_PAGE = 100
LARGEST_PAGE = 1000
LARGEST_BODY = 64 * 2**20


def _now() -> datetime:
    return datetime.now(UTC)


def create_fhir_app(
    bundles: Iterable[bytes] = (),
    *,
    prefix: str = "",
    token: str | None = None,
    faults: Sequence[Fault] = (),
    page_size: int = USUAL_PAGE,
    clock: Clock = _now,
    new_id: NewId = random_id,
) -> FastAPI:
    """A FHIR server that holds the resources of these Bundles and forgets what is written to it.

    `prefix` is the path of its base address ("/fhir"). With a `token` every request but
    `metadata` has to bear it. `faults` are failures to stage.
    """
    store = Store(clock, new_id)
    for bundle in bundles:
        store.load(unpack(bundle).resources)
    server = _Server(store, prefix, token, page_size, clock())
    app = FastAPI(
        title="Demo FHIR server",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    server.add_routes(app)
    app.add_exception_handler(HTTPException, _refuse)
    app.add_exception_handler(Exception, _fail)
    if faults:
        app.add_middleware(FaultyAnswers, faults=faults, prefix=prefix)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=["Location"],
        allow_private_network=True,
    )
    return app


class _Server:
    """The interactions, one method each."""

    def __init__(
        self, store: Store, prefix: str, token: str | None, page_size: int, started: datetime
    ) -> None:
        self._store = store
        self._prefix = prefix
        self._token = token
        self._page_size = page_size
        self._started = started

    def add_routes(self, app: FastAPI) -> None:
        for path, method, interaction in (
            ("/metadata", "GET", self.metadata),
            ("/{kind}", "GET", self.search),
            ("/{kind}/_search", "POST", self.search_by_form),
            ("/{kind}/{rid}", "GET", self.read),
            ("/{kind}/{rid}", "PUT", self.update),
            ("/{kind}", "POST", self.create),
            ("/", "POST", self.bundle),
        ):
            app.add_route(self._prefix + path, interaction, [method], include_in_schema=False)
        if self._prefix:
            app.add_route(self._prefix, self.bundle, ["POST"], include_in_schema=False)

    async def metadata(self, request: Request) -> Response:
        statement = capability_statement(self._base(request), self._store.types(), self._started)
        return _json(orjson.dumps(statement))

    async def read(self, request: Request) -> Response:
        kind = self._kind(request)
        stored = self._store.get(kind, request.path_params["rid"])
        if stored is None:
            raise HTTPException(404, f"no {kind} with this id")
        return _json(stored.raw)

    async def search(self, request: Request) -> Response:
        return self._searchset(request, parse_qsl(request.url.query, keep_blank_values=True))

    async def search_by_form(self, request: Request) -> Response:
        form = (await _body(request)).decode("utf-8", "replace")
        query = request.url.query
        return self._searchset(request, parse_qsl(f"{query}&{form}", keep_blank_values=True))

    def _searchset(self, request: Request, pairs: Pairs) -> Response:
        kind = self._kind(request)
        base = self._base(request)
        try:
            page = next((PageLink.parse(value) for name, value in pairs if name == "_page"), None)
            search = read_search(kind, pairs if page is None else page.query)
        except (BadSearch, ValueError) as error:
            raise HTTPException(400, str(error)) from None
        if search.ignored and _is_strict(request):
            raise HTTPException(400, f"not supported: {', '.join(search.ignored)}")
        found = run_search(self._store, search, base)
        size = self._page_size if search.count is None else min(search.count, LARGEST_PAGE)
        start = 0 if page is None else page.start
        return _json(searchset(base, search, found, start=start, page_size=size))

    async def create(self, request: Request) -> Response:
        kind = self._kind(request)
        return self._written(request, create(self._store, kind, await _body(request)))

    async def update(self, request: Request) -> Response:
        kind, rid = self._kind(request), request.path_params["rid"]
        return self._written(request, update(self._store, kind, rid, await _body(request)))

    def _written(self, request: Request, write: Write) -> Response:
        is_new = self._store.write(write.type, write.id, write.raw)
        stored = self._store.get(write.type, write.id)
        location = f"{self._base(request)}/{write.type}/{write.id}"
        return _json(stored.raw if stored else b"", 201 if is_new else 200, {"Location": location})

    async def bundle(self, request: Request) -> Response:
        self._admit(request)
        return _json(orjson.dumps(apply_bundle(self._store, await _body(request))))

    def _kind(self, request: Request) -> str:
        self._admit(request)
        kind: str = request.path_params["kind"]
        if not self._store.knows(kind):
            raise HTTPException(404, "not a resource type that is kept here")
        return kind

    def _admit(self, request: Request) -> None:
        if self._token is None or request.headers.get("authorization") == f"Bearer {self._token}":
            return
        raise HTTPException(401, "needs a token", {"WWW-Authenticate": "Bearer"})

    def _base(self, request: Request) -> str:
        url = urlsplit(str(request.base_url))
        return f"{url.scheme}://{url.netloc}{url.path.rstrip('/')}{self._prefix}"


def _is_strict(request: Request) -> bool:
    return "handling=strict" in request.headers.get("prefer", "").replace(" ", "")


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise HTTPException(413, f"more than {LARGEST_BODY} bytes")
    return bytes(body)


def _json(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(body, status, headers, MEDIA_TYPE)


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    headers = dict(error.headers) if error.headers else None
    return _json(orjson.dumps(refusal(error.status_code, error.detail)), error.status_code, headers)


async def _fail(request: Request, error: Exception) -> Response:
    """This handler stands outside the CORS middleware, so it has to say its header itself."""
    headers = {"Access-Control-Allow-Origin": "*"}
    return _json(orjson.dumps(refusal(500, "an error of the demo server")), 500, headers)
