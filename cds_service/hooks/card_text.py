"""The detail of a card, in Markdown: what was seen, the rule, the doubts, the options."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date

from cds_service.clinical.advice import Advice, Judged
from cds_service.clinical.assessment import Assessment, CancerAssessment
from cds_service.clinical.evidence import Evidence
from cds_service.clinical.wording import (
    ADVICE,
    CAUTIONS,
    CAVEATS,
    CLOSING,
    COMPOSITES,
    CONFIDENCE,
    FLAGS,
    LOCAL_TREATMENT,
    MADE_FOR_ADULTS,
    ORIGIN,
    STATUS,
)
from cds_service.hooks.citations import CitationsOfACard
from cds_service.hooks.drug_classes import drug_class_in_words
from cds_service.hooks.eligibility import known_and_unknown
from cds_service.hooks.markdown import escaped
from cds_service.knowledge.model import Knowledge, Told

MOST_EVIDENCE = 8
ADHERENCE = "interactions, cost and side effects could be reviewed before the response is read"
_KEYS = {
    "medicationAdministrations": "medication administrations",
    "procedures": "procedures",
    "serviceRequests": "service requests",
    "diagnosticReports": "diagnostic reports",
    "medicationDispenses": "medications dispensed",
    "medicationStatements": "medication statements",
    "imagingStudies": "imaging studies",
    "allergyIntolerances": "allergies",
    "researchSubjects": "trials the patient is in",
    "specimens": "tissue samples",
    "observations": "observations",
    "conditions": "conditions",
    "medicationRequests": "medication orders",
    "medications": "medications that orders point at",
    "researchStudies": "what those trials are about",
    "bodyStructures": "tumours that findings point at",
}
_SEMANTIC_TAG = re.compile(r" \((?:finding|disorder|procedure|situation|observable entity)\)")
"""What SNOMED CT's fully specified names end with; to a reader of a card it says nothing."""
_STATE = re.compile(r"(^|; )state ")
_WHY_NOT_SEEN = {
    "omitted": "not sent, and no FHIR server to ask",
    "operation-outcome": "sent with an error",
    "paging-cut": "sent in part only",
    "malformed": "not readable as sent",
    "other-patient": "sent of other patients",
    "denied": "the FHIR server refused",
    "granted-in-part": "the token covers a part only",
    "not-offered": "the FHIR server does not offer them",
    "search-failed": "the FHIR server did not answer with them",
}


def detail_of(
    assessment: Assessment,
    cancer: CancerAssessment,
    judged: Judged,
    shown: Sequence[Advice],
    knowledge: Knowledge,
    not_seen: str = "",
) -> str:
    """The whole detail: five blocks, always the same, and everything of the chart escaped."""
    blocks = (
        ("What was seen", seen_on(judged)),
        ("Rule used", [*rules_used(judged, cancer, knowledge), *reading_of(cancer, judged)]),
        ("Not certain because", [*doubts_of(assessment, judged, shown), *filter(None, [not_seen])]),
        ("Options to consider", _options(cancer, judged, shown, assessment)),
        ("What would change this", changes_of(judged, cancer)),
    )
    return in_blocks(heading_of(cancer, judged), blocks)


def in_blocks(heading: str, blocks: Iterable[tuple[str, Sequence[str]]]) -> str:
    """A heading, blocks of lines under their titles, and the closing sentence."""
    text = [f"**{heading}**"]
    for title, lines in blocks:
        text.append(f"**{title}**\n\n" + "\n".join(f"- {line}" for line in lines))
    text.append(f"_{CLOSING}_")
    return "\n\n".join(text)


def not_seen(missing: Iterable[tuple[str, str]]) -> str:
    """Which parts of a chart were not to be had, and why; "" where all were.

    A key that was looked up and is empty (null) was seen.
    """
    by_reason: dict[str, list[str]] = {}
    for key, code in missing:
        if code in _WHY_NOT_SEEN:
            by_reason.setdefault(_WHY_NOT_SEEN[code], []).append(_KEYS.get(key, key))
    parts = [f"{', '.join(keys)} ({reason})" for reason, keys in by_reason.items()]
    return f"Not seen: {'; '.join(parts)}." if parts else ""


def short_title(judged: Judged, longest: int = 60) -> str:
    """The line by its regimen, or by its agents, or by what little is known."""
    name = judged.line.name
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def heading_of(cancer: CancerAssessment, judged: Judged) -> str:
    """The cancer and the line that a card is about."""
    line = judged.line
    if line.is_ongoing or line.end is None:
        when = f"since {line.start}, ongoing"
    else:
        when = f"on {line.start}" if line.start == line.end else f"{line.start} to {line.end}"
    counted = re.sub(r"(\d+) \+ (\d+)", r"\1 curative + \2 other", cancer.notation)
    return (
        f"{upper(cancer.disease.name)}, line {line.number} ({escaped(short_title(judged))}), "
        f"{when}; {counted}"
    )


def seen_on(judged: Judged) -> list[str]:
    """The evidence of a line, the latest of it where it is long."""
    evidence = list(judged.evidence)
    if not evidence:
        return ["No dated finding on the disease itself"]
    left = len(evidence) - MOST_EVIDENCE
    lines = [one_finding(e) for e in evidence[max(0, left) :]]
    if left <= 0:
        return lines
    return [f"{left} earlier {'finding' if left == 1 else 'findings'} on this line", *lines]


def one_finding(evidence: Evidence) -> str:
    """A finding with its day, its kind and its resource."""
    detail = _SEMANTIC_TAG.sub("", evidence.detail)
    return (
        f"{evidence.on}: {escaped(detail)} "
        f"({evidence.kind.replace('-', ' ')}, {escaped(evidence.resource)})"
    )


def rules_used(judged: Judged, cancer: CancerAssessment, knowledge: Knowledge) -> list[str]:
    """The rules that decided, with their sources."""
    told = knowledge.rules_named(judged.status.rules, cancer.disease)
    citations = CitationsOfACard(knowledge)
    return [_rule(rule, citations) for rule in told] or ["No rule of the definition decided"]


def _rule(rule: Told, citations: CitationsOfACard) -> str:
    cited = "; ".join(citations.named(rule.cites))
    says = escaped(rule.says, longest=600)
    return f"{says} ({ORIGIN[rule.origin]}, rule {escaped(rule.id)}: {cited})"


def reading_of(cancer: CancerAssessment, judged: Judged) -> list[str]:
    """The conclusion, after the evidence and the rule that it rests on."""
    status, line = judged.status, judged.line
    pattern = f", {status.pattern}" if status.pattern else ""
    sure = f" ({CONFIDENCE[status.confidence]})" if status.confidence else ""
    lines = [f"Line {line.number}: {STATUS[status.status]}{pattern}{sure}"]
    if status.refractory_to:
        lines.append(f"Possibly refractory to {_with_classes(judged)}")
    if status.interval_days is not None and status.interval_days > 0:
        lines.append(f"Progression {status.interval_days} days after the last dose")
    if status.best_response:
        lines.append(f"Best response on this line: {status.best_response.replace('-', ' ')}")
    composites = [COMPOSITES[c] for c in cancer.composites.ids if c in COMPOSITES]
    if composites:
        lines.append(f"All lines together: {'; '.join(composites)}")
    lines += _other_classes(cancer, judged)
    return lines


def _with_classes(judged: Judged) -> str:
    """The drugs, each with its class, then classes that none of them is of."""
    classes = {use.drug.name: use.drug.drug_class for use in judged.line.uses}
    status = judged.status
    named = [_with_class(name, classes.get(name)) for name in status.refractory_to]
    own = {classes.get(name) for name in status.refractory_to}
    further = [drug_class_in_words(c) for c in status.refractory_classes if c not in own]
    return ", ".join([*named, *further])


def _with_class(name: str, drug_class: str | None) -> str:
    return f"{name} ({drug_class_in_words(drug_class)})" if drug_class else name


def _other_classes(cancer: CancerAssessment, judged: Judged) -> list[str]:
    """Classes to which other lines were possibly refractory, each with its day and drugs."""
    return [
        f"Also possibly refractory to {', '.join(one.drugs)} "
        f"({drug_class_in_words(one.drug_class)}), "
        f"since {one.since} on line {one.line}"
        + (f"; a response again on line {one.responded_on}" if one.responded_on else "")
        for one in cancer.refractory_classes
        if one.drug_class not in judged.status.refractory_classes
    ]


def upper(text: str) -> str:
    """The text with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def _lower(text: str) -> str:
    """The text as it goes on after a colon; an abbreviation stays as it is."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def doubts_of(assessment: Assessment, judged: Judged, shown: Sequence[Advice]) -> list[str]:
    """What speaks against the conclusion, or keeps it from being sure."""
    status = judged.status
    lines = [MADE_FOR_ADULTS] if any(advice.rule == "S13" for advice in shown) else []
    lines += [CAVEATS[caveat] for caveat in status.caveats]
    if status.missing:
        lines.append(f"Not on record: {escaped(', '.join(status.missing))}.")
    lines += [f"{upper(FLAGS[flag])}." for flag in status.flags if flag in FLAGS]
    if status.confidence == "signal":
        lines.append("The evidence is suggestive only.")
    left_out = sum(issue.severity != "information" for issue in assessment.issues)
    if left_out:
        what = "entry" if left_out == 1 else "entries"
        lines.append(f"{left_out} {what} of the chart could not be used.")
    return lines or ["The record may lack something; no caveat applies to what is in it."]


def _options(
    cancer: CancerAssessment, judged: Judged, shown: Sequence[Advice], assessment: Assessment
) -> list[str]:
    lines = [option_of(advice, cancer, judged, assessment) for advice in shown]
    if "limited-progression" in judged.status.caveats:
        lines.append(LOCAL_TREATMENT)
    return [*lines, "No change, with a reason (Dismiss)"]


def option_of(
    advice: Advice, cancer: CancerAssessment, judged: Judged, assessment: Assessment
) -> str:
    """One piece of advice in words, offered."""
    texts = cancer.disease.advice
    adherence = (
        texts.adherence or "interactions, cost and side effects, before the response is read"
    )
    said = {
        "restage": f"{_lower(texts.restage.text)}; add {texts.restage_also}",
        "confirm-progression": texts.confirm + _when_to_repeat(advice, assessment.as_of),
        "biopsy": f"{_lower(texts.biopsy.text)}; {texts.molecular}",
        "trial-referral": f"{_offered(texts.trial)}; {_known(cancer, judged, assessment)}",
        "adherence-review": f"{_supply(advice)}{upper(adherence)}",
        "supportive-care": "symptoms and goals of care",
    }
    minding = "".join(f"; {CAUTIONS[name]}" for name in advice.cautions)
    return f"{_offer(advice, judged)}: {said[advice.kind]}{minding}"


def _offer(advice: Advice, judged: Judged) -> str:
    """What could be considered; where no progression was seen, there is none to confirm."""
    if advice.kind != "confirm-progression":
        return ADVICE[advice.kind]
    if judged.is_missed_response:
        return "Consider confirming that the response was missed"
    seen = judged.status.status in ("possible-refractory", "progressing", "relapsed")
    return ADVICE[advice.kind] if seen else "Consider confirming the finding"


def _offered(trial: str) -> str:
    """What a referral could state, not what to state."""
    return _STATE.sub(r"\1it could state ", trial)


def _supply(advice: Advice) -> str:
    """How many days the recorded supply covers, where that is the reason."""
    return f"{escaped(advice.reason)} " if advice.reason.startswith("Recorded supply") else ""


def _known(cancer: CancerAssessment, judged: Judged, assessment: Assessment) -> str:
    """What of a trial's questions the chart answers, and what not."""
    known, unknown = known_and_unknown(cancer, judged, assessment)
    missing = f"; not on record: {', '.join(unknown)}" if unknown else ""
    return f"on record: {', '.join(known)}{missing}"


def _when_to_repeat(advice: Advice, as_of: date) -> str:
    """The days on which a repeat could settle the question, as far as they are to come."""
    if advice.between is None:
        return ""
    first, last = advice.between
    if first <= as_of:
        when = "now" if last is None or last < as_of else f"up to {last}"
    else:
        when = f"from {first} on" if last is None else f"between {first} and {last}"
    return f"; a repeat {when} could settle this"


def changes_of(judged: Judged, cancer: CancerAssessment) -> list[str]:
    """Which result would settle or withdraw this."""
    status = judged.status
    lines = []
    if "unconfirmed" in status.caveats or status.confidence == "signal":
        lines.append(upper(cancer.disease.advice.confirm))
    if status.missing:
        lines.append("The missing results above")
    if status.status in ("possible-refractory", "progressing"):
        lines.append("A response recorded later on the same therapy withdraws this")
    if status.status in ("indeterminate", "no-evidence"):
        lines.append("A dated assessment of the disease by the method used before")
    return lines or ["A later assessment, or tissue that shows another disease"]
