"""One line and its evidence → where it stands: the progression, the response or the silence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

from cds_service.clinical.evidence import Evidence
from cds_service.clinical.status.caveats import (
    caveats_of_line,
    caveats_of_progression,
    has_unreadable_values,
    missing_facts,
    open_alternatives,
)
from cds_service.clinical.status.early import is_early
from cds_service.clinical.status.line_status import (
    DOUBTFUL,
    WITHHOLDING,
    Case,
    Caveat,
    Confidence,
    LineStatus,
    PatternName,
    Status,
)
from cds_service.clinical.status.nonresponse import missed_response
from cds_service.clinical.status.pattern import is_near_time, pattern_of
from cds_service.clinical.status.weighing import Weighed, is_of_marker, weigh
from cds_service.clinical.status.windows import (
    Hit,
    Reach,
    in_order_of_rules,
    is_at_dose,
    is_enough,
    reach_of,
    stopped_as_planned,
    without_progression,
)
from cds_service.dates import PartialDate
from cds_service.knowledge.model import Milestones, Target

DOCUMENTED = "shared.documented-refractory"
RESOLVING_DAYS = 28
"""Stability later than this after a withheld progression settles it."""


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What one progression makes of the line."""

    status: Status
    progression: Evidence
    reach: Reach
    hits: tuple[Hit, ...] = ()
    caveats: frozenset[Caveat] = frozenset()
    confidence: Confidence | None = None
    rules: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def judge(case: Case) -> LineStatus:
    """Where the line stands by its evidence, the last of it being the present."""
    weighed = weigh(case.evidence)
    if weighed.is_mixed:
        return _plain(case, "indeterminate", {"mixed-response"})
    if not weighed.speaking:
        return _silence(case)
    if weighed.progressions:
        return _after_progression(case, weighed)
    if weighed.suspicions:
        return _after_suspicion(case, weighed)
    return _without_progression(case, weighed)


def _silence(case: Case) -> LineStatus:
    """Nothing that decides: no evidence, unless values are there that cannot be read."""
    unreadable = has_unreadable_values(case)
    return _plain(case, "indeterminate" if unreadable else "no-evidence", set())


def _plain(case: Case, status: Status, caveats: Iterable[Caveat]) -> LineStatus:
    is_settled = status != "indeterminate"
    return LineStatus(
        status=status,
        answers=without_progression(case) if is_settled else (),
        best_response=case.so_far().best_response,
        caveats=_sorted({*caveats, *caveats_of_line(case)}),
    )


def _after_progression(case: Case, weighed: Weighed) -> LineStatus:
    """The progression that decides: the first that counts in full, else the first of all."""
    best: Verdict | None = None
    for progression in weighed.progressions:
        verdict = dated_verdict(progression, case, weighed)
        if best is None or WEIGHT[verdict.status] < WEIGHT[best.status]:
            best = verdict
        if best.status == "possible-refractory":
            break
    if best is None:
        raise ValueError("no progression to judge")
    if best.status == "progressing" and _settled_since(best, weighed):
        return _plain(case, "stable", set())
    pattern: PatternName | None = None
    if best.status == "possible-refractory" and best.progression.missed:
        pattern = "secondary" if best.progression.was_reached else "primary"
    elif best.status == "possible-refractory" and best.hits:
        pattern = pattern_of(best.progression.on, _lead(best.hits, case), case)
    drugs = {hit.use.drug for hit in best.hits} if best.status == "possible-refractory" else set()
    return LineStatus(
        status=best.status,
        pattern=pattern,
        confidence=best.confidence,
        best_response=case.so_far().best_response,
        refractory_to=tuple(sorted(drug.name for drug in drugs)),
        refractory_classes=tuple(sorted({drug.drug_class for drug in drugs})),
        rules=best.rules,
        caveats=_sorted(best.caveats),
        flags=_flags(best, case),
        answers=best.reach.answers(case),
        progressed_on=best.progression.on.first,
        interval_days=best.reach.interval_days,
        labels=tuple(dict.fromkeys(hit.rule.label for hit in best.hits if hit.rule.label)),
        missing=best.missing,
    )


def _lead(hits: Sequence[Hit], case: Case) -> Hit:
    """The hit of the rule that comes first in the definition: it tells primary from secondary."""
    first = in_order_of_rules(hits, case)[0]
    return next(hit for hit in hits if hit.rule.id == first.id)


WEIGHT: dict[Status, int] = {
    "possible-refractory": 0,
    "relapsed": 1,
    "progressing": 2,
    "indeterminate": 3,
}


def _settled_since(verdict: Verdict, weighed: Weighed) -> bool:
    """Whether stable disease was recorded well after a progression that did not count in full."""
    first = verdict.progression.on
    latest = max(e.on for e in weighed.progressions)
    return any(is_settled_by(e, first, latest) for e in weighed.episode)


def is_settled_by(evidence: Evidence, first: PartialDate, latest: PartialDate) -> bool:
    return (
        evidence.is_stable
        and evidence.is_whole
        and evidence.on > latest
        and (evidence.on.first - first.last).days > RESOLVING_DAYS
    )


def dated_verdict(progression: Evidence, case: Case, weighed: Weighed) -> Verdict:
    """The verdict; of a date known to the month only one that both its ends agree on."""
    verdict = _verdict(progression, case, weighed)
    if progression.on.is_exact or verdict.status == "indeterminate":
        return verdict
    until = case.line.next_start or case.record.as_of
    ends = max(progression.on.first, case.line.start.first), min(progression.on.last, until)
    dated = (replace(progression, on=PartialDate.on(day)) for day in ends)
    said = {_verdict(each, case, weighed).status for each in dated}
    return verdict if len(said) == 1 else replace(verdict, status="indeterminate", confidence=None)


def _verdict(progression: Evidence, case: Case, weighed: Weighed) -> Verdict:
    """What one progression makes of the line, with the caveats that bear on it."""
    reach = reach_of(progression.on, case)
    if progression.is_off_therapy:
        reach = replace(reach, hits=(), unknown=())
    is_refractory_in_words = progression.is_refractory_in_words or weighed.is_refractory_in_words
    if progression.missed:
        return _missed_milestone(progression, reach, case, is_refractory_in_words)
    if not reach.hits:
        if is_refractory_in_words:
            return _documented(progression, reach, case, weighed)
        return _outside(progression, reach, case, weighed)
    counted = reach.counted or reach.hits
    caveats = frozenset(caveats_of_progression(progression, reach.hits, case, weighed))
    rules = [rule.id for rule in in_order_of_rules(counted, case)]
    rules += [progression.rule] if progression.rule else []
    missing = _missing(counted, case)
    if is_refractory_in_words:
        # a clinician's word stands above what only withholds the label
        return Verdict(
            "possible-refractory", progression, reach, counted, caveats, "documented",
            (*rules, DOCUMENTED), missing,
        )  # fmt: skip
    planned = _planned_stop(progression, reach, counted, case)
    if planned is not None:
        extra: set[Caveat] = {"unconfirmed"} if planned == "indeterminate" else set()
        confidence = _confidence(progression, caveats, counted, weighed)
        return Verdict(
            planned, progression, reach, counted, caveats | extra,
            confidence if planned == "progressing" else None, tuple(rules), missing,
        )  # fmt: skip
    status: Status = "progressing" if caveats & WITHHOLDING else "possible-refractory"
    return Verdict(
        status, progression, reach, counted, caveats,
        _confidence(progression, caveats, counted, weighed), tuple(rules), missing,
    )  # fmt: skip


def _missing(hits: Sequence[Hit], case: Case) -> tuple[str, ...]:
    missing = set(missing_facts(case))
    missing |= {hit.lacks for hit in hits if hit.lacks}
    missing |= {f"histology ({name})" for name in open_alternatives(case)}
    return tuple(sorted(missing))


def _confidence(
    progression: Evidence, caveats: frozenset[Caveat], hits: Sequence[Hit], weighed: Weighed
) -> Confidence:
    if (progression.is_documented or weighed.is_documented) and not caveats & DOUBTFUL:
        return "documented"
    if caveats & DOUBTFUL or (hits and all(hit.rule.is_signal_only for hit in hits)):
        return "signal"
    return _as_sure_as_told(progression, weighed)


def _as_sure_as_told(progression: Evidence, weighed: Weighed) -> Confidence:
    """A signal, where nothing that was told does more than suggest."""
    return "signal" if progression.is_signal_only and weighed.is_signal_only else "criteria"


def _planned_stop(
    progression: Evidence, reach: Reach, hits: Sequence[Hit], case: Case
) -> Status | None:
    """What a progression after a planned stop is, where a rule says so."""
    said = {hit.rule.planned_stop for hit in hits} - {""}
    if not said or reach.interval_days <= 0 or not stopped_as_planned(case):
        return None
    return "indeterminate" if "indeterminate" in said else "progressing"


def _outside(progression: Evidence, reach: Reach, case: Case, weighed: Weighed) -> Verdict:
    """A progression that falls upon no agent: too long after, or not to be told."""
    caveats = frozenset(caveats_of_line(case, progression.on.last))
    rules = tuple(dict.fromkeys(rule.id for _, rule, _ in reach.asked))
    if reach.unknown:
        return Verdict("indeterminate", progression, reach, (), caveats, None, rules)
    documented = progression.is_documented or weighed.is_documented
    confidence = "documented" if documented else _as_sure_as_told(progression, weighed)
    status: Status = "relapsed" if _had_control(progression, case) else "progressing"
    if is_of_marker(progression, case):
        caveats |= {"marker-only"}
    return Verdict(status, progression, reach, (), caveats, confidence, rules)


def _had_control(progression: Evidence, case: Case) -> bool:
    """Whether response, stability, or local therapy meant to cure came before, on any line."""
    if case.had_control or progression.finding == "relapse":
        return True
    return case.so_far().had_control_before(progression.on) or case.line.is_curative


def _documented(progression: Evidence, reach: Reach, case: Case, weighed: Weighed) -> Verdict:
    """Refractory in a clinician's words, outside every window: the word stands, for no class."""
    word = next((e for e in weighed.episode if e.is_refractory_in_words), progression)
    return Verdict(
        "possible-refractory", word, reach, (), frozenset(caveats_of_line(case, word.on.last)),
        "documented", (DOCUMENTED,),
    )  # fmt: skip


def _missed_milestone(
    progression: Evidence, reach: Reach, case: Case, is_refractory_in_words: bool
) -> Verdict:
    """A response that should have been reached by now: failure, unless a caveat explains it."""
    every: tuple[Milestones | Target, ...] = (*case.disease.milestones, *case.disease.targets)
    asked = next(m for m in every if m.id == progression.rule)
    caveats = caveats_of_line(case, (progression.confirmed_on or progression.on).last)
    if not _is_exposed(asked, progression, case):
        caveats.add("inadequate-exposure")
    hits = tuple(hit for hit in reach.hits if asked.agents.include(hit.use.drug))
    withheld = bool(caveats & WITHHOLDING) and not is_refractory_in_words
    confidence: Confidence = "signal" if progression.is_signal_only else "criteria"
    if is_refractory_in_words:
        confidence = "documented"
    return Verdict(
        "indeterminate" if withheld else "possible-refractory",
        progression,
        reach,
        hits,
        frozenset(caveats),
        "signal" if withheld else confidence,
        (progression.rule,),
    )


def _is_exposed(asked: Milestones | Target, progression: Evidence, case: Case) -> bool:
    """Whether the drug was given for long enough, at a dose that was enough, to be judged."""
    on = (progression.confirmed_on or progression.on).first
    uses = [use for use in case.line.uses if asked.agents.include(use.drug)]
    if isinstance(asked, Milestones):
        days = asked.min_exposure_days
        return case.line.exposure_days(on) >= days and any(
            is_at_dose(use, asked.full_doses, days, on) for use in uses
        )
    return any(is_enough(use, asked.minimum, on) for use in uses)


def _after_suspicion(case: Case, weighed: Weighed) -> LineStatus:
    """An unconfirmed progression: its confirmation is missing, or later evidence settles it."""
    first = weighed.suspicions[0]
    if any(e.is_stable and e.on > first.on for e in weighed.episode):
        return _plain(case, "stable", set())
    caveats: set[Caveat] = {"unconfirmed"}
    if all(e.is_atypical for e in weighed.suspicions):
        caveats.add("pseudoprogression-possible")
    if all(is_of_marker(e, case) for e in weighed.suspicions):
        caveats.add("marker-only")
    if any(e.is_not_comparable for e in weighed.suspicions):
        caveats.add("not-comparable")
    missed = any(e.missed for e in weighed.suspicions)
    reach = reach_of(first.on, case)
    rules = [rule.id for rule in in_order_of_rules(reach.hits, case)]
    rules += [first.rule] if first.rule else []
    status: Status = "indeterminate" if missed else "progressing"
    inferred = all(e.kind == "treatment-change" for e in weighed.suspicions)
    return LineStatus(
        status=status,
        confidence="signal",
        best_response=case.so_far().best_response,
        rules=tuple(rules),
        caveats=_sorted({*caveats, *caveats_of_line(case, weighed.suspicions[-1].on.last)}),
        flags=("treatment-change-inferred",) if inferred else (),
        answers=reach.answers(case),
        progressed_on=first.on.first,
        interval_days=reach.interval_days,
        awaits_imaging=all(e.suggests for e in weighed.suspicions),
    )


def _without_progression(case: Case, weighed: Weighed) -> LineStatus:
    """The latest word, when none of them is progression."""
    if weighed.speaking[-1].is_not_comparable:
        return _plain(case, "indeterminate", {"not-comparable"})
    told = [e for e in weighed.speaking if e.finding != "not-evaluable"]
    if not told:
        return _plain(case, "indeterminate", set())
    latest = told[-1]
    missed = missed_response(latest, case)
    if missed is not None:
        return missed
    return _plain(case, "responding" if latest.is_response else "stable", set())


def _flags(verdict: Verdict, case: Case) -> tuple[str, ...]:
    flags = set()
    on, hits = verdict.progression.on, verdict.hits
    if verdict.reach.is_near_boundary(case) or (hits and is_near_time(on, _lead(hits, case), case)):
        flags.add("near-threshold")
    if not verdict.progression.on.is_exact:
        flags.add("partial-date")
    if any(e.is_transformation for e in case.evidence):
        flags.add("transformation-possible")
    flags |= {
        early.flag for early in case.disease.early if is_early(early, verdict.status, on, case)
    }
    return tuple(sorted(flags))


def _sorted(caveats: Iterable[Caveat]) -> tuple[Caveat, ...]:
    return tuple(sorted(set(caveats)))
