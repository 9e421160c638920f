"""Plain words for statuses, caveats, advice and flags: one sentence each, for cards and text alike.

Advisory throughout: possible, consider, could. No directive, no drug named as a recommendation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cds_service.clinical.advice import AdviceKind, Suppressed
    from cds_service.clinical.record import CautionKind
    from cds_service.clinical.status import Caveat, Confidence, PatternName, Status
    from cds_service.knowledge.model import Origin

CLOSING = (
    "This is an inference from available records; outside care may be missing. "
    "Clinical judgement takes precedence."
)

STATUS: dict[Status, str] = {
    "possible-refractory": "possibly refractory",
    "relapsed": "relapsed after control",
    "progressing": "progressing, not called refractory",
    "responding": "responding",
    "stable": "stable",
    "indeterminate": "cannot be told from the record",
    "no-evidence": "no response evidence recorded",
}

PATTERN: dict[PatternName, str] = {
    "primary": "no response was reached on the line",
    "secondary": "a response, or lasting stability, was reached and then lost",
}

CONFIDENCE: dict[Confidence, str] = {
    "documented": "documented by a clinician",
    "criteria": "published or site criteria met",
    "signal": "a signal only",
}

CONFIDENCE_MEANS: dict[Confidence, str] = {
    "documented": "a clinician recorded it",
    "criteria": "the criteria of the disease are met",
    "signal": "suggestive only",
}

CAVEATS: dict[Caveat, str] = {
    "inadequate-exposure": "Exposure was shorter than the definition asks for.",
    "adherence": "Missed doses, access problems or a gap in supply are on record.",
    "diagnosis-unclarified": "The diagnosis, or the subtype that the definition needs, is not "
    "settled in the record.",
    "assessment-too-early": "The evidence lies before the earliest day on which this therapy can "
    "be assessed.",
    "not-comparable": "Methods, laboratories, units or scales differ, so that change cannot be "
    "read with certainty.",
    "pseudoprogression-possible": "An atypical response can look like progression here, and no "
    "confirming scan is on record.",
    "symptom-only": "Only a symptom is recorded as worse; that says nothing of the disease itself.",
    "limited-progression": "Progression is limited to few sites while the rest is controlled.",
    "mixed-response": "Evidence of the same day points both ways.",
    "intolerance": "A drug was stopped for toxicity, which is not failure of the drug.",
    "marker-only": "The only evidence is a tumour marker; there is no imaging with it.",
    "unconfirmed": "The criteria ask for a confirmation that is not on record.",
    "stale-evidence": "The latest evidence is older than the usual restaging interval.",
}

CAVEAT_IN_SHORT: dict[Caveat, str] = {
    "diagnosis-unclarified": "diagnosis not settled",
    "adherence": "adherence or access in doubt",
    "inadequate-exposure": "exposure too short",
    "assessment-too-early": "assessed early",
    "pseudoprogression-possible": "may be pseudoprogression",
    "unconfirmed": "not confirmed",
    "limited-progression": "limited to few sites",
    "mixed-response": "findings point both ways",
    "not-comparable": "results cannot be compared",
    "marker-only": "marker only",
    "symptom-only": "symptom only",
    "intolerance": "stopped for toxicity",
    "stale-evidence": "evidence is old",
}
"""In order: the first that applies is what a summary has room for."""

CONFIDENCE_IN_SHORT: dict[Confidence, str] = {
    "documented": "documented",
    "criteria": "criteria met",
    "signal": "a signal only",
}

ADVICE: dict[AdviceKind, str] = {
    "restage": "Consider restaging",
    "confirm-progression": "Consider confirming the progression",
    "biopsy": "Consider new tissue or a molecular re-test",
    "trial-referral": "Consider a referral for clinical trials",
    "adherence-review": "Consider reviewing intake, interactions and access",
    "supportive-care": "Consider supportive care alongside cancer treatment",
}

BUTTON: dict[AdviceKind, str] = {
    "restage": "Draft a restaging order",
    "confirm-progression": "Draft a confirming test",
    "biopsy": "Draft a biopsy or molecular re-test",
    "trial-referral": "Draft a trial referral",
    "adherence-review": "Draft a medication review",
    "supportive-care": "Draft a supportive-care referral",
}

SUPPRESSED: dict[Suppressed, str] = {
    "recently-done": "done recently",
    "already-ordered": "already ordered",
    "overridden": "set aside by a clinician",
    "unchanged": "returned before on the same evidence",
    "next-line-started": "the next line has started",
    "patient-declined": "the patient declined",
    "stale": "all evidence is older than a year",
    "hospice": "hospice care",
    "deceased": "the patient has died",
}

CAUTION_IN_SHORT: dict[CautionKind, str] = {
    "pregnancy": "pregnancy",
    "kidney": "an eGFR below 30",
    "contrast-allergy": "an allergy to contrast medium",
}

CAUTIONS: dict[CautionKind, str] = {
    "pregnancy": "a pregnancy is on record: ultrasound, or MRI without contrast, could take the "
    "place of ionising images",
    "kidney": "an eGFR below 30 is on record: images without contrast could be considered",
    "contrast-allergy": "an allergy to contrast medium is on record: images without contrast could "
    "be considered",
}
"""What an order of images has to mind; the others of these do not show on a card."""

LOCAL_TREATMENT = (
    "Where few sites grow and the rest is controlled, a multidisciplinary review of local "
    "treatment could be discussed"
)
MADE_FOR_ADULTS = (
    "The definition was made for adults; under 18 years no label is given by it, and a paediatric "
    "protocol group may be asked."
)

FLAGS: dict[str, str] = {
    "rechallenge": "a drug used before is given again",
    "gap-split": "the same drugs after a long gap count as a new line",
    "toxicity-switch": "switched for toxicity",
    "ordered-not-confirmed": "orders only; no administration, dispense or statement confirms them",
    "late-maintenance": "maintenance begun too late to belong to the line before",
    "late-addition": "a drug added after the first four weeks",
    "late-intensification": "a drug added to androgen deprivation after its first 120 days",
    "second-course": "a second induction course",
    "investigational": "a study drug that cannot be named",
    "pod24": "progression within 24 months",
    "early-relapse": "relapse within a year",
    "near-threshold": "within a week of a boundary of the rule",
    "partial-date": "a date is known to the month or year only",
    "post-line-evidence-gap": "no evidence between this line and the next",
    "treatment-change-inferred": "inferred from the reason for which treatment was stopped",
    "marker-interference": "the marker may be disturbed",
    "transformation-possible": "transformation is possible",
    "other-primary": "the evidence may belong to another primary",
}

COMPOSITES: dict[str, str] = {
    "double-refractory": "possibly refractory to a proteasome inhibitor and an immunomodulatory "
    "drug",
    "triple-class-refractory": "possibly triple-class refractory",
    "penta-refractory": "possibly penta-refractory",
    "relapsed-and-refractory": "possibly relapsed and refractory",
    "double-class-refractory": "possibly refractory to a BTK inhibitor and a BCL2 inhibitor",
    "multi-drug-refractory": "possibly refractory to all standard drugs",
    "platinum-refractory": "possibly platinum-refractory",
    "platinum-resistant": "possibly platinum-resistant",
    "platinum-partially-sensitive": "partially platinum-sensitive",
    "platinum-sensitive": "platinum-sensitive",
    "castration-resistant": "possibly castration-resistant",
    "endocrine-resistant-primary": "possible primary endocrine resistance",
    "endocrine-resistant-secondary": "possible secondary endocrine resistance",
    "bcg-unresponsive": "possibly BCG-unresponsive",
}

ORIGIN: dict[Origin, str] = {
    "C": "published consensus",
    "G": "practice guideline",
    "T": "a trial's definition or a label",
    "O": "operational default of this project, no published number",
}
"""Where a number comes from."""

_FACTS = {
    "er": "oestrogen receptor",
    "pr": "progesterone receptor",
    "hr": "hormone receptors",
    "pdl1": "PD-L1",
}
_LONGEST_GENE = 5
"""Letters of the longest abbreviation among the facts; a longer name is a word."""


def fact_in_words(name: str) -> str:
    """A fact about the tumour as people write it: "her2" is HER2, "er" the oestrogen receptor."""
    if name in _FACTS:
        return _FACTS[name]
    return name.upper() if len(name) <= _LONGEST_GENE else name.replace("-", " ")


def status_in_words(
    status: Status, pattern: PatternName | None = None, confidence: Confidence | None = None
) -> str:
    """Where a line stands, in one phrase: "possibly refractory, secondary (criteria)"."""
    parts = [STATUS[status], *([pattern] if pattern else [])]
    return ", ".join(parts) + (f" ({confidence})" if confidence else "")
