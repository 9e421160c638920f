"""How bodies and answers are described on the OpenAPI page, the same on every route."""

from __future__ import annotations

from typing import Any

JSON = "application/json"
_OUTCOME = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "error", "code": "invalid", "diagnostics": "hook: …"}],
}
_WHEN = {
    "400": "The call does not have the form it should; the outcome says where.",
    "404": "There is no such service.",
    "408": "The body took too long to arrive.",
    "412": "Data that are needed are not in the prefetch and cannot be read.",
    "413": "The body is too large, or holds too many resources or entries.",
    "415": "The body is not said to be JSON, or is compressed.",
    "503": "The decision log cannot take the decision, so nothing is answered.",
}


def body(description: str, example: dict[str, Any]) -> dict[str, Any]:
    """A request body with an example that can be sent as it stands."""
    return {"required": True, "description": description, "content": _content(example)}


def answers(example: dict[str, Any], *errors: str) -> dict[str, Any]:
    """The answer where all is well, and the statuses of the errors that this route has."""
    said = {"200": {"description": "The answer.", "content": _content(example)}}
    return said | {status: _error(_WHEN[status]) for status in errors}


def _content(example: dict[str, Any]) -> dict[str, Any]:
    return {JSON: {"schema": {"type": "object"}, "example": example}}


def _error(description: str) -> dict[str, Any]:
    return {"description": description, "content": _content(_OUTCOME)}


ANY_ERROR: dict[int | str, dict[str, Any]] = {
    "default": _error("Any other error: an OperationOutcome, without anything of the request.")
}
