"""The last stage: statuses and record → what may be suggested, and why any of it is held back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from cds_service.clinical.advice.firing import kinds_that_fire
from cds_service.clinical.advice.silence import why_silent
from cds_service.clinical.advice.situation import (
    NO_EARLIER_CARDS,
    Advice,
    AdviceKind,
    EarlierCards,
    Judged,
    Override,
    Returned,
    Situation,
    Suppressed,
    Urgency,
)
from cds_service.clinical.evidence import Evidence
from cds_service.clinical.lines import Line
from cds_service.clinical.record import Cancer, Record
from cds_service.clinical.status import Composites, LineStatus
from cds_service.knowledge.model import Disease

__all__ = [
    "NO_EARLIER_CARDS",
    "Advice",
    "AdviceKind",
    "EarlierCards",
    "Judged",
    "Override",
    "Returned",
    "Suppressed",
    "Urgency",
    "choose_advice",
]


def choose_advice(
    record: Record,
    cancer: Cancer,
    disease: Disease,
    judged: Sequence[Judged],
    composites: Composites,
    earlier_cards: EarlierCards = NO_EARLIER_CARDS,
) -> tuple[Advice, ...]:
    """What may be suggested for each line of a cancer, the leading advice of a line first.

    The first firing rule that fits gives the advice; then each is checked for a reason to keep
    silent, which stays with it.
    """
    chosen: list[Advice] = []
    progressed = sum(j.status.status == "possible-refractory" for j in judged)
    for number, line in enumerate(judged, 1):
        situation = Situation(
            record, cancer, disease, line, composites, progressed,
            number == len(judged), earlier_cards,
        )  # fmt: skip
        chosen += [
            Advice(
                kind,
                line.line.number,
                _urgency(line.status),
                _reason(kind, situation),
                why_silent(kind, situation),
            )
            for kind in kinds_that_fire(situation)
        ]
    return tuple(chosen)


def _urgency(status: LineStatus) -> Urgency:
    sure = status.confidence in ("criteria", "documented")
    return "prompt" if status.status == "possible-refractory" and sure else "routine"


def _reason(kind: AdviceKind, s: Situation) -> str:
    """The fact that an advice rests on, without tone or layout."""
    status, line = s.status, s.judged.line
    on = status.progressed_on
    if kind == "adherence-review":
        return "Intake, interactions and access may explain the course and come before its reading."
    if s.has("symptom-only") and on is None:
        return "Only a symptom is recorded as worse; there is no evidence on the disease itself."
    if on is None:
        return f"The evidence on line {line.number} does not settle where the disease stands."
    when = _when(status, line, on, s.judged.evidence)
    return {
        "possible-refractory": f"Possible refractory disease: {when}.",
        "relapsed": f"The disease came back after control: {when}.",
        "progressing": f"Progression that is not called refractory: {when}.",
    }.get(status.status, f"The evidence needs another look: {when}.")


def _when(status: LineStatus, line: Line, on: date, evidence: Sequence[Evidence]) -> str:
    name = line.name
    if any(e.missed and e.on.first == on for e in evidence):
        return f"a required response not reached on {on} during line {line.number} ({name})"
    days = status.interval_days
    if days is None or days <= 0 or line.is_ongoing:
        return f"progression on {on} during line {line.number} ({name})"
    return f"progression on {on}, {days} days after the last dose of line {line.number} ({name})"
