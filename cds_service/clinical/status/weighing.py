"""Which evidence speaks: precedence within six weeks, conflicts of a day, reversal by response."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from cds_service.clinical.evidence import RESPONSES, Evidence

OVERRIDE_DAYS = 42
"""A louder kind of evidence overrides a quieter one only if both lie within six weeks."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """Evidence that speaks, in order; `episode` is what followed the last response."""

    speaking: tuple[Evidence, ...]
    episode: tuple[Evidence, ...]
    mixed: tuple[Evidence, ...]
    """Findings of the latest day on which the whole disease was said to go both ways."""

    @property
    def progressions(self) -> tuple[Evidence, ...]:
        return tuple(e for e in self.episode if e.is_progression)

    @property
    def suspicions(self) -> tuple[Evidence, ...]:
        return tuple(e for e in self.episode if e.is_unconfirmed)


def is_favourable(evidence: Evidence) -> bool:
    return evidence.is_response or evidence.finding == "stable"


def is_adverse(evidence: Evidence) -> bool:
    return evidence.is_progression or evidence.is_unconfirmed


def weigh(evidence: Sequence[Evidence]) -> Weighed:
    """Sort out what speaks and what is overridden; keep the order of dates.

    Source: RECIST and disease criteria rank formal assessments over judgements; the six weeks are
    an operational default.
    """
    deciding = [e for e in evidence if e.decides]
    mixed = _mixed(deciding)
    speaking = [e for e in deciding if not _is_overridden(e, deciding)]
    turn = max((i for i, e in enumerate(speaking) if _reverses(e, speaking[:i])), default=-1)
    return Weighed(tuple(speaking), tuple(speaking[turn + 1 :]), mixed)


def _mixed(evidence: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """The findings of the latest day of statements, if they contradict each other."""
    said = [e for e in evidence if e.kind != "treatment-change" and _is_statement(e)]
    if not said:
        return ()
    last = max(e.on for e in said)
    same = tuple(e for e in said if e.on == last and last.is_exact)
    if any(e.is_mixed for e in same):
        return same
    whole = [e for e in same if e.is_whole]
    both = any(e.is_progression for e in whole) and any(is_favourable(e) for e in whole)
    return same if both else ()


def _is_statement(evidence: Evidence) -> bool:
    return evidence.kind in ("disease-status", "response-category", "imaging", "condition")


def _is_overridden(evidence: Evidence, others: Sequence[Evidence]) -> bool:
    """Whether a louder finding within six weeks says the contrary.

    A response category that comes later is never overridden: it reverses.
    """
    span = timedelta(days=OVERRIDE_DAYS)
    for other in others:
        if other.rank >= evidence.rank or not _contradict(evidence, other):
            continue
        if abs(other.on.first - evidence.on.first) > span:
            continue
        if evidence.finding in RESPONSES and evidence.on.first > other.on.last:
            continue
        return True
    return False


def _contradict(one: Evidence, other: Evidence) -> bool:
    if one.sites or other.sites:
        return False
    return (is_adverse(one) and is_favourable(other)) or (is_favourable(one) and is_adverse(other))


def _reverses(evidence: Evidence, before: Sequence[Evidence]) -> bool:
    """Whether a response ends what came before it; a falling marker ends a rising one only."""
    if not evidence.is_response:
        return False
    if evidence.kind in ("tumour-marker", "haematology"):
        return not any(e.is_progression and e.kind != evidence.kind for e in before)
    return True
