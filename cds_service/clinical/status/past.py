"""Where a line stood by earlier days, all in one pass: a long line has thousands of turns.

By each of them stands what `judge` would say of the evidence up to then. A finding is judged again
only where what came since can change it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import date, timedelta

import msgspec
from msgspec.structs import replace

from cds_service.clinical.evidence import Evidence
from cds_service.clinical.status.caveats import scan_due
from cds_service.clinical.status.few_sites import LIMITED_DAYS
from cds_service.clinical.status.judge import WEIGHT, dated_verdict, is_settled_by
from cds_service.clinical.status.line_status import Case, Earlier, Status
from cds_service.clinical.status.nonresponse import missed_response
from cds_service.clinical.status.told import Index, Told, is_favourable
from cds_service.clinical.status.weighing import (
    Hearing,
    Weighed,
    as_deciding,
    bears_out,
    ends_suspicion,
    heard,
    is_adverse,
    is_statement,
    is_turn,
    mixed_days,
    with_confirmed,
)
from cds_service.dates import PartialDate

ADVERSE: frozenset[Status] = frozenset({"possible-refractory", "relapsed", "progressing"})


def past_statuses(case: Case, cuts: Sequence[int]) -> list[Earlier]:
    """The adverse statuses by the evidence before each of these places, which begin days."""
    story = _Story(case)
    return [past for cut in cuts if (past := story.up_to(cut)) is not None]


class _Judged(msgspec.Struct, frozen=True, gc=False):
    """A progression with what it makes of the line."""

    progression: Evidence
    status: Status
    on: date
    volatile_until: date | None
    """Up to this day something may be told that changes it."""
    scan_due: date | None
    """From this day on a scan may confirm it."""


class _State(msgspec.Struct, frozen=True, gc=False):
    """What has been told up to a finding; from `first` to `word`, since the last response."""

    risen: frozenset[str] = frozenset()
    unresolved: int | None = None
    """Place of the first suspicion that nothing has borne out or ended so far."""
    last: Evidence | None = None
    answer: Evidence | None = None
    """The last that could be evaluated."""
    spoke_on: PartialDate | None = None
    """Day of the last that is adverse or favourable."""
    first: Evidence | None = None
    """The first progression."""
    best: _Judged | None = None
    latest: PartialDate | None = None
    """Day of the last progression."""
    suspicion: Evidence | None = None
    is_missed: bool = False
    is_stable_since: bool = False
    stable: Evidence | None = None
    """The last stable disease that is said of the whole."""
    word: Evidence | None = None
    """The first that is refractory in a clinician's words."""


class _Story:
    """The findings that speak, in their order, as far as they have been told."""

    def __init__(self, case: Case) -> None:
        self._index = Index(case.evidence)
        self._case = replace(case, evidence=())
        scans = max((rule.confirming_scan_days for rule in case.disease.rules), default=0)
        self._asks_for_scan = scans > 0
        self._span = max(scans, LIMITED_DAYS)
        told = [(place, e) for place, e in enumerate(map(as_deciding, case.evidence)) if e]
        mixed = mixed_days([e for _, e in told])
        self._mixed = sorted(mixed)
        told = [(place, e) for place, e in told if not (is_statement(e) and e.on in mixed)]
        self._places = [place for place, _ in told]
        self._base: list[Evidence | None] = []
        self._ends: list[PartialDate | None] = []
        """The day on which a louder one says the contrary of what came before it."""
        self._set_against_each_other([e for _, e in told])
        self._entries: list[tuple[int, Evidence, _State]] = []
        self._known: dict[tuple[int, Evidence], _Judged] = {}
        self._done = 0
        self._since = date.min
        self._alive: list[int] = []
        """Those told so far that a louder one will end."""
        self._volatile: list[tuple[int, date]] = []
        self._waiting: list[tuple[int, date]] = []

    def _set_against_each_other(self, single: Sequence[Evidence]) -> None:
        hearing = Hearing(single)
        for e in single:
            louder = hearing.against(e)
            before = [other for other in louder if other.on <= e.on]
            later = (other.on for other in louder if other.on > e.on)
            self._base.append(heard(e, before) if before else e)
            self._ends.append(min(later, default=None))

    def up_to(self, cut: int) -> Earlier | None:
        """The adverse status by the evidence before a place; places are asked in their order."""
        told = Told(self._index, cut)
        case = replace(self._case, told=told)
        self._read_up_to(bisect_left(self._places, cut), cut, case)
        day = self._index.evidence[cut].on
        state = self._entries[-1][2] if self._entries else _State()
        contradictory = bisect_left(self._mixed, day)
        if contradictory:
            spoke = state.spoke_on
            if spoke is None or self._mixed[contradictory - 1] >= spoke:
                return None
        return _status_of(state, case)

    def _read_up_to(self, count: int, cut: int, case: Case) -> None:
        """Go on from the first finding that may be read otherwise than before."""
        start = self._changed_from(count, cut, case)
        while True:
            self._forget_from(start)
            state = self._entries[-1][2] if self._entries else _State()
            alive = [n for n in range(start, count) if self._is_heard(n, cut)]
            speaking, bears = with_confirmed([e for n in alive if (e := self._base[n])])
            before = state.unresolved
            if before is None or before >= start:
                break
            if bears is None and not self._is_borne_out(before):
                break
            start = before
        for n, e in zip(alive, speaking, strict=True):
            state = self._and(state, n, e, case)
            self._entries.append((n, e, state))
        self._alive += [n for n in range(self._done, count) if self._ends[n] is not None]
        self._done = count
        self._since = self._index.evidence[cut].on.first

    def _is_heard(self, n: int, cut: int) -> bool:
        ends = self._ends[n]
        return self._base[n] is not None and (
            ends is None or ends > self._index.evidence[cut - 1].on
        )

    def _is_borne_out(self, n: int) -> bool:
        place = bisect_left(self._entries, n, key=_number)
        return self._entries[place][1].is_unconfirmed is False

    def _changed_from(self, count: int, cut: int, case: Case) -> int:
        last = self._index.evidence[cut - 1].on
        ended = [n for n in self._alive if (on := self._ends[n]) is not None and on <= last]
        if ended:
            self._alive = [n for n in self._alive if (on := self._ends[n]) and on > last]
        volatile = [n for n, until in self._volatile if until >= self._since]
        scanned = [n for n, due in self._waiting if case.so_far().is_scanned_from(due)]
        return min((self._done, count, *ended, *volatile, *scanned))

    def _forget_from(self, start: int) -> None:
        while self._entries and self._entries[-1][0] >= start:
            self._entries.pop()
        self._volatile = [
            (n, until) for n, until in self._volatile if n < start and until >= self._since
        ]
        self._waiting = [each for each in self._waiting if each[0] < start]

    def _and(self, state: _State, n: int, e: Evidence, case: Case) -> _State:
        """What has been told with one finding more."""
        asked = self._base[n] or e
        resolves = ends_suspicion(asked) or bears_out(asked)
        unresolved = None if resolves else state.unresolved
        if unresolved is None and not resolves and asked.is_atypical:
            unresolved = n
        told = _State(
            state.risen | {e.kind} if e.is_progression else state.risen,
            unresolved,
            e,
            state.answer if e.finding == "not-evaluable" else e,
            e.on if is_adverse(e) or is_favourable(e) else state.spoke_on,
        )
        if is_turn(e, state.risen):
            return told
        suspicion, since = state.suspicion, state.is_stable_since
        return _State(
            told.risen,
            told.unresolved,
            told.last,
            told.answer,
            told.spoke_on,
            first=state.first or (e if e.is_progression else None),
            best=self._better(state.best, n, e, case) if e.is_progression else state.best,
            latest=e.on if e.is_progression else state.latest,
            suspicion=suspicion or (e if e.is_unconfirmed else None),
            is_missed=state.is_missed or (e.is_unconfirmed and bool(e.missed)),
            is_stable_since=since
            or (e.is_stable and suspicion is not None and e.on > suspicion.on),
            stable=e if e.is_stable and e.is_whole else state.stable,
            word=state.word or (e if e.is_refractory_in_words else None),
        )

    def _better(self, best: _Judged | None, n: int, e: Evidence, case: Case) -> _Judged:
        if best is not None and best.status == "possible-refractory":
            return best
        judged = self._known.get((n, e))
        if judged is None:
            judged = self._judge(e, n, case)
            if judged.volatile_until is None and judged.scan_due is None:
                self._known[n, e] = judged
        if judged.volatile_until is not None:
            self._volatile.append((n, judged.volatile_until))
        if judged.scan_due is not None:
            self._waiting.append((n, judged.scan_due))
        is_better = best is None or WEIGHT[judged.status] < WEIGHT[best.status]
        return judged if best is None or is_better else best

    def _judge(self, e: Evidence, n: int, case: Case) -> _Judged:
        verdict = dated_verdict(e, case, Weighed((), (), is_mixed=False, progressions=(e,)))
        told = self._index.evidence[self._places[n]]
        far = min(timedelta(self._span), date.max - e.on.last)
        until = e.on.last + far
        due = scan_due(e, verdict.hits, case) if verdict.hits and not e.missed else None
        if not e.on.is_exact and self._asks_for_scan:
            due = until  # each of its days has a scan of its own to wait for
        if due is not None and case.so_far().is_scanned_from(due):
            due = None
        elif due is not None and not e.on.is_exact:
            due = case.so_far().next_scan
        is_sure = e.on.is_exact and not e.sites and told.is_progression
        return _Judged(
            e, verdict.status, verdict.progression.on.first, None if is_sure else until, due
        )


def _number(entry: tuple[int, Evidence, _State]) -> int:
    return entry[0]


def _status_of(state: _State, case: Case) -> Earlier | None:
    if state.last is None:
        return None
    if state.first is not None and state.word is not None:
        words = Weighed((), (state.word,), is_mixed=False, is_refractory_in_words=True)
        verdict = dated_verdict(state.first, case, words)
        return Earlier(verdict.progression.on.first, verdict.status)
    best = state.best
    if best is not None and state.latest is not None:
        if best.status not in ADVERSE or (
            best.status == "progressing"
            and state.stable is not None
            and is_settled_by(state.stable, best.progression.on, state.latest)
        ):
            return None
        return Earlier(best.on, best.status)
    if state.suspicion is not None:
        if state.is_stable_since or state.is_missed:
            return None
        return Earlier(state.suspicion.on.first, "progressing")
    return _without_progression(state, case)


def _without_progression(state: _State, case: Case) -> Earlier | None:
    if state.last is None or state.last.is_not_comparable or state.answer is None:
        return None
    missed = missed_response(state.answer, case)
    if missed is None or missed.status not in ADVERSE or missed.progressed_on is None:
        return None
    return Earlier(missed.progressed_on, missed.status)
