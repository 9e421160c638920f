"""Compares what an assessment says with what a story expects, and says the difference in words.

An expectation names only the members that it is about. A list means exactly these, in any order;
`{has = […]}` and `{lacks = […]}` ask for some of them, `{not = …}` and `{in = […]}` for one value
or another. Items of `has` and `lacks` that are tables match every item that agrees with them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

JSON = Mapping[str, Any]

CANCER_MEMBERS: Final = frozenset(
    {"advice", "composites", "condition", "line", "lines", "notation", "suppressed"}
)
LINE_MEMBERS: Final = frozenset(
    {
        "agents",
        "bestResponse",
        "caveats",
        "confidence",
        "end",
        "evidence",
        "flags",
        "history",
        "intent",
        "lastDoseByClass",
        "ongoing",
        "pattern",
        "refractoryClasses",
        "refractoryTo",
        "regimen",
        "rules",
        "setting",
        "start",
        "status",
    }
)
_OPERATORS: Final = frozenset({"has", "in", "lacks", "not"})


def differences(expected: JSON, assessment: JSON) -> list[str]:
    """Everything in which the assessment (the contract's JSON) is not as expected; [] if nothing.

    Members of a cancer that stand at the top are about the patient's only cancer.
    """
    cancers: Sequence[JSON] = assessment["cancers"]
    found = list(_assessed(expected, assessment))
    for disease, members in expected.get("cancer", {}).items():
        found += _about_cancer(members, [c for c in cancers if c["disease"] == disease], disease)
    if members := {key: expected[key] for key in CANCER_MEMBERS & expected.keys()}:
        found += _about_cancer(members, cancers, "the cancer")
    return found


def _assessed(expected: JSON, assessment: JSON) -> Iterator[str]:
    diseases = [cancer["disease"] for cancer in assessment["cancers"]]
    if isinstance(number := expected.get("cancers"), int):
        yield from _unlike(number, len(diseases), "number of cancers")
    elif "cancers" in expected:
        yield from _unlike(expected["cancers"], diseases, "cancers")
    if "issues" in expected:
        codes = [issue["code"] for issue in assessment["issues"]]
        yield from _unlike(expected["issues"], codes, "issues")


def _about_cancer(members: JSON, cancers: Sequence[JSON], name: str) -> Iterator[str]:
    if len(cancers) != 1:
        yield f"{name}: expected one, got {[cancer['disease'] for cancer in cancers]}"
        return
    (cancer,) = cancers
    yield from _unlike(members.get("lines", len(cancer["lines"])), len(cancer["lines"]), "lines")
    for member in ("composites", "condition", "notation"):
        if member in members:
            yield from _unlike(members[member], cancer[member], member)
    if "advice" in members:
        shown = [advice["kind"] for advice in cancer["advice"] if advice["suppressed"] is None]
        yield from _unlike(members["advice"], shown, "advice shown")
    if "suppressed" in members:
        hidden = {advice["kind"]: advice["suppressed"] for advice in cancer["advice"]}
        yield from _unlike(members["suppressed"], hidden, "advice suppressed")
    lines = {str(line["number"]): line for line in cancer["lines"]}
    for number, wanted in members.get("line", {}).items():
        if number not in lines:
            yield f"line {number}: missing, there are {len(lines)}"
        else:
            yield from _unlike(wanted, lines[number], f"line {number}")


def _unlike(expected: Any, actual: Any, where: str) -> Iterator[str]:
    if isinstance(expected, Mapping) and expected.keys() <= _OPERATORS and expected:
        yield from _unsatisfied(expected, actual, where)
    elif isinstance(expected, Mapping) and isinstance(actual, Mapping):
        for key, value in expected.items():
            yield from _unlike(value, actual.get(key), f"{where} {key}")
    elif isinstance(expected, list) and isinstance(actual, list):
        if sorted(map(repr, expected)) != sorted(map(repr, actual)):
            yield f"{where}: expected {expected}, got {actual}"
    elif expected != _absent(actual):
        yield f"{where}: expected {expected!r}, got {actual!r}"


def _unsatisfied(expected: JSON, actual: Any, where: str) -> Iterator[str]:
    for item in expected.get("has", []):
        if not any(_agrees(item, other) for other in actual):
            yield f"{where}: expected {item!r} among {actual}"
    for item in expected.get("lacks", []):
        if any(_agrees(item, other) for other in actual):
            yield f"{where}: did not expect {item!r} among {actual}"
    if "in" in expected and _absent(actual) not in expected["in"]:
        yield f"{where}: expected one of {expected['in']}, got {actual!r}"
    if "not" in expected and _absent(actual) in _listed(expected["not"]):
        yield f"{where}: did not expect {actual!r}"


def _agrees(item: Any, other: Any) -> bool:
    if isinstance(item, Mapping) and isinstance(other, Mapping):
        return all(other.get(key) == value for key, value in item.items())
    return bool(item == other)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _absent(value: Any) -> Any:
    """TOML has no null: a story writes "none" for a member that is null."""
    return "none" if value is None else value
