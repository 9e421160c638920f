"""What was said of each card last, of all the feedback that a client sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cds_service.audit.events import EventType, timestamp
from cds_service.audit.reading import StoredEvent


def current_feedback(feedback: Sequence[StoredEvent]) -> dict[str, dict[str, Any]]:
    """What holds for each card: the feedback with the latest time of its own, then of ours.

    A card that is not in the result had no feedback, which is not an override. Orphaned feedback
    counts for nothing.

    Source: CDS Hooks 2.0, Feedback (the same card may be reported several times).
    """
    current: dict[str, dict[str, Any]] = {}
    for event in feedback:
        members = event.read()
        if event.event_type != EventType.FEEDBACK or "orphan" in members:
            continue
        standing = current.get(members["card"])
        if standing is None or _when(members) >= _when(standing):
            current[members["card"]] = members
    return current


def _when(feedback: Mapping[str, Any]) -> tuple[str, int]:
    try:
        at = timestamp(datetime.fromisoformat(feedback["outcomeTimestamp"].upper()))
    except (KeyError, ValueError):
        at = feedback["receivedAt"]
    return at, feedback["seq"]
