"""What the OpenAPI page says of bodies and answers, with examples that can be tried there."""

from __future__ import annotations

from typing import Any

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
_OUTCOME = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "error", "code": "invalid", "diagnostics": "hook: …"}],
}


def _body(description: str, example: dict[str, Any]) -> dict[str, Any]:
    return {
        "required": True,
        "description": description,
        "content": {"application/json": {"schema": {"type": "object"}, "example": example}},
    }


def _answers(example: dict[str, Any], *errors: tuple[str, str]) -> dict[str, Any]:
    answers: dict[str, Any] = {
        "200": {
            "description": "The answer.",
            "content": {"application/json": {"schema": {"type": "object"}, "example": example}},
        }
    }
    for status, description in errors:
        answers[status] = {
            "description": description,
            "content": {"application/json": {"schema": {"type": "object"}, "example": _OUTCOME}},
        }
    return answers


_INVALID = ("400", "The call does not have the form that CDS Hooks asks for.")
_UNAVAILABLE = ("503", "The decision log cannot take the decision; no card may leave.")

DISCOVERY: dict[str, Any] = {"responses": _answers({"services": [{"id": "refractory-status"}]})}
HOOK_CALL: dict[str, Any] = {
    "requestBody": _body("A CDS Hooks call of the hook patient-view.", _CALL),
    "responses": _answers(
        {"cards": []},
        _INVALID,
        ("412", "Data that are needed are not in the prefetch and cannot be read."),
        ("413", "The body is too large."),
        _UNAVAILABLE,
    ),
}
FEEDBACK: dict[str, Any] = {
    "requestBody": _body(
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
    ),
    "responses": _answers({}, _INVALID, ("404", "There is no service of this id."), _UNAVAILABLE),
}
