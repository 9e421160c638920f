"""POST /api/assess: a FHIR Bundle in, the Assessment JSON out; a decision like any other."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from cds_service.audit import AsOf, Outcome
from cds_service.audit.of_assessment import Told, inputs_used
from cds_service.audit.snapshot import FORM, Snapshot
from cds_service.batch import issue_of, with_issues
from cds_service.clinical.assessment import Assessment, assess
from cds_service.clinical.assessment_json import to_bytes
from cds_service.dates import parse_day
from cds_service.errors import InvalidRequest, UnreadableInput
from cds_service.fhir.bundles import unpack
from cds_service.fhir.charts import Chart, charts_of
from cds_service.intake import MOST_RESOURCES, read_body
from cds_service.knowledge.model import Knowledge
from cds_service.openapi import ANY_ERROR, JSON, answers, body
from cds_service.service import (
    Asked,
    Decided,
    Service,
    asked_by,
    assess_chart,
    record_decision,
    record_refusal,
)
from cds_service.web import shapes

SERVICE_ID = "assess"
_EXAMPLE = {
    "resourceType": "Bundle",
    "type": "collection",
    "entry": [
        {"resource": {"resourceType": "Patient", "id": "p1"}},
        {
            "resource": {
                "resourceType": "Condition",
                "id": "c1",
                "subject": {"reference": "Patient/p1"},
                "code": {"coding": [{"system": "http://snomed.info/sct", "code": "109989006"}]},
            }
        },
    ],
}
_NOTHING_KNOWN = {
    "patient": "Patient/p1",
    "asOf": "2026-11-21",
    "knowledge": {"version": "2026.11.0", "digest": "sha256:" + 64 * "0"},
    "cancers": [],
    "issues": [],
}
OPENAPI: dict[str, Any] = {
    "requestBody": body(
        "A FHIR R4 Bundle of any type, with the chart of one patient.", _EXAMPLE, shapes.CHART
    ),
    "responses": answers(
        _NOTHING_KNOWN,
        *("400", "401", "408", "413", "415", "429", "503"),
        shape=shapes.ASSESSMENT,
    ),
}
Day = Annotated[
    str | None,
    Query(description="The day to judge on, as 2026-11-21; today (UTC) by default."),
]

Explain = Annotated[
    str | None,
    Query(description="`true`: say of every rule whether it held, did not, or cannot be told."),
]


def api_routes(service: Service) -> APIRouter:
    """The routes under /api."""
    routes = APIRouter(prefix="/api", tags=["Assessment"], responses=ANY_ERROR)

    @routes.post("/assess", openapi_extra=OPENAPI)
    async def assess_bundle(
        request: Request, asOf: Day = None, explain: Explain = None
    ) -> Response:
        """The Assessment of the one patient in a Bundle, as on `asOf` (today by default)."""
        asked = asked_by(request, service, SERVICE_ID)
        try:
            asked.body = await read_body(request, service.max_body_bytes)
            as_of = _note_day(asOf, asked, service)
            is_explained = _is_true(explain)
            chart = chart_in(asked.body)
            asked.patient_id = chart.patient.removeprefix("Patient/")
            with asked.watch.stage("assess"):
                assessment = await assess_chart(
                    chart.resources, as_of, service, chart.patient, chart.problems
                )
        except InvalidRequest as error:
            await record_refusal(asked, error, service)
            raise
        decided = assessed(assessment, explain=is_explained)
        await record_decision(asked, decided, service)
        return Response(decided.response, media_type=JSON)

    return routes


def _is_true(text: str | None) -> bool:
    if text not in (None, "true", "false"):
        raise InvalidRequest("neither true nor false", where="explain")
    return text == "true"


def _note_day(text: str | None, asked: Asked, service: Service) -> date:
    if text is None:
        asked.as_of = service.today()
        return asked.as_of.day
    try:
        day = parse_day(text)
    except ValueError as fault:
        raise InvalidRequest(str(fault), where="asOf") from None
    asked.as_of = AsOf(day=day, source="query", time_zone="UTC")
    return day


def chart_in(body: bytes) -> Chart:
    """The one chart in a body, sorted as files are; raises InvalidRequest for none, or several."""
    try:
        unpacked = unpack(body, most=MOST_RESOURCES)
    except UnreadableInput as error:
        raise InvalidRequest(str(error), http_status=error.http_status) from None
    if unpacked.root == "OperationOutcome":
        raise InvalidRequest("an OperationOutcome stands in place of the Bundle")
    charts = list(charts_of(unpacked.resources, tuple(unpacked.shortfalls())))
    if not charts:
        raise InvalidRequest("the Bundle holds no patient, and nothing of a patient")
    if len(charts) > 1:
        raise InvalidRequest("the Bundle holds several patients: send one chart at a time")
    return charts[0]


def assess_again(body: bytes, as_of: date, knowledge: Knowledge, *, explain: bool) -> Decided:
    """The answer to a Bundle as it would be given now; raises InvalidRequest for none."""
    chart = chart_in(body)
    assessment = assess(chart.resources, as_of, knowledge, chart.patient)
    issues = map(issue_of, chart.problems)
    return assessed(with_issues(assessment, issues), explain=explain)


def assessed(assessment: Assessment, *, explain: bool) -> Decided:
    """The answer to a Bundle, and what the log keeps of how it came about."""
    return Decided(
        outcome=Outcome.ASSESSED,
        http_status=200,
        response=to_bytes(assessment, explain=explain),
        told=Told(assessment, inputs_used(assessment, lambda _: "prefetch")),
        snapshot=Snapshot(FORM, explain=explain),
    )
