"""Units of results: which spellings mean which UCUM code, and how codes convert into each other."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from pathlib import Path

from cds_service.knowledge.terms import Unit
from cds_service.knowledge.terms_table import Row, read_table

ALONE = "alone"
"""Stands for conversions of a marker whose unit says more than its dimension (a scale)."""
PURE_NUMBER = "1"
"""The UCUM code of what has no unit; a result of such a kind may come without one."""


def read_units(folder: Path, sources: Collection[str]) -> dict[str, Unit]:
    """Every code and every spelling of one in `units.csv` → its unit."""
    units: dict[str, Unit] = {}
    rows: list[tuple[Row, Unit]] = []
    for row in read_table(folder, "units.csv", ("code", "kind", "factor", "spellings"), sources):
        factor = row.as_decimal("factor", row.text("factor"))
        if factor == 0:
            raise row.refuse("factor", "nothing is no measure")
        unit = Unit(row.text("code"), row.text("kind"), factor)
        for spelling in (unit.code, *row.many("spellings")):
            if spelling in units:
                raise row.refuse("spellings", f"{spelling!r} stands twice")
            units[spelling] = unit
        rows.append((row, unit))
    for row, unit in rows:
        kind = units.get(unit.kind)
        if kind is None or kind.kind != unit.kind or kind.factor != 1:
            raise row.refuse("kind", f"{unit.kind!r} is not counted in itself")
    return units


def factors_of(
    row: Row, units: Mapping[str, Unit]
) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    """How many of the marker's unit each spelling is; and what of that only the analyte tells.

    The cell `conversions` holds facts about the analyte ("nmol/L=28.84": one nmol/L of it is 28.84
    of the marker's unit), each of which opens all units of that kind.
    """
    unit = units.get(row.text("unit"))
    if unit is None:
        raise row.refuse("unit", f"{row.text('unit')!r} is not in units.csv")
    if row.maybe("conversions") == ALONE:
        return {spelling: Decimal(1) for spelling, u in units.items() if u == unit}, {}
    facts = _facts(row, units, unit)
    of_kind = {unit.kind: 1 / unit.factor}
    of_kind |= {units[code].kind: factor / units[code].factor for code, factor in facts.items()}
    factors = {
        spelling: _plain(u.factor * of_kind[u.kind])
        for spelling, u in units.items()
        if u.kind in of_kind
    }
    if unit.code == PURE_NUMBER:
        factors[""] = Decimal(1)
    return factors, facts


def _facts(row: Row, units: Mapping[str, Unit], unit: Unit) -> dict[str, Decimal]:
    facts: dict[str, Decimal] = {}
    for part in row.many("conversions"):
        name, _, number = part.rpartition("=")
        other = units.get(name)
        if other is None:
            raise row.refuse("conversions", f"{name!r} is not in units.csv")
        if other.kind == unit.kind or any(units[seen].kind == other.kind for seen in facts):
            raise row.refuse("conversions", f"{name!r} converts already")
        factor = row.as_decimal("conversions", number)
        if factor == 0:
            raise row.refuse("conversions", f"{part!r} makes nothing of it")
        facts[name] = factor
    return facts


def _plain(factor: Decimal) -> Decimal:
    """Without the zeros that division leaves, and without an exponent."""
    short = factor.normalize()
    return short.quantize(Decimal(1)) if short == short.to_integral_value() else short
