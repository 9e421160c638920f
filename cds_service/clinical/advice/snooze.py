"""How long an advice stays silent after a clinician set it aside, and what opens it again."""

from __future__ import annotations

from datetime import date, timedelta

from cds_service.clinical.advice.situation import AdviceKind, Override
from cds_service.clinical.status import Confidence, Status

SAME_ADVICE_DAYS = 90
WITHOUT_REASON_DAYS = 30
REASON_DAYS = {
    "already-done": 180,
    "patient-declined": 180,
    "not-applicable": 365,
    "remind-later": WITHOUT_REASON_DAYS,
    "other": WITHOUT_REASON_DAYS,
}
"""Operational, by the codes of the cards' override reasons; every other reason 90 days."""

_WORSE: tuple[Status, ...] = (
    "no-evidence", "responding", "stable", "indeterminate", "progressing", "relapsed",
    "possible-refractory",
)  # fmt: skip
_SURER: tuple[Confidence, ...] = ("signal", "criteria", "documented")


def snoozed(
    condition: str,
    line: int,
    kind: AdviceKind,
    on: date,
    reason: str | None = None,
    status: str = "",
    confidence: str = "",
) -> Override:
    """The override of one advice, with the last day of its silence."""
    days = WITHOUT_REASON_DAYS if not reason else REASON_DAYS.get(reason, SAME_ADVICE_DAYS)
    return Override(condition, line, kind, on, on + timedelta(days=days), status, confidence)


def is_worse(override: Override, status: Status, confidence: Confidence | None) -> bool:
    """Whether a line stands worse, or more surely, than on the card that was set aside.

    An override that does not say how the line stood never is outdone so.
    """
    if override.status not in _WORSE:
        return False
    then, now = _WORSE.index(override.status), _WORSE.index(status)
    if now != then:
        return now > then
    return _rank(confidence or "") > _rank(override.confidence)


def _rank(confidence: str) -> int:
    return _SURER.index(confidence) if confidence in _SURER else -1
