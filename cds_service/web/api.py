"""POST /api/assess: a FHIR Bundle in, the Assessment JSON out; a decision like any other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from fastapi import APIRouter, Request, Response

from cds_service.audit import AsOf, Outcome
from cds_service.clinical.assessment import Assessment
from cds_service.clinical.assessment_json import to_bytes
from cds_service.dates import parse_day
from cds_service.errors import InvalidRequest, UnreadableInput
from cds_service.fhir.bundles import RawResource, unpack
from cds_service.fhir.references import head_of
from cds_service.service import (
    Asked,
    Decided,
    Service,
    asked_by,
    assess_chart,
    inputs_used,
    read_body,
    record_decision,
    record_refusal,
)

SERVICE_ID = "assess"
OPENAPI: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A FHIR R4 Bundle of any type, with the chart of one patient.",
        "content": {
            "application/json": {
                "schema": {"type": "object"},
                "example": {"resourceType": "Bundle", "type": "collection", "entry": []},
            }
        },
    }
}


def api_routes(service: Service) -> APIRouter:
    """The routes under /api."""
    routes = APIRouter(prefix="/api", tags=["Assessment"])

    @routes.post("/assess", openapi_extra=OPENAPI)
    async def assess_bundle(request: Request, asOf: str | None = None) -> Response:
        """The Assessment of the one patient in a Bundle, as on `asOf` (today by default)."""
        asked = asked_by(request, service, SERVICE_ID)
        try:
            asked.body = await read_body(request, service.max_body_bytes)
            as_of = _note_day(asOf, asked, service)
            resources = _resources(asked.body)
            with asked.watch.stage("assess"):
                assessment = await assess_chart(resources, as_of, service, _patient(resources))
        except UnreadableInput as error:
            invalid = InvalidRequest(str(error))
            await record_refusal(asked, invalid, service)
            raise invalid from None
        except InvalidRequest as error:
            await record_refusal(asked, error, service)
            raise
        asked.patient_id = assessment.patient.removeprefix("Patient/") or None
        await record_decision(asked, _decided(assessment, resources), service)
        return Response(to_bytes(assessment), media_type="application/json")

    return routes


def _note_day(text: str | None, asked: Asked, service: Service) -> date:
    if text is None:
        asked.as_of = AsOf(day=service.today(), source="clock", time_zone="UTC")
        return service.today()
    try:
        day = parse_day(text)
    except ValueError as fault:
        raise InvalidRequest(str(fault), where="asOf") from None
    asked.as_of = AsOf(day=day, source="query", time_zone="UTC")
    return day


def _resources(body: bytes) -> Sequence[RawResource]:
    unpacked = unpack(body)
    if unpacked.root == "OperationOutcome":
        raise InvalidRequest("an OperationOutcome stands in place of the Bundle")
    if not unpacked.resources:
        raise InvalidRequest("the Bundle holds no resource")
    return unpacked.resources


def _patient(resources: Sequence[RawResource]) -> str | None:
    """Whose chart it is, where Patient resources tell; two of them are two charts."""
    heads = [head for r in resources if (head := head_of(r)) is not None]
    patients = {head.name for head in heads if head.resource_type == "Patient" and head.id}
    if len(patients) > 1:
        raise InvalidRequest("the Bundle holds several patients: send one chart at a time")
    return next(iter(patients), None)


def _decided(assessment: Assessment, resources: Sequence[RawResource]) -> Decided:
    return Decided(
        outcome=Outcome.ASSESSED,
        http_status=200,
        response=to_bytes(assessment),
        assessment=assessment,
        inputs=inputs_used(resources, assessment, ("prefetch" for _ in resources)),
    )
