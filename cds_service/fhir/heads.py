"""The head of a resource: the little of it that says what it is, and whose."""

from __future__ import annotations

import msgspec

from cds_service.fhir.bundle_parts import UNREADABLE, Entry, Link


class Reference(msgspec.Struct, gc=False, frozen=True):
    reference: str = ""


class Head(msgspec.Struct, gc=False, frozen=True, rename="camel"):
    """What says whose a resource is."""

    resource_type: str
    id: str = ""
    subject: Reference | None = None
    patient: Reference | None = None
    individual: Reference | None = None

    @property
    def name(self) -> str:
        """What references call it: "Observation/o1"; "" without an id."""
        return f"{self.resource_type}/{self.id}" if self.id else ""

    @property
    def owner(self) -> str:
        """The reference to its patient as the chart writes it, "" without one."""
        owner = self.subject or self.patient or self.individual
        return owner.reference if owner else ""


class _Document(Head, gc=False, frozen=True, rename="camel"):
    """A head, and all that is decoded of a document to tell whether it is a Bundle."""

    type: str = ""
    total: msgspec.Raw = msgspec.Raw()
    link: list[Link] = []
    entry: list[Entry] = []


_document = msgspec.json.Decoder(_Document)
_COLLECTIONS = frozenset({"Bundle", "OperationOutcome"})


def plain_head(document: bytes) -> Head | None:
    """The head of a document that is one resource, wholly as it should be, and no Bundle.

    None of any other: what it is takes a closer look.
    """
    try:
        head = _document.decode(document)
    except UNREADABLE:
        return None
    return None if head.resource_type in _COLLECTIONS else head
