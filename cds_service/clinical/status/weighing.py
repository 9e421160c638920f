"""Which evidence speaks: precedence within six weeks, conflicts of a day, reversal by response."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from cds_service.clinical.evidence import RESPONSES, Evidence
from cds_service.dates import PartialDate

OVERRIDE_DAYS = 42
"""A louder kind of evidence overrides a quieter one only if both lie within six weeks."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """Evidence that speaks, in order; `episode` is what followed the last response."""

    speaking: tuple[Evidence, ...]
    episode: tuple[Evidence, ...]
    is_mixed: bool
    """Whether the last word is a day on which the whole disease was said to go both ways."""

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
    mixed = _mixed_days(deciding)
    single = [e for e in deciding if not (_is_statement(e) and e.on in mixed)]
    speaking = [e for e in single if not _is_overridden(e, single)]
    turn = max((i for i, e in enumerate(speaking) if _reverses(e, speaking[:i])), default=-1)
    told = [e.on for e in speaking if is_adverse(e) or is_favourable(e)]
    is_mixed = bool(mixed) and max(mixed) >= max(told, default=min(mixed))
    return Weighed(tuple(speaking), tuple(speaking[turn + 1 :]), is_mixed)


def _mixed_days(evidence: Sequence[Evidence]) -> set[PartialDate]:
    """Days whose statements about the whole disease contradict each other; they decide nothing."""
    said: dict[PartialDate, list[Evidence]] = {}
    for e in evidence:
        if _is_statement(e) and e.on.is_exact:
            said.setdefault(e.on, []).append(e)
    return {on for on, same_day in said.items() if _goes_both_ways(same_day)}


def _goes_both_ways(same_day: Sequence[Evidence]) -> bool:
    whole = [e for e in same_day if e.is_whole]
    both = any(e.is_progression for e in whole) and any(map(is_favourable, whole))
    return both or any(e.is_mixed for e in same_day)


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
