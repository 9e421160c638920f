"""The rules that count from the last dose: which agents a progression falls upon."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Literal

import msgspec

from cds_service.clinical.lines import CURATIVE_SETTINGS, AgentUse
from cds_service.clinical.status.facts import known_facts
from cds_service.clinical.status.line_status import Answer, Case, Condition
from cds_service.dates import PartialDate
from cds_service.knowledge.agents import ANY_LINE
from cds_service.knowledge.model import Agents, FullDose, Minimum, Requirement, Rule, When

WINDOW = "progression-in-window"
FAILED: dict[bool | None, Condition | Literal[""]] = {
    True: "",
    False: "outside-window",
    None: "cannot-tell",
}
NEAR_DAYS = 7
"""An interval this close to a boundary is pointed out."""
HOLD_DAYS = 14
"""A longer pause in one drug that is then taken again is a hold; schedules have shorter ones."""


class Hit(msgspec.Struct, frozen=True, gc=False):
    """One agent upon which a progression falls, by one rule.

    `is_adequate`: exposure reached the rule's minimum, and the drug was not on hold. `lacks` names
    a fact the rule needs.
    """

    use: AgentUse
    rule: Rule
    is_adequate: bool
    lacks: str = ""
    is_on_hold: bool = False


class Reach(msgspec.Struct, frozen=True, gc=False):
    """What the window rules say of one day of progression."""

    on: PartialDate
    hits: tuple[Hit, ...]
    unknown: tuple[AgentUse, ...]
    asked: tuple[tuple[AgentUse, Rule, bool | None], ...]
    """What each rule said of each agent."""
    interval_days: int

    def answers(self, case: Case) -> tuple[Answer, ...]:
        """The same, in words."""
        return tuple(
            Answer(rule.id, holds, _why(self.on, use, rule, case), FAILED[holds])
            for use, rule, holds in self.asked
        )

    def is_near_boundary(self, case: Case) -> bool:
        return any(_is_near(self.on, use, rule, case) for use, rule, _ in self.asked)

    @property
    def counted(self) -> tuple[Hit, ...]:
        """The hits that stand: adequate, with every fact that their rule needs."""
        return tuple(hit for hit in self.hits if hit.is_adequate and not hit.lacks)


def reach_of(on: PartialDate, case: Case) -> Reach:
    """Which agents of the line a progression on that day counts against.

    Every agent is asked by its own window: one that was dropped earlier than that is not hit.
    """
    hits: list[Hit] = []
    unknown: list[AgentUse] = []
    said: list[tuple[AgentUse, Rule, bool | None]] = []
    for use in case.line.uses:
        if use.drug.is_corticosteroid:
            continue
        asked = [(use, rule, _is_inside(on, use, rule, case)) for rule in rules_for(use, case)]
        said += asked
        inside = next((rule for _, rule, holds in asked if holds), None)
        if inside is not None:
            hits.append(_hit(on, use, inside, case))
        elif any(holds is None for _, _, holds in asked):
            unknown.append(use)
    interval = (on.first - case.line.last_dose.last).days
    return Reach(on, tuple(hits), tuple(unknown), tuple(said), interval)


def without_progression(case: Case) -> tuple[Answer, ...]:
    """What the window rules of the line say while there is nothing for them to count from."""
    rules = {
        rule.id
        for use in case.line.uses
        if not use.drug.is_corticosteroid
        for rule in rules_for(use, case)
    }
    why = "no progression is on record"
    return tuple(Answer(rule, False, why, "no-progression") for rule in sorted(rules))


def rules_for(use: AgentUse, case: Case) -> tuple[Rule, ...]:
    """The window rules of one agent: the first that speaks for it, with its further categories."""
    if case.window_rules is not None:
        return case.window_rules[use.drug.name]
    speaking = [
        rule
        for rule in case.disease.rules
        if rule.criterion == WINDOW
        and not rule.is_unverified
        and rule.agents.include(use.drug)
        and not rule.spares.include(use.drug)
        and applies(rule.when, rule.agents, case)
    ]
    if not speaking:
        return ()
    first = speaking[0]
    return tuple(r for r in speaking if r.agents == first.agents and r.when == first.when)


def window_rules(case: Case) -> dict[str, tuple[Rule, ...]]:
    """The rules of each agent, which no evidence changes: they are asked often."""
    return {
        use.drug.name: rules_for(use, case)
        for use in case.line.uses
        if not use.drug.is_corticosteroid
    }


def applies(when: When, agents: Agents, case: Case) -> bool:
    """Whether a line is of the kind that a rule speaks of."""
    if when is ANY_LINE or when == ANY_LINE:
        return True
    line = case.line
    drugs = [use.drug for use in line.uses if not use.drug.is_corticosteroid]
    if when.settings and (line.setting or "unknown") not in when.settings:
        return False
    if when.position and (when.position == "first") != is_first(agents, case):
        return False
    if not when.having.is_empty and not any(map(when.having.include, drugs)):
        return False
    if any(map(when.lacking.include, drugs)):
        return False
    if not when.only.is_empty and not all(map(when.only.include, drugs)):
        return False
    if when.is_after_transplant and line.transplant_on is None:
        return False
    if not _has_facts(when, case):
        return False
    return not when.is_single_agent or len(drugs) == 1


def _has_facts(when: When, case: Case) -> bool:
    if not (when.with_facts or when.with_any_fact):
        return True
    until = case.line.next_start or case.record.as_of
    known = known_by(until, case)
    is_one_there = not when.with_any_fact or not when.with_any_fact.isdisjoint(known)
    return when.with_facts <= known and is_one_there


def known_by(until: date, case: Case) -> frozenset[str]:
    return case.record_beside().once(
        until, lambda: known_facts(case.record, case.cancer, case.knowledge, until)
    )


def is_first(agents: Agents, case: Case) -> bool:
    """Whether no earlier line of the same kind held such agents.

    In blood cancers any earlier line counts; in solid tumours one for advanced disease.
    """
    for line, _ in case.earlier:
        if case.disease.family == "solid" and line.setting in CURATIVE_SETTINGS:
            continue
        if any(agents.include(use.drug) for use in line.uses if not use.drug.is_corticosteroid):
            return False
    return True


def _anchor(use: AgentUse, rule: Rule, case: Case) -> PartialDate:
    """The day from which the rule counts: the agent's last dose, or the transplant."""
    if rule.when.is_after_transplant and case.line.transplant_on is not None:
        return PartialDate.on(case.line.transplant_on)
    return use.last


def _is_inside(on: PartialDate, use: AgentUse, rule: Rule, case: Case) -> bool | None:
    anchor = _anchor(use, rule, case)
    if rule.unless_response and case.so_far().had_response_before(on):
        return False
    earliest = on.within_days_after(anchor.first, rule.days, inclusive=rule.is_inclusive)
    latest = on.within_days_after(anchor.last, rule.days, inclusive=rule.is_inclusive)
    below = earliest if earliest == latest else None
    if rule.after_days is None:
        return below
    early = on.within_days_after(anchor.first, rule.after_days)
    late = on.within_days_after(anchor.last, rule.after_days)
    above = not early if early is not None and early == late else None
    if below is False or above is False:
        return False
    return True if below and above else None


def _is_near(on: PartialDate, use: AgentUse, rule: Rule, case: Case) -> bool:
    """Within a week of a boundary, once the agent has ended."""
    interval = (on.first - _anchor(use, rule, case).last).days
    if interval <= 0:
        return False
    bounds = [rule.days] + ([rule.after_days] if rule.after_days is not None else [])
    return any(abs(interval - bound) <= NEAR_DAYS for bound in bounds)


def _why(on: PartialDate, use: AgentUse, rule: Rule, case: Case) -> str:
    interval = (on.first - _anchor(use, rule, case).last).days
    when = "on therapy" if interval <= 0 or use.is_ongoing else f"{interval} days after it"
    return f"{use.drug.name}: progression {when}; the rule counts up to {rule.days} days"


def _hit(on: PartialDate, use: AgentUse, rule: Rule, case: Case) -> Hit:
    is_held = bool(rule.after_hold_days) and _was_held(use, rule.after_hold_days, on.first, case)
    is_long = rule.minimum is None or is_enough(use, rule.minimum, on.first)
    return Hit(use, rule, is_long and not is_held, _lacks(rule, on.first, case), is_held)


def _was_held(use: AgentUse, after_days: int, on: date, case: Case) -> bool:
    """Whether a drug that is taken again was held on that day, or up to so many days before it."""
    again = case.record_beside().covered(use).resumed_after(on, HOLD_DAYS)
    return again is not None and (on - again).days <= after_days


def is_enough(use: AgentUse, minimum: Minimum, until: date) -> bool:
    """Enough days or cycles, as many doses as asked, and no dose known to be too low."""
    if use.doses_by(until) < minimum.doses:
        return False
    is_long = use.exposure_days(until) >= minimum.days
    if not is_long and not (minimum.cycles and use.completed_cycles(until) >= minimum.cycles):
        return False
    return is_at_dose(use, minimum.full_doses, minimum.days, until)


def is_at_dose(use: AgentUse, full_doses: Sequence[FullDose], days: int, until: date) -> bool:
    """Whether the drug has been given at its full dose for so many days, as far as is known."""
    for full in full_doses:
        if full.drug == use.drug.name:
            at_dose = use.days_at_dose(full.mg_per_day * full.share, until)
            return not full.must_be_known if at_dose is None else at_dose >= days
    return True


def _lacks(rule: Rule, on: date, case: Case) -> str:
    """The marker whose value the rule asks for and the chart does not have; empty if it has."""
    asked = rule.requires
    return "" if asked is None or is_met(asked, on, case) else asked.marker


def is_met(asked: Requirement, on: date, case: Case) -> bool:
    """Whether the value nearest to that day, if not older than asked, lies below the limit.

    One drawn later is read too: it is what the progression makes people ask for. Of several values
    of one day each has to lie there.
    """
    highest = case.record_beside().highest_near(asked.marker, on, asked.within_days)
    return highest is not None and highest < asked.below


def stopped_as_planned(case: Case) -> bool:
    """Whether the chart says that the last drugs of the line were stopped by plan."""
    last = case.line.last_dose
    ending = [use for use in case.line.uses if use.last.last >= last.first]
    return bool(ending) and all("completed" in use.stop_reasons for use in ending)


def in_order_of_rules(hits: Sequence[Hit], case: Case) -> list[Rule]:
    """The rules of the hits, each once, in the disease's order: special before general."""
    found = {hit.rule.id for hit in hits}
    return [rule for rule in case.disease.rules if rule.id in found]
