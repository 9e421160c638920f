"""Numbers that can be moved and say the same: no chart tells one from the other.

Each ground is of the logic, and holds for every rule of its kind; none is of one rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from boundaries.windows import LONGEST_CYCLE

from cds_service import shipped_knowledge
from cds_service.knowledge.model import Disease, MarkerRule, Rule


def makes_no_difference(rule: Any, member: str, moved: Any, disease: Disease) -> bool:
    """Whether a rule and the same with one number moved can never say different things."""
    ground = GROUNDS.get(re.sub(r"\[\d+\]", "", member))
    if ground is not None and ground(rule, moved):
        return True
    is_of_stability = member in ("pattern.stable_days", "pattern.brief_stable_days")
    return is_of_stability and _comes_after_a_response(rule, disease)


def _comes_after_a_response(rule: Rule, disease: Disease) -> bool:
    """The same window was asked before without a response: here there was one, and lost it is."""
    return any(
        before.unless_response
        and (before.agents, before.when) == (rule.agents, rule.when)
        and (before.after_days, before.days) == (rule.after_days, rule.days)
        for before in disease.rules[: disease.rules.index(rule)]
    )


def _is_never_early(rule: Any, moved: Any) -> bool:
    """The window opens later than the first day of an assessment, so that none comes too early."""
    return (
        isinstance(rule, Rule)
        and rule.criterion != "no-response"
        and rule.after_days is not None
        and rule.after_days >= max(rule.earliest_days, moved.earliest_days) - 1
    )


def _counts_no_days(rule: Any, _: Any) -> bool:
    """Where only cycles count, or one of them is enough and is over, days are not looked at."""
    if not isinstance(rule, Rule) or rule.minimum is None:
        return False
    return rule.counts_cycles_only or (rule.minimum.cycles == 1 and _had_a_cycle(rule))


def _had_a_cycle(rule: Rule) -> bool:
    """The window opens later after an infusion than the longest cycle lasts."""
    named = [drug for drug in shipped_knowledge().terms.drugs.values() if rule.agents.include(drug)]
    is_late = rule.after_days is not None and rule.after_days >= LONGEST_CYCLE
    return is_late and all("oral" not in drug.routes for drug in named)


def _is_never_stable(rule: Any, moved: Any) -> bool:
    """Days of stability that are over before stability is asked for."""
    stable, other = rule.pattern.stable_days, moved.pattern.stable_days
    return bool(max(stable, other) <= _first_day_open(rule))


def _is_never_brief(rule: Any, moved: Any) -> bool:
    """The same; or brief stability that is already long enough to be secondary."""
    stable = rule.pattern.stable_days
    brief, other = rule.pattern.brief_stable_days, moved.pattern.brief_stable_days
    is_long = stable is None or min(brief, other) >= stable
    return bool(is_long or max(brief, other) <= _first_day_open(rule))


def _first_day_open(rule: Rule) -> int:
    """The first day from the start on which time alone does not answer, and the window is open."""
    pattern, window = rule.pattern, 0 if rule.after_days is None else rule.after_days + 1
    by_time = pattern.primary_days + pattern.is_inclusive
    return max(window, by_time if pattern.by == "response-or-time" else 0)


def _is_never_open(rule: Any, moved: Any) -> bool:
    """A window that ends before it begins."""
    return isinstance(rule, Rule) and bool(
        rule.criterion != "no-response"
        and rule.after_days is not None
        and min(rule.after_days, moved.after_days) >= rule.days
    )


def _is_no_rise(rule: Any, moved: Any) -> bool:
    """A multiple of one or less, or of no more than the least rise makes of the highest value."""
    if not isinstance(rule, MarkerRule) or rule.criterion == "plateau":
        return False
    over = max(rule.multiplier, moved.multiplier) - 1
    highest = rule.max_reference
    return over <= 0 or (highest is not None and highest * over <= rule.min_delta)


def _is_as_high_by_the_rise(rule: Any, moved: Any) -> bool:
    """A least value that no rise by the least amount can stay below."""
    return isinstance(rule, MarkerRule) and max(rule.min_value, moved.min_value) <= rule.min_delta


def _is_of_the_step_before(milestones: Any, moved: Any) -> bool:
    """The first day of a milestone, where the one before it has that day already."""
    both = zip(milestones.steps, moved.steps, strict=True)
    place = next(number for number, (step, other) in enumerate(both) if step != other)
    last = milestones.steps[place - 1].to_day if place else -1
    later = max(milestones.steps[place].from_day, moved.steps[place].from_day)
    return last is not None and later <= last + 1


GROUNDS: Mapping[str, Callable[[Any, Any], bool]] = {
    "earliest_days": _is_never_early,
    "minimum.days": _counts_no_days,
    "after_days": _is_never_open,
    "pattern.stable_days": _is_never_stable,
    "pattern.brief_stable_days": _is_never_brief,
    "multiplier": _is_no_rise,
    "min_value": _is_as_high_by_the_rise,
    "steps.from_day": _is_of_the_step_before,
}
