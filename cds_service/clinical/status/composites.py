"""Labels over several lines: refractory to this and that class, resistant since platinum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cds_service.clinical.evidence import RESPONSES, Values
from cds_service.clinical.lines import Line
from cds_service.clinical.record import Cancer, Record
from cds_service.clinical.status.facts import known_facts
from cds_service.clinical.status.line_status import Answer, Case, LineStatus
from cds_service.clinical.status.windows import is_met
from cds_service.knowledge.model import Composite, Disease, Knowledge, Need

Judged = tuple[Line, LineStatus]


@dataclass(frozen=True, slots=True)
class Composites:
    """The ids that hold, as the disease lists them, and whether one of them leads to a trial."""

    ids: tuple[str, ...]
    leads_to_trial: bool


@dataclass(frozen=True, slots=True)
class History:
    """All lines of one cancer, each with where it stands."""

    record: Record
    cancer: Cancer
    disease: Disease
    knowledge: Knowledge
    judged: Sequence[Judged]
    values: Values | None = None
    """The values of markers in the record, where they are put in order already."""


def find_composites(history: History) -> Composites:
    """Which composites of the disease hold on the day asked."""
    found = [c for c in history.disease.composites if CRITERIA[c.criterion](c, history)]
    labels = tuple(c.id for c in found if c.is_label)
    return Composites(labels, any(c.leads_to_trial for c in found))


def explain_composites(history: History) -> tuple[Answer, ...]:
    """For each composite whether it holds; of classes that it asks for, those that are wanting."""
    return tuple(_explained(composite, history) for composite in history.disease.composites)


def _explained(composite: Composite, history: History) -> Answer:
    if CRITERIA[composite.criterion](composite, history):
        return Answer(composite.id, True, composite.says)
    asked = [need for need in composite.needs if _is_asked(need, history)]
    wanting = [need.agents.words for need in asked if not _is_needed(need, history)]
    why = f"not refractory to {', nor to '.join(wanting)}" if wanting else "no line meets it"
    return Answer(composite.id, False, why, "not-met")


def _refractory_to_all(composite: Composite, history: History) -> bool:
    """Refractory, on whichever line, to every class that is asked for."""
    return all(_is_needed(need, history) for need in composite.needs if _is_asked(need, history))


def _is_asked(need: Need, history: History) -> bool:
    if not need.only_if_fact:
        return True
    known = known_facts(history.record, history.cancer, history.knowledge)
    return need.only_if_fact in known


def _is_needed(need: Need, history: History) -> bool:
    drugs = history.knowledge.terms.drugs
    names = set()
    for line, status in history.judged:
        names |= {name for name in status.refractory_to if need.agents.include(drugs[name])}
        if need.counts_intolerance:
            names |= {
                use.drug.name
                for use in line.uses
                if "toxicity" in use.stop_reasons and need.agents.include(use.drug)
            }
    return len(names) >= need.drugs


def _refractory_lines(composite: Composite, history: History) -> bool:
    """So many lines refractory to one of the agents each."""
    drugs = history.knowledge.terms.drugs
    lines = [
        status
        for _, status in history.judged
        if any(composite.agents.include(drugs[name]) for name in status.refractory_to)
    ]
    return len(lines) >= composite.lines


def _rule_held(composite: Composite, history: History) -> bool:
    """One of these rules decided on a line that is refractory."""
    return any(
        status.status == "possible-refractory" and set(composite.rules) & set(status.rules)
        for _, status in history.judged
    )


def _interval_since(composite: Composite, history: History) -> bool:
    """How long after the last dose of the latest such agent the disease progressed."""
    for line, status in reversed(history.judged):
        uses = [use for use in line.uses if composite.agents.include(use.drug)]
        if not uses:
            continue
        if status.status not in ("possible-refractory", "relapsed") or not status.progressed_on:
            return False
        last = max(use.last.last for use in uses)
        days = (status.progressed_on - last).days
        if composite.after_days is not None and days <= composite.after_days:
            return False
        if not composite.days:
            return True
        return days <= composite.days if composite.is_inclusive else days < composite.days
    return False


def _pattern_of_rule(composite: Composite, history: History) -> bool:
    """The pattern by which one of these rules decided on the latest line that it decided on."""
    for _, status in reversed(history.judged):
        if status.status == "possible-refractory" and set(composite.rules) & set(status.rules):
            return status.pattern == composite.pattern
    return False


def _relapsed_and_refractory(_: Composite, history: History) -> bool:
    """A response on any line at any time, and the latest line refractory."""
    if not history.judged or history.judged[-1][1].status != "possible-refractory":
        return False
    return any(
        status.best_response in RESPONSES or status.pattern == "secondary"
        for _, status in history.judged
    )


def _castration_resistance(composite: Composite, history: History) -> bool:
    """Progression under androgen deprivation with testosterone in the castrate range."""
    asked = next(
        (rule.requires for rule in history.disease.rules if rule.id in composite.rules), None
    )
    values = history.values or Values(history.record.measurements)
    for line, status in history.judged:
        on = status.progressed_on
        if on is None or status.status not in ("possible-refractory", "relapsed"):
            continue
        running = [use for use in line.uses if composite.agents.include(use.drug)]
        case = Case(
            history.record, history.cancer, history.disease, history.knowledge, line, (),
            values=values,
        )  # fmt: skip
        if running and (asked is None or is_met(asked, on, case)):
            return True
    return any(
        s.finding == "castration-resistant"
        and (not s.disease or s.disease == history.cancer.disease)
        for s in history.record.statements
    )


CRITERIA: dict[str, Callable[[Composite, History], bool]] = {
    "refractory-to-all": _refractory_to_all,
    "refractory-lines": _refractory_lines,
    "rule-held": _rule_held,
    "interval-since": _interval_since,
    "pattern-of-rule": _pattern_of_rule,
    "relapsed-and-refractory": _relapsed_and_refractory,
    "castration-resistance": _castration_resistance,
}
