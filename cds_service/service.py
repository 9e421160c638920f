"""What the routes share: the knowledge, the decision log, the clock, and one way to record."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from cds_service.audit import (
    AdviceDecided,
    AsOf,
    AsOfSource,
    Call,
    CardReturned,
    Client,
    Decision,
    DecisionLog,
    Event,
    EventType,
    MissingInput,
    Outcome,
    Pieces,
    Remembered,
    Sought,
    User,
    Versions,
    decision_event,
    delivery_event,
    refusal_event,
)
from cds_service.audit.entries import Refusal
from cds_service.audit.of_assessment import Told, state_used
from cds_service.audit.snapshot import Snapshot
from cds_service.audit.watching import Verified
from cds_service.batch import issue_of, with_issues
from cds_service.clinical.advice import NO_EARLIER_CARDS, EarlierCards
from cds_service.clinical.assessment import Assessment, Studied, advise, study
from cds_service.clinical.record import Issue, RawResource
from cds_service.errors import (
    AuditError,
    InterruptedRequest,
    InvalidRequest,
    LogUnavailable,
    UnreadableInput,
)
from cds_service.fhir.bundles import Problem
from cds_service.intake import beside, has_gone
from cds_service.knowledge.model import Knowledge
from cds_service.metrics import CALLS, CARDS, ISSUES, Stopwatch
from cds_service.operations_log import log_event
from cds_service.trust.checking import Caller

RETRY_AFTER = "5"
"""Seconds after which a call may be tried again that the decision log could not take."""


@dataclass(slots=True)
class LogState:
    """Whether the last entry that was offered could be stored; what verification came to last."""

    is_failing: bool = False
    verified: Verified | None = None


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
    day_from: AsOfSource = "clock"
    log_state: LogState = field(default_factory=LogState)

    def today(self) -> AsOf:
        """The day by the service's clock (UTC), which may be held still."""
        day = self.clock().astimezone(UTC).date()
        return AsOf(day=day, source=self.day_from, time_zone="UTC")

    async def record(self, event: Event, service_id: str) -> None:
        """Put one entry in the decision log; returns once it is on disk.

        Raises LogUnavailable where the log cannot take any, AuditError where it cannot take this.
        """
        try:
            await self.log.append(event)
        except LogUnavailable as fault:
            self.log_state.is_failing = True
            _say_unavailable(fault, service_id)
            raise
        self.log_state.is_failing = False

    async def recall(self, sought: Sought, service_id: str) -> Sequence[Remembered]:
        """What the decision log remembers of a patient's earlier cards.

        Raises LogUnavailable where that cannot be told.
        """
        try:
            return await self.log.earlier(sought)
        except LogUnavailable as fault:
            _say_unavailable(fault, service_id)
            raise

    async def can_record(self) -> bool:
        """Whether the decision log can take an entry now.

        After a failure only an entry that was taken proves it: a full disk still gives locks.
        """
        try:
            if self.log_state.is_failing:
                await self.log.append(Event(type=EventType.CANARY))
                self.log_state.is_failing = False
            else:
                await self.log.probe()
        except AuditError:
            return False
        return True


def _say_unavailable(fault: LogUnavailable, service_id: str) -> None:
    CALLS.labels(service_id, "log-unavailable").inc()
    log_event(
        "log.unavailable",
        level=logging.ERROR,
        service=service_id,
        status=503,
        cause=str(fault),
    )


@dataclass(slots=True)
class Asked:
    """One call while it is answered: what the log will want to know of it."""

    call: Call
    client: Client
    received_at: datetime
    body: bytes = b""
    pieces: Pieces | None = None
    """The body, where it is known which passage of it the prefetch is."""
    decision_id: str = ""
    user: User | None = None
    patient_id: str | None = None
    encounter_id: str | None = None
    fhir_server: str | None = None
    as_of: AsOf | None = None
    state_unavailable: bool = False
    watch: Stopwatch = field(default_factory=Stopwatch)
    is_gone: Callable[[], Awaitable[bool]] | None = None
    is_on_record: bool = False
    caller: Caller = field(default_factory=Caller)


@dataclass(frozen=True, slots=True)
class Decided:
    """What the answer to a call says, for the log."""

    outcome: Outcome
    http_status: int
    response: bytes
    told: Told | None = None
    """What was made of the chart, where there was one."""
    missing: tuple[MissingInput, ...] = ()
    cards: tuple[CardReturned, ...] = ()
    error_class: str | None = None
    advice: tuple[AdviceDecided, ...] | None = None
    """What was advised or held back, where that is not the advice of the assessment."""
    issues: tuple[Issue, ...] = ()
    """Faults of what came with the call beside the chart."""
    snapshot: Snapshot | None = None
    """What the answer depended on beside the request, where it can be worked out again."""

    def issues_counted(self) -> Mapping[str, int]:
        """How many faults of each kind the chart and the rest of the call had."""
        found = Counter(issue.code for issue in self.issues)
        found.update(self.told.issues if self.told else {})
        return dict(found)

    def advice_decided(self) -> tuple[AdviceDecided, ...]:
        if self.advice is not None or self.told is None:
            return self.advice or ()
        return self.told.advice


def asked_by(request: Request, service: Service, service_id: str) -> Asked:
    """The beginning of a call's record; `request.state` keeps it for when the call fails."""
    origin = request.client.host if request.client else None
    caller: Caller = getattr(request.state, "caller", None) or Caller()
    asked = request.state.asked = Asked(
        call=Call(
            service_id=service_id,
            request_id=request.headers.get("x-request-id"),
            trace_id=trace_of(request.headers.get("traceparent")),
        ),
        client=replace(caller.client, network_origin=origin),
        caller=caller,
        received_at=service.clock(),
        decision_id=service.new_id(),
        is_gone=partial(has_gone, request.receive),
    )
    return asked


_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?"
)


def trace_of(traceparent: str | None) -> str | None:
    """The trace id of a `traceparent` header; None where it is not a valid one.

    Source: W3C Trace Context §3.2; later versions may add fields at the end.
    """
    found = _TRACEPARENT.fullmatch(traceparent or "")
    if found is None or (found[2] and found[0].startswith("00")):
        return None
    return found[1]


async def assess_chart(
    resources: Iterable[RawResource],
    as_of: date,
    service: Service,
    patient: str | None,
    problems: Iterable[Problem] = (),
    earlier_cards: EarlierCards = NO_EARLIER_CARDS,
) -> Assessment:
    """The assessment of one chart, with what could not be read on the way in among its issues.

    Raises InvalidRequest for what is no chart at all.
    """
    studied = await study_chart(list(resources), as_of, service, patient)
    return with_issues(advise(studied, earlier_cards), map(issue_of, problems))


async def study_chart(
    chart: Sequence[RawResource], as_of: date, service: Service, patient: str | None
) -> Studied:
    """All that a chart says on a day; a long one does not hold up the others.

    Raises InvalidRequest for what is no chart at all.
    """
    try:
        return await beside(size_of(chart), study, chart, as_of, service.knowledge, patient)
    except UnreadableInput as fault:
        raise InvalidRequest(str(fault)) from None


def size_of(chart: Iterable[RawResource]) -> int:
    """How many bytes its resources have."""
    return sum([len(one.raw) for one in chart])


async def record_decision(asked: Asked, decided: Decided, service: Service) -> None:
    """Put a decision on record; returns once it is on disk, and only then may the answer leave.

    Where the caller has gone away meanwhile, a second entry says that it did not leave. Raises
    LogUnavailable where the log cannot take the decision.
    """
    told, advice = decided.told, decided.advice_decided()
    issues = decided.issues_counted()
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
        request=asked.pieces or asked.body,
        keep_request=service.keeps_requests,
        inputs=told.inputs if told else (),
        inputs_missing=decided.missing,
        issues=issues,
        state=state_used(advice),
        state_unavailable=asked.state_unavailable,
        cancers=told.cancers if told else (),
        advice=advice,
        cards=decided.cards,
        assessment=told.written if told else None,
        snapshot=decided.snapshot,
        error_class=decided.error_class,
        latency_ms={**asked.watch.milliseconds, "total": asked.watch.total()},
    )
    with asked.watch.stage("record"):
        await service.record(decision_event(decision), asked.call.service_id)
    asked.is_on_record = True
    has_left = not await _was_aborted(asked, service)
    _count(asked, decided, issues, has_left=has_left)


async def _was_aborted(asked: Asked, service: Service) -> bool:
    """Whether the caller closed the connection before the first byte of the answer; then it is on
    record that its cards were not returned. Whoever goes away later cannot be told from a reader.
    """
    if asked.is_gone is None or not await asked.is_gone():
        return False
    with suppress(AuditError):  # nothing leaves either way
        event = delivery_event(asked.decision_id, cause="client-gone")
        await service.record(event, asked.call.service_id)
    return True


def _count(asked: Asked, decided: Decided, issues: Mapping[str, int], *, has_left: bool) -> None:
    outcome = decided.outcome if has_left else "aborted"
    CALLS.labels(asked.call.service_id, outcome).inc()
    for code, count in issues.items():
        ISSUES.labels(code).inc(count)
    for card in decided.cards if has_left else ():
        kind = card.advice[0].partition(":")[0]  # of a re-challenge without its drug
        CARDS.labels(kind, card.indicator).inc()
    log_event(
        "call.answered" if has_left else "call.aborted",
        service=asked.call.service_id,
        decision=asked.decision_id,
        outcome=decided.outcome,
        status=decided.http_status,
        cards=len(decided.cards),
        used=len(decided.told.inputs) if decided.told else 0,
        issues=sum(issues.values()),
        missing=len(decided.missing),
        milliseconds=round(asked.watch.total(), 3),
    )


_REFUSALS: dict[int, Refusal] = {
    404: "unknown-service",
    408: "interrupted",
    413: "oversized",
}


async def record_refusal(asked: Asked, error: InvalidRequest, service: Service) -> None:
    """Put a call that was turned away on record, without its body."""
    reason = _REFUSALS.get(error.http_status, "malformed")
    if isinstance(error, InterruptedRequest):
        reason = "interrupted"
    event = refusal_event(
        reason,
        http_status=error.http_status,
        call=asked.call,
        client=asked.client,
        received_at=asked.received_at,
    )
    asked.is_on_record = True
    CALLS.labels(asked.call.service_id, "refused").inc()
    log_event("call.refused", service=asked.call.service_id, cause=reason, status=error.http_status)
    with suppress(LogUnavailable):
        await service.record(event, asked.call.service_id)


def forget(scope: Scope) -> None:
    """Let go of a call that is over, and of its body.

    What was asked knows its request and the request knows it; a full collection, which would find
    the two, may be thousands of calls away.
    """
    scope.get("state", {}).pop("asked", None)


async def record_failure(request: Request, answer: Response, cause: str, service: Service) -> None:
    """Put a call on record that an error of ours has ended, with what it is told."""
    asked: Asked | None = getattr(request.state, "asked", None)
    if asked is None or asked.is_on_record:
        return
    with suppress(AuditError, ValueError):  # where the record was the error, it is answered still
        await record_decision(
            asked,
            Decided(Outcome.FAILED, answer.status_code, bytes(answer.body), error_class=cause),
            service,
        )
