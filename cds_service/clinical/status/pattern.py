"""Primary or secondary: whether a response was ever reached on the line and then lost."""

from __future__ import annotations

from datetime import date

from cds_service.clinical.status.line_status import Case, PatternName
from cds_service.clinical.status.windows import NEAR_DAYS, Hit, is_first
from cds_service.dates import PartialDate
from cds_service.knowledge.model import Pattern

SILENCE_DAYS = 180
"""Later than this, a progression as the only finding says nothing of what came before it."""


def pattern_of(on: PartialDate, hit: Hit, case: Case) -> PatternName | None:
    """How the rule of a hit tells primary from secondary; None where neither can be told."""
    pattern = hit.rule.pattern
    if pattern.by == "primary":
        return "primary"
    if pattern.by == "time-on-therapy":
        return _by_time(on, hit, pattern, case)
    if pattern.by == "on-therapy-time":
        on_therapy = on.first <= hit.use.last.last or hit.use.is_ongoing
        early = _is_early(on, hit, case)
        return "primary" if on_therapy and early else "secondary"
    if pattern.by == "response-or-time" and _is_early(on, hit, case):
        return "primary"
    if pattern.by == "platinum":
        settled = _by_platinum(on, hit, case)
        if settled is not None:
            return settled
    return by_best_response(on, pattern, case)


def _by_time(on: PartialDate, hit: Hit, pattern: Pattern, case: Case) -> PatternName | None:
    early = _is_early(on, hit, case)
    if early is None:
        return None
    if not early:
        return "secondary"
    if pattern.is_first_line_only and not is_first(hit.rule.agents, case):
        return None
    return "primary"


def _is_early(on: PartialDate, hit: Hit, case: Case) -> bool | None:
    """Whether it came within the rule's primary time; a switch in the line does not restart it."""
    start = therapy_start(hit, case)
    pattern = hit.rule.pattern
    return on.within_days_after(start, pattern.primary_days, inclusive=pattern.is_inclusive)


def is_near_time(on: PartialDate, hit: Hit, case: Case) -> bool:
    """Whether a few days more or less would tell primary from secondary otherwise."""
    pattern = hit.rule.pattern
    if pattern.by not in ("time-on-therapy", "on-therapy-time", "response-or-time"):
        return False
    days = (on.first - therapy_start(hit, case)).days
    return abs(days - pattern.primary_days) <= NEAR_DAYS


def therapy_start(hit: Hit, case: Case) -> date:
    """The first day in the line of an agent of which the rule speaks."""
    return min(use.first.first for use in case.line.uses if hit.rule.agents.include(use.drug))


def _by_platinum(on: PartialDate, hit: Hit, case: Case) -> PatternName | None:
    """First-line platinum up to 28 days after is primary; a later line after a sensitive phase
    is secondary.
    """
    within_28 = on.within_days_after(hit.use.last.last, 28)
    if is_first(hit.rule.agents, case):
        return "primary" if within_28 else None
    earlier = [
        status
        for line, status in case.earlier
        if any(hit.rule.agents.include(use.drug) for use in line.uses)
    ]
    return "secondary" if any(status.status == "relapsed" for status in earlier) else None


def by_best_response(on: PartialDate, pattern: Pattern, case: Case) -> PatternName | None:
    """By what was recorded on the line before the progression.

    A progression as the only finding is primary, unless it comes so late that the silence before
    it cannot be read as failure.
    """
    start = case.line.start.first
    before = [e for e in case.evidence if e.on.first < on.first and (e.decides or e.is_response)]
    days = (on.first - start).days
    if any(e.is_response for e in before):
        return "secondary" if days >= pattern.response_days else None
    if any(e.is_stable for e in before) and pattern.stable_days is not None:
        if days >= pattern.stable_days:
            return "secondary"
        return "primary" if days < pattern.brief_stable_days else None
    if not before and days >= SILENCE_DAYS:
        return None
    return "primary"
