"""What readers of observations share: the day, values in words and codes, quantities, the focus."""

from __future__ import annotations

import re
from decimal import Decimal

from msgspec import Raw

from cds_service.clinical.record.elements import (
    CodeableConcept,
    Component,
    Extension,
    Observation,
    several,
)
from cds_service.clinical.record.elements import Quantity as FhirQuantity
from cds_service.clinical.record.reader import Reader, is_plausible
from cds_service.dates import PartialDate
from cds_service.knowledge.terms import UCUM
from cds_service.quantities import Quantity

COMPARATORS = {"≤": "<=", "≥": ">="}
WRITTEN = re.compile(r"(?P<comparator><=|>=|[<>≤≥]|)\s*(?P<number>[+-]?\d+(\.\d+)?)\s*(?P<unit>.*)")
"""A result in words: a bound, a number with a decimal point, a unit."""
BODY_STRUCTURE = "BodyStructure/"
RELATED = "mcode-related-condition"


def effective(raw: Observation, reference: str, reader: Reader) -> PartialDate | None:
    """The day that a result speaks of; that of its issue, with an issue, where it has no other."""
    at = raw.effectiveDateTime or raw.effectiveInstant
    if at:
        return reader.day(at, reference, "effectiveDateTime")
    if raw.effectivePeriod:
        spoken = reader.period(None, raw.effectivePeriod, reference, "effective")
        return None if spoken is None else spoken[0]
    if raw.issued is None:
        reader.note("warning", "missing-date", reference, "has no date; left out")
        return None
    reader.note("information", "issued-date", reference, "dated by when it was issued")
    return reader.day(raw.issued, reference, "issued")


def value_concepts(raw: Observation) -> list[CodeableConcept]:
    """The value as concepts: coded, in words, then those of the components."""
    concepts = [] if raw.valueCodeableConcept is None else [raw.valueCodeableConcept]
    if raw.valueString:
        concepts.append(CodeableConcept(text=raw.valueString))
    if not raw.component:
        return concepts
    for component in several(raw.component, Component):
        if component.valueCodeableConcept is not None:
            concepts.append(component.valueCodeableConcept)
    return concepts


def focus_of(raw: Observation, reader: Reader) -> tuple[str, ...]:
    """Everything that the observation names as its focus."""
    return tuple(reader.local(focus.reference) for focus in raw.focus)


def related_conditions(extensions: Raw, reader: Reader) -> list[str]:
    """The Conditions that mCODE relates a finding or a tumour to."""
    return [
        reader.local(extension.valueReference.reference)
        for extension in several(extensions, Extension)
        if (extension.url or "").endswith(RELATED)
        and extension.valueReference
        and extension.valueReference.reference
    ]


def conditions_in_focus(raw: Observation, reader: Reader) -> tuple[str, ...]:
    """The Conditions that it speaks of, those of the tumours in its focus among them.

    mCODE names the Condition of a marker or a grade in an extension. A tumour that names no
    Condition says nothing of which cancer is meant.
    """
    if not (raw.extension or raw.focus):
        return ()
    named = dict.fromkeys(related_conditions(raw.extension, reader))
    for focus in focus_of(raw, reader):
        if not focus.startswith(BODY_STRUCTURE):
            named[focus] = None
        elif (condition := reader.tumours.get(focus, ("", ""))[0]) != "":
            named[condition] = None
    return tuple(named)


def quantity_of(raw: Observation, reference: str, reader: Reader) -> Quantity | None:
    """The measured value as it was recorded, or as it is written where it is a text."""
    if raw.valueQuantity is not None:
        return recorded(raw.valueQuantity, reference, reader)
    return written_quantity(raw.valueString) if raw.valueString else None


def recorded(quantity: FhirQuantity, reference: str, reader: Reader) -> Quantity | None:
    value = reader.number(quantity, reference)
    return None if value is None else Quantity(value, unit_of(quantity), quantity.comparator or "")


def unit_of(quantity: FhirQuantity) -> str:
    """The UCUM code where there is one, else the unit as written."""
    if quantity.code and quantity.system in (UCUM, None):
        return quantity.code.strip()
    return (quantity.unit or "").strip()


def written_quantity(text: str) -> Quantity | None:
    """ "< 0.1 ng/mL" as a quantity; None unless the whole text is a number and a unit.

    A comma is refused: it may divide thousands or decimals.
    """
    match = WRITTEN.fullmatch(text.strip())
    if match is None or not is_plausible(value := Decimal(match["number"])):
        return None
    said = match["comparator"]
    return Quantity(value, match["unit"], COMPARATORS.get(said, said))
