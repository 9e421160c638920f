"""Invented patients to ask about; nothing of a real one is ever sent.

Every call is about a patient with an id of its own, so that no earlier advice, and no feedback on
it, stands in the way of the next.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

Resource = dict[str, Any]

SNOMED = "http://snomed.info/sct"
MYELOMA, HYPERTENSION = "109989006", "38341003"
WORSENED = "271299001"
HOSTILE = (
    "<img src=x onerror=alert(1)> <script>alert(1)</script> [press](javascript:alert(1)) "
    "**bold** ![x](https://conformance.invalid/x.png) | `code` \N{RIGHT-TO-LEFT OVERRIDE}gnp"
)
"""What a text of a chart may hold, and no card may pass on as markup."""


def new_patient() -> str:
    """The id of a patient nobody has heard of."""
    return f"conformance-{uuid4().hex[:16]}"


def progressed(patient: str, text: str = "") -> list[Resource]:
    """Myeloma that grew three weeks ago under lenalidomide: worth a card."""
    return [
        _patient(patient),
        _condition(patient, "c1", MYELOMA, f"Multiple myeloma {text}".strip()),
        {
            "resourceType": "MedicationRequest",
            "id": f"{patient}-m1",
            "status": "active",
            "intent": "order",
            "subject": _of(patient),
            "authoredOn": _day(320),
            "medicationCodeableConcept": {
                "coding": [
                    {
                        "system": "http://www.nlm.nih.gov/research/umls/rxnorm",
                        "code": "342369",
                        "display": "lenalidomide",
                    }
                ],
                "text": f"lenalidomide {text}".strip(),
            },
        },
        {
            "resourceType": "Observation",
            "id": f"{patient}-o1",
            "status": "final",
            "subject": _of(patient),
            "effectiveDateTime": _day(20),
            "code": {
                "coding": [{"system": "http://loinc.org", "code": "97509-4"}],
                "text": f"Cancer disease status {text}".strip(),
            },
            "valueCodeableConcept": {
                "coding": [{"system": SNOMED, "code": WORSENED}],
                "text": f"Worse {text}".strip(),
            },
        },
    ]


def quiet(patient: str) -> list[Resource]:
    """High blood pressure and nothing else: not worth one."""
    return [_patient(patient), _condition(patient, "c1", HYPERTENSION, "Hypertension")]


def of_somebody_else(patient: str) -> list[Resource]:
    """The right Patient, with a chart that is another's."""
    return [_patient(patient), *progressed(new_patient())[1:]]


def draft_order(patient: str, resource_id: str = "conformance-draft") -> Resource:
    """A new order of the drug under which the cancer grew."""
    return {
        "resourceType": "MedicationRequest",
        "id": resource_id,
        "status": "draft",
        "intent": "order",
        "subject": _of(patient),
        "authoredOn": _day(0),
        "medicationCodeableConcept": {
            "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "342369"}],
            "text": "lenalidomide",
        },
    }


def _patient(patient: str) -> Resource:
    return {"resourceType": "Patient", "id": patient, "gender": "female", "birthDate": "1960-02-01"}


def _condition(patient: str, local_id: str, code: str, text: str) -> Resource:
    clinical = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    return {
        "resourceType": "Condition",
        "id": f"{patient}-{local_id}",
        "clinicalStatus": {"coding": [{"system": clinical, "code": "active"}]},
        "subject": _of(patient),
        "onsetDateTime": _day(400),
        "code": {"coding": [{"system": SNOMED, "code": code}], "text": text},
    }


def _of(patient: str) -> dict[str, str]:
    return {"reference": f"Patient/{patient}"}


def _day(days_ago: int) -> str:
    return (datetime.now(UTC).date() - timedelta(days=days_ago)).isoformat()
