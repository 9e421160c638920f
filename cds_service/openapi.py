"""How bodies and answers are described on the OpenAPI page, the same on every route.

Shapes are JSON Schema (2020-12), in our own words and no larger than a reader needs. They say what
is sent back exactly, and of what comes in only what is looked at.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

Shape = dict[str, Any]

JSON = "application/json"
ANYTHING: Shape = {"type": "object"}
TEXT: Shape = {"type": "string", "minLength": 1}
DAY: Shape = {"type": "string", "format": "date"}
UUID: Shape = {
    "type": "string",
    "pattern": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
}


def record(required: Shape, optional: Shape | None = None, *, closed: bool = True) -> Shape:
    """The shape of an object by its members; `closed` where it has no others."""
    shape: Shape = {"type": "object", "properties": required | (optional or {})}
    if required:
        shape["required"] = list(required)
    return shape | ({"additionalProperties": False} if closed else {})


def listed(shape: Shape, *, least: int = 0) -> Shape:
    """The shape of a list of these."""
    return {"type": "array", "items": shape} | ({"minItems": least} if least else {})


def one_of(words: Collection[str]) -> Shape:
    """One of these words."""
    return {"type": "string", "enum": list(words)}


def or_null(shape: Shape) -> Shape:
    return {"anyOf": [shape, {"type": "null"}]}


CONCEPT = record(
    {},
    {
        "coding": listed(record({}, {"system": TEXT, "code": TEXT, "display": TEXT}, closed=False)),
        "text": TEXT,
    },
    closed=False,
)
_OF_PATIENT = record({}, {"reference": TEXT}, closed=False)
_QUANTITY = record(
    {}, {"value": {"type": "number"}, "unit": TEXT, "system": TEXT, "code": TEXT}, closed=False
)
_MOMENT: Shape = {
    "type": "string",
    "pattern": r"^[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01])"
    r"(T[0-9:.]{8,18}(Z|[+-][0-9]{2}:[0-9]{2}))?)?)?$",
}
_OF_CHART: Shape = {"id": TEXT, "subject": _OF_PATIENT, "code": CONCEPT, "status": TEXT}
LOOKED_AT: dict[str, Shape] = {
    "Patient": {"id": TEXT, "birthDate": _MOMENT, "gender": TEXT},
    "Condition": _OF_CHART
    | {
        "clinicalStatus": CONCEPT,
        "verificationStatus": CONCEPT,
        "onsetDateTime": _MOMENT,
        "abatementDateTime": _MOMENT,
    },
    "MedicationRequest": _OF_CHART
    | {"intent": TEXT, "authoredOn": _MOMENT, "medicationCodeableConcept": CONCEPT},
    "MedicationAdministration": _OF_CHART
    | {"effectiveDateTime": _MOMENT, "medicationCodeableConcept": CONCEPT},
    "Observation": _OF_CHART
    | {
        "effectiveDateTime": _MOMENT,
        "valueCodeableConcept": CONCEPT,
        "valueQuantity": _QUANTITY,
    },
    "Procedure": _OF_CHART | {"performedDateTime": _MOMENT},
    "ServiceRequest": _OF_CHART | {"intent": TEXT, "authoredOn": _MOMENT},
    "DiagnosticReport": _OF_CHART
    | {"effectiveDateTime": _MOMENT, "conclusionCode": listed(CONCEPT)},
}
"""Members of FHIR resources that are often looked at; there are more, and none has to be there."""


def resource(kind: str = "") -> Shape:
    """A FHIR resource of this type, or of any; the rest of its inside is FHIR's to describe."""
    named: Shape = {"resourceType": one_of([kind]) if kind else TEXT}
    return record(named, LOOKED_AT.get(kind), closed=False)


def bundle(*types: str) -> Shape:
    """A Bundle of resources of these types, or of all that are read."""
    kinds = [resource(kind) for kind in types or (*LOOKED_AT, "")]
    inside = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    entry = record({}, {"fullUrl": TEXT, "resource": inside}, closed=False)
    named = {"resourceType": one_of(["Bundle"])}
    return record(named, {"type": TEXT, "entry": listed(entry)}, closed=False)


OUTCOME_SHAPE = record(
    {
        "resourceType": one_of(["OperationOutcome"]),
        "issue": listed(
            record(
                {
                    "severity": one_of(["fatal", "error", "warning", "information"]),
                    "code": TEXT,
                    "diagnostics": TEXT,
                },
                {"expression": listed(TEXT, least=1)},
            ),
            least=1,
        ),
    }
)
_OUTCOME = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "error", "code": "invalid", "diagnostics": "hook: …"}],
}
_WHEN = {
    "400": "The call does not have the form it should; the outcome says where.",
    "401": "The token of the caller does not hold.",
    "404": "There is no such service.",
    "408": "The body took too long to arrive.",
    "412": "Data that are needed are not in the prefetch and cannot be read.",
    "413": "The body is too large, or holds too many resources or entries.",
    "415": "The body is not said to be JSON, or is compressed.",
    "429": "Too many calls in a minute; Retry-After says when the next is taken.",
    "503": "The decision log cannot take the decision, or too many calls are under way.",
}


def body(description: str, example: dict[str, Any], shape: Shape = ANYTHING) -> dict[str, Any]:
    """A request body with an example that can be sent as it stands."""
    return {"required": True, "description": description, "content": content(example, shape)}


def answers(example: dict[str, Any], *errors: str, shape: Shape = ANYTHING) -> dict[str, Any]:
    """The answer where all is well, and the statuses of the errors that this route has."""
    said = {"200": {"description": "The answer.", "content": content(example, shape)}}
    return said | {status: _error(_WHEN[status]) for status in errors}


def content(example: dict[str, Any], shape: Shape = ANYTHING) -> dict[str, Any]:
    """JSON of this shape."""
    return {JSON: {"schema": shape, "example": example}}


def _error(description: str) -> dict[str, Any]:
    return {"description": description, "content": content(_OUTCOME, OUTCOME_SHAPE)}


ANY_ERROR: dict[int | str, dict[str, Any]] = {
    "default": _error("Any other error: an OperationOutcome, without anything of the request.")
}
