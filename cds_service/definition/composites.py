"""A composite in words: what has to hold over the lines of a patient.

Source of the readings: `clinical/status/composites.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.clinical.wording import COMPOSITES
from cds_service.definition.members import Point, Sentences, other_members
from cds_service.definition.names import drugs_in_words, fact, one_of
from cds_service.definition.rules import HEAD, interval
from cds_service.knowledge.model import NO_AGENTS, Composite, Need

_COMPOSITE: Sentences = {
    "leads_to_trial": ("Advice", "A referral for clinical trials comes first."),
}
_NEED: Sentences = {
    "counts_intolerance": ("", "a drug stopped for toxicity counts as well"),
}


def composite_points(composite: Composite) -> Iterator[Point]:
    """Everything that a composite says, point by point."""
    text, read = _holds(composite)
    yield Point("Holds where", text)
    if not composite.is_label:
        yield Point("Called", "It has no name of its own in the answer.")
    elif composite.id in COMPOSITES:
        yield Point("Called", f"On cards: “{COMPOSITES[composite.id]}”.")
    yield from other_members(composite, {*HEAD, "is_label", *read}, _COMPOSITE)


def _holds(composite: Composite) -> tuple[str, set[str]]:
    """The condition in a sentence, and the members that it reads."""
    agents = drugs_in_words(composite.agents) if composite.agents != NO_AGENTS else "such drugs"
    rules = one_of(composite.rules)
    if composite.criterion == "refractory-to-all":
        needs = one_of((_need(need) for need in composite.needs), last="and")
        return f"The disease is possibly refractory, on whichever lines, to {needs}.", {"needs"}
    if composite.criterion == "refractory-lines":
        return (
            f"At least {composite.lines} lines are possibly refractory to {agents}.",
            {"agents", "lines"},
        )
    if composite.criterion == "rule-held":
        return f"One of these rules decided on a line: {rules}.", {"rules"}
    if composite.criterion == "interval-since":
        anchor = f"the last dose of the latest {agents}"
        told = interval(
            composite.after_days, composite.days, anchor, is_inclusive=composite.is_inclusive
        )
        read = {"agents", "after_days", "days", *(["is_inclusive"] if composite.days else [])}
        return f"{told[:1].upper()}{told[1:]}.", read
    if composite.criterion == "pattern-of-rule":
        return (
            f"The latest line on which one of these rules decided is {composite.pattern}: {rules}.",
            {"rules", "pattern"},
        )
    if composite.criterion == "relapsed-and-refractory":
        return "A response on any line at any time, and the latest line possibly refractory.", set()
    if composite.criterion == "castration-resistance":
        return (
            f"Progression on a line with {agents}, with the laboratory value that {rules} asks for;"
            " or castration resistance recorded in so many words.",
            {"agents", "rules"},
        )
    return f"As the criterion {composite.criterion} says.", set()


def _need(need: Need) -> str:
    drugs = drugs_in_words(need.agents)
    text = f"at least {need.drugs} {drugs}" if need.drugs > 1 else drugs
    more = [p.text.rstrip(".") for p in other_members(
        need, {"agents", "drugs", "only_if_fact"}, _NEED)]  # fmt: skip
    if need.only_if_fact:
        more.append(f"asked for only where {fact(need.only_if_fact)} is on record")
    return f"{text} ({'; '.join(more)})" if more else text
