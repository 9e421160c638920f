"""Why an advice is not shown: it is done, ordered, declined, set aside, stale, or too late."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta

import msgspec
from msgspec.structs import replace

from cds_service.clinical.advice.situation import (
    IMAGING,
    TISSUE,
    WHOLE_BODY,
    Accepted,
    Advice,
    AdviceKind,
    EarlierCards,
    Judged,
    Override,
    Returned,
    Situation,
    Suppressed,
)
from cds_service.clinical.advice.snooze import is_worse
from cds_service.clinical.record import Cancer, Event, Request
from cds_service.knowledge.model import Disease

ORDER_IS_PENDING_DAYS = 42
REFERRAL_RECENT_DAYS = 180
ADHERENCE_REVIEW_RECENT_DAYS = 60
DECLINED_DAYS = 180
STALE_DAYS = 365
UNCHANGED_DAYS = 7

MARKER = "marker"
REFERRALS = frozenset({"trial-referral", "supportive-care"})
ANSWERED_BY: dict[AdviceKind, frozenset[str]] = {
    "biopsy": TISSUE,
    "trial-referral": frozenset({"trial-referral"}),
    "supportive-care": frozenset({"palliative-referral"}),
}
"""Procedures, reports and orders by which an advice is already followed."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason for silence: its ids in the order of checking, its word, and when it holds.

    A reason that lies in earlier cards answers with the one that it lies in.
    """

    ids: tuple[str, ...]
    word: Suppressed
    holds: Callable[[AdviceKind, Situation], bool | Override | Accepted | Returned | None]


class Silence(msgspec.Struct, frozen=True, gc=False):
    """Why no card shows an advice, and which earlier card that lies in; both empty: one may."""

    word: Suppressed | None = None
    source: str = ""


def silence_of(kind: AdviceKind, s: Situation) -> Silence:
    """The first reason for which no card shows an advice."""
    for reason in SILENCE:
        if found := reason.holds(kind, s):
            return Silence(reason.word, "" if found is True else found.source)
    return Silence()


def why_silent(kind: AdviceKind, s: Situation) -> Suppressed | None:
    """The word for it; None where a card may show the advice."""
    return silence_of(kind, s).word


def answers_to(kind: AdviceKind, disease: Disease) -> frozenset[str]:
    """Kinds of procedure that answer an advice; "marker" stands for a value of its own markers."""
    if kind == "restage":
        return disease.advice.restage_by or IMAGING
    return ANSWERED_BY.get(kind, frozenset())


def without_ordered(
    advice: Iterable[Advice], disease: Disease, ordered: Iterable[str]
) -> tuple[Advice, ...]:
    """The same advice, what is being ordered in this moment held back as ordered.

    `ordered` are kinds of procedure, as of the orders on the screen that a hook tells of.
    """
    in_hand = frozenset(ordered)
    return tuple(
        replace(one, suppressed="already-ordered")
        if one.suppressed is None and answers_to(one.kind, disease) & in_hand
        else one
        for one in advice
    )


def _covers(done: Event | Request, s: Situation) -> bool:
    """Whether a study looks at a part of the body that the disease is restaged in."""
    wanted = s.disease.advice.restage_regions
    if not wanted or not done.regions or done.kind in WHOLE_BODY:
        return True
    return "whole-body" in done.regions or bool(done.regions & wanted)


def _answers(kind: AdviceKind, done: Event | Request, s: Situation) -> bool:
    if done.kind not in answers_to(kind, s.disease):
        return False
    return kind != "restage" or done.kind not in IMAGING or _covers(done, s)


def _is_done(kind: AdviceKind, s: Situation) -> bool:
    """Done since the progression; restaging also when it is recent, referrals for half a year."""
    as_of, since = s.record.as_of, s.status.progressed_on or s.record.as_of
    recent = {
        "restage": s.disease.advice.restage_recent_days,
        "trial-referral": REFERRAL_RECENT_DAYS,
        "supportive-care": REFERRAL_RECENT_DAYS,
    }.get(kind, 0)
    since = min(since, as_of - timedelta(days=recent)) if recent else since
    if kind == "restage" and s.around.once("measured", lambda: _is_measured(s)):
        return True
    done = s.around.once(("done", kind), lambda: _last_done(kind, s))
    return done is not None and done >= since


def _last_done(kind: AdviceKind, s: Situation) -> date | None:
    """The last day of what answers an advice, as far as it has been done."""
    days = [
        e.on.last
        for e in s.around.events
        if _answers(kind, e, s)
        and e.on.first <= s.record.as_of
        and not (kind == "biopsy" and s.is_insufficient(e))
    ]
    days += [
        r.on.last
        for r in s.around.requests
        if r.is_completed and r.on is not None and _answers(kind, r, s)
    ]
    return max(days, default=None)


def _is_measured(s: Situation) -> bool:
    """Where a marker is the restaging: a value of the last days."""
    if MARKER not in s.disease.advice.restage_by:
        return False
    since = s.record.as_of - timedelta(days=s.disease.advice.restage_recent_days)
    return any(
        m.marker in s.disease.markers and m.quantity is not None and m.on.last >= since
        for m in s.record.measurements
        if not m.focus or not s.cancer.named.isdisjoint(m.focus)
    )


def _is_ordered(kind: AdviceKind, s: Situation) -> bool:
    return s.around.once(("ordered", kind), lambda: _is_open(kind, s))


def _is_open(kind: AdviceKind, s: Situation) -> bool:
    if kind == "supportive-care" and s.is_cautioned("palliative-care"):
        return True
    since = s.record.as_of - timedelta(days=_pending_days(kind))
    return any(
        r.is_open and _answers(kind, r, s) and (r.on is None or r.on.last >= since)
        for r in s.around.requests
    )


def _pending_days(kind: AdviceKind) -> int:
    if kind == "adherence-review":
        return ADHERENCE_REVIEW_RECENT_DAYS
    return REFERRAL_RECENT_DAYS if kind in REFERRALS else ORDER_IS_PENDING_DAYS


def _accepted(kind: AdviceKind, s: Situation) -> Accepted | None:
    """Taken up from an earlier card, on no newer evidence, and not closed since in the chart."""
    if not s.earlier_cards.accepted:
        return None
    since = s.record.as_of - timedelta(days=_pending_days(kind))
    found = [
        a
        for a in s.earlier_cards.accepted
        if _is_of(a, kind, s.cancer, s.judged)
        and a.on >= since
        and not _is_newer_than(a.evidence_on or a.on, s.judged)
        and not _is_closed(kind, a.returned_on or a.on, s)
    ]
    return max(found, key=lambda a: (a.on, a.source), default=None)


def _is_of(
    earlier: Accepted | Override | Returned, kind: str, cancer: Cancer, judged: Judged
) -> bool:
    """Whether an earlier card was about this advice for this line of this cancer."""
    return (
        earlier.kind == kind
        and earlier.line == judged.line.number
        and earlier.condition in (cancer.condition, *cancer.conditions)
    )


def _is_newer_than(day: date, judged: Judged) -> bool:
    """Whether any evidence of the line is later. No evidence is no news."""
    latest = judged.latest_evidence
    return latest is not None and latest > day


def _is_closed(kind: AdviceKind, since: date, s: Situation) -> bool:
    """Whether every order of that kind since then is neither open nor done."""
    orders = [
        r
        for r in s.around.requests
        if _answers(kind, r, s) and r.on is not None and r.on.last >= since
    ]
    return bool(orders) and not any(r.is_open or r.is_completed for r in orders)


def _is_declined(kind: AdviceKind, s: Situation) -> bool:
    return s.around.once(("declined", kind), lambda: _was_declined(kind, s))


def _was_declined(kind: AdviceKind, s: Situation) -> bool:
    """This advice was declined; or, for biopsy and trial, investigations in general."""
    since = s.record.as_of - timedelta(days=DECLINED_DAYS)
    if kind in ("biopsy", "trial-referral") and any(
        c.kind == "refusal" and (c.on is None or c.on.last >= since) for c in s.record.cautions
    ):
        return True
    return any(
        r.is_declined and _answers(kind, r, s) and (r.on is None or r.on.last >= since)
        for r in s.around.requests
    )


def _is_stale(_: AdviceKind, s: Situation) -> bool:
    latest = s.judged.latest_evidence
    return latest is not None and (s.record.as_of - latest).days > STALE_DAYS


def standing_override(
    kind: str, cancer: Cancer, judged: Judged, as_of: date, earlier_cards: EarlierCards
) -> Override | None:
    """The override that keeps this silent for a line of a cancer, of several the one that holds
    longest; None where none does any more. `kind` is whatever a card has called it."""
    if not earlier_cards.overrides:
        return None
    found = [
        o
        for o in earlier_cards.overrides
        if _is_of(o, kind, cancer, judged)
        and as_of <= o.until
        and not _is_newer_than(o.evidence_on or o.on, judged)
        and not is_worse(o, judged.status.status, judged.status.confidence)
    ]
    return max(found, key=lambda o: (o.until, o.source), default=None)


def _override(kind: AdviceKind, s: Situation) -> Override | None:
    return standing_override(kind, s.cancer, s.judged, s.record.as_of, s.earlier_cards)


def _unchanged(kind: AdviceKind, s: Situation) -> Returned | None:
    """The same card of an earlier day: as it was, to the last piece of evidence."""
    if not s.earlier_cards.returned:
        return None
    since = s.record.as_of - timedelta(days=UNCHANGED_DAYS)
    returned = [
        c
        for c in s.earlier_cards.returned
        if _is_of(c, kind, s.cancer, s.judged)
        and since <= c.on < s.record.as_of
        and _stands_as_on(c, s)
    ]
    if not returned:
        return None
    now = s.earlier_cards.known_as(s.judged.evidence_digest)
    found = [c for c in returned if c.evidence in now]
    return max(found, key=lambda c: (c.on, c.source), default=None)


def _stands_as_on(card: Returned, s: Situation) -> bool:
    is_known = bool(card.status)
    then = (card.status, card.confidence)
    return not is_known or then == (s.status.status, s.status.confidence or "")


SILENCE: tuple[Reason, ...] = (
    Reason(("S1",), "deceased", lambda _, s: s.record.patient.is_deceased),
    Reason(("S2",), "hospice", lambda _, s: s.record.is_in_hospice),
    Reason(("S5", "S6", "S7"), "recently-done", _is_done),
    Reason(("S3", "S5", "S6", "S7"), "already-ordered", _is_ordered),
    Reason(("S8",), "next-line-started", lambda _, s: not s.is_latest),
    Reason(("S9",), "overridden", _override),
    Reason(("S10",), "already-ordered", _accepted),
    Reason(("S11",), "patient-declined", _is_declined),
    Reason(("S15",), "unchanged", _unchanged),
    Reason(("S17",), "stale", _is_stale),
)
"""In this order. S4 is an answer of its own (412), S12 and S14 change the order that is drafted,
S13 withholds the label, S16 is `without_ordered`.
"""
