"""Feedback on cards: each entry of each call goes on record; a repeat does no harm."""

from __future__ import annotations

from cds_service.audit import Feedback, feedback_event
from cds_service.hooks.messages import FeedbackEntry, read_feedback
from cds_service.metrics import FEEDBACK
from cds_service.service import Asked, Service


async def take_feedback(asked: Asked, service: Service) -> int:
    """Record every entry of the call; returns how many. All are read before any is recorded.

    Raises InvalidRequest for a malformed call, LogUnavailable where the log cannot take it.
    """
    entries = read_feedback(asked.body)
    for entry, raw in entries:
        event = feedback_event(
            _recorded(entry, raw),
            call=asked.call,
            client=asked.client,
            received_at=asked.received_at,
        )
        await service.record(event, asked.call.service_id)
        FEEDBACK.labels(entry.outcome).inc()
    return len(entries)


def _recorded(entry: FeedbackEntry, raw: bytes) -> Feedback:
    reason = entry.override_reason.reason if entry.override_reason else None
    return Feedback(
        card=entry.card,
        outcome=entry.outcome,
        entry=raw,
        outcome_timestamp=entry.outcome_timestamp,
        accepted_suggestions=[accepted.id for accepted in entry.accepted_suggestions],
        reason_system=reason.system if reason else None,
        reason_code=reason.code if reason else None,
    )
