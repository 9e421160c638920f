"""Why a clinician sets a card aside: the reasons on our cards, and those of HL7's example set.

The decision log and the time of silence know ours, which stay what they are. A client may answer
with a code of either system; docs/ehr.md has the table.
"""

from __future__ import annotations

from collections.abc import Mapping

CODES = "https://refractory-cds.org/fhir/CodeSystem"
OURS = f"{CODES}/override-reasons"
EXAMPLE_SET = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"
"""CDS Hooks 3.0, example value set of override reasons (trial use)."""

REASONS: Mapping[str, str] = {
    "already-done": "Already done or ordered",
    "patient-declined": "The patient declined",
    "not-applicable": "Does not apply to this patient",
    "evidence-wrong": "The evidence on the card is wrong",
    "disagree-with-criteria": "I disagree with the criteria",
    "other-provider-managing": "Another clinician is managing this",
    "palliative-focus": "Care has a palliative focus",
    "remind-later": "Not now, remind me later",
    "other": "Another reason",
}
OVERRIDE_REASONS = [
    {"code": code, "system": OURS, "display": display} for code, display in REASONS.items()
]
"""As they stand on every card."""

OF_EXAMPLE_SET: Mapping[str, str] = {
    "action-completed": "already-done",
    "indication-order-exists": "already-done",
    "patient-refuses": "patient-declined",
    "does-not-align-preferences": "patient-declined",
    "patient-fears-discomfort": "patient-declined",
    "patient-does-not-want-change": "patient-declined",
    "cultural-religious-reason": "patient-declined",
    "prefers-alternative": "patient-declined",
    "cds-not-applicable": "not-applicable",
    "patient-ineligible": "not-applicable",
    "recipient-disagrees-evidence": "disagree-with-criteria",
    "does-not-align-latest-evidence": "disagree-with-criteria",
    "expert-contradicts": "disagree-with-criteria",
    "policy-contradicts": "disagree-with-criteria",
    "recipient-does-not-trust": "disagree-with-criteria",
    "inappropriate-recipient": "other-provider-managing",
    "cds-suboptimal-context": "remind-later",
    "limited-time": "remind-later",
    "wrong-time-workflow": "remind-later",
    "need-more-info": "remind-later",
}
"""Codes of the example set that say the same as one of ours, or a part of it. The others (costs,
risks, contraindications, what is not to be had) have none here and are kept as they came."""


def our_reason(code: str | None, system: str | None = None) -> str | None:
    """Our reason for a Coding of feedback; None for what neither we nor the example set know.

    Without a system (real clients leave it out) the code alone decides.
    """
    if code is None:
        return None
    if system in (OURS, None, "") and code in REASONS:
        return code
    return OF_EXAMPLE_SET.get(code) if system in (EXAMPLE_SET, None, "") else None
