"""Which advice fires for a line: the first condition that fits, in the order of the table."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from cds_service.clinical.advice.situation import IMAGING, AdviceKind, Situation
from cds_service.clinical.status import Caveat, Confidence, Status

MARKER_IMAGING_DAYS = 56
SYMPTOM_IMAGING_DAYS = 90
POOR_ECOG = 3
BEDBOUND_ECOG = 4


def kinds_that_fire(situation: Situation) -> tuple[AdviceKind, ...]:
    for fires, kinds in FIRING:
        if fires(situation):
            return kinds(situation)
    return ()


Fires = Callable[[Situation], bool]
Kinds = Callable[[Situation], tuple[AdviceKind, ...]]


def _is_adverse(s: Situation) -> bool:
    return s.status.status in ("possible-refractory", "progressing", "relapsed", "indeterminate")


def _is_quiet(s: Situation) -> bool:
    return s.status.status in ("responding", "stable", "no-evidence") and not s.has("symptom-only")


def _is_frail(s: Situation) -> bool:
    ecog = s.ecog
    if ecog is None or s.status.status not in ("possible-refractory", "progressing"):
        return False
    return ecog >= BEDBOUND_ECOG or (ecog >= POOR_ECOG and s.progressed_lines > 1)


def _is_milestone(s: Situation) -> bool:
    ids = {m.id for m in s.disease.milestones}
    return _is_adverse(s) and bool(ids & set(s.status.rules))


def _may_be_transformed(s: Situation) -> bool:
    return "transformation-possible" in s.status.flags


def _is_lost_off_therapy(s: Situation) -> bool:
    """A remission without treatment has ended: to be confirmed, and treatment taken up again."""
    lost = [e for e in s.judged.evidence if e.is_off_therapy]
    return s.status.status == "relapsed" and any(e.on.first == s.status.progressed_on for e in lost)


def _needs_imaging_of_marker(s: Situation) -> bool:
    on = s.status.progressed_on
    if not s.has("marker-only") or s.status.status != "possible-refractory" or on is None:
        return False
    return not s.was_done(IMAGING, on, on + timedelta(days=MARKER_IMAGING_DAYS))


def _always(*kinds: AdviceKind) -> Kinds:
    return lambda _: kinds


def _for_symptom(s: Situation) -> tuple[AdviceKind, ...]:
    recent = s.record.as_of - timedelta(days=SYMPTOM_IMAGING_DAYS)
    if s.was_done(IMAGING, recent, s.record.as_of):
        return ("supportive-care",)
    return "supportive-care", "restage"


def _for_documented(s: Situation) -> tuple[AdviceKind, ...]:
    poor = s.ecog is not None and s.ecog >= POOR_ECOG
    return ("biopsy", "trial-referral", "restage", *(("supportive-care",) if poor else ()))


def _is(*statuses: Status) -> Fires:
    return lambda s: s.status.status in statuses


def _all_of(*conditions: Fires) -> Fires:
    return lambda s: all(condition(s) for condition in conditions)


def _with(*caveats: Caveat) -> Fires:
    return lambda s: s.has(*caveats)


def _as_sure_as(confidence: Confidence) -> Fires:
    return lambda s: s.status.confidence == confidence


def _leads_to_trial(s: Situation) -> bool:
    return s.composites.leads_to_trial and s.is_latest


REFRACTORY = _is("possible-refractory")
WITHHELD = _is("progressing", "relapsed", "indeterminate")
OPEN = _is("progressing", "indeterminate")

# Advice by the first condition that fits; each list leads with what comes first.
FIRING: tuple[tuple[Fires, Kinds], ...] = (
    (_is_quiet, _always()),
    (_all_of(_with("diagnosis-unclarified"), _is_adverse), _always("biopsy")),
    (_all_of(_is_adverse, _may_be_transformed), _always("biopsy", "restage", "trial-referral")),
    (
        _all_of(_with("adherence"), _is_adverse),
        _always("adherence-review", "confirm-progression"),
    ),
    (_is_milestone, _always("adherence-review", "confirm-progression")),
    (
        _all_of(WITHHELD, _with("inadequate-exposure", "assessment-too-early")),
        _always("confirm-progression"),
    ),
    (lambda s: s.status.awaits_imaging, _always("restage")),
    (
        _all_of(OPEN, _with("pseudoprogression-possible", "unconfirmed")),
        _always("confirm-progression"),
    ),
    (_with("symptom-only"), _for_symptom),
    (_is_frail, _always("supportive-care", "restage")),
    (_needs_imaging_of_marker, _always("restage")),
    (
        _all_of(WITHHELD, _with("not-comparable", "mixed-response")),
        _always("confirm-progression", "restage"),
    ),
    (_all_of(_is("progressing"), _with("limited-progression")), _always("restage")),
    (
        _all_of(REFRACTORY, _leads_to_trial),
        _always("trial-referral", "restage", "biopsy", "supportive-care"),
    ),
    (_all_of(REFRACTORY, _as_sure_as("signal")), _always("confirm-progression", "restage")),
    (_all_of(REFRACTORY, _as_sure_as("documented")), _for_documented),
    (REFRACTORY, _always("restage", "biopsy", "trial-referral")),
    (_is_lost_off_therapy, _always("confirm-progression")),
    (_is("relapsed"), _always("restage", "biopsy", "trial-referral")),
    (_is("progressing"), _always("restage")),
    (_is("indeterminate"), _always("confirm-progression")),
)
