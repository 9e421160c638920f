"""A draft names a drug, or one of its class, to which a line is possibly refractory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cds_service.clinical.advice import EarlierCards, Judged
from cds_service.clinical.assessment import Assessment, CancerAssessment
from cds_service.clinical.evidence import RESPONSES
from cds_service.clinical.ordering.treats import may_treat
from cds_service.clinical.ordering.warning import (
    NamedDrug,
    OrderWarning,
    by_drug,
    rechallenge_kind,
    silence_of,
)
from cds_service.clinical.record import Drafts
from cds_service.knowledge.model import Disease, Knowledge
from cds_service.knowledge.terms import Drug


@dataclass(frozen=True, slots=True)
class _Hit:
    """The line that speaks against a drug, the latest of several."""

    judged: Judged
    through: tuple[str, ...] = ()
    also_on: tuple[int, ...] = ()


def rechallenges(
    cancer: CancerAssessment,
    assessment: Assessment,
    drafts: Drafts,
    knowledge: Knowledge,
    earlier_cards: EarlierCards,
) -> Iterator[OrderWarning]:
    """One for each line that speaks against drugs of the drafts, the latest line first."""
    fitting = [d for d in drafts.drugs if may_treat(d, cancer, assessment, knowledge)]
    named: dict[int, list[NamedDrug]] = {}
    drugs = by_drug(fitting)
    for drug, resources in drugs.items():
        hit = _hit(drug, cancer, knowledge)
        if hit is None:
            continue
        kind = rechallenge_kind(drug.drug_class if hit.through else drug.name)
        silence = silence_of(kind, cancer, hit.judged, assessment, earlier_cards)
        named.setdefault(hit.judged.line.number, []).append(
            NamedDrug(drug, resources, kind, hit.through, hit.also_on, silence)
        )
    for number in sorted(named, reverse=True):
        judged = next(j for j in cancer.judged if j.line.number == number)
        told = {one.drug for one in named[number]}
        others = tuple(drug.name for drug in drugs if drug not in told)
        yield OrderWarning("rechallenge", cancer, judged, tuple(named[number]), others=others)


def _hit(drug: Drug, cancer: CancerAssessment, knowledge: Knowledge) -> _Hit | None:
    """The latest line that is possibly refractory to the drug; else to another of its class."""
    if not _goes_on(drug, cancer.disease, is_same=True):
        same = [j for j in _refractory(cancer) if drug.name in j.status.refractory_to]
        standing = [j for j in same if not _is_outdone(drug, j, cancer)]
        if standing:
            return _latest(standing, ())
        if same:
            return None
    if _goes_on(drug, cancer.disease, is_same=False):
        return None
    siblings = {
        j.line.number: through
        for j in _refractory(cancer)
        if (through := _of_its_class(drug, j, cancer.disease, knowledge))
        and not _was_tried(drug, j, cancer)
    }
    lines = [j for j in cancer.judged if j.line.number in siblings]
    return _latest(lines, siblings[lines[-1].line.number]) if lines else None


def _latest(lines: list[Judged], through: tuple[str, ...]) -> _Hit:
    return _Hit(lines[-1], through, tuple(judged.line.number for judged in lines[:-1]))


def _refractory(cancer: CancerAssessment) -> list[Judged]:
    return [j for j in cancer.judged if j.status.status == "possible-refractory"]


def _goes_on(drug: Drug, disease: Disease, *, is_same: bool) -> bool:
    """Whether the drug is meant to go on beyond progression: a backbone, or as the definition
    of the disease says."""
    return disease.lines.backbone.include(drug) or any(
        each.agents.include(drug) and not (each.siblings_only and is_same)
        for each in disease.continued
    )


def _is_outdone(drug: Drug, judged: Judged, cancer: CancerAssessment) -> bool:
    """Whether the same drug worked again on a later line, or is what the patient is on again."""
    return any(
        drug.name in later.line.agents
        and drug.name not in later.status.refractory_to
        and (later.line.is_ongoing or _responded(later))
        for later in _after(judged, cancer)
    )


def _was_tried(drug: Drug, judged: Judged, cancer: CancerAssessment) -> bool:
    """Whether later lines tell more than the class does: they had this drug, or a response to
    another of the class."""
    return any(
        drug.name in later.line.agents
        or (
            _responded(later)
            and any(use.drug.drug_class == drug.drug_class for use in later.line.uses)
        )
        for later in _after(judged, cancer)
    )


def _after(judged: Judged, cancer: CancerAssessment) -> list[Judged]:
    return [j for j in cancer.judged if j.line.number > judged.line.number]


def _responded(judged: Judged) -> bool:
    status = judged.status
    return status.status == "responding" or (
        status.best_response in RESPONSES and status.status != "possible-refractory"
    )


def _of_its_class(
    drug: Drug, judged: Judged, disease: Disease, knowledge: Knowledge
) -> tuple[str, ...]:
    """The drugs of its class to which a line is possibly refractory; of its wider group where a
    label over all lines of the disease counts by that."""
    carried = {
        group
        for composite in disease.composites
        for need in composite.needs
        for group in need.agents.groups
    }
    return tuple(
        name
        for name in judged.status.refractory_to
        if name != drug.name
        and (other := knowledge.terms.drugs[name])
        and not other.is_corticosteroid
        and (
            other.drug_class == drug.drug_class
            or (other.class_group == drug.class_group and drug.class_group in carried)
        )
    )
