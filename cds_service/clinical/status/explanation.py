"""Every rule that speaks for a line: whether it held, did not hold, or could not be answered.

Nothing here decides. It asks again what the stages before asked, and keeps every answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cds_service.clinical.evidence import RESPONSES, Evidence
from cds_service.clinical.evidence.evidence import HISTOLOGY
from cds_service.clinical.record import Measurement
from cds_service.clinical.status.line_status import Answer, Case, Condition, LineStatus
from cds_service.clinical.status.nonresponse import too_soon
from cds_service.clinical.status.windows import Hit, applies, reach_of, without_progression
from cds_service.dates import PartialDate
from cds_service.knowledge.model import (
    FLC,
    PARTS_OF,
    MarkerRule,
    Milestones,
    Minimum,
    Requirement,
    Rule,
    Target,
)


def explain_line(case: Case, status: LineStatus) -> tuple[Answer, ...]:
    """One answer for each rule and agent, in the order in which the definition asks them."""
    return tuple(
        dict.fromkeys(
            (*_windows(case, status), *_responses(case), *_markers(case), *_by_time(case))
        )
    )


def _answer(rule: str, holds: bool | None, why: str, condition: Condition | None = None) -> Answer:
    return Answer(rule, holds, why, condition or "")


def _windows(case: Case, status: LineStatus) -> Iterator[Answer]:
    """The rules that count from the last dose, and what else each of them asks for."""
    on = _progressed_on(case, status)
    if on is None:
        yield from without_progression(case)
        return
    reach = reach_of(on, case)
    short = {(hit.rule.id, hit.use.drug.name): hit for hit in reach.hits}
    for answer in reach.answers(case):
        hit = short.get((answer.rule, answer.why.partition(":")[0])) if answer.holds else None
        yield _with_conditions(answer, hit, on) if hit is not None else answer


def _progressed_on(case: Case, status: LineStatus) -> PartialDate | None:
    """The day of the progression that decided, as exactly as the chart has it."""
    if status.progressed_on is None:
        return None
    days = (e.on for e in case.evidence if e.on.first == status.progressed_on)
    return next(days, PartialDate.on(status.progressed_on))


def _with_conditions(answer: Answer, hit: Hit, on: PartialDate) -> Answer:
    """The answer of a window that is hit, unless exposure or a value that it asks for is short."""
    drug, rule = hit.use.drug.name, hit.rule
    if hit.is_on_hold:
        why = f"{drug}: it was held at that time, or had only just been begun again"
        return _answer(rule.id, False, why, "too-little-exposure")
    if not hit.is_adequate:
        days = hit.use.exposure_days(on.first)
        asked = _minimum(rule.minimum)
        why = f"{drug}: {max(days, 0)} days of exposure by then, and the rule asks for {asked}"
        return _answer(rule.id, False, why, "too-little-exposure")
    if hit.lacks and rule.requires is not None:
        why = f"{drug}: {_required(rule.requires)}, and the chart has no such value"
        return _answer(rule.id, None, why, "value-missing")
    return answer


def _minimum(minimum: Minimum | None) -> str:
    if minimum is None:
        return "none"
    asked = [f"{minimum.days} days"] if minimum.days else []
    asked += [f"{minimum.cycles} cycles"] if minimum.cycles else []
    said = " or ".join(asked) or "no time"
    return f"{said} and {minimum.doses} doses" if minimum.doses else said


def _required(asked: Requirement) -> str:
    limit = f"{asked.below.normalize():f}"
    return f"the rule asks for {asked.marker} below {limit}, at most {asked.within_days} days old"


def _responses(case: Case) -> Iterator[Answer]:
    """The rules that ask for a response by now."""
    for rule in case.disease.rules:
        if rule.criterion != "no-response" or not applies(rule.when, rule.agents, case):
            continue
        if any(rule.agents.include(use.drug) for use in case.line.uses):
            yield _response(rule, case)


def _response(rule: Rule, case: Case) -> Answer:
    if rule.is_unverified:
        return _unverified(rule.id)
    best = case.so_far().best_response
    needed = rule.needs.replace("-", " ")
    if best in RESPONSES and RESPONSES.index(best) <= RESPONSES.index(rule.needs):
        return _answer(rule.id, False, f"{best.replace('-', ' ')} was reached", "response-reached")
    formal = [
        e
        for e in case.evidence
        if (e.is_formal or e.rank == HISTOLOGY) and e.decides and not e.is_progression
    ]
    if not formal:
        why = f"no response category is on record that tells whether {needed} was reached"
        return _answer(rule.id, None, why, "not-assessed")
    if rule.needs_histology and formal[-1].rank != HISTOLOGY:
        return _answer(rule.id, None, "no tissue was looked at", "not-assessed")
    why = too_soon(rule, formal[-1].on.first, case)
    if why:
        return _answer(rule.id, False, why, "too-little-exposure")
    return _answer(rule.id, True, f"{needed} was not reached after adequate exposure")


def _markers(case: Case) -> Iterator[Answer]:
    """The rules that read a marker: met, met once, not met, or nothing to read."""
    drugs = [use.drug for use in case.line.uses]
    for rule in case.disease.marker_rules:
        is_other = any(map(rule.not_under.include, drugs)) or not (
            rule.under.is_empty or any(map(rule.under.include, drugs))
        )
        if not is_other:
            yield _marker(rule, case)


def _marker(rule: MarkerRule, case: Case) -> Answer:
    said = [e for e in case.evidence if e.rule == rule.id]
    found = _strongest(said)
    if found is not None and found.suggests:
        why = f"{found.detail}; its number is not confirmed at a source, so it only suggests"
        return _answer(rule.id, None, why, "unverified")
    if found is not None:
        holds = None if found.is_unconfirmed else True
        return _answer(rule.id, holds, found.detail, None if holds else "not-confirmed")
    if any(e.is_not_comparable for e in said):
        return _answer(rule.id, None, "values of one day contradict each other", "not-comparable")
    values = _values(rule, case)
    usable = [m for m in values if m.quantity is not None]
    if not values:
        return _answer(rule.id, None, f"no {rule.marker} during this line", "value-missing")
    if len(usable) < len(values):
        why = f"{len(values) - len(usable)} of {len(values)} values cannot be converted"
        return _answer(rule.id, None, why, "not-comparable")
    if len(usable) < 2:
        return _answer(rule.id, None, "one value alone shows no course", "value-missing")
    return _answer(rule.id, False, f"{len(usable)} values, none of which meets it", "not-met")


def _strongest(said: Sequence[Evidence]) -> Evidence | None:
    """The finding of a rule that speaks of progression, if there is one."""
    return next((e for e in said if e.is_progression or e.is_unconfirmed or e.suggests), None)


def _values(rule: MarkerRule, case: Case) -> list[Measurement]:
    names = {rule.marker, *PARTS_OF.get(rule.marker, ())} - {FLC}
    until = case.line.next_start or case.record.as_of
    return [
        m
        for m in case.record.measurements
        if m.marker in names and m.on.last > case.line.start.first and m.on.first <= until
    ]


def _by_time(case: Case) -> Iterator[Answer]:
    """Milestones and targets: what a drug has to have reached by now."""
    every: tuple[Milestones | Target, ...] = (*case.disease.milestones, *case.disease.targets)
    for asked in every:
        if not any(asked.agents.include(use.drug) for use in case.line.uses):
            continue
        said = [e for e in case.evidence if e.rule == asked.id]
        found = _strongest(said)
        if found is not None:
            holds = None if found.is_unconfirmed else True
            yield _answer(asked.id, holds, found.detail, None if holds else "not-confirmed")
        elif said:
            yield _answer(asked.id, False, said[-1].detail, "response-reached")
        else:
            yield _answer(asked.id, None, "no value at a time that can be read", "value-missing")


def _unverified(rule: str) -> Answer:
    why = "its number could not be confirmed at a source; it decides nothing alone"
    return _answer(rule, None, why, "unverified")
