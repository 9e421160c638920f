"""The fast reader sees in every element that it reads what `fhir.resources` sees there.

The one decodes thin structures and skips the rest, the other validates whole resources: two ways
that share no code. Compared are codes, words, references, days, digits, units and comparators.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec
import pytest
from clinical.record.generated import RESOURCES, to_json
from fhir.resources import get_fhir_model_class as get_r5_model_class
from fhir.resources.R4B import get_fhir_model_class
from fixtures.stories import STORIES, Resource, Story, reference
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_service.clinical.record import elements
from cds_service.clinical.record.elements import (
    ABSENT,
    CodeableConcept,
    Coding,
    Component,
    ConditionStage,
    DispenseRequest,
    Dosage,
    Element,
    Extension,
    Head,
    Hospitalization,
    Identifier,
    Ingredient,
    Medication,
    OpenHead,
    Period,
    Quantity,
    Range,
    Reference,
    decode,
    several,
)
from cds_service.dates import PartialDate

READ_AS: Final[dict[str, type[elements.Element]]] = {
    "MedicationRequest": elements.MedicationUse,
    "MedicationAdministration": elements.MedicationUse,
    "MedicationDispense": elements.MedicationUse,
    "MedicationStatement": elements.MedicationUse,
} | {
    name: getattr(elements, name)
    for name in (
        "BodyStructure",
        "AllergyIntolerance",
        "Condition",
        "DiagnosticReport",
        "Encounter",
        "ImagingStudy",
        "Medication",
        "Observation",
        "Patient",
        "Procedure",
        "ResearchStudy",
        "ResearchSubject",
        "ServiceRequest",
        "Specimen",
    )
}
RAW: Final[dict[str, type[Element]]] = {
    "bodySite": CodeableConcept,
    "collection": elements.SpecimenCollection,
    "component": Component,
    "conclusionCode": CodeableConcept,
    "condition": CodeableConcept,
    "contained": Medication,
    "daysSupply": Quantity,
    "dispenseRequest": DispenseRequest,
    "dosage": Dosage,
    "dosageInstruction": Dosage,
    "extension": Extension,
    "hospitalization": Hospitalization,
    "identifier": Identifier,
    "ingredient": Ingredient,
    "interpretation": CodeableConcept,
    "location": CodeableConcept,
    "method": CodeableConcept,
    "modality": Coding,
    "outcome": CodeableConcept,
    "performer": Reference,
    "period": Period,
    "procedureCode": CodeableConcept,
    "reasonCode": CodeableConcept,
    "reasonReference": Reference,
    "referenceRange": Range,
    "specimen": Reference,
    "series": elements.ImagingStudySeries,
    "stage": ConditionStage,
    "statusReason": CodeableConcept,
    "study": Reference,
    "type": CodeableConcept,
}
"""Elements that stay raw until a stage asks for them, and the structure that it asks for."""


def _structures() -> Iterator[type[Element]]:
    for value in vars(elements).values():
        if isinstance(value, type) and issubclass(value, Element) and value is not Element:
            yield value


def unlike(ours: Element, theirs: Any, where: str) -> Iterator[str]:
    """Every element that is read and differs, in words."""
    for name in ours.__struct_fields__:
        mine, other = getattr(ours, name), getattr(theirs, name, None)
        path = f"{where}.{name}"
        if isinstance(mine, msgspec.Raw) and name != "value":
            yield from _unlike_lists(several(mine, RAW[name]), _listed(other), path)
        elif isinstance(mine, (list, tuple)):
            yield from _unlike_lists(list(mine), _listed(other), path)
        else:
            yield from _unlike_one(mine, other, path)


def _unlike_lists(mine: list[Any], theirs: list[Any], path: str) -> Iterator[str]:
    if len(mine) != len(theirs):
        yield f"{path}: {len(mine)} entries, not {len(theirs)}"
    for at, (one, other) in enumerate(zip(mine, theirs, strict=False)):
        yield from _unlike_one(one, other, f"{path}[{at}]")


def _unlike_one(mine: Any, other: Any, path: str) -> Iterator[str]:
    if isinstance(mine, Element) and other is not None:
        yield from unlike(mine, other, path)
    elif not _same(mine, other):
        yield f"{path}: {mine!r}, not {other!r}"


def _same(mine: Any, other: Any) -> bool:
    if isinstance(mine, msgspec.Raw):
        return _same_digits(mine, other)
    if isinstance(mine, str) and isinstance(other, date):
        day = other.date() if isinstance(other, datetime) else other
        return PartialDate.parse(mine) == PartialDate.on(day)
    if isinstance(mine, float) and isinstance(other, Decimal):
        return mine == float(other)
    return bool(mine == other)


def _same_digits(raw: msgspec.Raw, other: Decimal | None) -> bool:
    if raw == ABSENT or other is None:
        return raw == ABSENT and other is None
    return Decimal(bytes(raw).decode()).as_tuple() == other.as_tuple()


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def differences(raw: bytes) -> list[str]:
    """What the two readers see differently in one valid resource."""
    plain = json.loads(raw, parse_float=Decimal)
    resource_type = plain["resourceType"]
    theirs: Any = get_fhir_model_class(resource_type).model_validate(plain)
    head, closed = decode(raw, OpenHead), decode(raw, Head)
    assert several(closed.code, CodeableConcept) == ([head.code] if head.code else [])
    assert all(getattr(closed, name) == getattr(head, name) for name in ("id", "status", "subject"))
    assert head.resourceType == resource_type
    assert (head.id, head.status) == (theirs.id, getattr(theirs, "status", None))
    ours = decode(raw, READ_AS[resource_type])
    found = [*unlike(ours, theirs, resource_type)]
    for name in ("subject", "patient", "individual", "code"):
        found += _unlike_one(getattr(head, name), getattr(theirs, name, None), f"head.{name}")
    return found


@pytest.mark.parametrize("resource_type", sorted(RESOURCES))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_generated_resources_read_alike(resource_type: str, data: st.DataObject) -> None:
    assert not differences(to_json(data.draw(RESOURCES[resource_type])))


@pytest.mark.parametrize("story", [pytest.param(story, id=story.slug) for story in STORIES])
def test_fixture_resources_read_alike(story: Story) -> None:
    read = [r for r in story.resources if _is_read(r, story)]
    assert read
    found = [line for resource in read for line in differences(json.dumps(resource).encode())]
    assert not found


def _is_read(resource: Resource, story: Story) -> bool:
    return resource["resourceType"] in READ_AS and reference(resource) not in story.invalid


def test_every_type_that_is_read_has_its_structure() -> None:
    assert READ_AS.keys() == elements.READ_TYPES


NAMES_IN_FHIR: Final[dict[type[Element], tuple[str, ...]]] = {
    Component: ("ObservationComponent",),
    DispenseRequest: ("MedicationRequestDispenseRequest",),
    Hospitalization: ("EncounterHospitalization",),
    Ingredient: ("MedicationIngredient",),
    Range: ("ObservationReferenceRange",),
    elements.DoseAndRate: ("DosageDoseAndRate",),
    elements.DoseInstruction: ("Dosage",),
    elements.DoseRepeat: ("TimingRepeat",),
    elements.DoseTiming: ("Timing",),
    elements.Repeat: ("TimingRepeat",),
    elements.MedicationUse: tuple(t for t, s in READ_AS.items() if s is elements.MedicationUse),
    elements.Versioned: tuple(READ_AS),
    Head: tuple(READ_AS),
    OpenHead: tuple(READ_AS),
}
"""Structures whose name in FHIR is another one than ours."""


@pytest.mark.parametrize(
    "structure", [pytest.param(s, id=s.__name__) for s in sorted(_structures(), key=repr)]
)
def test_every_element_that_is_read_is_one_of_fhir(structure: type[Element]) -> None:
    names = NAMES_IN_FHIR.get(structure, (structure.__name__,))
    known = {"resourceType"}
    for name in names:
        known |= get_fhir_model_class(name).model_fields.keys()
    if issubclass(structure, Head):  # which tells what is in the shape of R5
        known |= get_r5_model_class("MedicationRequest").model_fields.keys()
    assert known.issuperset(structure.__struct_fields__)


@pytest.mark.parametrize(
    "written",
    [
        pytest.param("1.10", id="a trailing zero"),
        pytest.param("0.30000000000000004", id="more digits than a float is printed with"),
        pytest.param("12345678901234567890.5", id="more digits than a float holds"),
        pytest.param("1E+3", id="an exponent"),
        pytest.param("-0.0", id="a signed zero"),
    ],
)
def test_a_quantity_keeps_its_digits(written: str) -> None:
    raw = b'{"value": %s, "unit": "ng/mL"}' % written.encode()
    read = decode(raw, Quantity)
    assert Decimal(bytes(read.value).decode()).as_tuple() == Decimal(written).as_tuple()
