"""How much of a drug a day an order asks for, where it says so in milligrams and a rhythm."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from cds_service.clinical.record.elements import (
    DoseAndRate,
    DoseInstruction,
    MedicationUse,
    Quantity,
    several,
)
from cds_service.clinical.record.reader import Reader

MG_OF_UNIT = {"mg": Decimal(1), "g": Decimal(1000), "ug": Decimal("0.001")}
TIMES_A_DAY = {
    "QD": 1, "AM": 1, "PM": 1, "BED": 1, "BID": 2, "TID": 3, "QID": 4,
    "Q24H": 1, "Q12H": 2, "Q8H": 3, "Q6H": 4,
}  # fmt: skip
"""Codes of the FHIR value set GTSAbbreviation."""
HOURS_OF_UNIT = {"h": Decimal(1), "d": Decimal(24), "wk": Decimal(168)}


def daily_dose_mg(raw: MedicationUse, reference: str, reader: Reader) -> Decimal | None:
    """Milligrams a day over all dosages; None where one of them does not tell, or is as needed.

    Sources: FHIR R4 Dosage (`doseAndRate.doseQuantity`, `timing.repeat`, `timing.code`).
    """
    dosages = several(raw.dosageInstruction, DoseInstruction)
    told = [_of_dosage(dosage, reference, reader) for dosage in dosages]
    if not told or any(dose is None for dose in told):
        return None
    return sum((dose for dose in told if dose is not None), Decimal(0))


def _of_dosage(dosage: DoseInstruction, reference: str, reader: Reader) -> Decimal | None:
    times = _times_a_day(dosage)
    dose = _dose(dosage.doseAndRate, reference, reader)
    if times is None or dose is None or dosage.asNeededBoolean:
        return None
    return dose * times


def _dose(rates: Sequence[DoseAndRate], reference: str, reader: Reader) -> Decimal | None:
    """One dose in milligrams: of a range, its upper end."""
    for rate in rates:
        quantity = rate.doseQuantity or (rate.doseRange.high if rate.doseRange else None)
        if quantity is None:
            continue
        factor = MG_OF_UNIT.get(_unit(quantity))
        value = reader.number(quantity, reference)
        return None if factor is None or value is None else value * factor
    return None


def _unit(quantity: Quantity) -> str:
    return (quantity.code or quantity.unit or "").strip().lower()


def _times_a_day(dosage: DoseInstruction) -> Decimal | None:
    timing = dosage.timing
    if timing is None:
        return None
    repeat = timing.repeat
    if repeat is not None and repeat.period and repeat.period > 0:
        hours = HOURS_OF_UNIT.get(repeat.periodUnit or "")
        if hours is None:
            return None
        return Decimal(repeat.frequency or 1) * 24 / (Decimal(str(repeat.period)) * hours)
    codes = [code for _, code in timing.code.codes()] if timing.code else []
    known = [TIMES_A_DAY[code.upper()] for code in codes if code.upper() in TIMES_A_DAY]
    return Decimal(known[0]) if known else None
