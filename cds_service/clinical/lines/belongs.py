"""Whether a use belongs to the line that runs: the rules in the order in which they speak."""

from __future__ import annotations

from cds_service.clinical.lines.course import Building, Course, is_curative, stopped_for
from cds_service.clinical.lines.maintenance import is_maintenance
from cds_service.clinical.record import Exposure
from cds_service.knowledge.terms import Drug

GRACE_DAYS = 30
"""Uncovered days up to which use goes on; a drug that pauses no longer is not given anew."""
BREAK_LIMIT_DAYS = 365
"""A planned break that is longer than this is a new line in any disease."""
RECHALLENGE_DAYS = 60
"""After progression, the same drug resumed after a longer pause than this is a re-challenge."""


def belongs(exposure: Exposure, line: Building, course: Course) -> bool:
    """Whether a use belongs to the line that runs."""
    rules = course.disease.lines
    if _is_other_intent(exposure, line, course):
        return False
    if exposure.drug in line.drugs():
        return _goes_on(exposure, line, course)
    if (exposure.start.first - line.start).days <= rules.window_days:
        return True
    drug = course.drug(exposure.drug)
    if drug is None:
        return False
    if rules.backbone.include(drug):
        return True
    if course.progressed(line.start, exposure.start.first):
        return False
    return (
        _is_substitute(exposure, drug, line, course)
        or is_maintenance(exposure, drug, line, course)
        or _is_of_protocol(exposure, drug, line, course)
        or _is_addition(exposure, drug, line, course)
        or _follows_transplant(exposure, line, course)
        or _is_curative_bundle(exposure, line, course)
        or _is_steroid_with_line(exposure, drug, line, course)
    )


def _goes_on(exposure: Exposure, line: Building, course: Course) -> bool:
    """The same drug again: a hold, a planned break, or a new line after a gap."""
    rules = course.disease.lines
    start = exposure.start.first
    drug = course.drug(exposure.drug)
    if drug is not None and rules.backbone.include(drug):
        return True
    last = line.last_covered(course.as_of)
    gap = (start - last).days
    own = line.last_covered(course.as_of, [exposure.drug])
    if course.progressed(own, start) and (start - own).days > RECHALLENGE_DAYS:
        return False
    if _gap_limit(line, course) >= gap:
        return True
    if drug is not None and rules.gap_exempt.include(drug):
        return True
    if rules.resumes_after_break and gap <= BREAK_LIMIT_DAYS:
        return not course.progressed(line.start, start)
    return _follows_transplant(exposure, line, course)


def _gap_limit(line: Building, course: Course) -> int:
    rules = course.disease.lines
    if rules.long_gap_days:
        drugs = [drug for name in line.drugs() if (drug := course.drug(name)) is not None]
        if drugs and all(rules.long_gap_agents.include(drug) for drug in drugs):
            return rules.long_gap_days
    return rules.gap_days


def _is_other_intent(exposure: Exposure, line: Building, course: Course) -> bool:
    """Palliative treatment never continues a curative line, nor the other way round."""
    said = line.intents() & {"curative", "palliative"}
    return (
        exposure.intent in ("curative", "palliative") and bool(said) and exposure.intent not in said
    )


def _is_substitute(exposure: Exposure, drug: Drug, line: Building, course: Course) -> bool:
    """A swap within a group: for tolerability, supply, route or brand, without progression."""
    start = exposure.start.first
    for name in sorted(line.drugs()):
        last = line.last_covered(course.as_of, [name])
        if (start - last).days > course.disease.lines.gap_days:
            continue
        if drug.name in _equivalents(name, course, toxicity=False):
            return True
        if drug.name in _equivalents(name, course, toxicity=True):
            if course.disease.lines.lenient_swaps.include(drug):
                return not stopped_for(line, "progression")
            if _was_not_tolerated(line, name):
                line.flags.add("toxicity-switch")
                return True
    return False


def _equivalents(name: str, course: Course, *, toxicity: bool) -> frozenset[str]:
    drug = course.drug(name)
    if drug is None or (toxicity and course.disease.lines.new_line_for_toxicity):
        return frozenset()
    return drug.toxicity_equivalents if toxicity else drug.backbone_equivalents


def _was_not_tolerated(line: Building, name: str) -> bool:
    """Whether a drug was stopped for toxicity or supply, or for a reason in unknown words."""
    return any(
        e.stop_reason in ("toxicity", "adherence") or (e.stop_text and not e.stop_reason)
        for e in line.exposures
        if e.drug == name
    )


def _is_addition(exposure: Exposure, drug: Drug, line: Building, course: Course) -> bool:
    return any(
        rule.agents.include(drug)
        and line.has(rule.to, course)
        and (exposure.start.first - line.start).days <= rule.days
        for rule in course.disease.lines.additions
    )


def _is_of_protocol(exposure: Exposure, drug: Drug, line: Building, course: Course) -> bool:
    """A later drug of a regimen whose drugs begin in turn: paclitaxel after AC, IE after VDC."""
    rules = course.disease.lines
    last = line.last_covered(course.as_of)
    if (exposure.start.first - last).days > rules.protocol_days:
        return False
    regimens = (course.knowledge.terms.regimens[name] for name in rules.protocols)
    return any(
        drug.name in regimen.components and line.drugs() <= regimen.components | regimen.optional
        for regimen in regimens
    )


def _follows_transplant(exposure: Exposure, line: Building, course: Course) -> bool:
    """Consolidation or maintenance after the transplant that belongs to the line."""
    days = course.disease.lines.transplant_days
    start = exposure.start.first
    last = line.last_covered(course.as_of)
    return bool(days) and any(
        line.start <= on <= start
        and (start - on).days <= days
        and ((on - last).days <= days or last >= on)
        and not course.progressed(line.start, start)
        for on in course.transplants
    )


def _is_curative_bundle(exposure: Exposure, line: Building, course: Course) -> bool:
    """Neoadjuvant, surgery or radiotherapy, adjuvant: one curative line without recurrence."""
    if not is_curative(line.exposures, line.start, course):
        return False
    start = exposure.start.first
    limit = course.disease.lines.curative_gap_days
    treated = line.last_covered(course.as_of)
    local = [(day, day) for day in course.surgeries] + list(course.radiotherapies)
    for begun, ended in sorted(local):
        if begun <= start and (begun - treated).days <= limit:
            treated = max(treated, min(ended, start))
    return (start - treated).days <= limit


def _is_steroid_with_line(exposure: Exposure, drug: Drug, line: Building, course: Course) -> bool:
    """A corticosteroid never starts a line beside a regimen that runs."""
    last = line.last_covered(course.as_of)
    return drug.is_corticosteroid and (exposure.start.first - last).days <= GRACE_DAYS
