"""1: JSON in general, of discovery and of every answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cds_service.conformance.chart import new_patient, progressed
from cds_service.conformance.deployment import Deployment
from cds_service.conformance.replies import Reply, walk
from cds_service.conformance.requirement import NotChecked, Requirement

EMPTY_OK = frozenset({"cards", "services"})
FHIR = frozenset({"resource"})
"""Inside of a FHIR resource `extension` is a list, and other rules hold."""


def _spoken(d: Deployment) -> Iterator[Reply]:
    yield d.described
    for service in d.offered:
        for make in (d.complete, d.hostile, d.quiet):
            reply = make(service)
            if reply.is_good:
                yield reply


def _is_json(d: Deployment) -> Iterator[str]:
    for reply in _spoken(d):
        if reply.json is None:
            yield str(reply)
        elif reply.media_type != "application/json":
            yield f"{reply.what}: Content-Type {reply.media_type or 'missing'}"


def _nothing_empty(d: Deployment) -> Iterator[str]:
    for path, name, value in _members(d, frozenset({"extension"})):
        if value is None:
            yield f"{path} is null"
        elif value in ("", [], {}) and name not in EMPTY_OK:
            yield f"{path} is empty"


def _strict(d: Deployment) -> Iterator[str]:
    for reply in _spoken(d):
        for liberty in reply.liberties:
            yield f"{reply.what}: {liberty}"


def _extensions(d: Deployment) -> Iterator[tuple[str, Any]]:
    found = [(path, value) for path, name, value in _members(d, FHIR) if name == "extension"]
    if not found:
        raise NotChecked("no extension anywhere")
    yield from found


def _extension_objects(d: Deployment) -> Iterator[str]:
    for path, value in _extensions(d):
        if not isinstance(value, dict):
            yield f"{path} is no object"


def _extension_names(d: Deployment) -> Iterator[str]:
    for path, value in _extensions(d):
        for name in value if isinstance(value, dict) else ():
            if "." not in name.strip("."):
                yield f"{path} has the key {name}"


def _extension_members(d: Deployment) -> Iterator[str]:
    for where, extension in _extensions(d):
        for path, _, value in walk(extension, where, not_into=frozenset()):
            if value is None or value in ("", [], {}):
                yield f"{path} is {'null' if value is None else 'empty'}"


def _unknown_members(d: Deployment) -> Iterator[str]:
    for service in d.answering():
        patient = new_patient()
        unknown = {"conformanceUnknown": {"a": [1, None]}}
        prefetch = service.filled(progressed(patient)) | {
            "conformanceUnknown": {"resourceType": "Basic", "id": "x"}
        }
        call = service.call(patient, prefetch, **unknown)
        call["context"] |= unknown
        reply = d.hook(service, call, "members and prefetch keys that nobody defines")
        if not reply.is_good:
            yield str(reply)


def _members(d: Deployment, not_into: frozenset[str]) -> Iterator[tuple[str, str, Any]]:
    for reply in _spoken(d):
        yield from walk(reply.json, reply.what, not_into=not_into)


CHECKS = (
    Requirement(
        "1.1", "SHALL", "Discovery and answers are JSON, and say so in Content-Type.", _is_json
    ),
    Requirement(
        "1.2",
        "SHALL",
        "Nothing is null, an empty text, list or object, but for `cards` and `services`.",
        _nothing_empty,
    ),
    Requirement("1.4", "SHOULD", "A strict parser takes every answer.", _strict),
    Requirement("1.5", "SHALL", "`extension` is an object wherever it stands.", _extension_objects),
    Requirement(
        "1.6", "SHOULD", "Keys of an extension are globally unique names.", _extension_names
    ),
    Requirement("1.7", "own", "Nothing in an extension is null or empty.", _extension_members),
    Requirement(
        "1.8", "own", "Members that nobody defines are passed over, at every level.",
        _unknown_members,
    ),
)  # fmt: skip
