"""The shape that the contract gives an Assessment: members, words, order, dates; nothing else.

Written from the contract alone and without the code that it checks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import Any, Final

Faults = Iterator[str]
Check = Callable[[Any, str], Faults]

STATUSES: Final = frozenset(
    {
        "possible-refractory", "relapsed", "progressing", "responding", "stable", "indeterminate",
        "no-evidence",
    }
)  # fmt: skip
CAVEATS: Final = frozenset(
    {
        "inadequate-exposure", "adherence", "diagnosis-unclarified", "assessment-too-early",
        "not-comparable", "pseudoprogression-possible", "symptom-only", "limited-progression",
        "mixed-response", "intolerance", "marker-only", "unconfirmed", "stale-evidence",
    }
)  # fmt: skip
WITHHOLDING: Final = frozenset(
    {
        "inadequate-exposure", "adherence", "assessment-too-early", "pseudoprogression-possible",
        "diagnosis-unclarified", "limited-progression", "unconfirmed",
    }
)  # fmt: skip
"""Caveats under which only a clinician's own word makes a disease possibly refractory."""
FLAGS: Final = frozenset(
    {
        "rechallenge", "gap-split", "toxicity-switch", "ordered-not-confirmed", "late-maintenance",
        "late-addition", "late-intensification", "second-course", "investigational", "pod24",
        "early-relapse", "near-threshold", "partial-date", "post-line-evidence-gap",
        "marker-interference", "transformation-possible", "treatment-change-inferred",
        "other-primary",
    }
)  # fmt: skip
COMPOSITES: Final = frozenset(
    {
        "double-refractory", "triple-class-refractory", "penta-refractory",
        "double-class-refractory", "multi-drug-refractory", "platinum-refractory",
        "platinum-resistant", "platinum-partially-sensitive", "platinum-sensitive",
        "castration-resistant", "endocrine-resistant-primary", "endocrine-resistant-secondary",
        "bcg-unresponsive", "relapsed-and-refractory",
    }
)  # fmt: skip
RESPONSES: Final = frozenset(
    {
        "complete-response", "very-good-partial-response", "partial-response", "minimal-response",
        "stable", "progression",
    }
)  # fmt: skip
FINDINGS: Final = RESPONSES | {
    "unconfirmed-progression", "not-evaluable", "rising", "falling", "stopped-for-progression",
    "stopped-for-toxicity", "relapse", "remission",
}  # fmt: skip
KINDS: Final = frozenset(
    {
        "disease-status", "response-category", "tumour-marker", "haematology", "molecular",
        "condition", "treatment-change", "imaging", "procedure",
    }
)  # fmt: skip
ADVICE: Final = frozenset(
    {
        "restage", "confirm-progression", "biopsy", "trial-referral", "adherence-review",
        "supportive-care",
    }
)  # fmt: skip
SUPPRESSED: Final = frozenset(
    {
        "recently-done", "already-ordered", "overridden", "unchanged", "next-line-started",
        "patient-declined", "stale", "hospice", "deceased",
    }
)  # fmt: skip
CURATIVE: Final = frozenset({"neoadjuvant", "adjuvant", "definitive"})
_KEBAB: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_NOTATION: Final = re.compile(r"LoT (\d+) \((\d+) \+ (\d+)\)")


def shape_faults(assessment: Any) -> list[str]:
    """Everything in which an Assessment is not of the contract's shape; [] if nothing."""
    faults = [*_assessment(assessment, "")]
    return faults if faults else [*_agreements(assessment)]


# --- members and their values -------------------------------------------------------------------


def _object(value: Any, where: str, members: Mapping[str, Check]) -> Faults:
    if not isinstance(value, dict):
        yield f"{where or 'the whole'}: is no object"
        return
    if value.keys() != members.keys():
        yield f"{where}: has other members: {sorted(value.keys() ^ members.keys())}"
        return
    for member, check in members.items():
        yield from check(value[member], f"{where}.{member}")


def _text(value: Any, where: str) -> Faults:
    if not isinstance(value, str) or not value:
        yield f"{where}: {value!r} is no text"


def _maybe_empty(value: Any, where: str) -> Faults:
    if not isinstance(value, str):
        yield f"{where}: {value!r} is no text"


def _kebab(value: Any, where: str) -> Faults:
    if not isinstance(value, str) or not _KEBAB.fullmatch(value):
        yield f"{where}: {value!r} is no identifier"


def _rule(value: Any, where: str) -> Faults:
    parts = value.split(".") if isinstance(value, str) else []
    if len(parts) != 2 or not all(map(_KEBAB.fullmatch, parts)):
        yield f"{where}: {value!r} is no rule's identifier"


def _day(value: Any, where: str) -> Faults:
    try:
        same = date.fromisoformat(value).isoformat() == value
    except (TypeError, ValueError):
        same = False
    if not same:
        yield f"{where}: {value!r} is no day"


def _whole(value: Any, where: str) -> Faults:
    if type(value) is not int or value < 1:
        yield f"{where}: {value!r} is no number from 1 on"


def _truth(value: Any, where: str) -> Faults:
    if not isinstance(value, bool):
        yield f"{where}: {value!r} is neither true nor false"


def _one_of(*words: str) -> Check:
    def check(value: Any, where: str) -> Faults:
        if not isinstance(value, str) or value not in words:
            yield f"{where}: {value!r} is none of {sorted(words)}"

    return check


def _matching(form: str) -> Check:
    def check(value: Any, where: str) -> Faults:
        if not isinstance(value, str) or not re.fullmatch(form, value):
            yield f"{where}: {value!r} is not of the form {form}"

    return check


def _or_null(check: Check) -> Check:
    return lambda value, where: iter(()) if value is None else check(value, where)


def _list(check: Check, *, is_set: bool = False, is_sorted: bool = False) -> Check:
    def checked(value: Any, where: str) -> Faults:
        if not isinstance(value, list):
            yield f"{where}: is no list"
            return
        for at, entry in enumerate(value):
            yield from check(entry, f"{where}[{at}]")
        if is_set and len({repr(entry) for entry in value}) != len(value):
            yield f"{where}: says something twice: {value}"
        if is_sorted and value != sorted(value):
            yield f"{where}: is not sorted: {value}"

    return checked


def _words(*words: str) -> Check:
    return _list(_one_of(*words), is_set=True)


def _days_by_class(value: Any, where: str) -> Faults:
    if not isinstance(value, dict):
        yield f"{where}: is no object"
        return
    for name, day in value.items():
        yield from _kebab(name, where)
        yield from _day(day, f"{where}.{name}")


def _assessment(value: Any, where: str) -> Faults:
    yield from _object(
        value,
        where,
        {
            "patient": _maybe_empty,
            "asOf": _day,
            "knowledge": lambda v, w: _object(
                v,
                w,
                {
                    "version": _matching(r"\d{4}\.\d{2}\.\d+"),
                    "digest": _matching(r"sha256:[0-9a-f]{64}"),
                },
            ),
            "cancers": _list(_cancer),
            "issues": _list(_issue, is_set=True),
        },
    )


def _cancer(value: Any, where: str) -> Faults:
    yield from _object(
        value,
        where,
        {
            "condition": _text,
            "disease": _kebab,
            "notation": _matching(_NOTATION.pattern),
            "lines": _list(_line),
            "composites": _words(*COMPOSITES),
            "advice": _list(_advice),
        },
    )


def _line(value: Any, where: str) -> Faults:
    yield from _object(
        value,
        where,
        {
            "number": _whole,
            "intent": _or_null(_one_of("curative", "palliative")),
            "setting": _or_null(_one_of(*CURATIVE, "advanced", "maintenance")),
            "regimen": _or_null(_text),
            "agents": _list(_text, is_set=True, is_sorted=True),
            "start": _day,
            "end": _or_null(_day),
            "ongoing": _truth,
            "lastDoseByClass": _days_by_class,
            "bestResponse": _or_null(_one_of(*RESPONSES)),
            "status": _one_of(*STATUSES),
            "pattern": _or_null(_one_of("primary", "secondary")),
            "confidence": _or_null(_one_of("documented", "criteria", "signal")),
            "refractoryTo": _list(_text, is_set=True, is_sorted=True),
            "refractoryClasses": _list(_kebab, is_set=True, is_sorted=True),
            "rules": _list(_rule, is_set=True),
            "caveats": _words(*CAVEATS),
            "flags": _words(*FLAGS),
            "history": _list(
                lambda v, w: _object(v, w, {"on": _day, "status": _one_of(*STATUSES)})
            ),
            "evidence": _list(_evidence),
        },
    )


def _evidence(value: Any, where: str) -> Faults:
    yield from _object(
        value,
        where,
        {
            "resource": _text,
            "date": _day,
            "kind": _one_of(*KINDS),
            "finding": _one_of(*FINDINGS),
            "detail": _text,
        },
    )


def _advice(value: Any, where: str) -> Faults:
    yield from _object(
        value,
        where,
        {
            "kind": _one_of(*ADVICE),
            "line": _whole,
            "urgency": _one_of("routine", "prompt"),
            "reason": _text,
            "suppressed": _or_null(_one_of(*SUPPRESSED)),
        },
    )


def _issue(value: Any, where: str) -> Faults:
    yield from _object(
        value,
        where,
        {
            "severity": _one_of("information", "warning", "error"),
            "code": _kebab,
            "resource": _text,
            "detail": _text,
        },
    )


# --- members that have to agree -----------------------------------------------------------------


def _agreements(assessment: Mapping[str, Any]) -> Faults:
    conditions = [cancer["condition"] for cancer in assessment["cancers"]]
    if len(set(conditions)) != len(conditions):
        yield f"cancers: a condition stands for two of them: {conditions}"
    for cancer in assessment["cancers"]:
        where = cancer["condition"]
        lines = cancer["lines"]
        yield from _numbering(cancer, where)
        for line in lines:
            yield from _of_line(line, assessment["asOf"], f"{where} line {line['number']}")
        for advice in cancer["advice"]:
            if advice["line"] > len(lines):
                yield f"{where}: advice on line {advice['line']} of {len(lines)}"


def _numbering(cancer: Mapping[str, Any], where: str) -> Faults:
    lines = cancer["lines"]
    if [line["number"] for line in lines] != list(range(1, len(lines) + 1)):
        yield f"{where}: lines are not numbered one by one"
    if _falls([line["start"] for line in lines]):
        yield f"{where}: lines are not in order of time"
    curative = sum(line["intent"] == "curative" for line in lines)
    said = tuple(map(int, _NOTATION.fullmatch(cancer["notation"]).groups()))  # type: ignore[union-attr]
    if said != (len(lines), curative, len(lines) - curative):
        yield f"{where}: {cancer['notation']} for {len(lines)} lines, {curative} curative"
    if any(line["ongoing"] for line in lines[:-1]):
        yield f"{where}: a line before the last one is ongoing"


def _falls(days: Sequence[str]) -> bool:
    return any(later < day for day, later in pairwise(days))


def _of_line(line: Mapping[str, Any], as_of: str, where: str) -> Faults:
    yield from _of_dates(line, as_of, where)
    if (line["setting"] in CURATIVE) != (line["intent"] == "curative"):
        yield f"{where}: setting {line['setting']} with intent {line['intent']}"
    is_refractory = line["status"] == "possible-refractory"
    for member in ("pattern", "refractoryTo", "refractoryClasses"):
        if line[member] and not is_refractory:
            yield f"{where}: {member} {line[member]} of a line that is {line['status']}"
    if bool(line["refractoryTo"]) != bool(line["refractoryClasses"]):
        yield f"{where}: drugs and classes disagree"
    if not set(line["refractoryTo"]) <= set(line["agents"]):
        yield f"{where}: refractory to {line['refractoryTo']}, of {line['agents']}"
    withheld = WITHHOLDING & set(line["caveats"])
    if is_refractory and withheld and line["confidence"] != "documented":
        yield f"{where}: possible-refractory with {sorted(withheld)}, and not documented"
    if is_refractory and not line["rules"]:
        yield f"{where}: possible-refractory by no rule"
    if "mixed-response" in line["caveats"] and line["status"] != "indeterminate":
        yield f"{where}: mixed-response and {line['status']}"


def _of_dates(line: Mapping[str, Any], as_of: str, where: str) -> Faults:
    if line["ongoing"] != (line["end"] is None):
        yield f"{where}: ongoing is {line['ongoing']}, end {line['end']}"
    if line["end"] is not None and not line["start"] <= line["end"] <= as_of:
        yield f"{where}: from {line['start']} to {line['end']}"
    for name, day in line["lastDoseByClass"].items():
        if not line["start"] <= day <= (line["end"] or as_of):
            yield f"{where}: last {name} on {day}"
    for member, key in (("history", "on"), ("evidence", "date")):
        days = [entry[key] for entry in line[member]]
        if _falls(days):
            yield f"{where}: {member} is not in order of time"
        if any(day > as_of for day in days):
            yield f"{where}: {member} lies after the day asked"
