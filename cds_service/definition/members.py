"""Members of a rule → sentences. What has no sentence here says its own name: nothing is lost."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from cds_service.definition.names import drugs_in_words
from cds_service.knowledge.model import Agents
from cds_service.quantities import format_decimal


@dataclass(frozen=True, slots=True)
class Point:
    """One thing that an entry says, under a word that tells what it is about."""

    label: str
    text: str


Sentences = Mapping[str, tuple[str, str]]
"""Member → the label of its point, and its sentence with {} in the place of the value."""


def other_members(
    value: object, said: Collection[str], sentences: Sentences | None = None
) -> Iterator[Point]:
    """A point for each member that differs from its default, besides those that are `said`."""
    for field in dataclasses.fields(value):  # type: ignore[arg-type]
        own = getattr(value, field.name)
        if field.name in said or own == field.default:
            continue
        label, sentence = (sentences or {}).get(field.name, ("", ""))
        told = in_words(own)
        name = field.name.removeprefix("is_").replace("_", " ")
        yield Point(
            label or "Also", sentence.replace("{}", told) if sentence else f"{name}: {told}."
        )


def in_words(value: Any) -> str:
    """Any value of a member, plainly."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return format_decimal(value)
    if isinstance(value, Agents):
        return drugs_in_words(value)
    if dataclasses.is_dataclass(value):
        own = ((f, getattr(value, f.name)) for f in dataclasses.fields(value))
        told = (f"{f.name.replace('_', ' ')} {in_words(v)}" for f, v in own if v != f.default)
        return ", ".join(told)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {in_words(own)}" for name, own in sorted(value.items()))
    if isinstance(value, frozenset):
        return ", ".join(sorted(map(in_words, value)))
    if isinstance(value, (tuple, list)):
        return ", ".join(map(in_words, value))
    return str(value)


def by_label(points: Iterable[Point]) -> tuple[Point, ...]:
    """The same points, those of one label together where the first of them stands."""
    groups: dict[str, list[Point]] = {}
    for point in points:
        groups.setdefault(point.label, []).append(point)
    return tuple(point for group in groups.values() for point in group)
