"""R4 resources rewritten as a server that has moved on to R5 sends them."""

from __future__ import annotations

import copy
from typing import Any

Resource = dict[str, Any]

ADHERENCE = {
    "active": "taking-as-directed",
    "completed": "stopped-as-directed",
    "stopped": "stopped",
    "on-hold": "on-hold-as-directed",
    "not-taken": "not-taking",
    "unknown": "unknown",
}
SYSTEM_OF_ADHERENCE = "http://hl7.org/fhir/CodeSystem/medication-statement-adherence"


def as_r5(resource: Resource) -> Resource:
    """A copy in the shape of R5, with no element left under a name that only R4 has."""
    made = copy.deepcopy(resource)
    if "contained" in made:
        made["contained"] = [as_r5(inside) for inside in made["contained"]]
    _use(made)
    _event(made)
    _study(made)
    reasons = [{"concept": concept} for concept in made.pop("reasonCode", [])]
    reasons += [{"reference": reference} for reference in made.pop("reasonReference", [])]
    if reasons:
        made["reason"] = reasons
    return made


def _use(made: Resource) -> None:
    kind = made["resourceType"]
    for part in made.get("ingredient", []):
        _merge(part, "item", "itemCodeableConcept", "itemReference")
    _merge(made, "medication", "medicationCodeableConcept", "medicationReference")
    if kind == "MedicationAdministration":
        _rename(made, effectiveDateTime="occurenceDateTime", effectivePeriod="occurencePeriod")
    if kind == "MedicationStatement" and made.get("status") in ADHERENCE:
        code = {"system": SYSTEM_OF_ADHERENCE, "code": ADHERENCE[made["status"]]}
        made |= {"status": "recorded", "adherence": {"code": {"coding": [code]}}}


def _event(made: Resource) -> None:
    kind = made["resourceType"]
    if kind == "Procedure":
        _rename(made, performedDateTime="occurrenceDateTime", performedPeriod="occurrencePeriod")
    if kind == "ServiceRequest" and "code" in made:
        made["code"] = {"concept": made["code"]}
    if kind == "Encounter":
        _rename(made, period="actualPeriod", hospitalization="admission")
        made["class"] = [{"coding": [made["class"]]}]
        if made["status"] == "finished":
            made["status"] = "completed"


def _study(made: Resource) -> None:
    kind = made["resourceType"]
    if kind == "AllergyIntolerance":
        made["type"] = {"coding": [{"code": made["type"]}]}
    if kind == "ImagingStudy":
        _as_r5_images(made)
    if kind == "ResearchSubject":
        state = {"coding": [{"code": made["status"]}]}
        made |= {"status": "active", "progress": [{"subjectState": state}]}
        _rename(made, individual="subject")
    if kind == "BodyStructure":
        made["includedStructure"] = [{"structure": made.pop("location")}]


def _as_r5_images(made: Resource) -> None:
    if "modality" in made:
        made["modality"] = [{"coding": [coding]} for coding in made["modality"]]
    if "procedureCode" in made:
        made["procedure"] = [{"concept": concept} for concept in made.pop("procedureCode")]
    for series in made.get("series", []):
        if "modality" in series:
            series["modality"] = {"coding": [series["modality"]]}
        if "bodySite" in series:
            series["bodySite"] = {"concept": {"coding": [series["bodySite"]]}}


def _merge(made: Resource, name: str, concept: str, reference: str) -> None:
    both = {"concept": made.pop(concept, None), "reference": made.pop(reference, None)}
    if found := {part: value for part, value in both.items() if value is not None}:
        made[name] = found


def _rename(made: Resource, **names: str) -> None:
    for r4, r5 in names.items():
        if r4 in made:
            made[r5] = made.pop(r4)
