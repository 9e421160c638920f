"""What a card on draft orders says: a sentence, and the five blocks of its detail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cds_service.clinical.assessment import Assessment
from cds_service.clinical.lines import AgentUse
from cds_service.clinical.ordering import NamedDrug, OrderWarning
from cds_service.clinical.ordering.switching import JUST_ENDED_DAYS
from cds_service.clinical.wording import CAVEAT_IN_SHORT, LOCAL_TREATMENT, ORIGIN
from cds_service.definition.names import drug_group
from cds_service.hooks.card_text import (
    changes_of,
    doubts_of,
    heading_of,
    in_blocks,
    option_of,
    reading_of,
    rules_used,
    seen_on,
    short_title,
    upper,
)
from cds_service.hooks.markdown import escaped
from cds_service.knowledge.model import Knowledge

LONG_INTERVAL_DAYS = 180
"""So long after its last dose a card says that a drug can work again (our default)."""
MOST_NAMED = 3
NO_CHANGE = "No change, with a reason (Dismiss)"
_HELD = {
    "already-ordered": "Consider waiting for the result that is on order, before the line changes",
    "recently-done": "Consider the result of the study done most recently, before the line changes",
}


def summaries(warning: OrderWarning) -> Iterator[str]:
    """One sentence, ever shorter."""
    shown = warning.shown
    cancer, number = warning.cancer.disease.name, warning.judged.line.number
    for drugs in (_listed([one.drug.name for one in shown]), _counted(shown)):
        order = f"Draft {'order' if len(shown) == 1 else 'orders'} of {drugs}"
        if warning.kind == "rechallenge":
            since = warning.judged.status.progressed_on
            when = f" since {since}" if since else ""
            for whom in (_whom(shown), _whom(shown, is_short=True)):
                finding = f"possibly refractory to {whom}{when} (line {number})"
                yield f"{order}: {cancer} is {finding}."
            yield f"{order}: {finding}."
        else:
            doubt = CAVEAT_IN_SHORT[warning.caveats[0]]
            yield f"{order} while {_in_doubt(warning)}: {doubt}."
    yield f"Draft orders beside line {number}: see what speaks for and against them."


def _in_doubt(warning: OrderWarning) -> str:
    cancer, number = warning.cancer.disease.name, warning.judged.line.number
    if warning.judged.status.status == "progressing":
        return f"progression of {cancer} on line {number} is in doubt"
    return f"the response of {cancer} to line {number} cannot be told"


def _whom(shown: Sequence[NamedDrug], *, is_short: bool = False) -> str:
    """To what the cancer is possibly refractory: the drugs themselves, or their class."""
    same = [one for one in shown if one.is_same]
    if len(same) == len(shown):
        return "it" if len(shown) == 1 else "them"
    if same:
        return "them or their class"
    if len({one.drug.drug_class for one in shown}) > 1:
        return "their classes"
    whose = "its" if len(shown) == 1 else "their"
    return f"{whose} class" if is_short else f"{whose} class, {_class_of(shown[0])},"


def _class_of(one: NamedDrug) -> str:
    """The class of a drug in words: "PARP inhibitors"."""
    return drug_group(one.drug.drug_class)


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _counted(shown: Sequence[NamedDrug]) -> str:
    return f"{len(shown)} drugs" if len(shown) > 1 else "a drug"


def order_detail(
    warning: OrderWarning, assessment: Assessment, knowledge: Knowledge, not_seen: str = ""
) -> str:
    """The whole detail, in the same five blocks as on any card."""
    cancer, judged = warning.cancer, warning.judged
    is_again = warning.kind == "rechallenge"
    doubts = [*(_against(warning, assessment) if is_again else ())]
    doubts += doubts_of(assessment, judged, ())
    blocks = (
        ("What was seen", [*_drafted(warning), *seen_on(judged)]),
        (
            "Rule used",
            [*rules_used(judged, cancer, knowledge), *reading_of(cancer, judged), _rule(warning)],
        ),
        ("Not certain because", [*doubts, *filter(None, [not_seen])]),
        (
            "Options to consider",
            [*(_again(warning) if is_again else _settle(warning, assessment)), NO_CHANGE],
        ),
        ("What would change this", [*_changes(warning)]),
    )
    return in_blocks(heading_of(cancer, judged), blocks)


def _drafted(warning: OrderWarning) -> Iterator[str]:
    """Each drug with its draft orders; of a re-challenge with its days on the line."""
    for one in warning.shown:
        orders = ", ".join(escaped(name) for name in one.resources[:MOST_NAMED])
        yield f"Draft order: {one.drug.name} ({orders})"
    if warning.kind == "rechallenge":
        for use in _uses(warning):
            until = "ongoing" if use.is_ongoing else f"last on {use.last}"
            number = warning.judged.line.number
            yield f"{upper(use.drug.name)} on line {number}: first on {use.first}, {until}"


def _uses(warning: OrderWarning) -> list[AgentUse]:
    """What was given on the line of the drugs that are drafted, or of their class."""
    names = {name for one in warning.shown for name in (one.through or (one.drug.name,))}
    return [use for use in warning.judged.line.uses if use.drug.name in names]


def _rule(warning: OrderWarning) -> str:
    ours = ORIGIN["O"]
    if warning.kind == "rechallenge":
        parts = [
            f"{one.drug.name}, and {_listed(one.through)} that "
            f"{'was' if len(one.through) == 1 else 'were'} given on this line, are of one class "
            f"({_class_of(one)})"
            if one.through
            else f"{one.drug.name} was given on this line"
            for one in warning.shown
        ]
        again = sorted({number for one in warning.shown for number in one.also_on})
        also = f"; the same holds of line {_listed([str(n) for n in again])}" if again else ""
        said = "; ".join(parts)
        return (
            "A draft order names a drug, or another of its class, to which a line is possibly "
            f"refractory: {said}{also} ({ours})"
        )
    names = _listed([one.drug.name for one in warning.shown])
    return (
        f"{upper(names)} {'is' if len(warning.shown) == 1 else 'are'} not part of the latest line, "
        f"{escaped(short_title(warning.judged))}, which is ongoing or ended at most "
        f"{JUST_ENDED_DAYS} days ago ({ours})"
    )


def _against(warning: OrderWarning, assessment: Assessment) -> Iterator[str]:
    """What can make it reasonable to give a drug again."""
    for use in _uses(warning):
        days = (assessment.as_of - use.last.last).days
        if days >= LONG_INTERVAL_DAYS:
            yield (
                f"The last dose of {use.drug.name} on this line was {days} days ago; after a long "
                "interval a drug can work again."
            )
        if "toxicity" in use.stop_reasons:
            yield (
                f"{upper(use.drug.name)} was stopped for toxicity on this line, which is not "
                "failure of the drug."
            )
    for one in warning.shown:
        if one.through:
            yield (
                f"Only the class matches: {one.drug.name} was not given on this line, and a drug "
                "can be active after another of its class."
            )
        for known in warning.cancer.refractory_classes:
            if known.drug_class == one.drug.drug_class and known.responded_on and one.is_same:
                yield f"A drug of the same class brought a response on line {known.responded_on}."
    partners = _new_partners(warning)
    if partners:
        yield (
            f"Drafted beside it, and not given on this line: {_listed(partners)}. A combination "
            "can work where one drug of it no longer did."
        )
    unknown = "Dose and schedule" if partners else "Dose, schedule and partners"
    yield f"{unknown} of the draft were not compared with those of the line."


def _new_partners(warning: OrderWarning) -> list[str]:
    """Drugs of the same drafts that the line did not have; none where one drug is all there is."""
    drafted = {*warning.others, *(one.drug.name for one in warning.shown)}
    return sorted(drafted - set(warning.judged.line.agents)) if len(drafted) > 1 else []


def _again(warning: OrderWarning) -> Iterator[str]:
    if all(one.is_same for one in warning.shown) and all(u.is_ongoing for u in _uses(warning)):
        whose = "it" if len(warning.shown) == 1 else "them"
        yield f"Consider whether a new combination or another dose speaks for going on with {whose}"
    else:
        yield (
            "Consider whether an interval, a new combination, another dose or an earlier "
            "intolerance speaks for the draft"
        )
    yield "Consider reviewing the evidence above, and the course on that line, before signing"
    yield "Consider discussing the draft with the team that treats this cancer"


def _settle(warning: OrderWarning, assessment: Assessment) -> Iterator[str]:
    """What could settle the doubt: what is suggested, or is under way already."""
    for advice in warning.live_advice:
        yield option_of(advice, warning.cancer, warning.judged, assessment)
    held = dict.fromkeys(a.suppressed for a in warning.advice if a.suppressed)
    yield from (_HELD[word] for word in held if word in _HELD)
    if "limited-progression" in warning.caveats:
        yield LOCAL_TREATMENT
    yield (
        "Consider noting the reason for the change where it is another one, such as intolerance "
        "or the patient's wish"
    )


def _changes(warning: OrderWarning) -> Iterator[str]:
    if warning.kind != "rechallenge":
        yield from changes_of(warning.judged, warning.cancer)
        return
    status = warning.judged.status
    if "unconfirmed" in status.caveats or status.confidence == "signal":
        yield upper(warning.cancer.disease.advice.confirm)
    yield "A response recorded later on this line, or to the same drug on a later one"
    yield "A record that the drug was left for another reason than progression"
