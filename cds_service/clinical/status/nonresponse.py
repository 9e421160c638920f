"""A response that the definition asks for by now, and that was not reached: nonresponsive."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from cds_service.clinical.evidence import RESPONSES, Evidence
from cds_service.clinical.evidence.evidence import HISTOLOGY
from cds_service.clinical.lines import AgentUse
from cds_service.clinical.status.caveats import caveats_of_line
from cds_service.clinical.status.line_status import WITHHOLDING, Answer, Case, LineStatus
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
    on, early = latest.on.first, None
    for rule in case.disease.rules:
        uses = [use for use in case.line.uses if rule.agents.include(use.drug)]
        if rule.criterion != "no-response" or rule.is_unverified or not uses:
            continue
        is_met = reached <= RESPONSES.index(rule.needs)
        if is_met or not applies(rule.when, rule.agents, case):
            continue
        if rule.needs_histology and latest.rank != HISTOLOGY:
            continue
        if not too_soon(rule, on, case):
            return _nonresponsive(rule, latest, case)
        early = early or (rule if rule.warns_before else None)
    return None if early is None else _warning(early, latest, case)


def _reached(latest: Evidence, case: Case) -> int | None:
    """How good the best response of the line was, 0 complete; None where it has no known degree."""
    if not latest.is_formal and latest.rank != HISTOLOGY:
        return None
    best = case.so_far().best_response
    if best in RESPONSES:
        return RESPONSES.index(best)
    return (
        None
        if case.so_far().had_response_before(latest.on) or latest.is_response
        else len(RESPONSES)
    )


def too_soon(rule: Rule, on: date, case: Case) -> str:
    """Why a response that a rule asks for need not be there by that day; empty where it should."""
    uses = [use for use in case.line.uses if rule.agents.include(use.drug)]
    had = _had(rule, uses, on, case)
    if had:
        return had
    since_start = (on - case.line.start.first).days
    if since_start < rule.earliest_days:
        return f"{since_start} days from the start; the rule asks for {rule.earliest_days}"
    if rule.after_days is None:
        return ""
    lead = [use for use in uses if not use.drug.is_corticosteroid] or uses
    since_last = (on - max(use.last.last for use in lead)).days
    if since_last > rule.after_days:
        return ""
    return f"{since_last} days from the last dose; the rule asks for more than {rule.after_days}"


def _had(rule: Rule, uses: Sequence[AgentUse], on: date, case: Case) -> str:
    """What of the rule's minimum is short by that day; empty where nothing is."""
    minimum = rule.minimum
    if minimum is None:
        return ""
    if rule.agents.every:
        cycles, days = case.line.cycles(on), case.line.exposure_days(on)
    else:
        cycles = max(use.cycles(on) for use in uses)
        days = max(use.exposure_days(on) for use in uses)
    pause = case.disease.lines.induction.pause_days
    asked = [
        ("cycles", cycles, minimum.cycles),
        ("days", days, 0 if rule.counts_cycles_only else minimum.days),
        ("doses", max(use.doses_by(on) for use in uses), minimum.doses),
        ("courses", max(use.courses(on, pause) for use in uses), minimum.courses),
    ]
    short = next((each for each in asked if each[1] < each[2]), None)
    return (
        "" if short is None else f"{short[1]} {short[0]} up to {on}; the rule asks for {short[2]}"
    )


def _warning(rule: Rule, latest: Evidence, case: Case) -> LineStatus:
    """A response that is not there yet, where that is a warning: it cannot be judged so early."""
    caveats = {*caveats_of_line(case, latest.on.last), "inadequate-exposure"}
    return LineStatus(
        status="indeterminate",
        confidence="signal",
        best_response=case.so_far().best_response,
        rules=(rule.id,),
        caveats=tuple(sorted(caveats)),
        answers=(
            Answer(rule.id, None, too_soon(rule, latest.on.first, case), "too-little-exposure"),
        ),
    )


def _nonresponsive(rule: Rule, stable: Evidence, case: Case) -> LineStatus:
    caveats = caveats_of_line(case, stable.on.last)
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
        best_response=case.so_far().best_response,
        refractory_to=() if withheld else tuple(sorted(use.drug.name for use in uses)),
        refractory_classes=() if withheld else tuple(sorted({use.drug.drug_class for use in uses})),
        rules=(rule.id,),
        caveats=tuple(sorted(caveats)),
        flags=("near-threshold",) if near and rule.counts_cycles_only else (),
        answers=(Answer(rule.id, True, "no response was reached after adequate exposure"),),
        progressed_on=stable.on.first,
    )
