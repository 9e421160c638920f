"""Whether the numbers of a disease can hold: windows, milestones, targets, markers, patterns."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from cds_service.knowledge.check_references import Fault
from cds_service.knowledge.model import (
    Composite,
    Disease,
    MarkerRule,
    Milestone,
    Pattern,
    Rule,
    Sign,
    Target,
)

WINDOW = "progression-in-window"
INTERVAL = "interval-since"
PLATEAU = "plateau"
BY_TIME = frozenset({"time-on-therapy", "on-therapy-time", "response-or-time"})


def check_numbers(disease: Disease) -> Iterator[Fault]:
    """What no day or value can satisfy, and what every one does."""
    for rule in disease.rules:
        yield from _window(rule.id, rule) if rule.criterion == WINDOW else ()
        yield from _pattern(rule.id, rule.pattern)
    for marker_rule in disease.marker_rules:
        yield from _marker_rule(marker_rule)
    for milestones in disease.milestones:
        yield from _milestones(milestones.id, milestones.steps)
    for target in disease.targets:
        yield from _target(target)
    for composite in disease.composites:
        if composite.criterion == INTERVAL:
            where = f"{disease.id}: {composite.id}"
            yield from _window(where, composite)
            if composite.after_days is None and not composite.days:
                yield Fault(where, "is an interval, and has neither days nor after_days")
    for early in disease.early:
        if early.days <= 0:
            yield Fault(f"{disease.id}: {early.flag}", "has no days")


def _window(where: str, told: Rule | Composite) -> Iterator[Fault]:
    """A window that holds no day; of a rule, 0 and 0 says that it never counts."""
    after, days = told.after_days, told.days
    if after is None or after < days:
        return
    is_endless = isinstance(told, Composite) and not days
    if not is_endless and (after, days) != (0, 0):
        yield Fault(where, f"no day is more than {after} and at most {days} days after anything")


def _pattern(where: str, pattern: Pattern) -> Iterator[Fault]:
    if pattern.by in BY_TIME and not pattern.primary_days:
        yield Fault(where, "tells primary from secondary by time, and names no primary_days")
    if pattern.stable_days is not None and pattern.brief_stable_days > pattern.stable_days:
        yield Fault(
            where,
            f"stability of {pattern.brief_stable_days} days cannot be brief where"
            f" {pattern.stable_days} are enough",
        )


def _marker_rule(rule: MarkerRule) -> Iterator[Fault]:
    asked = (rule.min_delta, rule.min_value, rule.min_uln, rule.high_delta, rule.steps,
             rule.remission_below, rule.each_is_higher)  # fmt: skip
    if rule.multiplier == 1 and not any(asked):
        yield Fault(rule.id, "has no number: any rise would be progression")
    if rule.criterion == PLATEAU and not 0 < rule.multiplier < 1:
        yield Fault(rule.id, f"a plateau is a share between 0 and 1, not {rule.multiplier}")
    if 0 < rule.confirm_within_days < rule.confirm_days:
        yield Fault(
            rule.id,
            f"no value is at least {rule.confirm_days} and at most {rule.confirm_within_days}"
            " days later",
        )
    if (rule.high_nadir is None) != (not rule.high_delta):
        yield Fault(rule.id, "high_nadir and high_delta say something only together")
    if bool(rule.excluded_after) != bool(rule.excluded_days):
        yield Fault(rule.id, "excluded_after and excluded_days say something only together")


def _milestones(where: str, steps: tuple[Milestone, ...]) -> Iterator[Fault]:
    if not steps:
        yield Fault(where, "has no step")
    for step in steps:
        if step.to_day is not None and step.to_day < step.from_day:
            yield Fault(where, f"{step.name!r} ends on day {step.to_day}, before it begins")
        if step.failure_above < step.optimal_at_most:
            yield Fault(where, f"{step.name!r} can be met and missed by one value")
        if step.confirm_to < step.confirm_from:
            yield Fault(where, f"no value can confirm {step.name!r}")
    for before, after in pairwise(steps):
        if after.from_day <= before.from_day:
            yield Fault(where, f"{after.name!r} comes after {before.name!r}, and begins no later")
        elif before.to_day is None or after.from_day <= before.to_day:
            yield Fault(where, f"{after.name!r} begins before {before.name!r} has ended")


def _target(target: Target) -> Iterator[Fault]:
    if target.from_day <= 0:
        yield Fault(target.id, "names no day from which on it is due")
    if not target.missed_by:
        yield Fault(target.id, "is missed by nothing, so that it never speaks")
    for sign in target.missed_by:
        yield from _sign(target.id, sign)


def _sign(where: str, sign: Sign) -> Iterator[Fault]:
    if bool(sign.marker) == bool(sign.procedure):
        yield Fault(where, "each sign is of one marker, or one procedure")
    elif sign.marker and sign == Sign(marker=sign.marker):
        yield Fault(where, f"has no number for {sign.marker!r}")
