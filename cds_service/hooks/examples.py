"""What the OpenAPI page says of the hook's routes, with examples that can be tried there."""

from __future__ import annotations

from typing import Any

from cds_service.hooks import shapes
from cds_service.openapi import answers, body, record

_CALL = {
    "hook": "patient-view",
    "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
    "context": {"userId": "Practitioner/example", "patientId": "p1"},
    "prefetch": {
        "patient": {"resourceType": "Patient", "id": "p1"},
        "conditions": {
            "resourceType": "Bundle",
            "type": "searchset",
            "entry": [
                {
                    "resource": {
                        "resourceType": "Condition",
                        "id": "c1",
                        "subject": {"reference": "Patient/p1"},
                        "code": {
                            "coding": [{"system": "http://snomed.info/sct", "code": "109989006"}]
                        },
                    }
                }
            ],
        },
        "medicationRequests": {
            "resourceType": "Bundle",
            "type": "searchset",
            "entry": [
                {
                    "resource": {
                        "resourceType": "MedicationRequest",
                        "id": "m1",
                        "status": "active",
                        "intent": "order",
                        "subject": {"reference": "Patient/p1"},
                        "authoredOn": "2026-01-05",
                        "medicationCodeableConcept": {"text": "lenalidomide"},
                    }
                }
            ],
        },
        "observations": {
            "resourceType": "Bundle",
            "type": "searchset",
            "entry": [
                {
                    "resource": {
                        "resourceType": "Observation",
                        "id": "o1",
                        "status": "final",
                        "subject": {"reference": "Patient/p1"},
                        "effectiveDateTime": "2026-06-01",
                        "code": {"coding": [{"system": "http://loinc.org", "code": "97509-4"}]},
                        "valueCodeableConcept": {
                            "coding": [{"system": "http://snomed.info/sct", "code": "271299001"}]
                        },
                    }
                }
            ],
        },
    },
}
_SERVICE = {
    "id": "refractory-status",
    "hook": "patient-view",
    "title": "Possible refractory cancer status",
    "description": "…",
    "prefetch": {"patient": "Patient/{{context.patientId}}"},
}
NOTHING = record({})
DISCOVERY: dict[str, Any] = {"responses": answers({"services": [_SERVICE]}, shape=shapes.SERVICES)}
HOOK_CALL: dict[str, Any] = {
    "requestBody": body(
        "A CDS Hooks call of the hook patient-view.", _CALL, shapes.call_shape("patient-view")
    ),
    "responses": answers({"cards": []}, "400", "408", "412", "413", "415", "503", shape=shapes.CARDS),
}
FEEDBACK: dict[str, Any] = {
    "requestBody": body(
        "Feedback on one or several cards.",
        {
            "feedback": [
                {
                    "card": "9c1dbd52-1ac5-4bd1-a8ea-5b0d4bbd5f05",
                    "outcome": "overridden",
                    "outcomeTimestamp": "2026-11-21T09:00:00Z",
                    "overrideReason": {"reason": {"code": "already-done"}},
                }
            ]
        },
        shapes.FEEDBACK,
    ),
    "responses": answers({}, "400", "404", "408", "413", "415", "503", shape=NOTHING),
}
