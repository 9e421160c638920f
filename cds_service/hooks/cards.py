"""Assessment → cards: the only place that knows what a card looks like."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from cds_service.audit import CardReturned, CardSubject
from cds_service.clinical.advice import Advice, Judged
from cds_service.clinical.assessment import Assessment, CancerAssessment
from cds_service.clinical.wording import BUTTON, CAVEAT_IN_SHORT, COMPOSITES, CONFIDENCE_IN_SHORT
from cds_service.definition.intervention import page_of
from cds_service.hooks.card_text import detail_of, short_title, upper
from cds_service.hooks.citations import label_of
from cds_service.hooks.eligibility import as_list, eligibility, sources_of
from cds_service.hooks.markdown import escaped, plain
from cds_service.hooks.orders import OrderTemplates, fill_in
from cds_service.hooks.override_reasons import CODES, OVERRIDE_REASONS
from cds_service.knowledge.model import Knowledge

SUMMARY_LONGEST = 139
"""CDS Hooks: fewer than 140 characters."""
MOST_SUGGESTIONS = 3
QUIET = frozenset({"responding", "stable", "no-evidence"})
EXTENSION = "org.refractory-cds"
NO_ID_YET = ""
"""Stands where an id of a decision is to stand: members keep their order."""


@dataclass(frozen=True, slots=True)
class CardMaker:
    """What all cards of a process share."""

    knowledge: Knowledge
    templates: OrderTemplates
    public_url: str = ""


@dataclass(frozen=True, slots=True)
class CardContent:
    """All of a card but its ids, for which there is room in `json`; nobody changes it."""

    json: dict[str, Any]
    advice: tuple[str, ...]
    suggested: tuple[str, ...]
    cancer: CancerAssessment
    judged: Judged

    def under(self, decision_id: str, position: int) -> Card:
        """The card of one decision. Its ids are derived from the decision's, so that the same
        decision always gives the same cards."""
        name = uuid5(UUID(decision_id), f"card-{position}")
        card = self.json | {"uuid": str(name)}
        said = self.json["extension"][EXTENSION]
        card["extension"] = {EXTENSION: said | {"decisionId": decision_id}}
        if "suggestions" in card:
            card["suggestions"] = [
                suggestion | {"uuid": str(uuid5(name, kind))}
                for suggestion, kind in zip(card["suggestions"], self.suggested, strict=True)
            ]
        return Card(card, self)


@dataclass(frozen=True, slots=True)
class Card:
    """One card as JSON, with what the decision log says of it."""

    json: dict[str, Any]
    content: CardContent

    @property
    def uuid(self) -> str:
        return str(self.json["uuid"])

    @property
    def suggestions(self) -> tuple[str, ...]:
        return tuple(str(one["uuid"]) for one in self.json.get("suggestions", ()))

    @property
    def indicator(self) -> str:
        return str(self.json["indicator"])

    @property
    def returned(self) -> CardReturned:
        """What the decision log keeps of it: also what it is about, for the next decision."""
        about = self.content
        cancer, judged, status = about.cancer, about.judged, about.judged.status
        subject = CardSubject(
            condition=cancer.cancer.condition,
            evidence=judged.evidence_digest,
            latest=judged.latest_evidence,
        )
        return CardReturned(
            self.uuid, self.indicator, about.advice, self.suggestions, about.suggested,
            cancer.disease.id, judged.line.number, status.status, status.confidence, subject,
        )  # fmt: skip


def cards_under(decision_id: str, contents: Iterable[CardContent]) -> list[Card]:
    """Each with the ids that it has in this decision."""
    return [content.under(decision_id, position) for position, content in enumerate(contents)]


def contents_for(
    assessment: Assessment,
    maker: CardMaker,
    encounter_id: str | None = None,
    *,
    not_seen: str = "",
) -> list[CardContent]:
    """A card for each line of each cancer that has advice to show; none where all is quiet, or
    where the site has switched the cards on the disease off.

    `not_seen` is what each says of the parts of the chart that were not to be had.
    """
    contents: list[CardContent] = []
    for cancer in assessment.cancers:
        if not cancer.disease.returns_cards:
            continue
        for judged, shown in _by_line(cancer):
            detail = detail_of(assessment, cancer, judged, shown, maker.knowledge, not_seen)
            contents.append(_card(assessment, cancer, judged, shown, detail, maker, encounter_id))
    return contents


def _by_line(cancer: CancerAssessment) -> Iterator[tuple[Judged, tuple[Advice, ...]]]:
    for judged in cancer.judged:
        shown = tuple(
            advice
            for advice in cancer.advice
            if advice.line == judged.line.number and advice.suppressed is None
        )
        if shown:
            yield judged, shown


def _card(
    assessment: Assessment,
    cancer: CancerAssessment,
    judged: Judged,
    shown: tuple[Advice, ...],
    detail: str,
    maker: CardMaker,
    encounter_id: str | None,
) -> CardContent:
    suggestions = [
        suggestion_of(advice, assessment, cancer, judged, maker, encounter_id)
        for advice in shown[:MOST_SUGGESTIONS]
    ]
    kinds = tuple(advice.kind for advice in shown)
    status = judged.status
    card: dict[str, Any] = {
        "uuid": NO_ID_YET,
        "summary": summary_of(cancer, judged),
        "indicator": indicator_of(cancer, judged),
        "detail": detail,
        "source": source_of(assessment, cancer.disease.id, status.status, maker),
        "suggestions": suggestions,
        "selectionBehavior": "any",
        "overrideReasons": OVERRIDE_REASONS,
        "extension": extension_of(assessment, cancer, judged, kinds),
    }
    links = links_of(cancer, judged, maker.knowledge)
    if links:
        card["links"] = links
    return CardContent(card, kinds, kinds[:MOST_SUGGESTIONS], cancer, judged)


def extension_of(
    assessment: Assessment,
    cancer: CancerAssessment,
    judged: Judged,
    kinds: Sequence[str],
) -> dict[str, Any]:
    """What our own extension says of a card; `kinds` are the kinds of advice on it, if any."""
    said: dict[str, Any] = {
        "decisionId": NO_ID_YET,
        "condition": cancer.cancer.condition,
        "disease": cancer.disease.id,
        "line": judged.line.number,
        "status": judged.status.status,
    }
    if kinds:
        said["advice"] = list(kinds)
    return {EXTENSION: said | {"knowledgeVersion": assessment.knowledge_version}}


def indicator_of(cancer: CancerAssessment, judged: Judged) -> str:
    """Never critical; warning only where a clinician documented it in a disease that runs fast.

    Where the knowledge names what of a disease may warn, one of these has to hold.
    """
    status, advice = judged.status, cancer.disease.advice
    documented = status.confidence == "documented" and status.status == "possible-refractory"
    says = {*status.rules, *status.labels, *status.flags, status.pattern or ""}
    asked = not advice.warns_when or bool(advice.warns_when & says)
    return "warning" if documented and advice.may_warn and asked else "info"


def summary_of(cancer: CancerAssessment, judged: Judged) -> str:
    """One sentence of at most 139 characters, the longest form that fits."""
    forms = _summaries(cancer, judged)
    fits = (text for text in forms if len(text) <= SUMMARY_LONGEST)
    return next(fits, plain(f"Advice on {cancer.disease.name}", SUMMARY_LONGEST))


def _summaries(cancer: CancerAssessment, judged: Judged) -> Iterator[str]:
    """The same sentence, ever shorter."""
    on = f"line {judged.line.number}"
    named = f"{on} ({short_title(judged, longest=48)})"
    also = _composite(cancer, judged)
    for line, more in ((named, also), (named, ""), (on, also), (on, "")):
        yield f"{_sentence(cancer, judged, line)}{more}."


def _sentence(cancer: CancerAssessment, judged: Judged, line: str) -> str:
    status, name = judged.status, cancer.disease.name
    when = f" {status.progressed_on}" if status.progressed_on else ""
    doubt = next((said for c, said in CAVEAT_IN_SHORT.items() if c in status.caveats), "")
    doubt = f", {doubt}" if doubt else ""
    if status.status == "possible-refractory":
        pattern = f"{status.pattern} " if status.pattern else ""
        what = "response missed" if judged.is_missed_response else "progression"
        sure = CONFIDENCE_IN_SHORT[status.confidence] if status.confidence else ""
        return f"Possible {pattern}refractory {name} on {line}: {what}{when}, {sure}"
    if status.status == "relapsed":
        return f"{upper(name)} back after control: progression{when} after {line}"
    if status.status == "progressing":
        return f"Progression of {name} on {line}{when}, not called refractory{doubt}"
    if "intolerance" in status.caveats and status.status in QUIET:
        return f"No recent assessment of {name} since {line} was stopped for toxicity"
    if status.status in QUIET:
        return f"Only a symptom is recorded as worse in {name} on {line}"
    return f"Response of {name} to {line} cannot be told from the record{doubt}"


def _composite(cancer: CancerAssessment, judged: Judged) -> str:
    if judged.status.status != "possible-refractory":
        return ""
    leading = {c.id for c in cancer.disease.composites if c.leads_to_trial}
    known = [c for c in cancer.composites.ids if c in COMPOSITES]
    chosen = [c for c in known if c in leading] or known
    return f"; {COMPOSITES[chosen[-1]]}" if chosen else ""


def source_of(
    assessment: Assessment, disease: str, status: str, maker: CardMaker
) -> dict[str, Any]:
    """Who says it, by which knowledge, and about what: the status of a line as the topic.

    The address is that of the intervention in the version that decided, by its digest.
    """
    source: dict[str, Any] = {
        "label": f"refractory-cds, clinical knowledge {assessment.knowledge_version}",
        "topic": {
            "system": f"{CODES}/line-status",
            "code": status,
            "display": status.replace("-", " "),
        },
    }
    if maker.public_url:
        digest = maker.knowledge.digest.removeprefix("sha256:")
        page = f"knowledge/{digest}/{page_of(disease)}"
        source["url"] = f"{maker.public_url.rstrip('/')}/{page}"
    return source


def links_of(
    cancer: CancerAssessment, judged: Judged, knowledge: Knowledge
) -> list[dict[str, str]]:
    """The papers that the deciding rules cite, where they have a DOI."""
    rules = knowledge.rules_named(judged.status.rules, cancer.disease)
    cited = [key for rule in rules for key in rule.cites]
    found = [(key, knowledge.citations[key]) for key in dict.fromkeys(cited)]
    return [
        {
            "label": label_of(key),
            "url": f"https://doi.org/{citation.doi}",
            "type": "absolute",
        }
        for key, citation in found
        if citation.doi
    ]


def suggestion_of(
    advice: Advice,
    assessment: Assessment,
    cancer: CancerAssessment,
    judged: Judged,
    maker: CardMaker,
    encounter_id: str | None,
) -> dict[str, Any]:
    """One piece of advice as a button that creates a draft order."""
    draft = maker.templates.draft(cancer.disease.id, advice)
    text = draft["code"]["text"]
    facts = sources_of(cancer, assessment) if advice.kind == "trial-referral" else ()
    order = fill_in(
        draft, advice, cancer, assessment.patient, assessment.as_of,
        _note(advice, assessment, cancer, judged), encounter_id, facts,
    )  # fmt: skip
    return {
        "label": BUTTON[advice.kind],
        "uuid": NO_ID_YET,
        "actions": [
            {
                "type": "create",
                "description": f"Draft order, to be reviewed: {text}",
                "resource": order,
            }
        ],
    }


def _note(advice: Advice, assessment: Assessment, cancer: CancerAssessment, judged: Judged) -> str:
    """What the order rests on; for a trial referral, what a matcher asks for."""
    rules = ", ".join(judged.status.rules) or "no rule decided"
    note = (
        f"{escaped(advice.reason)} Rules: {rules}; advice rule {advice.rule}; clinical knowledge "
        f"{assessment.knowledge_version}."
    )
    if advice.kind != "trial-referral":
        return note
    return f"{note}\n\n{as_list(eligibility(cancer, judged, assessment))}"
