"""Which cancer a draft order is for, as far as the draft and the chart tell."""

from __future__ import annotations

from cds_service.clinical.assessment import Assessment, CancerAssessment
from cds_service.clinical.record import DraftDrug, is_worth_asking
from cds_service.knowledge.model import Knowledge


def may_treat(
    draft: DraftDrug, cancer: CancerAssessment, assessment: Assessment, knowledge: Knowledge
) -> bool:
    """Whether a draft may be therapy of this cancer.

    The reason that the draft gives decides. Without one, the drug has to be used for this cancer;
    one with other everyday uses, by itself; and it must not be what another cancer is on.
    """
    if not is_worth_asking(draft, knowledge):
        return False
    named = _is_named(draft, cancer, assessment)
    return _suits(draft, cancer, knowledge, is_named=bool(named)) if named is not False else False


def _is_named(draft: DraftDrug, cancer: CancerAssessment, assessment: Assessment) -> bool | None:
    """Whether the draft gives this cancer as its reason; None where it does not tell."""
    own = {cancer.cancer.disease, *cancer.cancer.alternatives}
    if set(draft.conditions) & set(cancer.cancer.conditions) or own & set(draft.reason_diseases):
        return True
    others = assessment.record.other_conditions | {
        name for other in assessment.record.cancers for name in other.conditions
    }
    if set(draft.conditions) & others or draft.reason_diseases:
        return False
    is_of_another = any(
        other is not cancer
        and other.judged
        and other.judged[-1].line.is_ongoing
        and draft.drug.name in other.judged[-1].line.agents
        for other in assessment.cancers
    )
    return False if is_of_another else None


def _suits(
    draft: DraftDrug, cancer: CancerAssessment, knowledge: Knowledge, *, is_named: bool
) -> bool:
    drug, disease = draft.drug, cancer.disease
    diseases = {cancer.cancer.disease, *cancer.cancer.alternatives}
    rules = disease.lines
    if not drug.may_treat(diseases) or rules.never_agents.include(drug):
        return False
    if drug.is_supportive and not rules.supportive_agents.include(drug):
        return False
    was_given = any(drug.name in judged.line.agents for judged in cancer.judged)
    if is_named or was_given:
        return True
    if drug.has_other_uses and drug.alone_in.isdisjoint(diseases):
        return False
    return any(knowledge.disease(name).agents.include(drug) for name in diseases)
