"""CDS Hooks on the wire: discovery, the hook call, feedback."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Any, cast

import orjson
from fastapi import APIRouter, Request, Response

from cds_service.audit import MissingInput, Outcome, User
from cds_service.audit.of_assessment import inputs_used, outcome_of_cards
from cds_service.batch import issue_of, with_issues
from cds_service.errors import FhirError, InvalidRequest, LogUnavailable
from cds_service.fhir.outcomes import outcome_of
from cds_service.fhir.queries import prefetch_templates
from cds_service.hooks import examples
from cds_service.hooks.card_text import not_seen
from cds_service.hooks.cards import CardMaker, cards_for
from cds_service.hooks.feedback import take_feedback
from cds_service.hooks.memory import earlier_cards
from cds_service.hooks.messages import HookCall, read_call
from cds_service.hooks.prefetch import Chart, ChartResource, Reach, complete_prefetch
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

SERVICE_ID = "refractory-status"
HOOK = "patient-view"


@dataclass(frozen=True, slots=True)
class HookService:
    """What the hook's routes need beside the service itself."""

    service: Service
    maker: CardMaker
    reach: Reach


def discovery() -> dict[str, Any]:
    """What a client is told of the service."""
    return {
        "services": [
            {
                "id": SERVICE_ID,
                "hook": HOOK,
                "title": "Possible refractory cancer status",
                "description": "Works out the lines of cancer therapy from the chart, infers for "
                "each whether the disease is possibly refractory to it, and prompts restaging, "
                "biopsy or a trial referral. Advisory; every card shows its evidence, its source "
                "and what speaks against it.",
                "version": "2.0.1",
                "hookVersion": "1.0",
                "usageRequirements": "FHIR R4. Keys that are not prefetched are read from "
                "fhirServer; patient, conditions, medicationRequests and observations are needed.",
                "prefetch": prefetch_templates(),
            }
        ]
    }


def hook_routes(hooks: HookService) -> APIRouter:
    """The routes of CDS Hooks, over one service."""
    routes = APIRouter(prefix="/cds-services", tags=["CDS Hooks"], responses=ANY_ERROR)
    service = hooks.service

    @routes.get("", openapi_extra=examples.DISCOVERY)
    async def discover() -> Response:
        """The services on offer (CDS Hooks discovery)."""
        return Response(orjson.dumps(discovery()), media_type=JSON)

    @routes.post(f"/{SERVICE_ID}", openapi_extra=examples.HOOK_CALL)
    async def refractory_status(request: Request) -> Response:
        """Advisory cards for the patient whose chart was opened (hook patient-view)."""
        asked = asked_by(request, service, SERVICE_ID)
        try:
            asked.body = await read_body(request, service.max_body_bytes)
            call = read_call(asked.body, HOOK)
            as_of = note_call(call, asked, service)
            decided = await _decide(call, asked, as_of, hooks)
        except InvalidRequest as error:
            await record_refusal(asked, error, service)
            raise
        await record_decision(asked, decided, service)
        return Response(decided.response, decided.http_status, media_type=JSON)

    @routes.post("/{service_id}/feedback", openapi_extra=examples.FEEDBACK)
    async def feedback(service_id: str, request: Request) -> Response:
        """What was done with cards that were returned before (CDS Hooks feedback)."""
        known = service_id == SERVICE_ID
        asked = asked_by(request, service, SERVICE_ID if known else "unknown")
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
    service = hooks.service
    try:
        with asked.watch.stage("fetch"):
            chart = await complete_prefetch(call, hooks.reach.of(asked.caller))
        with asked.watch.stage("recall"):
            earlier = await earlier_cards(asked, chart.resources, service)
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
        cards = cards_for(
            assessment,
            asked.decision_id,
            hooks.maker,
            call.context.encounter_id,
            not_seen=not_seen(chart.missing),
        )
        response = orjson.dumps({"cards": [card.json for card in cards]})
    return Decided(
        outcome=outcome_of_cards(assessment, len(cards)),
        http_status=200,
        response=response,
        assessment=with_issues(assessment, map(issue_of, chart.not_read)),
        inputs=inputs_used(assessment, lambda resource: cast(ChartResource, resource).origin),
        missing=_missing(chart),
        cards=tuple(card.returned for card in cards),
    )


def _missing(chart: Chart) -> tuple[MissingInput, ...]:
    return tuple(MissingInput(key, code) for key, code in chart.missing)
