"""Milestones and targets in words: what a therapy has to have reached by when.

Sources of the readings: `clinical/evidence/molecular.py`, `targets.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from cds_service.definition.members import Point, Sentences, other_members
from cds_service.definition.names import (
    amount,
    days,
    difference,
    drugs_in_words,
    marker_name,
    one_of,
    procedure,
    share,
)
from cds_service.definition.rules import HEAD, enough, full_dose, sentence
from cds_service.knowledge.model import Milestone, Milestones, Minimum, Sign, Target
from cds_service.knowledge.terms import Terminology

_TARGET: Sentences = {
    "is_signal_only": ("Weight", "Suggests, and no more (confidence “a signal only”)."),
    "is_response_when_reached": ("Response", "Where it is not missed, the disease has responded."),
    "is_intolerance": ("Meaning", "The drug is not tolerated; that is not failure of it."),
}
_MILESTONES: Sentences = {}
_SIGN: Sentences = {}


def milestone_points(asked: Milestones, terms: Terminology) -> Iterator[Point]:
    """Everything that the milestones of one marker say, point by point."""

    def value(limit: Decimal) -> str:
        return amount(limit, asked.marker, terms)

    said = {*HEAD, "marker", "agents", "steps", "major_response_at_most", "early_response_at_most",
            "min_exposure_days", "resistance_genes", "full_doses"}  # fmt: skip
    yield Point("Marker", sentence(marker_name(asked.marker, terms)))
    yield Point("Speaks for", f"Lines with {drugs_in_words(asked.agents)}.")
    for step in asked.steps:
        yield Point(f"At {step.name}" if step.name[:1].isdigit() else step.name.capitalize(),
                    _step(step, asked, terms))  # fmt: skip
    early, major = value(asked.early_response_at_most), value(asked.major_response_at_most)
    yield Point(
        "Response",
        f"At most {early} is an early response, at whatever time; a value above it after that"
        f" suggests that it is lost. At most {major} is a major response; above it again after a"
        " stop by plan, the remission without treatment has ended.",
    )
    if asked.resistance_genes:
        genes = one_of(gene.upper() for gene in asked.resistance_genes)
        yield Point("Mutation", f"A variant of {genes} found on therapy is failure at any time.")
    yield Point(
        "Exposure",
        f"Enough is at least {days(asked.min_exposure_days)}; less withholds the label.",
    )
    for full in asked.full_doses:
        yield Point("Exposure", f"{full_dose(full)}.")
    yield from other_members(asked, said, _MILESTONES)


def _step(step: Milestone, asked: Milestones, terms: Terminology) -> str:
    when = (
        f"Day {step.from_day} to {step.to_day} of the line"
        if step.to_day is not None
        else f"From day {step.from_day} of the line on"
    )
    text = (
        f"{when}: missed above {amount(step.failure_above, asked.marker, terms)}, met at"
        f" {amount(step.optimal_at_most, asked.marker, terms)} or less."
    )
    if step.confirm_to or step.confirm_from:
        text += (
            f" Missed only where a second value {step.confirm_from} to {days(step.confirm_to)}"
            " later is above it too."
        )
    said = {"name", "from_day", "to_day", "optimal_at_most", "failure_above", "confirm_from",
            "confirm_to"}  # fmt: skip
    return " ".join([text, *(p.text for p in other_members(step, said))])


def target_points(target: Target, terms: Terminology) -> Iterator[Point]:
    """Everything that a target says, point by point."""
    said = {*HEAD, "agents", "from_day", "missed_by", "minimum"}
    yield Point("Speaks for", f"Lines with {drugs_in_words(target.agents)}.")
    yield Point("Due", f"From day {target.from_day} after the first dose on.")
    signs = one_of((_sign(sign, terms) for sign in target.missed_by), last="and")
    yield Point("Missed by", sentence(f"{signs}{_together(target)}"))
    if target.minimum == Minimum():
        yield Point("Exposure", "No least exposure is asked for.")
    else:
        yield Point("Exposure", f"Enough is {enough(target.minimum)}; less withholds the label.")
    yield from other_members(target, said, _TARGET)
    yield Point(
        "Primary or secondary",
        "Primary where it was never reached, secondary where it was and is missed again.",
    )


def _together(target: Target) -> str:
    return ", all at one time" if len(target.missed_by) > 1 else ""


def _sign(sign: Sign, terms: Terminology) -> str:
    """One sign in words."""

    def value(limit: Decimal) -> str:
        return amount(limit, sign.marker, terms)

    parts: list[str] = []
    if sign.procedure:
        parts.append(f"{procedure(sign.procedure)} is still needed")
    if sign.above is not None:
        parts.append(f"above {value(sign.above)}")
    if sign.below is not None:
        parts.append(f"below {value(sign.below)}")
    if sign.falls_less_than is not None:
        parts.append(f"less than {share(sign.falls_less_than)} below the baseline")
    most = sign.falls_at_most
    if most is not None:
        parts.append(f"at most {share(most)} below the baseline")
    if sign.rises_less_than is not None:
        rise = difference(sign.rises_less_than, sign.marker, terms)
        parts.append(f"less than {rise} above the baseline")
    lowest = sign.min_baseline
    if lowest:
        parts.append(f"from a baseline of at least {value(lowest)}")
    over = sign.baseline_above
    if over is not None:
        parts.append(f"from a baseline above {value(over)}")
    said = {"marker", "procedure", "above", "below", "falls_less_than", "falls_at_most",
            "rises_less_than", "min_baseline", "baseline_above"}  # fmt: skip
    parts += [point.text.rstrip(".") for point in other_members(sign, said, _SIGN)]
    name = marker_name(sign.marker, terms) if sign.marker else ""
    return " ".join(filter(None, (name, ", ".join(parts))))
