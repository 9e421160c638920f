"""What the OpenAPI page says of the hook's routes, with examples that can be tried there."""

from __future__ import annotations

from typing import Any

from cds_service.hooks import shapes
from cds_service.hooks.services import discovery
from cds_service.openapi import answers, body, record

_CALL: dict[str, Any] = {
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
_DRAFTS = {
    "draftOrders": {
        "resourceType": "Bundle",
        "entry": [
            {
                "resource": {
                    "resourceType": "MedicationRequest",
                    "id": "request-123",
                    "status": "draft",
                    "intent": "order",
                    "subject": {"reference": "Patient/p1"},
                    "medicationCodeableConcept": {"text": "lenalidomide"},
                }
            }
        ],
    }
}
_SELECTED = {"selections": ["MedicationRequest/request-123"]}
_REFUSALS = ("400", "401", "408", "413", "415", "429", "503")
"""What any request with a body may be refused with."""


def _hook(hook: str, **more: Any) -> dict[str, Any]:
    """What is said of the route of one hook, with a call of it."""
    example = _CALL | {"hook": hook, "context": _CALL["context"] | more}
    return {
        "requestBody": body(
            f"A CDS Hooks call of the hook {hook}.", example, shapes.call_shape(hook)
        ),
        "responses": answers({"cards": []}, *_REFUSALS, "412", shape=shapes.CARDS),
    }


NOTHING = record({})
_ONE_SERVICE = {"services": discovery()["services"][:1]}
DISCOVERY: dict[str, Any] = {
    "responses": answers(_ONE_SERVICE, "401", "429", "503", shape=shapes.SERVICES)
}
HOOK_CALLS: dict[str, dict[str, Any]] = {
    "patient-view": _hook("patient-view"),
    "order-select": _hook("order-select", **_SELECTED, **_DRAFTS),
    "order-sign": _hook("order-sign", **_DRAFTS),
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
    "responses": answers({}, *_REFUSALS, "404", shape=NOTHING),
}
