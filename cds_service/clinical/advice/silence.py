"""Why an advice is not shown: it is done, ordered, declined, set aside, stale, or too late."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from cds_service.clinical.advice.situation import IMAGING, AdviceKind, Situation, Suppressed

ORDER_IS_PENDING_DAYS = 42
REFERRAL_RECENT_DAYS = 180
DECLINED_DAYS = 180
STALE_DAYS = 365
UNCHANGED_DAYS = 7

TISSUE = frozenset({"biopsy", "bone-marrow-examination", "molecular-test"})
ANSWERED_BY: dict[AdviceKind, frozenset[str]] = {
    "restage": IMAGING,
    "biopsy": TISSUE,
    "trial-referral": frozenset({"trial-referral"}),
    "supportive-care": frozenset({"palliative-referral"}),
}
"""Procedures, reports and orders by which an advice is already followed."""


def why_silent(kind: AdviceKind, s: Situation) -> Suppressed | None:
    for reason, holds in SILENCE:
        if holds(kind, s):
            return reason
    return None


def _is_done(kind: AdviceKind, s: Situation) -> bool:
    """Done since the progression; imaging also when it is recent, referrals for half a year."""
    wanted = ANSWERED_BY.get(kind)
    if wanted is None:
        return False
    as_of, since = s.record.as_of, s.status.progressed_on or s.record.as_of
    recent = {
        "restage": s.disease.advice.restage_recent_days,
        "trial-referral": REFERRAL_RECENT_DAYS,
        "supportive-care": REFERRAL_RECENT_DAYS,
    }.get(kind, 0)
    since = min(since, as_of - timedelta(days=recent)) if recent else since
    if s.was_done(wanted, since, as_of):
        return True
    return any(
        r.kind in wanted and r.is_completed and r.on is not None and r.on.last >= since
        for r in s.record.requests
    )


def _is_ordered(kind: AdviceKind, s: Situation) -> bool:
    wanted = ANSWERED_BY.get(kind)
    if wanted is None:
        return False
    is_referral = kind in ("trial-referral", "supportive-care")
    days = REFERRAL_RECENT_DAYS if is_referral else ORDER_IS_PENDING_DAYS
    since = s.record.as_of - timedelta(days=days)
    return any(
        r.kind in wanted and r.is_open and (r.on is None or r.on.last >= since)
        for r in s.record.requests
    )


def _is_declined(kind: AdviceKind, s: Situation) -> bool:
    wanted = ANSWERED_BY.get(kind)
    since = s.record.as_of - timedelta(days=DECLINED_DAYS)
    return wanted is not None and any(
        r.kind in wanted and r.is_declined and (r.on is None or r.on.last >= since)
        for r in s.record.requests
    )


def _is_stale(_: AdviceKind, s: Situation) -> bool:
    said = [e.on.last for e in s.judged.evidence]
    return bool(said) and (s.record.as_of - max(said)).days > STALE_DAYS


def _is_overridden(kind: AdviceKind, s: Situation) -> bool:
    latest = max((e.on.last for e in s.judged.evidence), default=s.record.as_of)
    return any(
        o.condition == s.cancer.condition
        and o.line == s.judged.line.number
        and o.kind == kind
        and s.record.as_of <= o.until
        and latest <= o.on
        for o in s.earlier_cards.overrides
    )


def _is_unchanged(kind: AdviceKind, s: Situation) -> bool:
    since = s.record.as_of - timedelta(days=UNCHANGED_DAYS)
    return any(
        c.condition == s.cancer.condition
        and c.line == s.judged.line.number
        and c.kind == kind
        and since <= c.on < s.record.as_of
        and c.evidence == s.judged.evidence_digest
        for c in s.earlier_cards.returned
    )


SILENCE: tuple[tuple[Suppressed, Callable[[AdviceKind, Situation], bool]], ...] = (
    ("deceased", lambda _, s: s.record.patient.is_deceased),
    ("hospice", lambda _, s: s.record.is_in_hospice),
    ("next-line-started", lambda _, s: not s.is_latest),
    ("recently-done", _is_done),
    ("already-ordered", _is_ordered),
    ("overridden", _is_overridden),
    ("patient-declined", _is_declined),
    ("unchanged", _is_unchanged),
    ("stale", _is_stale),
)
