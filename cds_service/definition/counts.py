"""How many numbers the knowledge of a disease has, by where they come from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from cds_service.knowledge.model import Disease


@dataclass(frozen=True, slots=True)
class OriginCounts:
    """Numbers by origin; `unverified` are those of rules that decide nothing alone, once more."""

    by_origin: Mapping[str, int]
    unverified: int

    @property
    def all(self) -> int:
        return sum(self.by_origin.values())


def count_numbers(disease: Disease) -> OriginCounts:
    """Every number of the disease once; those of lines, advice and the disease are operational."""
    counts = dict.fromkeys("CGTO", 0)
    unverified = 0
    for told in (*disease.told, *disease.early):
        numbers = sum(1 for _ in numbers_in(told))
        counts[told.origin] += numbers
        unverified += numbers if getattr(told, "is_unverified", False) else 0
    own = [getattr(disease, f.name) for f in dataclasses.fields(disease)]
    parts = [disease.lines, disease.advice, *(v for v in own if is_number(v))]
    counts["O"] += sum(1 for part in parts for _ in numbers_in(part))
    return OriginCounts(counts, unverified)


def is_number(value: object) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def numbers_in(value: Any) -> Iterator[int | Decimal]:
    """Every number below a value that asks for something: no 0, and no factor of 1."""
    if is_number(value):
        if value != 0 and not (isinstance(value, Decimal) and value == 1):
            yield value
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            own = getattr(value, field.name)
            if own != field.default or is_number(own):
                yield from numbers_in(own)
    elif isinstance(value, Mapping):
        for own in value.values():
            yield from numbers_in(own)
    elif isinstance(value, (tuple, frozenset)):
        for own in value:
            yield from numbers_in(own)
