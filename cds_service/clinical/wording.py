"""Plain words for statuses, caveats, advice and flags: one sentence each, for cards and text alike.

Advisory throughout: possible, consider, could. No directive, no drug named as a recommendation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cds_service.clinical.advice import AdviceKind, Suppressed
    from cds_service.clinical.status import Caveat, Confidence, Status

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

CONFIDENCE: dict[Confidence, str] = {
    "documented": "documented by a clinician",
    "criteria": "published or site criteria met",
    "signal": "a signal only",
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

ADVICE: dict[AdviceKind, str] = {
    "restage": "Consider restaging",
    "confirm-progression": "Consider confirming the progression",
    "biopsy": "Consider new tissue or a molecular re-test",
    "trial-referral": "Consider a referral for clinical trials",
    "adherence-review": "Consider reviewing intake, interactions and access",
    "supportive-care": "Consider supportive care alongside cancer treatment",
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
    "multi-drug-refractory": "possibly refractory to all standard drugs",
    "platinum-refractory": "possibly platinum-refractory",
    "platinum-resistant": "possibly platinum-resistant",
    "platinum-partially-sensitive": "partially platinum-sensitive",
    "platinum-sensitive": "platinum-sensitive",
    "castration-resistant": "possibly castration-resistant",
    "endocrine-resistant-primary": "possible primary endocrine resistance",
    "endocrine-resistant-secondary": "possible secondary endocrine resistance",
}
