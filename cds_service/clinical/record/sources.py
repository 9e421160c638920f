"""The resources of a chart as they came: opened as far as their heads, and whose they are."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from operator import attrgetter
from typing import Protocol, TypeVar

import msgspec

from cds_service.clinical.record import elements
from cds_service.clinical.record.codes import Codes, ObservationCode
from cds_service.clinical.record.elements import ABSENT, decode, optional
from cds_service.clinical.record.r5 import CHANGED, opened_in_r4_shape
from cds_service.clinical.record.reader import Reader
from cds_service.errors import UnreadableInput

T = TypeVar("T")
UUID_LENGTH = 36
LATER_STATUSES = {"amended": 1, "corrected": 2, "cancelled": 3, "entered-in-error": 4}
"""Statuses of an Observation that follow "final", in the order in which they can."""


class RawResource(Protocol):
    """A resource as it travels: its JSON, and the URL that its Bundle gave it (or an empty one)."""

    @property
    def raw(self) -> bytes | msgspec.Raw: ...
    @property
    def full_url(self) -> str: ...


AnyResource = RawResource | Mapping[str, object] | bytes | str


class Source(msgspec.Struct, frozen=True, gc=False):
    """One resource of the chart: as it was given, its JSON in R4 shape, head and reference.

    `code` only of an Observation.
    """

    given: AnyResource
    raw: bytes | msgspec.Raw
    head: elements.Head
    reference: str
    full_url: str
    code: ObservationCode


NO_CODE = ObservationCode()
_heads = msgspec.json.Decoder(elements.Head)
_FAULTS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def open_sources(resources: Iterable[AnyResource], reader: Reader) -> list[Source]:
    """The head of each resource; what has none becomes an issue, if its type is read at all."""
    opened = []
    codes = Codes(reader.knowledge)
    head_of, code_as_written = _heads.decode, codes.read.get
    for resource in resources:
        raw = getattr(resource, "raw", None)
        if raw is None:
            raw, full_url = _raw(resource), ""
        else:
            full_url = resource.full_url  # type: ignore[union-attr]
        code = NO_CODE
        try:
            head = head_of(raw)
            if head.resourceType == "Observation":
                written = bytes(head.code)
                code = code_as_written(written) or codes.read_anew(written)
        except _FAULTS:
            repaired = _repaired(raw, reader)
            if repaired is None:
                continue
            head = repaired
        type_ = head.resourceType
        if type_ in CHANGED:
            shaped = opened_in_r4_shape(raw, head)
        elif type_ == "Bundle":
            raise UnreadableInput("a Bundle stands among the resources: pass its entries")
        else:
            shaped = raw
        reference = f"{type_}/{head.id}" if head.id else full_url or f"{type_}/{_digest(raw)}"
        opened.append(Source(resource, shaped, head, reference, full_url, code))
    return opened


def _repaired(raw: bytes | msgspec.Raw, reader: Reader) -> elements.Head | None:
    """The head of a resource with a fault, if that lies in nothing that is read of its type."""
    try:
        decode(raw, elements.OpenHead)
        why = "left out: not valid JSON"
    except msgspec.DecodeError as fault:
        why = why_invalid(fault)
    members = optional(msgspec.Raw(bytes(raw)), dict[str, msgspec.Raw]) or {}
    type_ = optional(members.get("resourceType", ABSENT), str) or ""
    if type_ != "Observation":
        rest = {name: value for name, value in members.items() if name not in ("code", "status")}
        head = optional(msgspec.Raw(msgspec.json.encode(rest)), elements.Head)
        if head is not None:
            return head
    if not type_ or type_ in elements.READ_TYPES:
        name = f"{type_ or 'resource'}/{_id(members) or _digest(raw)}"
        reader.note("warning", "invalid-resource", name, why)
    return None


def _id(members: Mapping[str, msgspec.Raw]) -> str | None:
    return optional(members.get("id", ABSENT), str)


def _raw(resource: AnyResource) -> bytes | msgspec.Raw:
    if isinstance(resource, (bytes, msgspec.Raw)):
        return resource
    if isinstance(resource, str):
        return resource.encode(errors="replace")
    return _encoded(resource)  # type: ignore[arg-type]


def _encoded(resource: Mapping[str, object]) -> bytes:
    try:
        return msgspec.json.encode(resource)
    except UnicodeEncodeError:  # half of a surrogate pair: no JSON text, refused when it is read
        return json.dumps(resource).encode()


def _digest(raw: bytes | msgspec.Raw) -> str:
    return f"#{sha256(bytes(raw)).hexdigest()[:12]}"


def why_invalid(fault: msgspec.DecodeError) -> str:
    """The fault in words; msgspec names path and types, and quotes values of enumerations only."""
    if isinstance(fault, msgspec.ValidationError):
        return f"left out: {str(fault).replace('`', '')}"
    return "left out: not valid JSON"


def read_source(source: Source, into: type[T], reader: Reader) -> T | None:
    """The structure of a resource; None, with an issue, where an element of it is faulty."""
    try:
        return decode(source.raw, into)
    except msgspec.DecodeError as fault:
        reader.note("warning", "invalid-resource", source.reference, why_invalid(fault))
        return None


def aliases_of(sources: Sequence[Source]) -> dict[str, str]:
    """Full URLs and bare ids of Bundle entries → `Type/id`; of several the first by name."""
    aliases: dict[str, str] = {}
    for source in sources:
        if source.full_url[:4] == "urn:":
            _alias(source.full_url, source.reference, aliases)
        own = source.head.id
        if own and len(own) == UUID_LENGTH:
            _alias(own, source.reference, aliases)
    return aliases


def _alias(name: str, reference: str, aliases: dict[str, str]) -> None:
    aliases[name] = min(aliases.get(name, reference), reference)


def _subject(source: Source) -> elements.Reference | None:
    return source.head.subject or source.head.patient or source.head.individual


def in_order(sources: Iterable[Source]) -> list[Source]:
    """By reference; of several versions of one resource, by content."""
    found = sorted(sources, key=attrgetter("reference"))
    if len({source.reference for source in found}) < len(found):
        found.sort(key=lambda source: (source.reference, bytes(source.raw)))
    return found


def latest_versions(sources: Sequence[Source], reader: Reader) -> list[Source]:
    """The resources without older versions of themselves, where the chart tells which is older.

    By when they were last updated, else by version; of an Observation without either by its
    status: what was withdrawn or corrected stands for what it had been.
    """
    if len({source.reference for source in sources}) == len(sources):
        return list(sources)
    by_reference: dict[str, list[Source]] = {}
    for source in sources:
        by_reference.setdefault(source.reference, []).append(source)
    older = {id(source) for same in by_reference.values() for source in _older(same)}
    for source in sources:
        if id(source) in older:
            reader.note(
                "information",
                "older-version",
                source.reference,
                "a newer version of the same resource is there; not used",
            )
    return [source for source in sources if id(source) not in older]


def _older(same: Sequence[Source]) -> list[Source]:
    if len(same) < 2 or len({source.full_url for source in same}) > 1:
        return []
    for age in (_updated, _version, _withdrawal):
        ages = [age(source) for source in same]
        if None not in ages and len(set(ages)) > 1:
            newest = max(a for a in ages if a is not None)
            return [source for source, a in zip(same, ages, strict=True) if a != newest]
    return []


def _meta(source: Source) -> elements.Meta:
    versioned = decode(source.raw, elements.Versioned)
    return optional(versioned.meta, elements.Meta) or elements.Meta()


def _updated(source: Source) -> float | None:
    try:
        updated = datetime.fromisoformat(_meta(source).lastUpdated or "")
    except ValueError:
        return None
    return (updated if updated.tzinfo else updated.replace(tzinfo=UTC)).timestamp()


def _version(source: Source) -> float | None:
    number = _meta(source).versionId or ""
    return float(number) if number.isascii() and number.isdigit() else None


def _withdrawal(source: Source) -> float | None:
    if source.head.resourceType != "Observation":
        return None
    return float(LATER_STATUSES.get(source.head.status or "", 0))


def whose(sources: Sequence[Source], reader: Reader) -> str:
    """The reference of the patient whose chart it is: the only one, else the most often named."""
    patients = sorted(s.reference for s in sources if s.head.resourceType == "Patient")
    if len(patients) == 1:
        return patients[0]
    written = Counter(
        subject.reference
        for source in sources
        if (subject := _subject(source)) is not None and subject.reference
    )
    if not written:
        return patients[0] if patients else ""
    named: Counter[str] = Counter()
    for text, count in written.items():
        named[reader.local(text)] += count
    most = max(named.values())
    return min(reference for reference, count in named.items() if count == most)


def own_of(sources: Iterable[Source], own: str, reader: Reader) -> list[Source]:
    """The resources that are this patient's; a foreign one is reported, never used."""
    kept = []
    is_own: dict[str, bool] = {}
    for source in sources:
        head = source.head
        subject = head.subject or head.patient or head.individual
        if subject is not None and (written := subject.reference):
            mine = is_own.get(written)
            if mine is None:
                mine = is_own[written] = reader.local(written) in ("", own)
        else:
            mine = head.resourceType != "Patient" or source.reference == own
        if mine:
            kept.append(source)
        else:
            reader.note(
                "warning", "other-patient", source.reference, "belongs to another patient; not used"
            )
    return kept
