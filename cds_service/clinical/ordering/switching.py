"""A draft would switch a line while a caveat weakens the progression on it."""

from __future__ import annotations

from msgspec.structs import replace

from cds_service.clinical.advice import (
    Advice,
    AdviceKind,
    EarlierCards,
    Judged,
    Silence,
    without_ordered,
)
from cds_service.clinical.advice.situation import IMAGING
from cds_service.clinical.assessment import Assessment, CancerAssessment
from cds_service.clinical.ordering.treats import may_treat
from cds_service.clinical.ordering.warning import (
    DOUBTFUL_SWITCH,
    NamedDrug,
    OrderWarning,
    by_drug,
    silence_of,
)
from cds_service.clinical.record import Drafts
from cds_service.clinical.status import Caveat, is_child_of_adult_definition
from cds_service.knowledge.model import Disease, Knowledge
from cds_service.knowledge.terms import Drug

JUST_ENDED_DAYS = 28
"""A line that ended no longer ago is one that a new drug takes over from (our default)."""
STALE_DAYS = 365
WEAKENING: tuple[Caveat, ...] = (
    "diagnosis-unclarified", "adherence", "inadequate-exposure", "assessment-too-early",
    "pseudoprogression-possible", "unconfirmed", "limited-progression", "mixed-response",
    "not-comparable",
)  # fmt: skip
"""Caveats under which a switch may rest on little, in the order in which a card leads with them.

`marker-only` is one of them, the last, where the marker is no more than a signal.
"""
SETTLING: frozenset[AdviceKind] = frozenset({"confirm-progression", "adherence-review", "restage"})
"""Kinds of advice that could settle the doubt; where the diagnosis is open, a biopsy too."""


def doubtful_switch(
    cancer: CancerAssessment,
    assessment: Assessment,
    drafts: Drafts,
    knowledge: Knowledge,
    earlier_cards: EarlierCards,
) -> OrderWarning | None:
    """Drafts of drugs that the latest line does not have, while that line's progression is weak."""
    if not cancer.judged:
        return None
    judged = cancer.judged[-1]
    caveats = weakening(judged)
    if not caveats or not _is_current(judged, assessment) or _is_of_child(cancer, assessment):
        return None
    fitting = [d for d in drafts.drugs if may_treat(d, cancer, assessment, knowledge)]
    drugs = {
        drug: resources
        for drug, resources in by_drug(fitting).items()
        if is_new(drug, judged, cancer.disease, knowledge)
    }
    if not drugs:
        return None
    silence = _silence_of(cancer, judged, assessment, earlier_cards)
    named = tuple(
        NamedDrug(drug, resources, DOUBTFUL_SWITCH, silence=silence)
        for drug, resources in drugs.items()
    )
    advice = settling_advice(cancer, judged, drafts)
    return OrderWarning(DOUBTFUL_SWITCH, cancer, judged, named, caveats, advice)


def weakening(judged: Judged) -> tuple[Caveat, ...]:
    """The caveats that keep a progression from being sure; none where nothing is in doubt so."""
    status = judged.status
    if status.status not in ("progressing", "indeterminate"):
        return ()
    found = [caveat for caveat in WEAKENING if caveat in status.caveats]
    if "marker-only" in status.caveats and status.confidence == "signal":
        found.append("marker-only")
    return tuple(found)


def _is_current(judged: Judged, assessment: Assessment) -> bool:
    """Whether a line goes on, or ended at most `JUST_ENDED_DAYS` days ago."""
    line = judged.line
    return line.is_ongoing or (assessment.as_of - line.last_day.last).days <= JUST_ENDED_DAYS


def is_new(drug: Drug, judged: Judged, disease: Disease, knowledge: Knowledge) -> bool:
    """Whether a drug is a change of the line: none of its own, none that takes the place of one of
    them as a matter of course, no backbone, and not due next in the line's own protocol."""
    agents = set(judged.line.agents)
    if drug.name in agents or drug.backbone_equivalents & agents:
        return False
    if disease.lines.backbone.include(drug):
        return False
    regimens = (knowledge.terms.regimens[name] for name in disease.lines.protocols)
    return not any(
        drug.name in regimen.components and agents <= regimen.components | regimen.optional
        for regimen in regimens
    )


def _is_of_child(cancer: CancerAssessment, assessment: Assessment) -> bool:
    on = cancer.judged[-1].status.progressed_on or assessment.as_of
    return is_child_of_adult_definition(assessment.record.patient, on, cancer.disease)


def _silence_of(
    cancer: CancerAssessment,
    judged: Judged,
    assessment: Assessment,
    earlier_cards: EarlierCards,
) -> Silence:
    """As for any warning; besides, where what the cancer has become is treated (S8), or all
    evidence is older than a year (S17)."""
    silence = silence_of(DOUBTFUL_SWITCH, cancer, judged, assessment, earlier_cards)
    if silence.word is not None:
        return silence
    own = [a for a in cancer.advice if a.line == judged.line.number]
    if any(a.suppressed == "next-line-started" for a in own):
        return Silence("next-line-started")
    said = [e.on.last for e in judged.evidence]
    is_stale = bool(said) and (assessment.as_of - max(said)).days > STALE_DAYS
    return Silence("stale") if is_stale else Silence()


def settling_advice(cancer: CancerAssessment, judged: Judged, drafts: Drafts) -> tuple[Advice, ...]:
    """The line's own advice that could settle the doubt, what the same drafts order held back
    (S16)."""
    kinds = set(SETTLING)
    if "diagnosis-unclarified" in judged.status.caveats:
        kinds.add("biopsy")
    own = [a for a in cancer.advice if a.line == judged.line.number and a.kind in kinds]
    ordered = set(drafts.studies)
    if ordered & (cancer.disease.advice.restage_by or IMAGING):
        own = [_ordered(a) if a.kind == "confirm-progression" else a for a in own]
    return without_ordered(own, cancer.disease, ordered)


def _ordered(advice: Advice) -> Advice:
    return advice if advice.suppressed else replace(advice, suppressed="already-ordered")
