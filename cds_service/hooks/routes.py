"""CDS Hooks on the wire: discovery, the hook call, feedback."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from http import HTTPStatus

import orjson
from fastapi import APIRouter, Request, Response

from cds_service.audit import Outcome, User
from cds_service.batch import issue_of, with_issues
from cds_service.clinical.advice import EarlierCards
from cds_service.clinical.assessment import Assessment, advise
from cds_service.errors import FhirError, InvalidRequest, LogUnavailable
from cds_service.fhir.outcomes import outcome_of
from cds_service.hooks import examples
from cds_service.hooks.cards import CardMaker
from cds_service.hooks.completing import Reach, complete_prefetch
from cds_service.hooks.deciding import (
    Prepared,
    data_unavailable,
    memory_for,
    nothing_drafted,
    prepare,
)
from cds_service.hooks.drafting import drafts_of
from cds_service.hooks.feedback import take_feedback
from cds_service.hooks.known_text import keep, known_in, pieces_of
from cds_service.hooks.memory import earlier_cards
from cds_service.hooks.messages import HookCall, OrderSignContext, outline_of, read_call
from cds_service.hooks.opened import Opened
from cds_service.hooks.prefetch import Chart, Glance, glance_at
from cds_service.hooks.services import SERVICES, HookDefinition, discovery
from cds_service.intake import beside, look_through, read_body, read_text
from cds_service.openapi import ANY_ERROR, JSON
from cds_service.recent import Recent
from cds_service.service import (
    RETRY_AFTER,
    Asked,
    Decided,
    Service,
    asked_by,
    record_decision,
    record_refusal,
    study_chart,
)


@dataclass(frozen=True, slots=True)
class HookService:
    """What the hook's routes need beside the service itself."""

    service: Service
    maker: CardMaker
    reach: Reach
    recent: Recent[Opened] = field(default_factory=lambda: Recent(0))


def hook_routes(hooks: HookService) -> APIRouter:
    """The routes of CDS Hooks, over one service."""
    routes = APIRouter(prefix="/cds-services", tags=["CDS Hooks"], responses=ANY_ERROR)
    service = hooks.service

    @routes.get("", openapi_extra=examples.DISCOVERY)
    async def discover() -> Response:
        """The services on offer (CDS Hooks discovery)."""
        return Response(orjson.dumps(discovery()), media_type=JSON)

    for definition in SERVICES:
        _add_service(routes, definition, hooks)

    @routes.post("/{service_id}/feedback", openapi_extra=examples.FEEDBACK)
    async def feedback(service_id: str, request: Request) -> Response:
        """What was done with cards that were returned before (CDS Hooks feedback)."""
        known = service_id in {definition.id for definition in SERVICES}
        asked = asked_by(request, service, service_id if known else "unknown")
        try:
            if not known:
                raise InvalidRequest("there is no such service", http_status=404)
            asked.body = await read_body(request, service.max_body_bytes)
            await take_feedback(asked, service)
        except InvalidRequest as error:
            await record_refusal(asked, error, service)
            raise
        return Response(b"{}", media_type=JSON)

    return routes


def _add_service(routes: APIRouter, definition: HookDefinition, hooks: HookService) -> None:
    """The route of one service; all are answered in the same way."""
    service = hooks.service

    @routes.post(
        f"/{definition.id}",
        name=definition.id.replace("-", "_"),
        summary=definition.title,
        description=definition.about,
        openapi_extra=examples.HOOK_CALLS[definition.hook],
    )
    async def respond(request: Request) -> Response:
        asked = asked_by(request, service, definition.id)
        try:
            asked.body = await read_text(request, service.max_body_bytes)
            call, glance = await _read(asked, definition, hooks)
            as_of = note_call(call, asked, service)
            decided = await _decide(call, glance, asked, as_of, hooks)
        except InvalidRequest as error:
            await record_refusal(asked, error, service)
            raise
        await record_decision(asked, decided, service)
        is_for_later = decided.http_status == HTTPStatus.SERVICE_UNAVAILABLE
        headers = {"Retry-After": RETRY_AFTER} if is_for_later else None
        return Response(decided.response, decided.http_status, headers, media_type=JSON)


async def _read(
    asked: Asked, definition: HookDefinition, hooks: HookService
) -> tuple[HookCall, Glance]:
    """The call. Of one whose prefetch was looked through a moment ago, the rest is looked through.

    Notes in `asked` which passage of the body its prefetch is.
    """
    body, reach, most = asked.body, hooks.reach, hooks.service.max_body_bytes
    if (known := await known_in(body, reach.passages)) is not None:
        asked.pieces, outline = known
        await look_through(outline.rest, most)
        call = read_call(body, definition.hook, definition.call, outline)
        glance = glance_at(call, asked.pieces, reach.recent)
        if glance.sorted is not None:
            return call, glance
    read = await beside(len(body), outline_of, body)
    await look_through(body, most)
    call = read_call(body, definition.hook, definition.call, read)
    if read is not None and reach.passages.is_on:
        asked.pieces = await pieces_of(body, read)
        if asked.pieces is not None:
            keep(asked.pieces, reach.passages)
    return call, glance_at(call, asked.pieces, reach.recent)


def note_call(call: HookCall, asked: Asked, service: Service) -> date:
    """Who asked about whom, for the record; gives the day that the chart is judged on."""
    asked.call = replace(asked.call, hook=call.hook, hook_instance=call.hook_instance)
    asked.user = User(user_id=call.context.user_id)
    asked.patient_id = call.context.patient_id
    asked.encounter_id = call.context.encounter_id
    asked.fhir_server = call.fhir_server
    asked.as_of = service.today()
    return asked.as_of.day


async def _decide(
    call: HookCall, glance: Glance, asked: Asked, as_of: date, hooks: HookService
) -> Decided:
    """From the call to the answer; data that cannot be had is an answer too, with 412."""
    service, reach = hooks.service, hooks.reach.of(asked.caller)
    drafts = None
    if isinstance(call.context, OrderSignContext):
        with asked.watch.stage("drafts"):
            drafts = await drafts_of(call, call.context, reach, as_of, service.knowledge)
        if (without := nothing_drafted(drafts, hooks.maker)) is not None:
            return without
    try:
        with asked.watch.stage("fetch"):
            chart = await complete_prefetch(call, reach, glance)
        with asked.watch.stage("recall"):
            remembered = await earlier_cards(asked, chart.resources, service)
            earlier = memory_for(drafts.drafts if drafts else None, remembered)
    except FhirError as error:
        return data_unavailable(error, hooks.maker)
    except LogUnavailable as error:
        return Decided(
            outcome=Outcome.FAILED,
            http_status=error.http_status,
            response=orjson.dumps(outcome_of(error)),
            error_class=type(error).__name__,
        )
    rests_on = (earlier, chart.missing, chart.problems, call.context.encounter_id)
    with asked.watch.stage("assess"):
        opened = await _open(call, chart, as_of, hooks)
        known = opened.answer_to(rests_on) if drafts is None else None
        advised = known or _advised(opened, chart, earlier)
    with asked.watch.stage("render"):
        if isinstance(advised, Prepared):
            return advised.under(asked.decision_id)
        given = (advised, chart, drafts, earlier, call.context.encounter_id)
        prepared = prepare(*given, hooks.maker)
        if drafts is None:  # orders are another matter each time
            opened.keep(rests_on, prepared)
        return prepared.under(asked.decision_id)


async def _open(call: HookCall, chart: Chart, as_of: date, hooks: HookService) -> Opened:
    """The chart with all that it says on this day; one of a moment ago is not studied again."""
    key = chart.digest and chart.digest + as_of.isoformat().encode()
    opened = hooks.recent.get(key) if key else None
    if opened is None:
        opened = Opened(await study_chart(chart.resources, as_of, hooks.service, call.patient))
        if key:
            hooks.recent.keep(key, opened, opened.held)
    return opened


def _advised(opened: Opened, chart: Chart, earlier: EarlierCards) -> Assessment:
    return with_issues(advise(opened.studied, earlier), map(issue_of, chart.problems))
