"""The only place that joins the rooms: settings in, an application out."""

from __future__ import annotations

import asyncio
import logging
import platform
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from uuid import uuid4

import orjson
from fastapi import FastAPI, Request, Response
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cds_service import heap
from cds_service.audit import (
    AsOfSource,
    DecisionLog,
    Limits,
    Signing,
    Spooling,
    SpoolLimits,
    Versions,
    open_decision_log,
    service_stopped_event,
)
from cds_service.audit.events import utc_now
from cds_service.audit.installed import installed_software
from cds_service.audit.log import default_spool_folder
from cds_service.audit.packages import stored_package
from cds_service.audit.reading import open_reader
from cds_service.audit.signing_keys import default_signing_key_file
from cds_service.audit.store import AlreadyRecorded
from cds_service.errors import AuditError, RefractoryCdsError
from cds_service.fhir.allowed import AddressRules
from cds_service.fhir.client import Transport, open_connections
from cds_service.fhir.outcomes import operation_outcome, outcome_of
from cds_service.hooks.cards import CardMaker
from cds_service.hooks.completing import Reach
from cds_service.hooks.orders import build_templates
from cds_service.hooks.routes import HookService, hook_routes
from cds_service.hooks.services import SERVICES
from cds_service.knowledge.load import load_knowledge
from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.package import open_package
from cds_service.operations_log import log_event
from cds_service.recent import Recent
from cds_service.service import RETRY_AFTER, Service, forget, record_failure
from cds_service.settings import MIB, Settings
from cds_service.starting import config_digest, demand_approval, told_at_start, watch_log
from cds_service.trust.addresses import shared_rules
from cds_service.trust.admission import Admission
from cds_service.trust.clients import Clients, required_clients
from cds_service.trust.headers import CarefulHeaders
from cds_service.trust.opening import Trust, TrustChoices, open_trust
from cds_service.version import __version__
from cds_service.web.api import api_routes
from cds_service.web.knowledge_pages import knowledge_routes
from cds_service.web.operations import operations_routes
from cds_service.web.page import page_routes

SECONDS_OF_PREFLIGHT = 600
"""How long a browser need not ask again; a change of the allowed origins is felt after that."""
_HEADERS_OF_ERRORS: dict[int, dict[str, str]] = {
    HTTPStatus.REQUEST_TIMEOUT: {"Connection": "close"},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": RETRY_AFTER},
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: {
        "Accept": "application/json, application/fhir+json",
        "Accept-Encoding": "identity",
    },
}
DESCRIPTION = (
    "Works out lines of cancer therapy from a chart and infers for each whether the disease is "
    "possibly refractory to it. Advisory: every card shows its evidence, its source and what "
    "speaks against it, and leaves the decision to the clinician."
)


def create_app(
    settings: Settings | None = None,
    *,
    clock: Callable[[], datetime] = utc_now,
    new_id: Callable[[], str] = lambda: str(uuid4()),
    knowledge: Knowledge | None = None,
    transport: Transport | None = None,
    log: DecisionLog | None = None,
    day_from: AsOfSource = "clock",
) -> FastAPI:
    """The service. Clock, id maker, knowledge, connections and log can be given by tests.

    `day_from` is what the log says of the clock's day: `fixed` where the clock stands still.
    Raises KnowledgeError or AuditError where it cannot start: a service that could not record a
    decision does not begin to make any.
    """
    settings = settings or Settings()
    clients = required_clients(settings.clients_file) if settings.checks_tokens else None
    knowledge = knowledge or load_knowledge(site=settings.site_file)
    log = log or open_log(settings, clock, new_id)
    try:
        demand_approval(settings, knowledge)
    except AuditError:
        log.close()
        raise
    rules = AddressRules.listed(settings.fhir_servers, loopback_ok=bool(settings.allow_loopback))
    software = installed_software()
    service = Service(
        knowledge=knowledge,
        log=log,
        versions=Versions(
            software=__version__,
            knowledge=knowledge.version,
            knowledge_digest=knowledge.digest,
            python=platform.python_version(),
            config_digest=config_digest(settings),
            commit=software.commit,
            lock_digest=software.lock_digest,
        ),
        clock=clock,
        new_id=new_id,
        max_body_bytes=settings.max_body_bytes,
        keeps_requests=settings.audit_keep_requests,
        day_from=day_from,
    )
    reach = Reach(
        rules,
        transport or _connections(rules, clients),
        settings.fhir_seconds,
        recent=Recent(settings.recent_charts_mib * MIB),
        passages=Recent(settings.recent_charts_mib * MIB // 4),
    )
    if settings.fhir_credentials_file is not None:
        from cds_service.fhir.credentials import open_credentials  # few sites have any

        own = open_credentials(
            settings.fhir_credentials_file, rules, reach.transport, new_id=lambda: str(uuid4())
        )
        reach = replace(reach, credentials=own)
    hooks = HookService(
        service,
        CardMaker(knowledge, build_templates(knowledge), settings.public_url),
        reach,
        Recent(settings.recent_charts_mib * MIB),
    )
    trust = open_trust(
        TrustChoices(
            clients=clients,
            store_at=settings.trust_place,
            public_url=settings.public_url,
            calls_a_minute=settings.calls_a_minute,
            calls_at_once=settings.calls_at_once,
        ),
        record=lambda event: service.record(event, str(event.members["serviceId"])),
        clock=clock,
        services=frozenset(definition.id for definition in SERVICES),
        transport=transport,
    )
    app = FastAPI(
        title="refractory-cds", version=__version__, description=DESCRIPTION,
        lifespan=_lifespan(service, settings, trust), redirect_slashes=False,
        docs_url=None, redoc_url=None,
    )  # fmt: skip
    app.include_router(hook_routes(hooks))
    app.include_router(api_routes(service))
    app.include_router(operations_routes(service))
    app.include_router(page_routes())
    app.include_router(knowledge_routes(knowledge, _kept_knowledge(settings)))
    _answer_errors(app)
    app.add_middleware(Admission, door=trust.door)  # the innermost
    app.add_middleware(Unforeseen, service=service)
    app.add_middleware(Head)
    app.add_middleware(CarefulHeaders)
    app.add_middleware(
        Cors,
        allow_origins=list(settings.cors_origins),
        allow_methods=["GET", "HEAD", "POST"],
        allow_headers=["Authorization", "Content-Type"],
        expose_headers=["Retry-After"],
        max_age=SECONDS_OF_PREFLIGHT,
        allow_private_network=True,  # for these origins only; else browsers keep pages off it
    )
    return app


def _connections(rules: AddressRules, clients: Clients | None) -> Transport:
    return open_connections(shared_rules(rules, clients or {}))


def open_log(
    settings: Settings, clock: Callable[[], datetime], new_id: Callable[[], str]
) -> DecisionLog:
    """The decision log of these settings, made first where there is none."""
    address = settings.audit_address
    if isinstance(address, Path) and address.is_dir():
        raise AuditError(f"{address}: a folder, not the file of a decision log")
    try:
        if isinstance(address, Path):
            address.parent.mkdir(parents=True, exist_ok=True)
        return open_decision_log(
            address,
            key_file=settings.audit_key_file,
            data_key_file=settings.audit_data_key_file,
            clock=clock,
            make_id=new_id,
            patience_seconds=settings.audit_seconds,
            limits=Limits(seconds=settings.audit_seconds),
            spooling=_spooling(settings),
            signing=Signing(
                settings.audit_signing_key_file or default_signing_key_file(address),
                settings.audit_anchor_file,
                settings.audit_checkpoint_seconds,
                settings.audit_checkpoint_events,
            ),
        )
    except OSError as error:
        raise AuditError(f"{error.filename or address}: {error.strerror}") from None


def _spooling(settings: Settings) -> Spooling | None:
    if settings.audit_spool == "off":
        return None
    return Spooling(
        folder=settings.audit_spool or default_spool_folder(settings.audit_address),
        limits=SpoolLimits(
            bytes=settings.audit_spool_mib * MIB, age=timedelta(hours=settings.audit_spool_hours)
        ),
    )


def _lifespan(
    service: Service, settings: Settings, trust: Trust
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        given = (settings, service.knowledge, service.versions)
        for event in await asyncio.to_thread(lambda: list(told_at_start(*given))):
            with suppress(AlreadyRecorded):  # by another process that started with this one
                await service.log.append(event)
        heap.settle()
        watch = watch_log(service, settings)
        log_event("service.started", version=__version__, knowledge=service.knowledge.version)
        yield
        await trust.close()
        if watch is not None:
            await asyncio.to_thread(watch.close)
        with suppress(AuditError):
            await service.log.append(service_stopped_event(cause="shutdown"))
        service.log.close()
        log_event("service.stopped")

    return lifespan


def _kept_knowledge(settings: Settings) -> Callable[[str], Knowledge | None]:
    """Knowledge of an earlier digest as the log has kept it, for pages that old cards lead to."""

    def kept(digest: str) -> Knowledge | None:
        with open_reader(settings.audit_address, settings.audit_data_key_file) as reader:
            package = stored_package(reader, digest)
        return open_package(package, digest) if package is not None else None

    return kept


def _answer_errors(app: FastAPI) -> None:
    """Every error leaves as an OperationOutcome that repeats nothing of the request."""

    @app.exception_handler(RefractoryCdsError)
    async def ours(_: Request, error: RefractoryCdsError) -> Response:
        if error.http_status == HTTPStatus.INTERNAL_SERVER_ERROR:
            raise error  # foreseen, but not by whoever called: as any other error of ours
        headers = _HEADERS_OF_ERRORS.get(error.http_status)
        return _outcome(error.http_status, outcome_of(error), headers)

    @app.exception_handler(HTTPException)
    async def routing(_: Request, error: HTTPException) -> Response:
        code, sentence = {
            404: ("not-found", "there is nothing at this address"),
            405: ("not-supported", "this address does not take this method"),
        }.get(error.status_code, ("processing", "the request cannot be served"))
        headers = dict(error.headers or {})
        if headers.get("Allow") == "GET":
            headers["Allow"] = "GET, HEAD"
        return _outcome(error.status_code, operation_outcome(code, sentence), headers)


class Cors(CORSMiddleware):
    """Which browsers may call; whom they are told not to, they are told as any other error."""

    def preflight_response(self, request_headers: Headers) -> Response:
        answer = super().preflight_response(request_headers)
        if answer.status_code == HTTPStatus.OK:
            return answer
        headers = {name: answer.headers[name] for name in ("vary",) if name in answer.headers}
        if origin := answer.headers.get("access-control-allow-origin"):
            headers["access-control-allow-origin"] = origin
        sentence = "calls of this origin, method or headers are not taken from a browser"
        return _outcome(answer.status_code, operation_outcome("forbidden", sentence), headers)


class Head:
    """HEAD as GET without its body, wherever there is a GET."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET"}, receive, without_body)


class Unforeseen:
    """An error nobody foresaw: 500 with an id to find it by, and no word of the chart.

    The call that it ended goes on record as failed, before the answer leaves.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = False

        async def note_start(message: Message) -> None:
            nonlocal began
            began = began or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, note_start)
        except Exception as error:
            if scope["type"] != "http" or began:
                raise
            answer = _internal_error(error)
            await record_failure(Request(scope), answer, type(error).__name__, self._service)
            await answer(scope, receive, send)
        finally:
            forget(scope)


def _internal_error(error: Exception) -> Response:
    error_id = str(uuid4())
    log_event(
        "error.unforeseen",
        level=logging.ERROR,
        error=f"{type(error).__name__} at {_place(error)}",
        error_id=error_id,
    )
    said = f"an unforeseen error; its id in the operations log is {error_id}"
    return _outcome(500, operation_outcome("exception", said))


def _place(error: BaseException) -> str:
    """File and line where it was raised; never its message, which may quote a chart."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "?"
    return f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}"


def _outcome(
    status: int, outcome: dict[str, object], headers: Mapping[str, str] | None = None
) -> Response:
    return Response(orjson.dumps(outcome), status, headers, media_type="application/json")
