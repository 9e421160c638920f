"""A response that the definition asks for by now, and that was not reached: nonresponsive."""

from __future__ import annotations

from cds_service.clinical.evidence import RESPONSES, Evidence
from cds_service.clinical.status.caveats import caveats_of_line
from cds_service.clinical.status.line_status import WITHHOLDING, Answer, Case, LineStatus
from cds_service.clinical.status.pattern import best_response_of
from cds_service.clinical.status.windows import applies
from cds_service.knowledge.model import Rule


def missed_response(latest: Evidence, case: Case) -> LineStatus | None:
    """A response below what the definition asks for by now: nonresponsive disease.

    Only a category of a response system says that; "condition stable" may be said of a response,
    and the fall of a marker is of no known degree.
    """
    reached = _reached(latest, case)
    if reached is None:
        return None
    for rule in case.disease.rules:
        uses = [use for use in case.line.uses if rule.agents.include(use.drug)]
        if rule.criterion != "no-response" or rule.is_unverified or not uses:
            continue
        is_met = reached <= RESPONSES.index(rule.needs)
        if is_met or not applies(rule.when, rule.agents, case):
            continue
        if _is_long_enough(rule, latest, case):
            return _nonresponsive(rule, latest, case)
    return None


def _reached(latest: Evidence, case: Case) -> int | None:
    """How good the best response of the line was, 0 complete; None where it has no known degree."""
    if not latest.is_formal:
        return None
    best = best_response_of(case.evidence)
    if best in RESPONSES:
        return RESPONSES.index(best)
    return None if case.had_response_before(latest.on) or latest.is_response else len(RESPONSES)


def _is_long_enough(rule: Rule, stable: Evidence, case: Case) -> bool:
    minimum = rule.minimum
    if minimum is None:
        return True
    on = stable.on.first
    if (on - case.line.start.first).days < rule.earliest_days:
        return False
    uses = [use for use in case.line.uses if rule.agents.include(use.drug)]
    if rule.agents.every:
        cycles, days = case.line.cycles(on), case.line.exposure_days(on)
    else:
        cycles = max(use.cycles(on) for use in uses)
        days = max(use.exposure_days(on) for use in uses)
    doses = max(sum(day <= on for day in use.doses) for use in uses)
    if doses < minimum.doses:
        return False
    return cycles >= minimum.cycles and (rule.counts_cycles_only or days >= minimum.days)


def _nonresponsive(rule: Rule, stable: Evidence, case: Case) -> LineStatus:
    caveats = caveats_of_line(case)
    withheld = bool(caveats & WITHHOLDING)
    uses = [
        use
        for use in case.line.uses
        if rule.agents.include(use.drug) and not use.drug.is_corticosteroid
    ]
    near = rule.minimum is not None and case.line.cycles(stable.on.first) == rule.minimum.cycles
    return LineStatus(
        status="indeterminate" if withheld else "possible-refractory",
        pattern=None if withheld else "primary",
        confidence="signal" if withheld or rule.is_signal_only else "criteria",
        best_response=best_response_of(case.evidence),
        refractory_to=() if withheld else tuple(sorted(use.drug.name for use in uses)),
        refractory_classes=() if withheld else tuple(sorted({use.drug.drug_class for use in uses})),
        rules=(rule.id,),
        caveats=tuple(sorted(caveats)),
        flags=("near-threshold",) if near and rule.counts_cycles_only else (),
        answers=(Answer(rule.id, True, "no response was reached after adequate exposure"),),
        progressed_on=stable.on.first,
    )
