"""Which evidence speaks: precedence within six weeks, conflicts of a day, reversal by response."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise

import msgspec
from msgspec.structs import replace

from cds_service.clinical.evidence import PROGRESSIONS, RESPONSES, Evidence
from cds_service.clinical.evidence.evidence import IMAGED
from cds_service.clinical.status.few_sites import LIMITED_DAYS, are_few
from cds_service.clinical.status.line_status import Case
from cds_service.clinical.status.told import is_favourable
from cds_service.dates import PartialDate

OVERRIDE_DAYS = 42
"""A louder kind of evidence overrides a quieter one only if both lie within six weeks."""


class Weighed(msgspec.Struct, frozen=True, gc=False):
    """Evidence that speaks, in order; `episode` is what followed the last response."""

    speaking: tuple[Evidence, ...]
    episode: tuple[Evidence, ...]
    is_mixed: bool
    """Whether the last word is a day on which the whole disease was said to go both ways."""
    progressions: tuple[Evidence, ...] = ()
    suspicions: tuple[Evidence, ...] = ()
    """Of the episode, as the rest."""
    is_refractory_in_words: bool = False
    """Whether a clinician says so, anywhere in the episode."""
    is_documented: bool = False
    """Whether one of the progressions is."""
    is_signal_only: bool = False
    """Whether none of the progressions does more than suggest."""

    sources: frozenset[tuple[str, bool]] = frozenset()
    """What kinds of evidence the progressions are, and whether of a marker by their own account."""

    def is_of_markers(self, case: Case) -> bool:
        """Whether all of the progressions are of tumour markers alone."""
        return all(_is_of_marker(kind, is_based, case) for kind, is_based in self.sources)


def is_of_marker(evidence: Evidence, case: Case) -> bool:
    """Whether it is of a tumour marker alone; in some cancers the marker is the disease."""
    return _is_of_marker(evidence.kind, evidence.is_marker_based, case)


def _is_of_marker(kind: str, is_marker_based: bool, case: Case) -> bool:
    if case.disease.is_marker_disease:
        return False
    return kind == "tumour-marker" or (is_marker_based and case.disease.family == "solid")


def is_adverse(evidence: Evidence) -> bool:
    return evidence.is_unconfirmed or evidence.finding in PROGRESSIONS


def weigh(evidence: Sequence[Evidence]) -> Weighed:
    """Sort out what speaks and what is overridden; keep the order of dates.

    Source: RECIST and disease criteria rank formal assessments over judgements; the six weeks are
    an operational default.
    """
    deciding = [each for e in evidence if (each := as_deciding(e)) is not None]
    mixed = mixed_days(deciding)
    single = [e for e in deciding if not (is_statement(e) and e.on in mixed)]
    hearing = Hearing(single)
    speaking, _ = with_confirmed([e for each in single if (e := hearing.heard(each)) is not None])
    turn = _last_turn(speaking)
    told = [e.on for e in speaking if is_adverse(e) or is_favourable(e)]
    is_mixed = bool(mixed) and max(mixed) >= max(told, default=min(mixed))
    episode = tuple(speaking[turn + 1 :])
    progressions = tuple([e for e in episode if e.finding in PROGRESSIONS])
    return Weighed(
        tuple(speaking),
        episode,
        is_mixed,
        progressions,
        tuple([e for e in episode if e.is_unconfirmed]),
        any(e.is_refractory_in_words for e in episode),
        any(e.is_documented for e in progressions),
        all(e.is_signal_only for e in progressions),
        frozenset([(e.kind, e.is_marker_based) for e in progressions]),
    )


def as_deciding(evidence: Evidence) -> Evidence | None:
    """A finding as it decides; None for one that does not.

    What never decides is no more than a suspicion, however often its values were confirmed.
    """
    if evidence.suggests:
        return replace(
            evidence, finding="unconfirmed-progression", is_unconfirmed=True, decides=True
        )
    return evidence if evidence.decides else None


def with_confirmed(
    speaking: Sequence[Evidence],
) -> tuple[list[Evidence], Evidence | None]:
    """An unconfirmed progression that a later one bears out is the progression, by its own date.

    Second, what bears out a suspicion from before all of these.
    """
    told: list[Evidence] = []
    borne_out: Evidence | None = None
    for found in reversed(speaking):
        if ends_suspicion(found):
            borne_out = None
        elif bears_out(found):
            borne_out = found
        elif borne_out is not None and found.is_atypical and found.on < borne_out.on:
            found = replace(
                found,
                finding="progression",
                is_unconfirmed=False,
                is_confirmed=borne_out.is_confirmed,
            )
        told.append(found)
    return told[::-1], borne_out


def ends_suspicion(evidence: Evidence) -> bool:
    return is_favourable(evidence)


def bears_out(evidence: Evidence) -> bool:
    return evidence.is_progression and is_statement(evidence) and evidence.is_whole


def mixed_days(evidence: Sequence[Evidence]) -> set[PartialDate]:
    """Days whose statements about the whole disease contradict each other; they decide nothing."""
    said: dict[PartialDate, list[Evidence]] = {}
    for e in evidence:
        if is_statement(e) and e.on.is_exact:
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


def is_statement(evidence: Evidence) -> bool:
    return evidence.kind in ("disease-status", "response-category", "imaging", "condition")


class Hearing:
    """Pieces of evidence as they are set against each other.

    Those of one day that would override the same others stand for each other.
    """

    def __init__(self, single: Sequence[Evidence]) -> None:
        ranks = [e.rank for e in single]
        self._loudest = min(ranks, default=0)
        self._voices: Sequence[Evidence] = ()
        self._days: Sequence[date] = ()
        if ranks and max(ranks) > self._loudest:
            self._voices = list({_voice(e): e for e in reversed(single)}.values())[::-1]
            days = [e.on.first for e in self._voices]
            if all(day <= later for day, later in pairwise(days)):
                self._days = days  # else each is set against all

    def heard(self, evidence: Evidence) -> Evidence | None:
        """The finding; None where a louder one within six weeks says the contrary."""
        louder = self.against(evidence)
        return heard(evidence, louder) if louder else evidence

    def against(self, evidence: Evidence) -> Sequence[Evidence]:
        """The louder ones that say the contrary within six weeks."""
        if evidence.rank == self._loudest:
            return ()
        on = _last_day(evidence)
        return [
            other
            for other in self._near(on)
            if other.rank < evidence.rank
            and _contradict(evidence, other)
            and abs((other.on.first - on).days) <= OVERRIDE_DAYS
        ]

    def _near(self, on: date) -> Sequence[Evidence]:
        if not self._days or len(self._voices) <= FEW:
            return self._voices
        first = bisect_left(self._days, on - min(_OVERRIDE, on - date.min))
        last = bisect_right(self._days, on + min(_OVERRIDE, date.max - on))
        return self._voices[first:last]


_OVERRIDE = timedelta(OVERRIDE_DAYS)
FEW = 12
"""So many are sooner looked at than sought."""


def _voice(e: Evidence) -> tuple[object, ...]:
    """All by which a piece of evidence overrides another."""
    said = e.is_whole, bool(e.sites), e.is_stable, is_adverse(e), is_favourable(e)
    return e.on, e.rank, *said


def heard(evidence: Evidence, louder: Sequence[Evidence]) -> Evidence | None:
    """What louder ones, which say the contrary within six weeks, leave of a finding.

    What comes later is a new fact where it is a response category, which reverses, or the
    clinician's own word for relapse, resistance or transformation. A later scan is a new scan, even
    when only a clinician has read it, and a later metastasis a new one: they leave a suspicion.
    """
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
    risen: frozenset[str] = frozenset()
    for position, e in enumerate(speaking):
        if is_turn(e, risen):
            turn = position
        if e.finding in PROGRESSIONS:
            risen |= {e.kind}
    return turn


def is_turn(evidence: Evidence, risen: frozenset[str]) -> bool:
    """Whether a finding ends what came before it, of which these kinds told a progression."""
    if not evidence.is_response:
        return False
    is_of_laboratory = evidence.kind in ("tumour-marker", "haematology")
    return not (is_of_laboratory and risen - {evidence.kind})
