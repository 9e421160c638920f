"""A rule in words: for which drugs and lines, what counts, and how primary is told from secondary.

Sources of the readings: `clinical/status/windows.py`, `nonresponse.py`, `pattern.py`, `judge.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.clinical.status.pattern import SILENCE_DAYS
from cds_service.clinical.wording import FLAGS, STATUS
from cds_service.definition.members import Point, Sentences, other_members
from cds_service.definition.names import (
    amount,
    days,
    drugs_in_words,
    fact,
    marker_name,
    one_of,
    share,
    times,
)
from cds_service.knowledge.model import (
    EVERY_AGENT,
    Agents,
    Disease,
    Early,
    FullDose,
    Minimum,
    Pattern,
    Rule,
    When,
)
from cds_service.knowledge.terms import Terminology
from cds_service.quantities import format_decimal

CATEGORIES = {
    "complete-response": "a complete response",
    "very-good-partial-response": "a very good partial response",
    "partial-response": "a partial response",
    "minimal-response": "a minor response",
}
HEAD = frozenset({"id", "says", "criterion", "origin", "cites", "is_unverified"})
"""Members that stand at the head of an entry."""

_SAID = frozenset(
    {"agents", "when", "minimum", "requires", "earliest_days", "after_days", "confirming_scan_days",
     "planned_stop", "atypical_while_falling"}
)  # fmt: skip
_OF_WINDOW = frozenset({"days", "is_inclusive", "pattern"})
_OF_NO_RESPONSE = frozenset({"needs", "counts_cycles_only"})
ALWAYS_PRIMARY = Pattern(by="primary")

_RULE: Sentences = {
    "spares": ("Speaks for", "Never for {}."),
    "label": ("Called", "On cards the line is called “{}”."),
    "confirming_within_days": (
        "Confirmation",
        "That is asked of progression up to {} days from the start of the line.",
    ),
    "confirming_after_radiotherapy_days": (
        "Confirmation",
        "That is asked of progression up to {} days from the end of radiotherapy; tissue settles it"
        " as well.",
    ),
    "unreadable_after_radiotherapy_days": (
        "Too early",
        "Imaging up to {} days after the end of radiotherapy comes too early.",
    ),
    "hold_days": (
        "Not counted",
        "Growth during a break of the drug of at most {} days, after which it goes on.",
    ),
    "after_hold_days": (
        "Not counted",
        "Growth while the drug was held, and up to {} days after it was begun again.",
    ),
    "needs_histology": ("Evidence", "The assessment has to rest on tissue."),
    "warns_before": (
        "Weight",
        "A response short of it before its time is a warning, and not stable disease.",
    ),
    "unless_response": (
        "Not counted",
        "Where a response was on record before the progression.",
    ),
    "is_signal_only": ("Weight", "Suggests, and no more (confidence “a signal only”)."),
}
_WHEN: Sentences = {
    "is_single_agent": ("", "with one drug alone"),
}
_MINIMUM: Sentences = {
    "courses": ("", "at least {} courses (blocks of doses with a pause between them)"),
}
_SINCE = {
    "start": "the start of the line",
    "last-dose": "the last dose of the line",
    "remission": "the first complete response in the line",
}


_MISSED = "Always primary, since no response was reached."


def rule_points(rule: Rule, disease: Disease, terms: Terminology) -> Iterator[Point]:
    """Everything that a rule says, point by point."""
    if rule.criterion == "documented":
        yield Point("Counts", "The clinician's word, whatever the drugs, the dates and the doubts.")
        yield from other_members(rule, HEAD, _RULE)
        return
    is_window = rule.criterion != "no-response"
    said = HEAD | _SAID | (_OF_WINDOW if is_window else _OF_NO_RESPONSE)
    if rule.pattern == ALWAYS_PRIMARY:
        said |= {"pattern"}
    yield Point("Speaks for", speaks_for(rule.agents, rule.when, disease))
    yield Point("Counts", _window(rule) if is_window else _missing_response(rule))
    if rule.minimum is not None and is_window:
        yield Point("Exposure", f"Enough is {enough(rule.minimum)}; less withholds the label.")
    elif is_window:
        yield Point("Exposure", "No least exposure is asked for.")
    if rule.earliest_days:
        yield Point("Too early", _too_early(rule, is_window=is_window))
    if rule.confirming_scan_days:
        yield Point(
            "Confirmation",
            f"A second scan at least {days(rule.confirming_scan_days)} later has to bear it out.",
        )
    if rule.requires is not None:
        asked = rule.requires
        yield Point(
            "Asks for",
            sentence(
                f"{marker_name(asked.marker, terms)} below"
                f" {amount(asked.below, asked.marker, terms)}, measured at most"
                f" {days(asked.within_days)} before the progression, or after it"
            ),
        )
    if rule.atypical_while_falling:
        names = one_of(marker_name(name, terms) for name in rule.atypical_while_falling)
        yield Point(
            "Not counted",
            f"Growth while {names} falls, or is normal again, may be no progression.",
        )
    if rule.planned_stop:
        yield Point(
            "Planned stop",
            "After a stop by plan the line is called"
            f" “{STATUS[rule.planned_stop]}” instead of possibly refractory.",
        )
    yield from other_members(rule, said, _RULE)
    yield Point(
        "Primary or secondary", " ".join(_pattern(rule.pattern, disease)) if is_window else _MISSED
    )


def speaks_for(agents: Agents, when: When, disease: Disease) -> str:
    """The drugs, and the lines, in one sentence."""
    drugs = drugs_in_words(agents, every="any drug of the line")
    return sentence("; ".join((drugs, *_lines(when, agents, disease))))


def sentence(text: str) -> str:
    """With a capital letter and a full stop."""
    return f"{text[:1].upper()}{text[1:]}."


def _lines(when: When, agents: Agents, disease: Disease) -> Iterator[str]:
    """Which lines, phrase by phrase."""
    if when.settings:
        known = sorted(when.settings - {"unknown"})
        also = (
            ", or of a setting that the chart does not tell" if "unknown" in when.settings else ""
        )
        yield f"in lines of {one_of(known)} therapy{also}"
    if when.position:
        like = "" if agents.every else " with such a drug"
        of = " for advanced disease" if disease.family == "solid" else ""
        yield (
            f"in the first line{of}{like}" if when.position == "first" else f"in later lines{like}"
        )
    if not when.having.is_empty:
        yield f"in lines with {drugs_in_words(when.having)}"
    if not when.lacking.is_empty:
        yield f"in lines without {drugs_in_words(when.lacking)}"
    if not when.only.is_empty:
        yield f"in lines of nothing but {drugs_in_words(when.only)}"
    if when.is_after_transplant:
        yield "in lines with a stem-cell transplant"
    if when.with_facts:
        told = one_of((fact(name) for name in sorted(when.with_facts)), last="and")
        yield f"where these are on record: {told}"
    any_of: frozenset[str] = when.with_any_fact
    if any_of:
        yield f"where one of these is on record: {one_of(fact(name) for name in sorted(any_of))}"
    said = {"settings", "position", "having", "lacking", "only", "is_after_transplant",
            "with_facts", "with_any_fact"}  # fmt: skip
    yield from (point.text.rstrip(".") for point in other_members(when, said, _WHEN))


def _window(rule: Rule) -> str:
    anchor = "the transplant" if rule.when.is_after_transplant else "the last dose"
    if rule.after_days is not None and rule.after_days >= rule.days:
        reach = "at most" if rule.is_inclusive else "fewer than"
        return (
            f"At no time (more than {rule.after_days} and {reach} {days(rule.days)} after"
            f" {anchor}): the rule only keeps those after it from speaking."
        )
    return sentence(interval(rule.after_days, rule.days, anchor, is_inclusive=rule.is_inclusive))


def interval(after: int | None, until: int, anchor: str, *, is_inclusive: bool = True) -> str:
    """Progression in an interval from an anchor, with what the boundaries do."""
    if after is None:
        start = f"progression on therapy, or up to {days(until)} after {anchor}"
        if is_inclusive:
            return f"{start} (day {until} counts)"
        return (
            f"progression on therapy, or fewer than {days(until)} after {anchor}"
            f" (day {until} does not count)"
        )
    if not until:
        return f"progression more than {days(after)} after {anchor} (day {after} does not count)"
    if is_inclusive:
        return (
            f"progression more than {after} and up to {days(until)} after {anchor}"
            f" (day {after} does not count, day {until} does)"
        )
    return (
        f"progression more than {after} and fewer than {days(until)} after {anchor}"
        f" (neither day {after} nor day {until} counts)"
    )


def _missing_response(rule: Rule) -> str:
    """What a line has not reached, and by when."""
    reached = CATEGORIES[rule.needs]
    parts = [f"not even {reached}" if rule.needs == "minimal-response" else f"less than {reached}"]
    parts[0] += " as the best recorded category"
    if rule.minimum is not None:
        parts.append(f"after {_had(rule.minimum, cycles_only=rule.counts_cycles_only)}")
    elif rule.counts_cycles_only:
        parts.append("after any number of cycles")
    text = " ".join(parts)
    if rule.after_days is not None:
        text += f", in an assessment more than {days(rule.after_days)} after the last dose"
    return sentence(text)


def _had(minimum: Minimum, *, cycles_only: bool) -> str:
    """What a response that is missing presupposes: all of it."""
    asked = [] if cycles_only or not minimum.days else [f"at least {days(minimum.days)}"]
    if minimum.cycles:
        asked.append(f"at least {times(minimum.cycles, 'cycle')}")
    asked += _besides(minimum)
    text = one_of(asked, last="and")
    if cycles_only:
        usually = f"; {days(minimum.days)} are what they usually take" if minimum.days else ""
        text += f" (cycles alone count{usually})"
    return text


def _too_early(rule: Rule, *, is_window: bool) -> str:
    if not is_window:
        return f"An assessment before day {rule.earliest_days} of the line is not read."
    return (
        f"Progression before day {rule.earliest_days} of the line comes too early to be read,"
        " unless a lesion is new or a laboratory value says it."
    )


def enough(minimum: Minimum) -> str:
    """Adequate exposure to a drug: days or whole cycles, and what is asked besides."""
    asked = [f"at least {days(minimum.days)}"] if minimum.days else []
    if minimum.cycles:
        whole = "whole cycle" if minimum.cycles == 1 else "whole cycles"
        asked.append(f"{minimum.cycles} {whole}")
    parts = ([one_of(asked)] if asked else []) + _besides(minimum)
    return one_of(parts, last="and") if parts else "any exposure"


def _besides(minimum: Minimum) -> list[str]:
    """What is asked beside days and cycles."""
    asked = [f"at least {times(minimum.doses, 'dose')}"] if minimum.doses else []
    asked += [full_dose(full) for full in minimum.full_doses]
    said = {"days", "cycles", "doses", "full_doses"}
    return asked + [p.text.rstrip(".") for p in other_members(minimum, said, _MINIMUM)]


def full_dose(full: FullDose) -> str:
    """The dose of a drug below which its failure is no failure."""
    least = format_decimal(full.mg_per_day * full.share)
    known = "which has to be" if full.must_be_known else "where the dose is"
    text = (
        f"{full.drug} at a daily dose of at least {least} mg, {known} on record"
        f" ({share(full.share)} of {format_decimal(full.mg_per_day)} mg)"
    )
    said = {"drug", "mg_per_day", "share", "must_be_known"}
    return "; ".join([text, *(p.text for p in other_members(full, said))])


_READS = {
    "best-response": {"stable_days", "brief_stable_days", "response_days"},
    "time-on-therapy": {"primary_days", "is_inclusive", "is_first_line_only"},
    "on-therapy-time": {"primary_days", "is_inclusive"},
    "response-or-time": {"primary_days", "is_inclusive", "stable_days", "brief_stable_days",
                         "response_days"},
    "platinum": {"stable_days", "brief_stable_days", "response_days"},
    "primary": set(),
}  # fmt: skip
"""What each way to tell them apart looks at."""


def _pattern(pattern: Pattern, disease: Disease) -> Iterator[str]:
    """How primary is told from secondary, sentence by sentence."""
    if pattern.by == "primary":
        yield "Always primary."
    elif pattern.by in ("time-on-therapy", "on-therapy-time", "response-or-time"):
        yield from _by_time(pattern)
    elif pattern.by == "platinum":
        yield from _by_platinum(disease)
    if pattern.by in ("best-response", "response-or-time", "platinum"):
        yield from _by_response(pattern)
    said = _READS[pattern.by] | {"by"}
    if pattern.stable_days is None:
        said -= {"brief_stable_days"}  # nobody reads it
    yield from (point.text for point in other_members(pattern, said))


def _by_time(pattern: Pattern) -> Iterator[str]:
    number = days(pattern.primary_days)
    counts = "counts" if pattern.is_inclusive else "does not count"
    reach = "up to" if pattern.is_inclusive else "fewer than"
    early = f"{reach} {number} from the first dose (day {pattern.primary_days} {counts})"
    if pattern.by == "on-therapy-time":
        yield f"Progression on therapy {early}: primary."
        yield "Later on therapy, or after its end: secondary."
        return
    if pattern.by == "response-or-time":
        yield f"Progression {early}: primary, whatever came before. Later:"
        return
    yield f"Progression {early}: primary; later: secondary."
    if pattern.is_first_line_only:
        yield "Primary in the first line with such a drug only; as early in a later one: neither."


def _by_platinum(disease: Disease) -> Iterator[str]:
    of = " for advanced disease" if disease.family == "solid" else ""
    yield f"In the first line{of} with such a drug: progression up to 28 days after it is primary."
    yield "In a later one, after an earlier line that ended in relapse: secondary. Else:"


def _by_response(pattern: Pattern) -> Iterator[str]:
    response, stable, brief = pattern.response_days, pattern.stable_days, pattern.brief_stable_days
    if response:
        yield (
            f"A response that is then lost: secondary from day {response} of the line on, neither"
            " before."
        )
    else:
        yield "A response that is then lost: secondary."
    if stable is None:
        yield "Stable disease is no response here: primary."
    elif brief >= stable:
        yield (
            f"Stable disease of {days(stable)} or more (from the start of the line) that is then"
            f" lost: secondary; of fewer than {brief}: primary."
        )
    else:
        shorter = (
            f"of fewer than {brief}: primary; between: neither" if brief else "shorter: neither"
        )
        yield (
            f"Stable disease of {days(stable)} or more (from the start of the line) that is then"
            f" lost: secondary; {shorter}."
        )
    yield f"No assessment before the progression: primary, from day {SILENCE_DAYS} on neither."


def early_points(early: Early, disease: Disease) -> Iterator[Point]:
    """A flag for progression that came early."""
    reach = "up to" if early.is_inclusive else "fewer than"
    counts = "counts" if early.is_inclusive else "does not count"
    lines = "; ".join(_lines(early.when, EVERY_AGENT, disease))
    yield Point("Speaks for", sentence(f"progression {lines}" if lines else "every line"))
    yield Point(
        "Counts",
        f"Progression {reach} {days(early.days)} from {_SINCE[early.since]}"
        f" (day {early.days} {counts}).",
    )
    statuses = one_of(f"“{STATUS[s]}”" for s in STATUS if s in early.statuses)
    yield Point("Set where", f"The line is called {statuses}.")
    yield Point("Meaning", "A flag of risk; it says nothing of refractoriness.")
    said = {"flag", "days", "since", "origin", "cites", "when", "is_inclusive", "statuses"}
    yield from other_members(early, said)


def early_says(early: Early) -> str:
    return sentence(FLAGS[early.flag])
