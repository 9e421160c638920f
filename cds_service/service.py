"""What the routes share: the knowledge, the decision log, the clock, and one way to record."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import msgspec
from starlette.requests import ClientDisconnect, Request

from cds_service.audit import (
    AsOf,
    Call,
    CardReturned,
    Client,
    Decision,
    DecisionLog,
    Input,
    MissingInput,
    Outcome,
    User,
    Versions,
    decision_event,
    refusal_event,
)
from cds_service.audit.of_assessment import advice_decided, cancers_decided, issues_counted
from cds_service.clinical.assessment import Assessment, assess
from cds_service.clinical.assessment_json import to_bytes
from cds_service.clinical.record import RawResource
from cds_service.errors import InvalidRequest, LogUnavailable
from cds_service.knowledge.model import Knowledge
from cds_service.metrics import CALLS, ISSUES, STAGES
from cds_service.operations_log import log_event

LONG_CHART_BYTES = 2 * 1024 * 1024
"""A chart of more bytes is assessed in a thread, so that short ones need not wait for it."""


@dataclass(frozen=True, slots=True)
class Service:
    """One process of the service. Clock and id maker are given, so that tests hold them still."""

    knowledge: Knowledge
    log: DecisionLog
    versions: Versions
    clock: Callable[[], datetime]
    new_id: Callable[[], str]
    max_body_bytes: int
    keeps_requests: bool = True

    def today(self) -> date:
        return self.clock().astimezone(UTC).date()


@dataclass(slots=True)
class Stopwatch:
    """Milliseconds by stage, from the monotonic clock."""

    milliseconds: dict[str, float] = field(default_factory=dict)
    _began: float = field(default_factory=time.perf_counter)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - began
            self.milliseconds[name] = spent * 1000
            STAGES.labels(name).observe(spent)

    def total(self) -> float:
        """Milliseconds since the call came in."""
        return (time.perf_counter() - self._began) * 1000


@dataclass(slots=True)
class Asked:
    """One call while it is answered: what the log will want to know of it."""

    call: Call
    client: Client
    received_at: datetime
    body: bytes = b""
    decision_id: str = ""
    user: User | None = None
    patient_id: str | None = None
    encounter_id: str | None = None
    fhir_server: str | None = None
    as_of: AsOf | None = None
    watch: Stopwatch = field(default_factory=Stopwatch)


@dataclass(frozen=True, slots=True)
class Decided:
    """What the answer to a call says, for the log."""

    outcome: Outcome
    http_status: int
    response: bytes
    assessment: Assessment | None = None
    inputs: tuple[Input, ...] = ()
    missing: tuple[MissingInput, ...] = ()
    cards: tuple[CardReturned, ...] = ()
    error_class: str | None = None


def asked_by(request: Request, service: Service, service_id: str) -> Asked:
    """The beginning of a call's record."""
    origin = request.client.host if request.client else None
    return Asked(
        call=Call(service_id=service_id, request_id=request.headers.get("x-request-id")),
        client=Client(network_origin=origin),
        received_at=service.clock(),
        decision_id=service.new_id(),
    )


async def read_body(request: Request, most: int) -> bytes:
    """The request body; raises InvalidRequest (413) beyond `most` bytes, without reading on."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most:
        raise _too_large(most)
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > most:
                raise _too_large(most)
            parts.append(part)
    except ClientDisconnect:
        raise InvalidRequest("the body ended early") from None
    return b"".join(parts)


def _too_large(most: int) -> InvalidRequest:
    limit = most // (1024 * 1024)
    return InvalidRequest(f"the body is larger than {limit} MiB", http_status=413)


async def assess_chart(
    resources: Iterable[RawResource], as_of: date, service: Service, patient: str | None
) -> Assessment:
    """The assessment of one chart; a long one does not hold up the others."""
    chart = list(resources)
    if sum(len(bytes(r.raw)) for r in chart) < LONG_CHART_BYTES:
        return assess(chart, as_of, service.knowledge, patient)
    return await asyncio.to_thread(assess, chart, as_of, service.knowledge, patient)


async def record_decision(asked: Asked, decided: Decided, service: Service) -> None:
    """Put a decision on record; returns once it is on disk, and only then may the answer leave.

    Raises LogUnavailable where the log cannot take it.
    """
    assessment = decided.assessment
    decision = Decision(
        decision_id=asked.decision_id,
        received_at=asked.received_at,
        call=asked.call,
        client=asked.client,
        user=asked.user,
        outcome=decided.outcome,
        http_status=decided.http_status,
        response=decided.response,
        versions=service.versions,
        patient_id=asked.patient_id,
        encounter_id=asked.encounter_id,
        fhir_server=asked.fhir_server,
        as_of=asked.as_of,
        request=asked.body,
        keep_request=service.keeps_requests,
        inputs=decided.inputs,
        inputs_missing=decided.missing,
        issues=issues_counted(assessment) if assessment else {},
        cancers=cancers_decided(assessment) if assessment else (),
        advice=advice_decided(assessment) if assessment else (),
        cards=decided.cards,
        assessment=to_bytes(assessment) if assessment else None,
        error_class=decided.error_class,
        latency_ms={**asked.watch.milliseconds, "total": asked.watch.total()},
    )
    with asked.watch.stage("record"):
        await service.log.append(decision_event(decision))
    _count(asked, decided)


def _count(asked: Asked, decided: Decided) -> None:
    CALLS.labels(asked.call.service_id, decided.outcome).inc()
    issues = issues_counted(decided.assessment) if decided.assessment else {}
    for code, count in issues.items():
        ISSUES.labels(code).inc(count)
    log_event(
        "call.answered",
        service=asked.call.service_id,
        decision=asked.decision_id,
        outcome=decided.outcome,
        status=decided.http_status,
        cards=len(decided.cards),
        used=len(decided.inputs),
        issues=sum(issues.values()),
        missing=len(decided.missing),
        milliseconds=round(asked.watch.total(), 3),
    )


async def record_refusal(asked: Asked, error: InvalidRequest, service: Service) -> None:
    """Put a call that was turned away on record, without its body."""
    reason = {413: "oversized", 404: "unknown-service"}.get(error.http_status, "malformed")
    event = refusal_event(
        reason,  # type: ignore[arg-type]
        http_status=error.http_status,
        call=asked.call,
        client=asked.client,
        received_at=asked.received_at,
    )
    CALLS.labels(asked.call.service_id, "refused").inc()
    log_event("call.refused", service=asked.call.service_id, cause=reason, status=error.http_status)
    try:
        await service.log.append(event)
    except LogUnavailable:
        log_event("log.unavailable", service=asked.call.service_id)


class _Versioned(msgspec.Struct):
    """Which version of a resource was read."""

    resourceType: str
    id: str | None = None
    meta: dict[str, msgspec.Raw] | None = None


def inputs_used(
    resources: Iterable[RawResource], assessment: Assessment, origins: Iterable[str]
) -> tuple[Input, ...]:
    """The resources that the assessment rests on, with their versions."""
    used = set(assessment.used)
    found = []
    for resource, origin in zip(resources, origins, strict=True):
        raw = bytes(resource.raw)
        try:
            head = msgspec.json.decode(raw, type=_Versioned)
        except msgspec.DecodeError:
            continue
        reference = f"{head.resourceType}/{head.id}" if head.id else resource.full_url
        if reference not in used:
            continue
        found.append(
            Input(
                reference=reference,
                content=raw,
                origin=origin,  # type: ignore[arg-type]
                version_id=_text(head.meta, "versionId"),
                last_updated=_text(head.meta, "lastUpdated"),
            )
        )
    return tuple(found)


def _text(meta: dict[str, msgspec.Raw] | None, name: str) -> str | None:
    if not meta or name not in meta:
        return None
    try:
        return msgspec.json.decode(meta[name], type=str)
    except msgspec.DecodeError:
        return None
