"""The facts that an advice rests on, in words: without tone or layout, and without directive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from cds_service.clinical.advice.situation import AdviceKind, Judged, Situation
from cds_service.clinical.lines import AgentUse
from cds_service.clinical.record import Exposure
from cds_service.knowledge.model import MarkerRule, Milestones

REPEAT_IMAGING_DAYS = (28, 56)
"""A scan that confirms progression lies so many days after the first.

Source: Seymour 2017 (iRECIST, at least 4 weeks, up to 8); Wen 2023 (RANO).
"""
SUPPLY_GAP_DAYS = 30

Between = tuple[date, date | None]


def reason_for(kind: AdviceKind, row: str, s: Situation) -> str:
    """The fact that an advice rests on."""
    status, line = s.status, s.judged.line
    on = status.progressed_on
    if row == "S13":
        return (
            "The definition used here was made for adults and gives no label under 18 years; a "
            "paediatric protocol group judges by its own."
        )
    if kind == "adherence-review":
        return " ".join(_supply(s)) or "Intake, interactions and access may explain the course."
    if row == "A9":
        return f"Line {line.number} ({line.name}) was stopped for toxicity; no later assessment."
    if s.has("symptom-only") and on is None:
        return "Only a symptom is recorded as worse; there is no evidence on the disease itself."
    if on is None:
        return f"The evidence on line {line.number} does not settle where the disease stands."
    when = _when(s.judged, on)
    said = {
        "possible-refractory": f"Possible refractory disease: {when}.",
        "relapsed": f"The disease came back after control: {when}.",
        "progressing": f"Progression that is not called refractory: {when}.",
    }.get(status.status, f"The evidence needs another look: {when}.")
    earliest = _earliest(s) if row == "A3" else None
    if earliest is None:
        return said
    return f"{said} This therapy can be assessed from {earliest} on."


def _when(judged: Judged, on: date) -> str:
    status, line, name = judged.status, judged.line, judged.line.name
    if judged.is_missed_response:
        return f"a required response not reached on {on} during line {line.number} ({name})"
    days = status.interval_days
    if days is None or days <= 0 or line.is_ongoing:
        return f"progression on {on} during line {line.number} ({name})"
    return f"progression on {on}, {days} days after the last dose of line {line.number} ({name})"


def _earliest(s: Situation) -> date | None:
    """The first day on which the line can be assessed, where the evidence came before it."""
    if not s.has("assessment-too-early"):
        return None
    rules = [r.earliest_days for r in s.disease.rules if r.id in s.status.rules]
    days = min((d for d in rules if d), default=s.disease.earliest_days)
    return s.judged.line.start.first + timedelta(days=days) if days else None


def _supply(s: Situation) -> Iterator[str]:
    """How many days the recorded supply of tablets covers, where there is a gap in it."""
    for use in s.judged.line.uses:
        if use.longest_break_days() > SUPPLY_GAP_DAYS and use.is_continuous:
            span = (use.last.last - use.first.first).days + 1
            days = covered_days(use, s.judged.line.exposures)
            yield f"Recorded supply of {use.drug.name} covers {days} of {span} days."


def covered_days(use: AgentUse, exposures: Sequence[Exposure]) -> int:
    """Days from the first to the last of a use on which a record of the drug covers it."""
    days: set[date] = set()
    for exposure in exposures:
        if exposure.drug != use.drug.name:
            continue
        first = max(exposure.start.first, use.first.first)
        last = min((exposure.end or use.last).last, use.last.last)
        days.update(first + timedelta(days=n) for n in range((last - first).days + 1))
    return len(days)


def settles_between(kind: AdviceKind, row: str, s: Situation) -> Between | None:
    """The days on which a repeat could settle the question; None where no number is given.

    Of a marker, those of its own rule; of a milestone, those of the milestone; else those of
    imaging. The end is None where none is given.
    """
    on = s.status.progressed_on
    if kind != "confirm-progression" or on is None:
        return None
    if row == "A3":
        earliest = _earliest(s)
        return None if earliest is None else (earliest, None)
    if row != "A4" and not s.has("unconfirmed", "pseudoprogression-possible"):
        return None
    days = _days_of_confirmation(s)
    if days is None:
        return None
    fewest, most = days
    return on + timedelta(days=fewest), on + timedelta(days=most) if most else None


def _days_of_confirmation(s: Situation) -> tuple[int, int] | None:
    read = set(s.status.rules)
    for rule in s.disease.told:
        if rule.id not in read:
            continue
        if isinstance(rule, MarkerRule) and rule.confirm_days:
            return rule.confirm_days, rule.confirm_within_days
        if isinstance(rule, Milestones):
            steps = [step for step in rule.steps if step.confirm_from]
            return (steps[0].confirm_from, steps[0].confirm_to) if steps else None
    asked = [r.confirming_scan_days for r in s.disease.rules if r.id in read]
    if s.has("pseudoprogression-possible") or any(asked):
        return max([REPEAT_IMAGING_DAYS[0], *asked]), REPEAT_IMAGING_DAYS[1]
    return None
