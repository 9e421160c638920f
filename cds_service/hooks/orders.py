"""Draft ServiceRequests for suggestions: built and validated once, filled in for each card."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from cds_service.clinical.advice import Advice, AdviceKind
from cds_service.clinical.assessment import CancerAssessment
from cds_service.clinical.wording import CAUTION_IN_SHORT
from cds_service.knowledge.model import Disease, Knowledge, Order

SNOMED = "http://snomed.info/sct"
LOCAL_NAME = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9.\-]{1,64}")
TRIAL = Order(
    "Clinical trial referral",
    (SNOMED, "702475000", "Referral to clinical trial"),
    (SNOMED, "3457005", "Patient referral"),
)
PALLIATIVE = Order(
    "Referral to palliative or supportive care, alongside cancer treatment",
    (SNOMED, "306237005", "Referral to palliative care service"),
    (SNOMED, "3457005", "Patient referral"),
)
LOCAL_POLICY = "; contrast per local policy"
MAY_NEED_CONTRAST = re.compile(r"(?<!PET-)\b(CT|MRI)\b")
ADHERENCE = Order("Medication review: intake, interactions, cost and access")


@dataclass(frozen=True, slots=True)
class OrderTemplates:
    """Draft orders by disease and kind of advice, valid FHIR R4 but for the patient's own parts."""

    drafts: Mapping[tuple[str, AdviceKind], Mapping[str, Any]]

    def draft(self, disease: str, advice: Advice) -> dict[str, Any]:
        """A copy to fill in, with the priority and the cautions of this advice."""
        draft = dict(self.drafts[disease, advice.kind])
        draft["priority"] = "urgent" if advice.is_urgent else "routine"
        if advice.cautions:
            draft["code"] = {"text": _with_care(draft["code"]["text"], advice)}
        return draft


def build_templates(knowledge: Knowledge) -> OrderTemplates:
    """Every draft order that a card can suggest."""
    drafts: dict[tuple[str, AdviceKind], Mapping[str, Any]] = {}
    for disease in knowledge.diseases.values():
        for kind, order in _orders(disease).items():
            drafts[disease.id, kind] = _draft(order)
    return OrderTemplates(drafts)


def faults_of_orders(knowledge: Knowledge) -> Iterator[str]:
    """The draft orders that are not FHIR R4: for `knowledge check`, so that no clinician finds
    them. The models of `fhir.resources` take longer to load than all the rest of a start."""
    from fhir.resources.R4B.servicerequest import ServiceRequest

    for (disease, kind), draft in build_templates(knowledge).drafts.items():
        try:
            ServiceRequest.model_validate({**draft, "subject": {"reference": "Patient/p1"}})
        except ValueError as fault:
            yield f"{disease}: the draft order of {kind} is not valid FHIR: {fault}"


def _orders(disease: Disease) -> dict[AdviceKind, Order]:
    advice = disease.advice
    confirm = Order(_sentence(advice.confirm), category=advice.restage.category)
    return {
        "restage": _by_local_policy(advice.restage),
        "confirm-progression": confirm,
        "biopsy": advice.biopsy,
        "trial-referral": TRIAL,
        "adherence-review": ADHERENCE,
        "supportive-care": PALLIATIVE,
    }


def _by_local_policy(order: Order) -> Order:
    """No order of ours asks for contrast, nor against it."""
    if not MAY_NEED_CONTRAST.search(order.text):
        return order
    return replace(order, text=f"{order.text}{LOCAL_POLICY}")


def _with_care(text: str, advice: Advice) -> str:
    """The order in words alone: no code says "without contrast", or "without radiation"."""
    if "pregnancy" in advice.cautions:
        if advice.kind == "restage":
            text = "Imaging by ultrasound, or MRI without contrast"
        return f"{text}; pregnancy is on record: no ionising radiation"
    why = " and ".join(CAUTION_IN_SHORT[name] for name in advice.cautions)
    return f"{text.removesuffix(LOCAL_POLICY)}; without contrast: {why} on record"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _draft(order: Order) -> dict[str, Any]:
    code: dict[str, Any] = {"text": order.text}
    if order.code is not None:
        code["coding"] = [_coding(order.code)]
    draft: dict[str, Any] = {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "proposal",
        "priority": "routine",
        "code": code,
    }
    if order.category is not None:
        draft["category"] = [{"coding": [_coding(order.category)]}]
    return draft


def _coding(coding: tuple[str, str, str]) -> dict[str, str]:
    system, code, display = coding
    return {"system": system, "code": code, "display": display}


def fill_in(
    draft: dict[str, Any],
    advice: Advice,
    cancer: CancerAssessment,
    patient: str,
    as_of: date,
    note: str,
    encounter_id: str | None,
    facts: Iterable[str] = (),
) -> dict[str, Any]:
    """The draft order for this patient: for which cancer, on what evidence, by which rule.

    `facts` are further resources that whoever gets the order may want to read.
    """
    draft["subject"] = {"reference": patient}
    if encounter_id is not None:
        draft["encounter"] = {"reference": f"Encounter/{encounter_id}"}
    draft["authoredOn"] = as_of.isoformat()
    reason = _references([cancer.cancer.condition])
    if reason:
        draft["reasonReference"] = reason
    else:
        draft["reasonCode"] = [{"text": cancer.disease.name}]
    judged = cancer.judged[advice.line - 1]
    supporting = _references([*(e.resource for e in judged.evidence), *facts])
    if supporting:
        draft["supportingInfo"] = supporting
    draft["note"] = [{"text": note}]
    return draft


def _references(names: Iterable[str]) -> list[dict[str, str]]:
    """References to these resources, each once; entries of a Bundle without a FHIR id have none."""
    return [{"reference": name} for name in dict.fromkeys(names) if LOCAL_NAME.fullmatch(name)]
