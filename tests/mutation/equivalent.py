"""Numbers that can be moved and say the same: no chart tells one from the other.

Each ground is of the logic, and holds for every rule of its kind; none is of one rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from cds_service.knowledge.model import MarkerRule, Pattern, Rule


def makes_no_difference(rule: Any, member: str, moved: Any) -> bool:
    """Whether a rule and the same with one number moved can never say different things."""
    ground = GROUNDS.get(re.sub(r"\[\d+\]", "", member))
    return ground is not None and ground(rule, moved)


def _is_never_early(rule: Any, moved: Any) -> bool:
    """The window opens later than the first day of an assessment, so that none comes too early."""
    return (
        isinstance(rule, Rule)
        and rule.criterion != "no-response"
        and rule.after_days is not None
        and rule.after_days >= max(rule.earliest_days, moved.earliest_days) - 1
    )


def _counts_no_days(rule: Any, _: Any) -> bool:
    """Where only cycles count, the days beside them are not looked at."""
    return isinstance(rule, Rule) and rule.counts_cycles_only


def _is_never_stable(rule: Any, moved: Any) -> bool:
    """Days of stability that lie before the days of which time alone decides."""
    return _is_answered_by_time(rule.pattern, rule.pattern.stable_days, moved.pattern.stable_days)


def _is_never_brief(rule: Any, moved: Any) -> bool:
    """The same; or brief stability that is already long enough to be secondary."""
    pattern = rule.pattern
    brief, other = pattern.brief_stable_days, moved.pattern.brief_stable_days
    long_enough = pattern.stable_days is None or min(brief, other) >= pattern.stable_days
    return long_enough or _is_answered_by_time(pattern, brief, other)


def _is_answered_by_time(pattern: Pattern, days: int, other: int) -> bool:
    first_day_open = pattern.primary_days + pattern.is_inclusive
    return pattern.by == "response-or-time" and max(days, other) <= first_day_open


def _is_no_rise(rule: Any, moved: Any) -> bool:
    """A multiple of one or less: that the value is higher is asked of a rise in any case."""
    is_rise = isinstance(rule, MarkerRule) and rule.criterion != "plateau"
    return is_rise and max(rule.multiplier, moved.multiplier) <= 1


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
    "pattern.stable_days": _is_never_stable,
    "pattern.brief_stable_days": _is_never_brief,
    "multiplier": _is_no_rise,
    "steps.from_day": _is_of_the_step_before,
}
