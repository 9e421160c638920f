"""A search request: read from its parameters, and answered from the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cds_service.demo.fhir_server_parameters import SearchParameter, parameters_of
from cds_service.demo.fhir_server_store import Store, Stored
from cds_service.demo.fhir_server_values import Interval, folded, interval

_SAID_ELSEWHERE = frozenset({"_format", "_pretty"})

Pairs = Sequence[tuple[str, str]]


class BadSearch(Exception):
    """A search that cannot be answered as it was meant; the text names the parameter only."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One parameter of a search; a resource passes with any of the values."""

    name: str
    modifier: str
    parameter: SearchParameter
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Search:
    """A search as it was understood; `ignored` are the parameters that were not.

    `count` is None where the request names none; `only_count` asks for the total alone.
    """

    type: str
    filters: tuple[Filter, ...]
    sort: tuple[str, ...]
    count: int | None
    only_count: bool
    with_total: bool
    understood: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...]


def read_search(resource_type: str, pairs: Pairs) -> Search:
    """Read the parameters of a search; raises BadSearch for what has no sensible reading."""
    known = parameters_of(resource_type)
    filters: list[Filter] = []
    understood: list[tuple[str, str]] = []
    ignored: list[str] = []
    results: dict[str, str] = {}
    for name, value in pairs:
        plain, _, modifier = name.partition(":")
        if plain in known:
            filters.append(_filter(plain, modifier, known[plain], value))
        elif _is_result_parameter(name, value, known):
            results[name] = value
        elif name not in _SAID_ELSEWHERE:
            ignored.append(name)
            continue
        understood.append((name, value))
    count = _count(results.get("_count"))
    return Search(
        type=resource_type,
        filters=tuple(filters),
        sort=tuple(results["_sort"].split(",")) if "_sort" in results else (),
        count=count,
        only_count=count == 0 or results.get("_summary") == "count",
        with_total=results.get("_total") != "none",
        understood=tuple(understood),
        ignored=tuple(dict.fromkeys(ignored)),
    )


def _is_result_parameter(name: str, value: str, known: dict[str, SearchParameter]) -> bool:
    if name == "_sort":
        return all(
            key in known and (known[key].kind == "date" or key == "_id")
            for key in (part.removeprefix("-") for part in value.split(","))
        )
    return (
        name == "_count"
        or (name == "_total" and value in ("none", "estimate", "accurate"))
        or (name == "_summary" and value in ("count", "false"))
    )


def _count(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()):
        raise BadSearch("_count is not a number")
    return int(text[:9])


def _filter(name: str, modifier: str, parameter: SearchParameter, value: str) -> Filter:
    values = tuple(part for part in value.split(",") if part)
    if not values:
        raise BadSearch(f"{name} has no value")
    if parameter.kind == "reference" and modifier[:1].isupper():
        values = tuple(v if "/" in v else f"{modifier}/{v}" for v in values)
    elif modifier and not (parameter.kind == "string" and modifier in ("contains", "exact")):
        raise BadSearch(f"the modifier of {name} is not supported")
    if parameter.kind == "date":
        for text in values:
            _date_test(name, text)
    return Filter(name, modifier, parameter, values)


def run_search(store: Store, search: Search, base: str) -> list[Stored]:
    """All that a search finds, sorted as asked, else in the order of arrival."""
    indexed = [f for f in search.filters if f.parameter.kind in ("token", "reference")]
    postings = sorted((_postings(store, search.type, f, base) for f in indexed), key=len)
    smallest = postings[0] if postings else store.all_of(search.type)
    found = [
        stored
        for rid, stored in smallest.items()
        if all(rid in posting for posting in postings[1:])
    ]
    for test in (_test(f) for f in search.filters if f not in indexed):
        found = [stored for stored in found if test(stored)]
    for key in reversed(search.sort):
        _sort(found, key.removeprefix("-"), descending=key.startswith("-"))
    return found


def _postings(store: Store, resource_type: str, asked: Filter, base: str) -> dict[str, Stored]:
    found: dict[str, Stored] = {}
    for value in asked.values:
        text = value.removeprefix(f"{base}/") if asked.parameter.kind == "reference" else value
        found.update(store.found_by(resource_type, asked.name, text))
    return found


def _test(asked: Filter) -> Callable[[Stored], bool]:
    name = asked.name
    if asked.parameter.kind == "date":
        tests = [_date_test(name, value) for value in asked.values]
        return lambda stored: any(t(found) for found in stored.dates[name] for t in tests)
    sought = tuple(folded(value) for value in asked.values)
    if asked.modifier == "exact":
        return lambda stored: any(text in sought for text in stored.strings[name])
    if asked.modifier == "contains":
        return lambda stored: any(s in text for text in stored.strings[name] for s in sought)
    return lambda stored: any(
        word.startswith(sought) for text in stored.strings[name] for word in (text, *text.split())
    )


def _date_test(name: str, text: str) -> Callable[[Interval], bool]:
    """Whether a time of a resource is what a date parameter asks for.

    A period that ends within the value of `ge`, or starts within that of `le`, is found too,
    as common servers do. Source: FHIR R4 search.html#prefix.
    """
    prefix, text = (text[:2], text[2:]) if text[:2].isalpha() else ("eq", text)
    try:
        low, high = interval(text.replace(" ", "+"))
    except ValueError:
        raise BadSearch(f"{name} is not a date") from None
    tests: dict[str, Callable[[Interval], bool]] = {
        "eq": lambda found: low <= found[0] and found[1] <= high,
        "gt": lambda found: found[1] > high,
        "ge": lambda found: found[1] > low,
        "lt": lambda found: found[0] < low,
        "le": lambda found: found[0] < high,
    }
    if prefix not in tests:
        raise BadSearch(f"the prefix of {name} is not supported")
    return tests[prefix]


def _sort(found: list[Stored], key: str, *, descending: bool) -> None:
    """Sort in place; what has no such date comes last either way."""
    if key == "_id":
        found.sort(key=lambda stored: stored.id, reverse=descending)
        return
    dated = [stored for stored in found if stored.dates[key]]
    undated = [stored for stored in found if not stored.dates[key]]
    if descending:
        dated.sort(key=lambda stored: max(high for _, high in stored.dates[key]), reverse=True)
    else:
        dated.sort(key=lambda stored: min(low for low, _ in stored.dates[key]))
    found[:] = dated + undated
