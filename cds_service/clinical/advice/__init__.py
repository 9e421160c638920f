"""The last stage: statuses and record → what may be suggested, and why any of it is held back.

around.py       what the chart holds around all lines of a cancer
situation.py    one line, with all that decides about advice
firing.py       which advice fires: one table, the first row that fits
silence.py      why an advice is not shown: one list, the first reason that holds
snooze.py       how long it stays silent after it was set aside
reasons.py      the facts that it rests on
performance.py  ECOG and Karnofsky on one scale
"""

from __future__ import annotations

from collections.abc import Sequence

from cds_service.clinical.advice.around import Around
from cds_service.clinical.advice.firing import fired_by
from cds_service.clinical.advice.performance import Performance, ecog_of
from cds_service.clinical.advice.reasons import reason_for, settles_between
from cds_service.clinical.advice.silence import (
    UNCHANGED_DAYS,
    Silence,
    answers_to,
    silence_of,
    standing_override,
    without_ordered,
)
from cds_service.clinical.advice.situation import (
    IMAGING,
    NO_EARLIER_CARDS,
    Accepted,
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
from cds_service.clinical.advice.snooze import LONGEST_DAYS, snoozed
from cds_service.clinical.record import Cancer, CautionKind, Record
from cds_service.clinical.status import Composites
from cds_service.knowledge.model import Disease

__all__ = [
    "LONGEST_DAYS",
    "NO_EARLIER_CARDS",
    "UNCHANGED_DAYS",
    "Accepted",
    "Advice",
    "AdviceKind",
    "EarlierCards",
    "Judged",
    "Override",
    "Performance",
    "Returned",
    "Silence",
    "Suppressed",
    "Urgency",
    "choose_advice",
    "ecog_of",
    "snoozed",
    "standing_override",
    "without_ordered",
]

PROGRESSED = frozenset({"possible-refractory", "relapsed", "progressing"})
MAY_BE_URGENT = frozenset({"restage", "confirm-progression", "biopsy", "trial-referral"})
OF_IMAGES: tuple[CautionKind, ...] = ("pregnancy", "kidney", "contrast-allergy")


def choose_advice(
    record: Record,
    cancer: Cancer,
    disease: Disease,
    judged: Sequence[Judged],
    composites: Composites,
    earlier_cards: EarlierCards = NO_EARLIER_CARDS,
    *,
    is_followed: bool = False,
) -> tuple[Advice, ...]:
    """What may be suggested for each line of a cancer, the leading advice of a line first.

    The first firing rule that fits gives the advice; then each is checked for a reason to keep
    silent, which stays with it. `is_followed`: what the cancer has become is treated since.
    """
    chosen: list[Advice] = []
    progressed = sum(j.status.status in PROGRESSED for j in judged)
    around = Around(record, cancer)
    for number, line in enumerate(judged, 1):
        situation = Situation(
            record, cancer, disease, line, composites, progressed,
            number == len(judged) and not is_followed, around, earlier_cards,
        )  # fmt: skip
        fired = fired_by(situation)
        chosen += [_advice(kind, fired.row, situation) for kind in fired.kinds]
    return tuple(chosen)


def _advice(kind: AdviceKind, row: str, s: Situation) -> Advice:
    is_urgent = kind in MAY_BE_URGENT and _is_urgent(row, s)
    silence = silence_of(kind, s)
    return Advice(
        kind=kind,
        line=s.judged.line.number,
        urgency="prompt" if is_urgent or _is_sure(s) else "routine",
        reason=reason_for(kind, row, s),
        suppressed=silence.word,
        rule=row,
        between=settles_between(kind, row, s),
        is_urgent=is_urgent,
        cautions=_cautions(kind, s),
        suppressed_by=silence.source,
    )


def _is_sure(s: Situation) -> bool:
    status = s.status
    sure = status.confidence in ("criteria", "documented")
    return status.status == "possible-refractory" and sure


def _is_urgent(row: str, s: Situation) -> bool:
    """By the disease, by how the line stands, by transformation, or by a coded red flag."""
    advice = s.disease.advice
    if s.status.status not in PROGRESSED and row != "A16":
        return False
    return (
        advice.is_urgent
        or row == "A16"
        or bool(advice.urgent_when & s.says)
        or s.is_cautioned("red-flag")
    )


def _cautions(kind: AdviceKind, s: Situation) -> tuple[CautionKind, ...]:
    """What an order of images has to mind: pregnancy first, then contrast."""
    asks_images = kind == "restage" and bool(answers_to(kind, s.disease) & IMAGING)
    if not asks_images and kind != "confirm-progression":
        return ()
    return tuple(name for name in OF_IMAGES if s.is_cautioned(name))
