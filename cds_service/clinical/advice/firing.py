"""Which advice fires for a line: the first row of one table whose condition fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import msgspec

from cds_service.clinical.advice.situation import AdviceKind, Situation
from cds_service.clinical.status import Caveat, Confidence, Status, is_child_of_adult_definition

MARKER_IMAGING_DAYS = 56
SYMPTOM_IMAGING_DAYS = 90
INTOLERANT_STALE_DAYS = 90
POOR_ECOG = 3
BEDBOUND_ECOG = 4
LINES_OF_POOR_ECOG = 2

Fires = Callable[[Situation], bool]
Kinds = Callable[[Situation], tuple[AdviceKind, ...]]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table: its id, its condition, and the advice in its order."""

    id: str
    fires: Fires
    kinds: Kinds


class Fired(msgspec.Struct, frozen=True, gc=False):
    """The row that fits, and its advice, the leading one first."""

    row: str
    kinds: tuple[AdviceKind, ...]


def fired_by(situation: Situation) -> Fired:
    """The advice of the first row that fits; in frail patients supportive care leads (A18)."""
    row = next(row for row in FIRING if row.fires(situation))
    kinds = row.kinds(situation)
    if not kinds or not _is_frail(situation):
        return Fired(row.id, kinds)
    rest = tuple(k for k in kinds if k not in ("supportive-care", "trial-referral"))
    return Fired("A18", ("supportive-care", *rest))


def _is_adverse(s: Situation) -> bool:
    return s.status.status in ("possible-refractory", "progressing", "relapsed", "indeterminate")


def _is_quiet(s: Situation) -> bool:
    return s.status.status in ("responding", "stable", "no-evidence") and not s.has("symptom-only")


def _is_left_unseen(s: Situation) -> bool:
    """Stopped for toxicity, and nothing has looked at the disease for a while."""
    if not _is_quiet(s) or not s.has("intolerance"):
        return False
    as_of = s.record.as_of
    looked = [e.on.last for e in s.judged.evidence if e.kind != "treatment-change"]
    seen = max(looked, default=s.judged.line.start.last)
    since = as_of - timedelta(days=INTOLERANT_STALE_DAYS)
    return seen < since and not s.was_imaged(since, as_of)


def _is_frail(s: Situation) -> bool:
    ecog = s.ecog
    progressed = s.status.status in ("possible-refractory", "progressing", "relapsed")
    if ecog is None or not progressed:
        return False
    if ecog >= BEDBOUND_ECOG:
        return True
    return ecog >= POOR_ECOG and s.progressed_lines >= LINES_OF_POOR_ECOG


def _is_milestone(s: Situation) -> bool:
    ids = {m.id for m in s.disease.milestones}
    return _is_adverse(s) and bool(ids & set(s.status.rules))


def _may_be_transformed(s: Situation) -> bool:
    return "transformation-possible" in s.status.flags


def _is_lost_off_therapy(s: Situation) -> bool:
    """A remission without treatment has ended: to be confirmed, and treatment taken up again."""
    lost = [e for e in s.judged.evidence if e.is_off_therapy]
    return s.status.status == "relapsed" and any(e.on.first == s.status.progressed_on for e in lost)


def _awaits_imaging(s: Situation) -> bool:
    """A marker has said all that it can; but where the disease is staged by it, it is repeated."""
    return s.status.awaits_imaging and "marker" not in s.disease.advice.restage_by


def _needs_imaging_of_marker(s: Situation) -> bool:
    on = s.status.progressed_on
    if not s.has("marker-only") or s.status.status != "possible-refractory" or on is None:
        return False
    return not s.was_imaged(on, on + timedelta(days=MARKER_IMAGING_DAYS))


def _leads_to_trial(s: Situation) -> bool:
    return s.composites.leads_to_trial and s.is_latest and s.status.confidence != "signal"


def _is_of_child(s: Situation) -> bool:
    on = s.status.progressed_on or s.record.as_of
    return _is_adverse(s) and is_child_of_adult_definition(s.record.patient, on, s.disease)


def _always(*kinds: AdviceKind) -> Kinds:
    return lambda _: kinds


def _with_biopsy(*kinds: AdviceKind) -> Kinds:
    """These, but no biopsy where the definition lists no question that it answers."""
    return lambda s: tuple(k for k in kinds if k != "biopsy" or s.disease.advice.biopsy_adds)


def _for_unclarified(s: Situation) -> tuple[AdviceKind, ...]:
    """Tissue only where none was ever looked at; else what is missing is to be completed."""
    return ("confirm-progression",) if s.has_histology else ("biopsy",)


def _for_symptom(s: Situation) -> tuple[AdviceKind, ...]:
    recent = s.record.as_of - timedelta(days=SYMPTOM_IMAGING_DAYS)
    if s.was_imaged(recent, s.record.as_of):
        return ("supportive-care",)
    return "supportive-care", "restage"


def _for_documented(s: Situation) -> tuple[AdviceKind, ...]:
    poor = s.ecog is not None and s.ecog >= POOR_ECOG
    burdened = poor or s.is_cautioned("symptom") or _has_worse_symptom(s)
    more: tuple[AdviceKind, ...] = ("supportive-care",) if burdened else ()
    return (*_with_biopsy("biopsy", "trial-referral", "restage")(s), *more)


def _has_worse_symptom(s: Situation) -> bool:
    return s.around.once("symptom", lambda: any(d.kind == "symptom" for d in s.record.doubts))


def _is(*statuses: Status) -> Fires:
    return lambda s: s.status.status in statuses


def _all_of(*conditions: Fires) -> Fires:
    def fires(s: Situation) -> bool:
        for condition in conditions:  # noqa: SIM110 - asked for every line and row
            if not condition(s):
                return False
        return True

    return fires


def _with(*caveats: Caveat) -> Fires:
    return lambda s: s.has(*caveats)


def _as_sure_as(confidence: Confidence) -> Fires:
    return lambda s: s.status.confidence == confidence


REFRACTORY = _is("possible-refractory")
WITHHELD = _is("progressing", "relapsed", "indeterminate")
OPEN = _is("progressing", "indeterminate")

FIRING: tuple[Row, ...] = (
    Row("A9", _is_left_unseen, _always("restage")),
    Row("A17", _all_of(_is("responding"), _is_quiet), _always()),
    Row("A10", _is_quiet, _always()),
    Row("S13", _is_of_child, _always("confirm-progression")),
    Row("A1", _all_of(WITHHELD, _with("diagnosis-unclarified")), _for_unclarified),
    Row(
        "A16",
        _all_of(_is_adverse, _may_be_transformed),
        _always("biopsy", "restage", "trial-referral"),
    ),
    Row(
        "A2",
        _all_of(_is_adverse, _with("adherence")),
        _always("adherence-review", "confirm-progression"),
    ),
    Row("A2", _is_milestone, _always("adherence-review", "confirm-progression")),
    Row(
        "A3",
        _all_of(WITHHELD, _with("inadequate-exposure", "assessment-too-early")),
        _always("confirm-progression"),
    ),
    Row("A5", _awaits_imaging, _always("restage")),
    Row(
        "A4",
        _all_of(OPEN, _with("pseudoprogression-possible", "unconfirmed")),
        _always("confirm-progression"),
    ),
    Row("A8", _with("symptom-only"), _for_symptom),
    Row("A5", _needs_imaging_of_marker, _always("restage")),
    Row(
        "A6",
        _all_of(WITHHELD, _with("not-comparable", "mixed-response")),
        _always("confirm-progression", "restage"),
    ),
    Row("A7", _all_of(_is("progressing"), _with("limited-progression")), _always("restage")),
    Row(
        "A15",
        _all_of(REFRACTORY, _leads_to_trial),
        _with_biopsy("trial-referral", "supportive-care", "restage", "biopsy"),
    ),
    Row(
        "A11", _all_of(REFRACTORY, _as_sure_as("signal")), _always("confirm-progression", "restage")
    ),
    Row("A13", _all_of(REFRACTORY, _as_sure_as("documented")), _for_documented),
    Row("A12", REFRACTORY, _with_biopsy("restage", "biopsy", "trial-referral")),
    Row("A4", _is_lost_off_therapy, _always("confirm-progression")),
    Row("A14", _is("relapsed"), _with_biopsy("restage", "biopsy", "trial-referral")),
    Row("A14", _is("progressing"), _always("restage")),
    Row("A4", lambda _: True, _always("confirm-progression")),
)
"""In this order: what makes the evidence doubtful stands before what it would mean.

A18 is no row: it changes what any of them gives.
"""
