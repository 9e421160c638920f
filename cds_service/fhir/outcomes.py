"""Errors as FHIR: an OperationOutcome with a code and a sentence, and nothing of the chart."""

from __future__ import annotations

from cds_service.errors import InvalidRequest, RefractoryCdsError


def operation_outcome(code: str, sentence: str, where: str = "") -> dict[str, object]:
    """One error of this FHIR issue type; `where` is a path into the request."""
    issue: dict[str, object] = {"severity": "error", "code": code, "diagnostics": sentence}
    if where:
        issue["expression"] = [where]
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def outcome_of(error: RefractoryCdsError) -> dict[str, object]:
    """The OperationOutcome of an error that was raised on purpose."""
    where = error.where if isinstance(error, InvalidRequest) else ""
    return operation_outcome(error.code, str(error), where)
