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


def resource(*types: str) -> Shape:
    """A FHIR resource, of these types or of any; its inside is FHIR's to describe."""
    kind: Shape = one_of(types) if types else TEXT
    return record({"resourceType": kind}, closed=False)


def bundle(*types: str) -> Shape:
    """A Bundle of resources."""
    entry = record({}, {"fullUrl": TEXT, "resource": resource(*types)}, closed=False)
    kind = {"resourceType": one_of(["Bundle"])}
    return record(kind, {"type": TEXT, "entry": listed(entry)}, closed=False)


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
    "404": "There is no such service.",
    "412": "Data that are needed are not in the prefetch and cannot be read.",
    "413": "The body is too large.",
    "503": "The decision log cannot take the decision, so nothing is answered.",
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
