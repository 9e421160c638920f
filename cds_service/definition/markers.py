"""A marker rule in words: which rise is progression, what confirms it, which fall is a response.

Sources of the readings: `clinical/evidence/marker_criteria.py`, `rises.py`, `falls.py`,
`markers.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from cds_service.clinical.evidence.series import BASELINE_DAYS
from cds_service.clinical.status.weighing import OVERRIDE_DAYS
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
from cds_service.definition.rules import HEAD, sentence
from cds_service.knowledge.model import Interference, MarkerResponse, MarkerRule
from cds_service.knowledge.terms import Terminology
from cds_service.quantities import format_decimal

_RULE: Sentences = {
    "is_transformation": ("Meaning", "Such a rise is another, more aggressive disease."),
    "each_is_higher": ("Confirmation", "The second value has to lie above the first."),
    "is_silent_until_confirmed": ("Confirmation", "Before it nothing is said at all."),
    "span_days": (
        "Confirmation",
        "It comes at least {} days after the reference.",
    ),
    "ignore_first_days": (
        "Not counted",
        "Values before day {} of the line.",
    ),
    "is_nadir_confirmed": (
        "Reference",
        "From a lowest value that stands alone, a rise is never more than a suspicion.",
    ),
}


def marker_points(rule: MarkerRule, terms: Terminology) -> Iterator[Point]:
    """Everything that a marker rule says, point by point."""
    said = {*HEAD, "marker", "multiplier", "is_multiplier_exclusive", "min_delta",
            "is_delta_exclusive", "min_value", "min_uln", "high_nadir", "high_delta",
            "confirm_days", "confirm_within_days", "excluded_after", "excluded_days",
            "only_without", "is_sufficient_alone", "response", "under", "not_under",
            "max_reference", "min_reference", "needs_confirmation", "steps", "unreadable_with",
            "remission_below", "unusable_below"}  # fmt: skip
    if rule.multiplier == 1 or rule.criterion in ("plateau", "gcig-ca-125"):
        said.discard("is_multiplier_exclusive")  # nobody reads it
    yield Point("Marker", f"{sentence(marker_name(rule.marker, terms))}{_limit(rule, terms)}")
    yield from _lines(rule)
    yield Point("Progression", _progression(rule, terms))
    if rule.high_nadir is not None:
        yield Point(
            "Progression",
            f"Where the lowest value was {_value(rule.high_nadir, rule, terms)} or more, a rise by"
            f" {difference(rule.high_delta, rule.marker, terms)} alone suffices.",
        )
    yield Point("Reference", _reference(rule, terms))
    yield Point("Confirmation", _confirmation(rule))
    yield from _exceptions(rule, terms)
    yield from other_members(rule, said, _RULE)
    if rule.response is not None:
        yield Point("Response", _response(rule.response, rule, terms))
    elif rule.remission_below is None:
        yield Point("Response", "No fall of it is read as a response.")
    if rule.remission_below is not None:
        yield Point(
            "Response",
            f"A value below {_value(rule.remission_below, rule, terms)} is remission; any other"
            " says that there is none.",
        )
    if not rule.is_sufficient_alone:
        yield Point(
            "Weight",
            "Imaging, a response category or a clinician's word that says the contrary within"
            f" {days(OVERRIDE_DAYS)} stands above it. Alone, it asks for imaging.",
        )


def _limit(rule: MarkerRule, terms: Terminology) -> str:
    """Where the upper limit of normal comes from, if the rule reads one."""
    known = terms.markers.get(rule.marker)
    limit = known.typical_uln if known is not None else None
    response = rule.response
    is_read = rule.min_uln or rule.criterion == "gcig-ca-125"
    is_read = is_read or (response is not None and response.min_baseline_uln)
    if limit is None or not is_read:
        return ""
    told = amount(limit, rule.marker, terms)
    return f" Its upper limit of normal is what the laboratory states, else {told}."


def _value(value: Decimal, rule: MarkerRule, terms: Terminology) -> str:
    return amount(value, rule.marker, terms)


def _lines(rule: MarkerRule) -> Iterator[Point]:
    if not rule.under.is_empty:
        yield Point("Speaks for", f"Lines with {drugs_in_words(rule.under)}.")
    if not rule.not_under.is_empty:
        yield Point("Speaks for", f"Lines without {drugs_in_words(rule.not_under)}.")


def _progression(rule: MarkerRule, terms: Terminology) -> str:
    """What a value has to be against the reference."""
    factor = format_decimal(rule.multiplier)
    if rule.criterion == "plateau":
        text = f"A value above {share(rule.multiplier)} of the reference (it fell by less than"
        text += f" {share(1 - rule.multiplier)})"
        if rule.min_value:
            text += f", while the reference is at least {_value(rule.min_value, rule, terms)}"
        return f"{text}{_more(rule, terms, without=('min_value',))}."
    if rule.criterion == "gcig-ca-125":
        return (
            f"Where it was normal before therapy or became so: at least {factor} times the upper"
            f" limit of normal; else at least {factor} times the reference, and above that limit"
            f"{_more(rule, terms)}."
        )
    return f"A value {_above_reference(rule)}{_more(rule, terms)}."


def _above_reference(rule: MarkerRule) -> str:
    if rule.multiplier == 1:
        return "above the reference"
    # a model that knows limits of which the number itself is outside says so here
    least = "more than" if rule.is_multiplier_exclusive else "at least"
    if rule.multiplier >= 2:
        return f"{least} {format_decimal(rule.multiplier)} times the reference"
    return f"{least} {share(rule.multiplier - 1)} above the reference"


def _more(rule: MarkerRule, terms: Terminology, without: tuple[str, ...] = ()) -> str:
    """The further conditions of a rise, each of which has to hold."""
    parts: list[str] = []
    if rule.min_delta:
        least = "more than" if rule.is_delta_exclusive else "at least"
        parts.append(f"{least} {difference(rule.min_delta, rule.marker, terms)} above it")
    elif rule.is_delta_exclusive:
        parts.append("higher by any amount")
    if rule.min_value and "min_value" not in without:
        parts.append(f"at least {_value(rule.min_value, rule, terms)}")
    if rule.min_uln:
        times = "" if rule.min_uln == 1 else f"{format_decimal(rule.min_uln)} times "
        parts.append(f"above {times}the upper limit of normal")
    if rule.steps:
        limits = one_of(_value(step, rule, terms) for step in rule.steps)
        parts.append(f"across one of these limits: {limits}")
    if rule.high_nadir is None and rule.high_delta:
        parts.append(f"high delta {_value(rule.high_delta, rule, terms)}")
    return "".join(f", and {part}" for part in parts)


def _reference(rule: MarkerRule, terms: Terminology) -> str:
    text = (
        "The lowest value before it in the line, the last one before therapy among them if it is"
        f" at most {days(BASELINE_DAYS)} old"
    )
    if rule.max_reference is not None:
        text += f"; only where that was below {_value(rule.max_reference, rule, terms)}"
    least = rule.min_reference
    if least is not None:
        text += f"; only where that was at least {_value(least, rule, terms)}"
    usable = rule.unusable_below
    if usable is not None:
        text += f"; not in a patient whose values all lie below {_value(usable, rule, terms)}"
    return f"{text}."


def _confirmation(rule: MarkerRule) -> str:
    if not rule.needs_confirmation and rule.confirm_within_days:
        return (
            f"One value suffices; another, {rule.confirm_days} to"
            f" {days(rule.confirm_within_days)} later, is shown."
        )
    if not rule.needs_confirmation:
        later = (
            f" (another, {days(rule.confirm_days)} later, is shown)" if rule.confirm_days else ""
        )
        return f"One value suffices{later}."
    if rule.confirm_days:
        text = f"A second such value at least {days(rule.confirm_days)} later"
    else:
        text = "A second such value on another day, with none below the first between them"
    if rule.confirm_within_days:
        text += f" and at most {days(rule.confirm_within_days)} later"
    return f"{text}; until then it is a suspicion."


def _exceptions(rule: MarkerRule, terms: Terminology) -> Iterator[Point]:
    if rule.excluded_after or rule.excluded_days:
        kinds = one_of(procedure(kind) for kind in rule.excluded_after) or "a procedure"
        yield Point("Not counted", f"Values up to {days(rule.excluded_days)} after {kinds}.")
    if rule.only_without:
        parts = [
            f"{marker_name(name, terms)} of {amount(limit, name, terms)} or more"
            for name, limit in rule.only_without.items()
        ]
        yield Point("Only without", f"Not read in a patient who ever had {one_of(parts)}.")
    for other in rule.unreadable_with:
        yield Point("Not counted", _unreadable(other, terms))


def _unreadable(other: Interference, terms: Terminology) -> str:
    limit = amount(other.above, other.marker, terms)
    return (
        f"Values with {marker_name(other.marker, terms)} above {limit} at most"
        f" {days(other.within_days)} before or after."
    )


def _response(response: MarkerResponse, rule: MarkerRule, terms: Terminology) -> str:
    text = f"A fall by at least {share(response.fall)} from the baseline, and every value from"
    text += " there to a second one"
    if response.confirm_days:
        text += f" at least {days(response.confirm_days)} later"
    asked = []
    if response.min_baseline:
        asked.append(_value(response.min_baseline, rule, terms))
    if response.min_baseline_uln:
        times = format_decimal(response.min_baseline_uln)
        asked.append(f"{times} times the upper limit of normal")
    if asked:
        text += f"; only from a baseline of at least {one_of(asked, last='and')}"
    said = {"fall", "confirm_days", "min_baseline", "min_baseline_uln"}
    return " ".join([f"{text}.", *(p.text for p in other_members(response, said))])
