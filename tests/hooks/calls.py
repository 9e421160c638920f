"""Calls of the hook as EHRs send them, and charts worth a card."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import charts

from cds_service.clinical.assessment import Assessment
from cds_service.hooks.cards import Card, CardMaker, cards_under, contents_for

SERVICE = "refractory-status"
REQUIRED = ("patient", "conditions", "medicationRequests", "observations")
KEY_OF = {
    "Patient": "patient",
    "Condition": "conditions",
    "MedicationRequest": "medicationRequests",
    "Observation": "observations",
    "MedicationAdministration": "medicationAdministrations",
    "Procedure": "procedures",
    "ServiceRequest": "serviceRequests",
    "DiagnosticReport": "diagnosticReports",
    "MedicationDispense": "medicationDispenses",
    "MedicationStatement": "medicationStatements",
    "ImagingStudy": "imagingStudies",
    "AllergyIntolerance": "allergyIntolerances",
    "ResearchSubject": "researchSubjects",
    "Specimen": "specimens",
}
KEYS = tuple(KEY_OF.values())
TYPE_OF = {key: resource_type for resource_type, key in KEY_OF.items()}
OPTIONAL = tuple(key for key in KEYS if key not in REQUIRED)
INSTANCE = "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"

Resource = dict[str, Any]
Call = dict[str, Any]


def call(prefetch: dict[str, Any] | None = None, **changes: Any) -> Call:
    """A call of `patient-view` for p1; a change to None takes the member away."""
    made: Call = {
        "hook": "patient-view",
        "hookInstance": INSTANCE,
        "context": {"userId": "Practitioner/dr-a", "patientId": "p1"},
    }
    if prefetch is not None:
        made["prefetch"] = prefetch
    made |= changes
    return {name: value for name, value in made.items() if value is not None}


def bundle(*resources: Resource, **members: Any) -> Resource:
    """A searchset of these resources."""
    entries = [{"resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "type": "searchset", "entry": entries} | members


def prefetch_of(resources: Iterable[Resource], *, keys: Iterable[str] = KEYS) -> dict[str, Any]:
    """The chart as a client prefetches it: the Patient, and a Bundle for each other key."""
    by_key: dict[str, list[Resource]] = {key: [] for key in keys}
    for resource in resources:
        if (key := KEY_OF[resource["resourceType"]]) in by_key:
            by_key[key].append(copy.deepcopy(resource))
    return {
        key: found[0] if key == "patient" and len(found) == 1 else bundle(*found)
        for key, found in by_key.items()
    }


def myeloma() -> list[Resource]:
    """Progression on lenalidomide and dexamethasone: one cancer, one line, one card."""
    return [
        charts.patient(),
        charts.condition("multiple-myeloma", onset="2025-12-01"),
        charts.order("lenalidomide", "2026-01-05"),
        charts.order("dexamethasone", "2026-01-05"),
        *charts.given("lenalidomide", ["2026-01-05", "2026-02-02"]),
        charts.disease_status("stable", "2026-05-02", by="imaging"),
        charts.disease_status("progression", "2026-11-02", by="imaging"),
        charts.procedure("biopsy", "2025-11-20"),
        charts.service_request("ct", "2025-11-21", status="completed"),
        charts.report("No change of the lesions.", "2026-05-02"),
        charts.dispensed("dexamethasone", "2026-01-05", days=28),
        charts.stated("dexamethasone", "2026-01-05", "2026-02-05"),
        *besides(),
    ]


def besides() -> list[Resource]:
    """What says nothing more of the myeloma: old images, a rash, a trial that is over, a sample."""
    subject = {"reference": "Patient/p1"}
    return [
        {"resourceType": "ImagingStudy", "id": "is1", "status": "available", "subject": subject,
         "started": "2025-11-21", "modality": [{"code": "CT"}]},
        {"resourceType": "AllergyIntolerance", "id": "ai1", "patient": subject,
         "code": {"text": "penicillin"}},
        {"resourceType": "ResearchSubject", "id": "rs1", "individual": subject,
         "status": "off-study", "study": {"display": "a trial"}},
        {"resourceType": "Specimen", "id": "sp1", "subject": subject,
         "type": {"coding": [{"code": "119376003"}]},
         "collection": {"collectedDateTime": "2025-11-20"}},
    ]  # fmt: skip


def quiet() -> list[Resource]:
    """A chart without a cancer: nothing to say."""
    return [charts.patient(), charts.problem("Hypertension", code="38341003")]


def outcome(severity: str = "error", code: str = "exception") -> Resource:
    issue = {"severity": severity, "code": code, "diagnostics": "the search failed"}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def cards_for(assessment: Assessment, decision_id: str, maker: CardMaker) -> list[Card]:
    """The cards of one decision on an assessment."""
    return cards_under(decision_id, contents_for(assessment, maker))
