"""How lines of therapy are drawn for a disease, in sentences.

Source of the readings: `clinical/lines/`.
"""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.clinical.wording import FLAGS
from cds_service.definition.members import Point, Sentences, other_members
from cds_service.definition.names import days, drugs_in_words
from cds_service.knowledge.model import Addition, Induction, LineRules, Maintenance, Mobilisation

_LINES: Sentences = {
    "gap_exempt": ("Pause", "However long a pause of {} is, it ends no line."),
    "resumes_after_break": (
        "Pause",
        "Resumed after a planned break without progression, the same drugs go on in the line.",
    ),
    "retreatment": (
        "Pause",
        "Given for a fixed time: {} again after the limit of a pause is a re-challenge.",
    ),
    "backbone": (
        "Background",
        "Beside which lines run, neither beginning nor ending one: {}.",
    ),
    "never_agents": ("Not counted", "Never a drug of a line: {}."),
    "supportive_agents": (
        "Counted",
        "Only support elsewhere, and treat this disease: {}.",
    ),
    "lenient_swaps": (
        "Change",
        "A change among {} stays in the line unless a drug was stopped for progression.",
    ),
    "protocols": ("Change", "Drugs of one regimen that begin in turn are one line: {}."),
    "protocol_days": (
        "Change",
        "Each begins at most {} days after the last dose before it.",
    ),
    "steroid_lead_in_days": (
        "Start",
        "A corticosteroid begun alone up to {} days before the other drugs is not the start.",
    ),
    "transplant_days": (
        "Transplant",
        "Consolidation or maintenance begun up to {} days after a stem-cell transplant belongs to"
        " the line, unless the disease progressed.",
    ),
    "conditioning": (
        "Transplant",
        "Conditioning, no line, where given for a few days before a transplant: {}.",
    ),
    "lymphodepletion": (
        "Cells",
        "Preparation for cells, no line, where given shortly before an infusion: {}.",
    ),
}


def line_points(rules: LineRules) -> Iterator[Point]:
    """Everything that the definition says of lines, point by point."""
    said = {"window_days", "gap_days", "long_gap_agents", "long_gap_days", "counts_corticosteroids",
            "new_line_for_toxicity", "maintenance", "additions", "mobilisation", "induction",
            "cellular", "bridging_days", "curative_gap_days",
            "surgery_means_curative"}  # fmt: skip
    yield Point(
        "Start",
        f"What begins up to {days(rules.window_days)} after the first drug of a line belongs to"
        " it. Later, a drug that was not there before begins a new line, unless a sentence below"
        " says otherwise.",
    )
    yield Point(
        "Pause",
        f"The same drugs again after a pause of up to {days(rules.gap_days)} go on in the line;"
        f" after a longer one they begin a new line (“{FLAGS['gap-split']}”).",
    )
    if rules.long_gap_days or not rules.long_gap_agents.is_empty:
        yield Point(
            "Pause",
            f"For lines of nothing but {drugs_in_words(rules.long_gap_agents)} the limit is"
            f" {days(rules.long_gap_days)}.",
        )
    yield Point("Change", _toxicity(rules))
    yield from (_maintenance(each) for each in rules.maintenance)
    yield from (_addition(each) for each in rules.additions)
    yield from other_members(rules, said, _LINES)
    if rules.mobilisation != Mobilisation():
        yield _mobilisation(rules.mobilisation)
    if rules.induction != Induction():
        yield _induction(rules.induction)
    if not rules.cellular.is_empty or rules.bridging_days != LineRules().bridging_days:
        yield Point(
            "Cells",
            f"An infusion of {drugs_in_words(rules.cellular)} is a line. What is given in the"
            f" {days(rules.bridging_days)} before it, after progression, is bridging and belongs"
            " to it.",
        )
    steroids = "count" if rules.counts_corticosteroids else "do not count"
    yield Point("Steroids", f"Corticosteroids {steroids} as drugs of a line.")
    yield Point("Cure", _curative(rules))


def _toxicity(rules: LineRules) -> str:
    if rules.new_line_for_toxicity:
        return "A change of drug for toxicity begins a new line; one for an equivalent does not."
    return (
        "An exchange for an equivalent stays in the line, and so does one for toxicity within the"
        f" drugs that may replace each other (“{FLAGS['toxicity-switch']}”)."
    )


def _maintenance(rule: Maintenance) -> Point:
    text = (
        f"Part of the line: {drugs_in_words(rule.agents)}, begun up to {days(rule.days)} after the"
        f" last dose of {drugs_in_words(rule.after, every='the drugs before')}"
    )
    if rule.is_single:
        text += ", where it is begun alone"
    if rule.after_response:
        text += ", unless assessments of the line are on record and none is a response"
    if rule.may_overlap:
        text += "; it may begin while those are still given"
    said = {"agents", "after", "days", "is_single", "after_response", "may_overlap"}
    more = "".join(f" {p.text}" for p in other_members(rule, said))
    return Point(
        "Maintenance",
        f"{text}. Begun later it is a line of its own (“{FLAGS['late-maintenance']}”).{more}",
    )


def _addition(rule: Addition) -> Point:
    text = (
        f"Part of the line: {drugs_in_words(rule.agents)}, added to {drugs_in_words(rule.to)} up"
        f" to {days(rule.days)} after the start"
    )
    late = f" (“{FLAGS.get(rule.late_flag, rule.late_flag)}”)" if rule.late_flag else ""
    said = {"agents", "to", "days", "late_flag"}
    more = "".join(f" {p.text}" for p in other_members(rule, said))
    return Point(
        "Addition",
        f"{text}. Added later it begins a new line{late}.{more}",
    )


def _mobilisation(rule: Mobilisation) -> Point:
    said = {"agents", "days", "collection_days"}
    more = "".join(f" {p.text}" for p in other_members(rule, said))
    return Point(
        "Transplant",
        "Mobilisation of stem cells, no line, where given once and alone up to"
        f" {days(rule.days)} before the transplant or {days(rule.collection_days)} before the"
        f" cells are collected: {drugs_in_words(rule.agents)}.{more}",
    )


def _induction(rule: Induction) -> Point:
    said = {"agents", "partners", "pause_days", "days"}
    more = "".join(f" {p.text}" for p in other_members(rule, said))
    partners = f" with {drugs_in_words(rule.partners)}" if not rule.partners.is_empty else ""
    return Point(
        "Induction",
        f"{drugs_in_words(rule.agents)}{partners} again, after a pause of more than"
        f" {days(rule.pause_days)} and up to {days(rule.days)} after the first block, without a"
        f" complete response between, is a second course (“{FLAGS['second-course']}”); later it is"
        f" consolidation.{more}",
    )


def _curative(rules: LineRules) -> str:
    text = (
        "Therapy before surgery or radiotherapy and therapy after it are one line where no more"
        f" than {days(rules.curative_gap_days)} lie between its parts and the disease did not"
        " come back."
    )
    if rules.surgery_means_curative:
        return f"{text} Surgery says that a line is meant to cure, unless spread is on record."
    return f"{text} Surgery alone does not say that a line is meant to cure."
