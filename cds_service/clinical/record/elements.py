"""The FHIR R4 elements that are read, and nothing else: typed, thin, tolerant of the rest.

A resource travels as raw JSON. It is decoded twice at most: first its head (type, id, subject,
code), which is enough to pass over what no stage reads; then, if it is relevant, the structure of
its family. Elements that only refine a finding stay raw here and are decoded on their own
(`optional`), so that a fault in one of them costs that element and not the resource.
"""

from __future__ import annotations

import msgspec

from cds_service.clinical.record.decoding import decode as decode
from cds_service.clinical.record.decoding import optional as optional
from cds_service.clinical.record.decoding import several as several
from cds_service.knowledge.terms import SAME_SYSTEM

ABSENT = msgspec.Raw(b"")
LONGEST_TEXT = 10_000
"""Characters of a text that are read: a name or finding stands at its beginning, if anywhere."""
READ_TYPES = frozenset(
    {
        "Patient", "Condition", "Medication", "MedicationRequest", "MedicationAdministration",
        "MedicationDispense", "MedicationStatement", "Observation", "Procedure", "ServiceRequest",
        "DiagnosticReport", "ResearchSubject", "Encounter", "BodyStructure", "ResearchStudy",
        "ImagingStudy", "Specimen", "AllergyIntolerance",
    }
)  # fmt: skip
"""Resources of any other type say nothing to any stage."""


class Element(msgspec.Struct, gc=False):
    """The base of every structure: unknown members are skipped, as FHIR servers have many."""


class Coding(Element, frozen=True):  # type: ignore[misc]
    system: str | None = None
    code: str | None = None
    display: str | None = None


class CodeableConcept(Element, frozen=True):  # type: ignore[misc]
    coding: tuple[Coding, ...] = ()
    text: str | None = None

    def codes(self) -> list[tuple[str, str]]:
        """Its codes, each with the canonical URL of its system, by whatever name that went."""
        return [
            (SAME_SYSTEM.get(system := c.system or "", system), c.code)
            for c in self.coding
            if c.code
        ]

    def texts(self) -> list[str]:
        """What the concept says in words, its own text first; of a very long one the beginning."""
        said = [c.display for c in self.coding if c.display]
        if self.text:
            said.insert(0, self.text)
        for text in said:
            if len(text) > LONGEST_TEXT:
                return [each[:LONGEST_TEXT] for each in said]
        return said


class Reference(Element):
    reference: str | None = None
    display: str | None = None


class Period(Element):
    start: str | None = None
    end: str | None = None


class Quantity(Element):
    # a raw number keeps its digits: 1.10 stays 1.10
    value: msgspec.Raw = ABSENT
    comparator: str | None = None
    unit: str | None = None
    system: str | None = None
    code: str | None = None


class Duration(Element):
    value: float | None = None
    unit: str | None = None
    code: str | None = None


class Range(Element):
    low: Quantity | None = None
    high: Quantity | None = None


class Extension(Element):
    url: str | None = None
    valueCodeableConcept: CodeableConcept | None = None
    valueReference: Reference | None = None


class Identifier(Element):
    system: str | None = None
    value: str | None = None


class Meta(Element):
    versionId: str | None = None
    lastUpdated: str | None = None


class Head(Element):
    """What decides whether a resource is read at all; code and status only of an Observation."""

    resourceType: str
    id: str | None = None
    subject: Reference | None = None
    patient: Reference | None = None
    individual: Reference | None = None
    # closed: most codes of a chart stand in it many times, and are read once
    code: msgspec.Raw = ABSENT
    status: str | None = None
    # what a resource in the shape of R5 can be told by
    medication: msgspec.Raw = ABSENT
    reason: msgspec.Raw = ABSENT
    contained: msgspec.Raw = ABSENT


class OpenHead(Head):
    """The head with its code read: what is wrong with a head is said of this one."""

    code: CodeableConcept | None = None  # type: ignore[assignment]


class Versioned(Element):
    """What tells the versions of a resource apart; read only where there are several."""

    meta: msgspec.Raw = ABSENT


class Patient(Element):
    birthDate: str | None = None
    deceasedBoolean: bool | None = None
    deceasedDateTime: str | None = None


class Condition(Element):
    clinicalStatus: CodeableConcept | None = None
    verificationStatus: CodeableConcept | None = None
    code: CodeableConcept | None = None
    onsetDateTime: str | None = None
    onsetPeriod: Period | None = None
    abatementDateTime: str | None = None
    abatementPeriod: Period | None = None
    recordedDate: str | None = None
    bodySite: msgspec.Raw = ABSENT
    stage: msgspec.Raw = ABSENT
    extension: msgspec.Raw = ABSENT


class ConditionStage(Element):
    summary: CodeableConcept | None = None


class Medication(Element):
    id: str | None = None
    code: CodeableConcept | None = None
    ingredient: msgspec.Raw = ABSENT


class Ingredient(Element):
    itemCodeableConcept: CodeableConcept | None = None
    itemReference: Reference | None = None
    isActive: bool | None = None


class Repeat(Element):
    boundsPeriod: Period | None = None
    boundsDuration: Duration | None = None
    count: int | None = None
    period: float | None = None
    periodUnit: str | None = None


class Timing(Element):
    event: list[str] = []
    repeat: Repeat | None = None


class DoseRepeat(Element):
    frequency: int | None = None
    period: float | None = None
    periodUnit: str | None = None


class DoseTiming(Element):
    repeat: DoseRepeat | None = None
    code: CodeableConcept | None = None


class DoseAndRate(Element):
    doseQuantity: Quantity | None = None
    doseRange: Range | None = None


class Dosage(Element):
    timing: Timing | None = None
    route: CodeableConcept | None = None


class DoseInstruction(Element):
    """A dosage again, for how much and how often: a fault in it costs no more than the dose."""

    timing: DoseTiming | None = None
    asNeededBoolean: bool | None = None
    doseAndRate: list[DoseAndRate] = []


class DispenseRequest(Element):
    validityPeriod: Period | None = None
    numberOfRepeatsAllowed: int | None = None
    expectedSupplyDuration: Duration | None = None


class MedicationUse(Element):
    """MedicationRequest, -Administration, -Dispense and -Statement: what their uses share."""

    status: str | None = None
    intent: str | None = None
    doNotPerform: bool | None = None
    medicationCodeableConcept: CodeableConcept | None = None
    medicationReference: Reference | None = None
    contained: msgspec.Raw = ABSENT
    reasonCode: msgspec.Raw = ABSENT
    reasonReference: msgspec.Raw = ABSENT
    statusReason: msgspec.Raw = ABSENT
    extension: msgspec.Raw = ABSENT
    # MedicationRequest
    authoredOn: str | None = None
    dosageInstruction: msgspec.Raw = ABSENT
    dispenseRequest: msgspec.Raw = ABSENT
    # MedicationAdministration, MedicationStatement
    effectiveDateTime: str | None = None
    effectivePeriod: Period | None = None
    dosage: msgspec.Raw = ABSENT
    # MedicationDispense
    whenHandedOver: str | None = None
    whenPrepared: str | None = None
    daysSupply: msgspec.Raw = ABSENT


class Observation(Element):
    status: str | None = None
    code: CodeableConcept | None = None
    focus: list[Reference] = []
    effectiveDateTime: str | None = None
    effectivePeriod: Period | None = None
    effectiveInstant: str | None = None
    issued: str | None = None
    valueQuantity: Quantity | None = None
    valueCodeableConcept: CodeableConcept | None = None
    valueString: str | None = None
    valueInteger: int | None = None
    valueBoolean: bool | None = None
    extension: msgspec.Raw = ABSENT
    bodySite: msgspec.Raw = ABSENT
    method: msgspec.Raw = ABSENT
    specimen: msgspec.Raw = ABSENT
    interpretation: msgspec.Raw = ABSENT
    referenceRange: msgspec.Raw = ABSENT
    performer: msgspec.Raw = ABSENT
    identifier: msgspec.Raw = ABSENT
    component: msgspec.Raw = ABSENT


class Component(Element):
    code: CodeableConcept | None = None
    valueQuantity: Quantity | None = None
    valueCodeableConcept: CodeableConcept | None = None
    valueString: str | None = None


class BodyStructure(Element):
    """A tumour that observations name as their focus."""

    location: msgspec.Raw = ABSENT
    extension: msgspec.Raw = ABSENT


class Procedure(Element):
    status: str | None = None
    statusReason: msgspec.Raw = ABSENT
    code: CodeableConcept | None = None
    performedDateTime: str | None = None
    performedPeriod: Period | None = None
    outcome: msgspec.Raw = ABSENT
    bodySite: msgspec.Raw = ABSENT
    reasonReference: msgspec.Raw = ABSENT
    extension: msgspec.Raw = ABSENT


class ServiceRequest(Element):
    status: str | None = None
    intent: str | None = None
    code: CodeableConcept | None = None
    authoredOn: str | None = None
    occurrenceDateTime: str | None = None
    bodySite: msgspec.Raw = ABSENT
    reasonReference: msgspec.Raw = ABSENT
    reasonCode: msgspec.Raw = ABSENT
    extension: msgspec.Raw = ABSENT


class DiagnosticReport(Element):
    status: str | None = None
    code: CodeableConcept | None = None
    effectiveDateTime: str | None = None
    effectivePeriod: Period | None = None
    conclusionCode: msgspec.Raw = ABSENT


class AllergyIntolerance(Element):
    clinicalStatus: CodeableConcept | None = None
    verificationStatus: CodeableConcept | None = None
    code: CodeableConcept | None = None


class ImagingStudy(Element):
    status: str | None = None
    started: str | None = None
    description: str | None = None
    modality: msgspec.Raw = ABSENT
    procedureCode: msgspec.Raw = ABSENT
    series: msgspec.Raw = ABSENT


class ImagingStudySeries(Element):
    modality: Coding | None = None
    bodySite: Coding | None = None


class Specimen(Element):
    status: str | None = None
    type: msgspec.Raw = ABSENT
    receivedTime: str | None = None
    collection: msgspec.Raw = ABSENT


class SpecimenCollection(Element):
    collectedDateTime: str | None = None
    collectedPeriod: Period | None = None


class ResearchSubject(Element):
    status: str | None = None
    study: msgspec.Raw = ABSENT


class ResearchStudy(Element):
    condition: msgspec.Raw = ABSENT


class Encounter(Element):
    status: str | None = None
    type: msgspec.Raw = ABSENT
    period: msgspec.Raw = ABSENT
    hospitalization: msgspec.Raw = ABSENT


class Hospitalization(Element):
    dischargeDisposition: CodeableConcept | None = None
