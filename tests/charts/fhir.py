"""FHIR's own small shapes: codings, references, ids."""

import re
from typing import Any

Resource = dict[str, Any]
Coding = tuple[str, str, str | None]


def concept(*codings: Coding, text: str | None = None) -> dict[str, Any]:
    """A CodeableConcept of (system, code, display) triples, with or without a text."""
    made: dict[str, Any] = {}
    if codings:
        made["coding"] = [
            {"system": system, "code": code} | ({"display": display} if display else {})
            for system, code, display in codings
        ]
    if text is not None:
        made["text"] = text
    return made


def reference(resource_type: str, id: str) -> dict[str, str]:
    """A literal reference inside the chart."""
    return {"reference": f"{resource_type}/{id}"}


def identified(*parts: object) -> str:
    """A readable id from what the resource says; the same for the same content."""
    words = "-".join(str(part) for part in parts if part is not None)
    return re.sub(r"[^A-Za-z0-9.-]+", "-", words)[:64]
