"""Measured values: a decimal, a unit and a comparator, and whether two can be compared at all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

import msgspec

# FHIR Quantity.comparator; "ad" (R5) says that the amount is adequate and bounds nothing.
BELOW = frozenset({"<", "<="})
ABOVE = frozenset({">", ">="})
_ANNOTATION = re.compile(r"\{[^{}]*\}")


class Quantity(msgspec.Struct, frozen=True, gc=False):
    """A value in a unit (UCUM where the chart says so), perhaps only a bound on one."""

    value: Decimal
    unit: str
    comparator: str = ""

    @property
    def is_upper_bound(self) -> bool:
        """The true value lies below ("< 0.1"): never a rise by itself."""
        return self.comparator in BELOW

    @property
    def is_lower_bound(self) -> bool:
        """The true value lies above ("> 1000"): a rise if the bound already is one."""
        return self.comparator in ABOVE

    def to(self, unit: str, factors: Mapping[str, Decimal]) -> Quantity | None:
        """The same amount in `unit`; None where this unit has no factor to it.

        `factors` gives, for each unit that may be converted, how many of `unit` it is.
        """
        factor = factors.get(self.unit)
        if factor is None and (factor := factors.get(plain_unit(self.unit))) is None:
            return None
        return Quantity(self.value * factor, unit, self.comparator)

    def __str__(self) -> str:
        number = format_decimal(self.value)
        return f"{self.comparator}{number} {self.unit}".strip()


def plain_unit(unit: str) -> str:
    """A unit without what changes nothing of it: UCUM annotations, blanks around a slash.

    A unit that is nothing but an annotation ("{ratio}") stays as it is.
    """
    return re.sub(r"\s*/\s*", "/", _ANNOTATION.sub("", unit)).strip() or unit


def format_decimal(value: Decimal) -> str:
    """A decimal for people: no exponent, no trailing zeros, at most four places."""
    text = f"{value:.4f}"
    return text.rstrip("0").rstrip(".")
