"""What a trial matcher asks for, in a draft referral: one fact a line, and where it stands.

docs/decisions/0024-what-a-trial-referral-carries.md says why so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cds_service.clinical.advice import Judged, ecog_of
from cds_service.clinical.assessment import Assessment, CancerAssessment
from cds_service.clinical.record import Fact
from cds_service.clinical.status import ClassRefractory
from cds_service.clinical.wording import COMPOSITES, fact_in_words
from cds_service.hooks.markdown import escaped

Known = tuple[str, str]
NO_BIOMARKERS = frozenset({"ecog", "karnofsky", "hospice"})
VARIANT = "variant-"
STAGES = frozenset({"stage-group", "t-category", "n-category", "m-category"})


def eligibility(cancer: CancerAssessment, judged: Judged, assessment: Assessment) -> list[Known]:
    """Facts by their key, which may stand several times; no name, no address, no birth date."""
    facts = facts_of(cancer, assessment)
    return [
        ("Disease", f"{cancer.disease.name} [{cancer.cancer.disease}]"),
        ("Lines of therapy", cancer.notation),
        *(("Line", _line(each)) for each in cancer.judged),
        *(("Possibly refractory to agent", said) for said in _agents(cancer)),
        *(("Possibly refractory to class", class_in_words(c)) for c in cancer.refractory_classes),
        *(("Prior class", name) for name in _prior_classes(cancer)),
        *(("Label", COMPOSITES[name]) for name in cancer.composites.ids if name in COMPOSITES),
        ("Performance status", _performance(assessment)),
        *(("Known", _fact(fact)) for fact in facts),
        *(("Unknown", name) for name in _unknown(cancer, judged, facts)),
    ]


def known_and_unknown(
    cancer: CancerAssessment, judged: Judged, assessment: Assessment
) -> tuple[list[str], list[str]]:
    """The same in short: lines, performance status and biomarkers on record, and those not."""
    performance = ecog_of(assessment.record.facts)
    known = [cancer.notation, *([str(performance)] if performance else [])]
    facts = facts_of(cancer, assessment)
    known += [_fact_in_short(fact) for fact in facts]
    missing = [] if performance else ["performance status"]
    return known, [*_unknown(cancer, judged, facts), *missing]


def as_list(facts: list[Known]) -> str:
    """The facts as a Markdown list, "- Key: value" a line."""
    return "\n".join(f"- {key}: {value}" for key, value in facts)


def sources_of(cancer: CancerAssessment, assessment: Assessment) -> Iterator[str]:
    """The resources that say so: findings on every line, performance status, biomarkers."""
    for judged in cancer.judged:
        yield from (evidence.resource for evidence in judged.evidence)
    performance = ecog_of(assessment.record.facts)
    if performance is not None:
        yield performance.resource
    yield from (fact.resource for fact in facts_of(cancer, assessment))


def class_in_words(one: ClassRefractory) -> str:
    """ "immunomodulatory-drug: lenalidomide, since 2024-05-20 on line 1 (rule …)"."""
    rules = ", ".join(one.rules) or "no rule"
    said = f"{one.drug_class}: {', '.join(one.drugs)}, since {one.since} on line {one.line}"
    later = f"; response again on line {one.responded_on}" if one.responded_on else ""
    return f"{said} (rule {escaped(rules)}){later}"


def facts_of(cancer: CancerAssessment, assessment: Assessment) -> list[Fact]:
    """Biomarkers and stage of this cancer, the latest of each, by name."""
    own = set(cancer.cancer.conditions)
    latest: dict[str, Fact] = {}
    for fact in assessment.record.facts:  # in order of their days
        if fact.name not in NO_BIOMARKERS and (not fact.focus or own & set(fact.focus)):
            latest[fact.name] = fact
    return [latest[name] for name in sorted(latest)]


def _line(judged: Judged) -> str:
    line, status = judged.line, judged.status
    until = "ongoing" if line.is_ongoing or line.end is None else f"to {line.end}"
    parts = [f"{line.number}", escaped(line.name), f"{line.start} {until}"]
    parts += [word for word in (line.setting, line.intent) if word]
    if line.regimen and line.agents:
        parts.append(f"agents {', '.join(line.agents)}")
    if status.best_response:
        parts.append(f"best response {status.best_response}")
    return f"{'; '.join(parts)}; {status.status}"


def _agents(cancer: CancerAssessment) -> Iterator[str]:
    """Each agent once, by the first line that is possibly refractory to it."""
    seen: set[str] = set()
    for judged in cancer.judged:
        classes = {use.drug.name: use.drug.drug_class for use in judged.line.uses}
        for name in judged.status.refractory_to:
            if name not in seen:
                seen.add(name)
                since = judged.status.progressed_on
                when = f", since {since}" if since else ""
                yield f"{name} [{classes.get(name, '')}]{when} on line {judged.line.number}"


def _prior_classes(cancer: CancerAssessment) -> list[str]:
    return sorted(
        {
            use.drug.drug_class
            for judged in cancer.judged
            for use in judged.line.uses
            if not use.drug.is_corticosteroid
        }
    )


def _performance(assessment: Assessment) -> str:
    known = ecog_of(assessment.record.facts)
    return "not on record" if known is None else f"{known}, {known.on}"


def _fact(fact: Fact) -> str:
    name = fact.name.replace("-", " ") if fact.name in STAGES else fact_in_words(fact.name)
    when = f", {fact.on}" if fact.on else ""
    return escaped(f"{name} {fact.value}{when}")


def _fact_in_short(fact: Fact) -> str:
    """The same for a reader: "EGFR variant (2025-05-20)", "stage IV (2025-05-14)"."""
    value = fact.value.replace("-", " ")
    name = fact_in_words(fact.name)
    if fact.name in STAGES:
        kind, _, level = value.partition(" ")
        said = f"{kind} {level.upper()}".strip() if kind == "stage" else f"{name} {value}"
    elif fact.name.startswith(VARIANT):
        gene = fact.name.removeprefix(VARIANT).upper()
        said = f"{gene} variant" if value == "positive" else f"{gene} variant {value}"
    else:
        said = f"{name} {value}"
    return escaped(f"{said} ({fact.on})" if fact.on else said)


def _unknown(cancer: CancerAssessment, judged: Judged, facts: Sequence[Fact]) -> list[str]:
    """What the definition asks for and the record lacks; a variant of a gene tells of the gene."""
    variants = {fact.name.removeprefix(VARIANT) for fact in facts if fact.name.startswith(VARIANT)}
    names = dict.fromkeys((*cancer.unknown_facts, *judged.status.missing))
    return [escaped(fact_in_words(name)) for name in names if name not in variants]
