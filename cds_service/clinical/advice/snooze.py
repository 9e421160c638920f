"""How long an advice stays silent after a clinician set it aside, and what opens it again."""

from __future__ import annotations

from datetime import date, timedelta

from cds_service.clinical.advice.situation import Override
from cds_service.clinical.status import Confidence, Status

SAME_ADVICE_DAYS = 90
WITHOUT_REASON_DAYS = 30
REASON_DAYS = {
    "already-done": 180,
    "patient-declined": 180,
    "not-applicable": 365,
    "evidence-wrong": SAME_ADVICE_DAYS,
    "disagree-with-criteria": SAME_ADVICE_DAYS,
    "other-provider-managing": SAME_ADVICE_DAYS,
    "palliative-focus": SAME_ADVICE_DAYS,
    "remind-later": WITHOUT_REASON_DAYS,
    "other": WITHOUT_REASON_DAYS,
}
"""Operational, by the codes of the cards' override reasons. Without a reason, or for one that is
not among them, 30 days: nobody knows what it says."""
LONGEST_DAYS = max(REASON_DAYS.values())

_WORSE: tuple[Status, ...] = (
    "no-evidence", "responding", "stable", "indeterminate", "progressing", "relapsed",
    "possible-refractory",
)  # fmt: skip
_SURER: tuple[Confidence, ...] = ("signal", "criteria", "documented")


def snoozed(
    condition: str,
    line: int,
    kind: str,
    on: date,
    reason: str | None = None,
    status: str = "",
    confidence: str = "",
    evidence_on: date | None = None,
    source: str = "",
) -> Override:
    """The override of one advice on day `on`, with the last day of its silence."""
    until = on + timedelta(days=REASON_DAYS.get(reason or "", WITHOUT_REASON_DAYS))
    return Override(condition, line, kind, on, until, status, confidence, evidence_on, source)


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
