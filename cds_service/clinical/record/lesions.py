"""Tumour sizes → lesions: which tumour, how large, measured how."""

from __future__ import annotations

from decimal import Decimal

from cds_service.clinical.record.elements import (
    BodyStructure,
    CodeableConcept,
    Component,
    Observation,
    Reference,
    optional,
    several,
)
from cds_service.clinical.record.observations import method_of
from cds_service.clinical.record.reader import Reader
from cds_service.clinical.record.record import Lesion
from cds_service.clinical.record.values import (
    BODY_STRUCTURE,
    conditions_in_focus,
    effective,
    focus_of,
    quantity_of,
    recorded,
    related_conditions,
)
from cds_service.knowledge.terms import LOINC
from cds_service.quantities import Quantity

LONGEST, OTHER = (LOINC, "33728-7"), (LOINC, "33729-5")
"""mCODE, Tumor Size: the longest dimension, and further ones from large to small."""
PATHOLOGY = frozenset({"787377000", "168455000", "104157003"})
"""SNOMED CT: sizes read from removed tissue, gross or under the microscope: no size of the day."""
NODE = "lymph node"
NODE_CODES = frozenset({"59441001"})
"""SNOMED CT: structure of lymph node."""
NEW = frozenset({"new lesion", "unequivocal new lesion", "new", "new tumor", "new tumour"})


def read_tumour(raw: BodyStructure, reader: Reader) -> tuple[str, str]:
    """The Condition that a tumour belongs to, and where it is; each empty where it is not said."""
    related = next(iter(related_conditions(raw.extension, reader)), "")
    return related, _place(optional(raw.location, CodeableConcept))


def read_lesion(raw: Observation, reference: str, reader: Reader) -> Lesion | None:
    """One measured tumour; None where it was removed, or has no size or no day."""
    method = method_of(raw)
    if method in PATHOLOGY or optional(raw.specimen, Reference) is not None:
        return None
    on = effective(raw, reference, reader)
    sizes = _millimetres(raw, reference, reader)
    if on is None or not sizes:
        return None
    site = optional(raw.bodySite, CodeableConcept)
    tumours = [focus for focus in focus_of(raw, reader) if focus.startswith(BODY_STRUCTURE)]
    places = {_place(site), *(reader.tumours.get(t, ("", ""))[1] for t in tumours)}
    is_node = any(NODE in place for place in places) or (
        site is not None and any(code in NODE_CODES for _, code in site.codes())
    )
    said = [text.strip().lower() for text in _words(raw)]
    return Lesion(
        resource=reference,
        on=on,
        identity=tumours[0] if tumours else _place(site),
        millimetres=min(sizes) if is_node else sizes[0],
        method=method,
        is_node=is_node,
        is_new=any(text in NEW for text in said),
        focus=conditions_in_focus(raw, reader),
    )


def _millimetres(raw: Observation, reference: str, reader: Reader) -> list[Decimal]:
    """The sizes, the longest dimension first; nothing where that is missing or in no length."""
    units = reader.knowledge.terms.units
    longest: list[Quantity | None] = []
    others: list[Quantity | None] = []
    for component in several(raw.component, Component):
        codes = component.code.codes() if component.code else []
        if component.valueQuantity is not None:
            size = recorded(component.valueQuantity, reference, reader)
            longest += [size] if LONGEST in codes else []
            others += [size] if OTHER in codes else []
    if not longest:
        longest = [quantity_of(raw, reference, reader)]
    sizes: list[Decimal] = []
    for size in (*longest[:1], *others):
        unit = units.get(size.unit) if size is not None else None
        if size is None or unit is None or unit.kind != "m" or size.comparator or size.value < 0:
            if not sizes:
                reader.note("warning", "unknown-unit", reference, "no length; not compared")
                return []
            continue
        sizes.append(size.value * unit.factor * 1000)
    return sizes


def _place(concept: CodeableConcept | None) -> str:
    if concept is None:
        return ""
    said = concept.texts() or [code for _, code in concept.codes()]
    return said[0].strip().lower() if said else ""


def _words(raw: Observation) -> list[str]:
    said = [raw.valueString] if raw.valueString else []
    concepts = [raw.valueCodeableConcept] if raw.valueCodeableConcept else []
    for concept in [*concepts, *several(raw.interpretation, CodeableConcept)]:
        said += concept.texts()
    return said
