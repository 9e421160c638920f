"""CDS Hooks on the wire: discovery, the hook call, feedback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import cast

import orjson
from fastapi import APIRouter, Request, Response

from cds_service.audit import MissingInput, Outcome, User
from cds_service.audit.of_assessment import inputs_used, outcome_of_cards
from cds_service.batch import issue_of, with_issues
from cds_service.clinical.assessment import Assessment
from cds_service.clinical.ordering import OrderWarning, order_warnings
from cds_service.errors import FhirError, InvalidRequest, LogUnavailable
from cds_service.fhir.outcomes import outcome_of
from cds_service.hooks import examples
from cds_service.hooks.card_text import not_seen
from cds_service.hooks.cards import CardMaker, cards_for
from cds_service.hooks.drafting import drafts_of, names_an_agent
from cds_service.hooks.feedback import take_feedback
from cds_service.hooks.memory import earlier_cards
from cds_service.hooks.messages import HookCall, OrderSignContext, read_call
from cds_service.hooks.order_cards import order_cards, warnings_decided
from cds_service.hooks.prefetch import Chart, ChartResource, Reach, complete_prefetch
from cds_service.hooks.services import SERVICES, HookDefinition, discovery
from cds_service.intake import read_body
from cds_service.openapi import ANY_ERROR, JSON
from cds_service.service import (
    Asked,
    Decided,
    Service,
    asked_by,
    assess_chart,
    record_decision,
    record_refusal,
)

NO_CARDS = orjson.dumps({"cards": []})


@dataclass(frozen=True, slots=True)
class HookService:
    """What the hook's routes need beside the service itself."""

    service: Service
    maker: CardMaker
    reach: Reach


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
    async def answer(request: Request) -> Response:
        asked = asked_by(request, service, definition.id)
        try:
            asked.body = await read_body(request, service.max_body_bytes)
            call = read_call(asked.body, definition.hook, definition.call)
            as_of = note_call(call, asked, service)
            decided = await _decide(call, asked, as_of, hooks)
        except InvalidRequest as error:
            await record_refusal(asked, error, service)
            raise
        await record_decision(asked, decided, service)
        return Response(decided.response, decided.http_status, media_type=JSON)


def note_call(call: HookCall, asked: Asked, service: Service) -> date:
    """Who asked about whom, for the record; gives the day that the chart is judged on."""
    asked.call = replace(asked.call, hook=call.hook, hook_instance=call.hook_instance)
    asked.user = User(user_id=call.context.user_id)
    asked.patient_id = call.context.patient_id
    asked.encounter_id = call.context.encounter_id
    asked.fhir_server = call.fhir_server
    asked.as_of = service.today()
    return asked.as_of.day


async def _decide(call: HookCall, asked: Asked, as_of: date, hooks: HookService) -> Decided:
    """From the call to the answer; data that cannot be had is an answer too, with 412."""
    service, reach = hooks.service, hooks.reach.of(asked.caller)
    drafts = None
    if isinstance(call.context, OrderSignContext):
        with asked.watch.stage("drafts"):
            drafts = await drafts_of(call, call.context, reach, as_of, service.knowledge)
    if drafts is not None and not names_an_agent(drafts, service.knowledge):
        return Decided(Outcome.NOTHING_TO_ADVISE, 200, NO_CARDS, issues=drafts.issues)
    try:
        with asked.watch.stage("fetch"):
            chart = await complete_prefetch(call, reach)
        with asked.watch.stage("recall"):
            earlier = await earlier_cards(asked, chart.resources, service)
            if drafts is not None:  # each order is an occasion of its own
                earlier = replace(earlier, returned=())
    except (FhirError, LogUnavailable) as error:
        is_ours = isinstance(error, LogUnavailable)
        return Decided(
            outcome=Outcome.FAILED if is_ours else Outcome.DATA_UNAVAILABLE,
            http_status=error.http_status,
            response=orjson.dumps(outcome_of(error)),
            error_class=type(error).__name__,
        )
    with asked.watch.stage("assess"):
        assessment = await assess_chart(
            chart.resources, as_of, service, call.patient, chart.problems, earlier
        )
    with asked.watch.stage("render"):
        unseen = not_seen(chart.missing)
        given = (assessment, asked.decision_id, hooks.maker, call.context.encounter_id)
        if drafts is None:
            warnings, cards = None, cards_for(*given, not_seen=unseen)
        else:
            warnings = order_warnings(assessment, drafts, service.knowledge, earlier)
            cards = order_cards(warnings, *given, not_seen=unseen)
        response = orjson.dumps({"cards": [card.json for card in cards]})
    return Decided(
        outcome=_outcome(assessment, len(cards), warnings),
        http_status=200,
        response=response,
        assessment=with_issues(assessment, map(issue_of, chart.not_read)),
        inputs=inputs_used(assessment, lambda resource: cast(ChartResource, resource).origin),
        missing=_missing(chart),
        cards=tuple(card.returned for card in cards),
        advice=None if warnings is None else warnings_decided(warnings),
        issues=drafts.issues if drafts is not None else (),
    )


def _outcome(
    assessment: Assessment, cards: int, warnings: Sequence[OrderWarning] | None
) -> Outcome:
    """How a call ended; of draft orders by what there was to say of them."""
    if cards or warnings is None or not assessment.cancers:
        return outcome_of_cards(assessment, cards)
    return Outcome.ALL_SUPPRESSED if warnings else Outcome.NOTHING_TO_ADVISE


def _missing(chart: Chart) -> tuple[MissingInput, ...]:
    return tuple(MissingInput(key, code) for key, code in chart.missing)
