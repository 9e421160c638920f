"""Whether the table of units says what UCUM says, and whether every marker's units lead to its own.

The service never converts by the library: that takes a second to start, and a decision has to rest
on what the digest of the knowledge covers. The table is its cached answer, compared here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING

from cds_service.knowledge.check_references import Fault
from cds_service.knowledge.terms import Marker, Terminology, Unit

if TYPE_CHECKING:
    from ucumvert import PintUcumRegistry

CLOSE = Decimal("1e-9")
"""Factors are the same up to this share: the library reckons in binary fractions."""
ARBITRARY = re.compile(r"\[[a-zA-Z']*U\]")
"""Units that an assay defines for itself, as UCUM writes them: "[IU]", "[arb'U]"."""


def check_units(terms: Terminology) -> Iterator[Fault]:
    """Faults of units.csv, then of the units of each marker, whether a rule reads it or not."""
    for unit in dict.fromkeys(terms.units.values()):
        yield from _unit(unit)
    for marker in terms.markers.values():
        yield from _marker(marker, terms)


def _unit(unit: Unit) -> Iterator[Fault]:
    where = f"units.csv: {unit.code}"
    factor = ucum_factor(unit.code, unit.kind)
    if factor is None:
        yield Fault(where, f"UCUM has no way from it to {unit.kind}")
    elif abs(factor - unit.factor) > CLOSE * factor:
        yield Fault(where, f"one of it is {factor.normalize():f} {unit.kind}, not {unit.factor}")


def _marker(marker: Marker, terms: Terminology) -> Iterator[Fault]:
    where = f"markers.csv: {marker.id}"
    if marker.factors.get(marker.unit) != 1:
        yield Fault(where, "cannot be converted to its own unit")
    for unit, factor in marker.factors.items():
        if not factor.is_finite() or factor <= 0:
            yield Fault(where, f"has no usable factor for {unit!r}")
    own = terms.units.get(marker.unit)
    for unit, factor in marker.conversions.items():
        other = terms.units.get(unit)
        if own is None or other is None:
            yield Fault(where, f"UCUM does not know {marker.unit if own is None else unit!r}")
        elif (by_dimension := ucum_factor(other.code, own.code)) is not None:
            told = f"{by_dimension.normalize():f}"
            yield Fault(where, f"{unit} is {told} {own.code} by its dimension, not {factor}")


@cache
def ucum_factor(code: str, of: str) -> Decimal | None:
    """How many `of` one of `code` is; None where one is no UCUM code, or they do not compare.

    Arbitrary units compare with themselves alone: UCUM calls them incommensurable, while the
    library takes them for numbers. Source: UCUM, section 24, arbitrary units.
    """
    if ARBITRARY.findall(code) != ARBITRARY.findall(of):
        return None
    # imported here: it takes longer than everything else does to start
    from lark.exceptions import LarkError

    units = _library()
    try:
        share = (1 * units.from_ucum(code) / units.from_ucum(of)).to_base_units()
    except (LarkError, TypeError):
        return None
    return Decimal(f"{share.magnitude:.12g}") if share.dimensionless else None


@cache
def _library() -> PintUcumRegistry:
    from ucumvert import PintUcumRegistry

    return PintUcumRegistry()
