"""Which evidence speaks: precedence within six weeks, conflicts of a day, reversal by response."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise

import msgspec
from msgspec.structs import replace

from cds_service.clinical.evidence import RESPONSES, Evidence
from cds_service.clinical.evidence.evidence import IMAGED
from cds_service.clinical.status.few_sites import LIMITED_DAYS, are_few
from cds_service.clinical.status.line_status import Case
from cds_service.dates import PartialDate

OVERRIDE_DAYS = 42
"""A louder kind of evidence overrides a quieter one only if both lie within six weeks."""


class Weighed(msgspec.Struct, frozen=True, gc=False):
    """Evidence that speaks, in order; `episode` is what followed the last response."""

    speaking: tuple[Evidence, ...]
    episode: tuple[Evidence, ...]
    is_mixed: bool
    """Whether the last word is a day on which the whole disease was said to go both ways."""
    is_refractory_in_words: bool = False
    """Whether a clinician says so, anywhere in the episode."""

    @property
    def progressions(self) -> tuple[Evidence, ...]:
        return tuple(e for e in self.episode if e.is_progression)

    @property
    def suspicions(self) -> tuple[Evidence, ...]:
        return tuple(e for e in self.episode if e.is_unconfirmed)


def is_favourable(evidence: Evidence) -> bool:
    return evidence.is_response or evidence.is_stable


def is_of_marker(evidence: Evidence, case: Case) -> bool:
    """Whether it is of a tumour marker alone; in some cancers the marker is the disease."""
    if case.disease.is_marker_disease:
        return False
    is_solid = case.disease.family == "solid"
    return evidence.kind == "tumour-marker" or (evidence.is_marker_based and is_solid)


def is_adverse(evidence: Evidence) -> bool:
    return evidence.is_progression or evidence.is_unconfirmed


def weigh(evidence: Sequence[Evidence]) -> Weighed:
    """Sort out what speaks and what is overridden; keep the order of dates.

    Source: RECIST and disease criteria rank formal assessments over judgements; the six weeks are
    an operational default.
    """
    deciding = [_as_suspicion(e) if e.suggests else e for e in evidence if e.decides or e.suggests]
    mixed = _mixed_days(deciding)
    single = [e for e in deciding if not (_is_statement(e) and e.on in mixed)]
    loudest = min((e.rank for e in single), default=0)
    days = [e.on.first for e in single]
    if any(later < day for day, later in pairwise(days)):
        days = []  # not in order: each is set against all
    speaking = _with_confirmed(
        [
            heard
            for e in single
            if (heard := e if e.rank == loudest else _heard(e, _near(e, single, days)))
        ]
    )
    turn = _last_turn(speaking)
    told = [e.on for e in speaking if is_adverse(e) or is_favourable(e)]
    is_mixed = bool(mixed) and max(mixed) >= max(told, default=min(mixed))
    episode = tuple(speaking[turn + 1 :])
    in_words = any(e.is_refractory_in_words for e in episode)
    return Weighed(tuple(speaking), episode, is_mixed, in_words)


def _as_suspicion(suggesting: Evidence) -> Evidence:
    """What never decides: no more than a suspicion, however often its values were confirmed."""
    return replace(suggesting, finding="unconfirmed-progression", is_unconfirmed=True, decides=True)


def _with_confirmed(speaking: Sequence[Evidence]) -> list[Evidence]:
    """An unconfirmed progression that a later one bears out is the progression, by its own date."""
    told: list[Evidence] = []
    borne_out: Evidence | None = None
    for found in reversed(speaking):
        if found.is_response or found.is_stable:
            borne_out = None
        elif found.is_progression and _is_statement(found) and found.is_whole:
            borne_out = found
        elif borne_out is not None and found.is_atypical and found.on < borne_out.on:
            found = replace(
                found,
                finding="progression",
                is_unconfirmed=False,
                is_confirmed=borne_out.is_confirmed,
            )
        told.append(found)
    return told[::-1]


def _mixed_days(evidence: Sequence[Evidence]) -> set[PartialDate]:
    """Days whose statements about the whole disease contradict each other; they decide nothing."""
    said: dict[PartialDate, list[Evidence]] = {}
    for e in evidence:
        if _is_statement(e) and e.on.is_exact:
            said.setdefault(e.on, []).append(e)
    return {
        on
        for on, same_day in said.items()
        if (len(same_day) > 1 or _may_go_both_ways(same_day[0])) and _goes_both_ways(same_day)
    }


def _may_go_both_ways(alone: Evidence) -> bool:
    return alone.is_mixed or (alone.is_progression and is_favourable(alone))


def _goes_both_ways(same_day: Sequence[Evidence]) -> bool:
    """Whether the whole disease was said to go both ways.

    New lesions at few named sites say nothing against stability of the rest.
    """
    if any(e.is_mixed for e in same_day):
        return True
    whole = [e for e in same_day if e.is_whole]
    worse = [e for e in whole if e.is_progression]
    if worse and all(e.sites for e in worse) and are_few(s for e in worse for s in e.sites):
        return any(e.is_response for e in whole)
    return bool(worse) and any(map(is_favourable, whole))


def _is_statement(evidence: Evidence) -> bool:
    return evidence.kind in ("disease-status", "response-category", "imaging", "condition")


def _near(
    evidence: Evidence, others: Sequence[Evidence], days: Sequence[date]
) -> Sequence[Evidence]:
    """The others that may override it; `days` are theirs, in order, or none."""
    if not days:
        return others
    on = _last_day(evidence)
    first = bisect_left(days, on - timedelta(OVERRIDE_DAYS))
    return others[first : bisect_right(days, on + timedelta(OVERRIDE_DAYS))]


def _heard(evidence: Evidence, others: Sequence[Evidence]) -> Evidence | None:
    """The finding; None where a louder one within six weeks says the contrary.

    What comes later is a new fact where it is a response category, which reverses, or the
    clinician's own word for relapse, resistance or transformation. A later scan is a new scan, even
    when only a clinician has read it, and a later metastasis a new one: they leave a suspicion.
    """
    louder = [
        other
        for other in others
        if other.rank < evidence.rank
        and _contradict(evidence, other)
        and abs((other.on.first - _last_day(evidence)).days) <= OVERRIDE_DAYS
    ]
    if not louder:
        return evidence
    if any(evidence.on.first <= other.on.last for other in louder):
        return None
    if evidence.finding in RESPONSES or evidence.is_documented or evidence.is_transformation:
        return evidence
    if (evidence.rank <= IMAGED or evidence.is_new_lesion) and evidence.is_progression:
        return replace(evidence, finding="unconfirmed-progression", is_unconfirmed=True)
    return None


def _last_day(evidence: Evidence) -> date:
    """The day up to which a finding speaks: a rise goes on to the value that confirmed it."""
    confirmed = evidence.confirmed_on
    return confirmed.first if confirmed is not None else evidence.on.first


def _contradict(one: Evidence, other: Evidence) -> bool:
    """Whether two findings cannot both hold: not where one of them speaks of its own sites alone.

    A new lesion at a named site stands beside disease that is stable elsewhere within four weeks.
    """
    if not (one.is_whole and other.is_whole):
        return False
    is_placed = bool(one.sites or other.sites)
    if is_placed and (one.is_stable or other.is_stable):
        return abs((one.on.first - other.on.first).days) > LIMITED_DAYS
    return (is_adverse(one) and is_favourable(other)) or (is_favourable(one) and is_adverse(other))


def _last_turn(speaking: Sequence[Evidence]) -> int:
    """Where a response last ends what came before it; a falling marker ends a rising one only.

    -1 where none does.
    """
    turn = -1
    risen: set[str] = set()
    for position, e in enumerate(speaking):
        is_of_laboratory = e.kind in ("tumour-marker", "haematology")
        if e.is_response and not (is_of_laboratory and risen - {e.kind}):
            turn = position
        if e.is_progression:
            risen.add(e.kind)
    return turn
