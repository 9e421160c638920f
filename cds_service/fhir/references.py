"""Whose a resource is, read from its bytes, and what a reference points at."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from cds_service.fhir.bundle_parts import UNREADABLE
from cds_service.fhir.bundles import Headed, RawResource
from cds_service.fhir.heads import Head, Reference

T = TypeVar("T")

_LOCAL = re.compile(
    r"(?:^|/)(?P<name>[A-Z][A-Za-z]+/[A-Za-z0-9.\-_]+)(?:/_history/[A-Za-z0-9.\-_]+)?$"
)


class _LooseHead(msgspec.Struct, rename="camel"):
    resource_type: str
    id: msgspec.Raw = msgspec.Raw()
    subject: msgspec.Raw = msgspec.Raw()
    patient: msgspec.Raw = msgspec.Raw()
    individual: msgspec.Raw = msgspec.Raw()


_head = msgspec.json.Decoder(Head)
_loose_head = msgspec.json.Decoder(_LooseHead)
_reference = msgspec.json.Decoder(Reference | None)
_text = msgspec.json.Decoder(str)


def head_of(resource: RawResource) -> Head | None:
    """Read the head of a resource; what is malformed in it counts as absent.

    None where the bytes are no resource at all.
    """
    if isinstance(resource, Headed):
        return resource.head
    try:
        return _head.decode(resource.raw)
    except UNREADABLE:
        pass
    try:
        loose = _loose_head.decode(resource.raw)
    except UNREADABLE:
        return None
    return Head(
        loose.resource_type,
        _or_none(_text, loose.id) or "",
        _or_none(_reference, loose.subject),
        _or_none(_reference, loose.patient),
        _or_none(_reference, loose.individual),
    )


def _or_none(decoder: msgspec.json.Decoder[T], raw: bytes | msgspec.Raw) -> T | None:
    try:
        return decoder.decode(raw)
    except UNREADABLE:
        return None


class _Pointing(msgspec.Struct, rename="camel"):
    """The elements that point at what has no patient, or is of one and no search finds."""

    medication_reference: msgspec.Raw = msgspec.Raw()
    medication: msgspec.Raw = msgspec.Raw()
    study: msgspec.Raw = msgspec.Raw()
    focus: msgspec.Raw = msgspec.Raw()


class _CodeableReference(msgspec.Struct):
    reference: Reference | None = None


_pointing = msgspec.json.Decoder(_Pointing)
_codeable = msgspec.json.Decoder(_CodeableReference)
_list = msgspec.json.Decoder(list[msgspec.Raw])


_POINTING = re.compile(rb'"(?:medication(?:Reference)?|study|focus)"')


def pointed_at_by(resource: RawResource) -> tuple[str, ...]:
    """Medication, trial and focus that a resource points at, as the chart writes the references.

    In R5 the medication may stand in a CodeableReference.
    """
    if _POINTING.search(resource.raw) is None:
        return ()
    pointing = _or_none(_pointing, resource.raw)
    if pointing is None:
        return ()
    r5 = _or_none(_codeable, pointing.medication)
    found = [
        _or_none(_reference, pointing.medication_reference),
        r5.reference if r5 else None,
        _or_none(_reference, pointing.study),
        *(_or_none(_reference, one) for one in _or_none(_list, pointing.focus) or ()),
    ]
    return tuple(reference.reference for reference in found if reference and reference.reference)


def is_of_patient(resource: RawResource, patient_id: str, by_full_url: Mapping[str, str]) -> bool:
    """Whether a resource is this patient's, or says nothing of whose it is.

    A Patient is one by its id alone: without one it could be anybody.
    """
    head = head_of(resource)
    if head is None:
        return False
    if head.resource_type == "Patient":
        return head.id == patient_id
    owner = head.owner
    if not owner or owner == f"urn:uuid:{patient_id}":
        return True
    return local_name(owner, by_full_url) == f"Patient/{patient_id}"


def local_name(reference: str, by_full_url: Mapping[str, str]) -> str:
    """The "Type/id" that a reference points at, "" where it cannot be told.

    Reads relative, absolute and versioned references; `urn:uuid:` and the like by way of
    `by_full_url`, the names of the resources by their address in a Bundle.
    """
    known = by_full_url.get(reference)
    if known is not None:
        return known
    match = _LOCAL.search(reference)
    return match["name"] if match else ""
