"""Which medication a use names: inline, by a Medication resource, or in words beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from cds_service.clinical.record.drug_names import Recognised, recognise_medication
from cds_service.clinical.record.elements import (
    CodeableConcept,
    Ingredient,
    Medication,
    MedicationUse,
    Reference,
    several,
)
from cds_service.clinical.record.reader import Reader
from cds_service.knowledge.terms import ATC, RXNORM, SNOMED

READ = frozenset({RXNORM, ATC})
"""Vocabularies whose codes of cancer drugs we hold: an unknown one is of another drug."""
UNREAD = frozenset({SNOMED, "http://hl7.org/fhir/sid/ndc"})
"""Vocabularies whose codes say nothing to us; the words beside them do."""


class NamedMedication(msgspec.Struct, frozen=True, gc=False):
    """What a use names, and whether a code says that it is some drug, if none that is known."""

    recognised: Recognised
    is_coded: bool


def name_medication(
    raw: MedicationUse, medications: Mapping[str, Medication], reader: Reader
) -> NamedMedication | None:
    """The first of the ways in which a use names its drug that names one that is known."""
    if raw.medicationCodeableConcept is not None:
        return reader.once(raw.medicationCodeableConcept, _named_by)
    best: NamedMedication | None = None
    for concepts in _namings(raw, medications, reader):
        named = _named(concepts, reader)
        if named.recognised.how != "none":
            return named
        if best is None or (
            named.recognised.investigational and not best.recognised.investigational
        ):
            best = named
    return best


def _named_by(concept: CodeableConcept, reader: Reader) -> NamedMedication:
    return _named((concept,), reader)


def _named(concepts: Sequence[CodeableConcept], reader: Reader) -> NamedMedication:
    codes = [code for concept in concepts for code in concept.codes()]
    texts = [text for concept in concepts for text in concept.texts()]
    found = recognise_medication(codes, texts, reader.knowledge.terms)
    systems = {system for system, _ in codes}
    is_coded = not systems.isdisjoint(READ) or bool(texts and not systems.isdisjoint(UNREAD))
    return NamedMedication(found, is_coded)


def _namings(
    raw: MedicationUse, medications: Mapping[str, Medication], reader: Reader
) -> Iterator[list[CodeableConcept]]:
    """The concepts that name a drug that is pointed at, best first: of the Medication, contained
    or not; of its active ingredients; the words beside the reference."""
    reference = raw.medicationReference
    if reference is None:
        return
    inside = {f"#{m.id}": m for m in several(raw.contained, Medication) if m.id}
    found = _medication_of(reference, inside, medications, reader)
    if found is not None and found.code is not None:
        yield [found.code]
    if found is not None and (parts := _ingredients_of(found, inside, medications, reader)):
        yield parts
    if reference.display:
        yield [CodeableConcept(text=reference.display)]


def _medication_of(
    reference: Reference,
    inside: Mapping[str, Medication],
    medications: Mapping[str, Medication],
    reader: Reader,
) -> Medication | None:
    target = reference.reference or ""
    return inside.get(target) if target.startswith("#") else medications.get(reader.local(target))


def _ingredients_of(
    medication: Medication,
    inside: Mapping[str, Medication],
    medications: Mapping[str, Medication],
    reader: Reader,
) -> list[CodeableConcept]:
    """The concepts of the active ingredients, each named itself or by another Medication."""
    concepts = []
    for part in several(medication.ingredient, Ingredient):
        concept = part.itemCodeableConcept
        if concept is None and part.itemReference is not None:
            found = _medication_of(part.itemReference, inside, medications, reader)
            concept = None if found is None else found.code
        if concept is not None and part.isActive is not False:
            concepts.append(concept)
    return concepts
