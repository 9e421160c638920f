"""The parts of a Bundle as they stand in JSON: only what unpacking looks at is decoded."""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from cds_service.errors import TooManyResources

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""All that msgspec raises on bytes that are not what they should be."""

_ABSENT = msgspec.Raw()
_NULL = msgspec.Raw(b"null")


class Link(msgspec.Struct, gc=False):
    relation: str = ""
    url: str = ""


class Entry(msgspec.Struct, gc=False, rename="camel"):
    """An entry; what is absent, or null, is empty."""

    full_url: str = ""
    resource: msgspec.Raw = _ABSENT
    request: msgspec.Raw = _ABSENT
    response: msgspec.Raw = _ABSENT


class _Bundle(msgspec.Struct, gc=False, rename="camel"):
    resource_type: str
    type: str = ""
    total: msgspec.Raw = _ABSENT
    link: list[Link] = []
    entry: list[Entry] = []


class _LooseBundle(msgspec.Struct, gc=False, rename="camel"):
    resource_type: str
    type: msgspec.Raw = _ABSENT
    total: msgspec.Raw = _ABSENT
    link: msgspec.Raw = _ABSENT
    entry: msgspec.Raw = _ABSENT


class _LooseEntry(msgspec.Struct, gc=False):
    resource: msgspec.Raw = _ABSENT


class _Resource(msgspec.Struct, gc=False, rename="camel"):
    resource_type: str


class _NamedResource(msgspec.Struct, gc=False, rename="camel"):
    resource_type: str
    id: str = ""


class _Issue(msgspec.Struct, gc=False):
    severity: str = "error"


class _Outcome(msgspec.Struct, gc=False):
    issue: list[_Issue]


class _Request(msgspec.Struct, gc=False):
    url: str = ""


class _Response(msgspec.Struct, gc=False):
    status: str = ""
    outcome: msgspec.Raw = _ABSENT


_TYPE_FIRST = re.compile(rb'\s*\{\s*"resourceType"\s*:\s*"([A-Za-z]+)"')

is_plainly_a_resource = re.compile(
    rb'\s*\{\s*"resourceType"\s*:\s*"(?!Bundle"|OperationOutcome")[A-Za-z]+"'
).match
"""Whether well-formed JSON begins as a resource that is to be taken as it is."""

_bundle = msgspec.json.Decoder(_Bundle)
_loose_bundle = msgspec.json.Decoder(_LooseBundle)
_resource = msgspec.json.Decoder(_Resource)
_named_resource = msgspec.json.Decoder(_NamedResource)
_entry = msgspec.json.Decoder(Entry)
_loose_entry = msgspec.json.Decoder(_LooseEntry)
_raws = msgspec.json.Decoder(list[msgspec.Raw])
_links = msgspec.json.Decoder(list[Link])
_outcome = msgspec.json.Decoder(_Outcome)
_request = msgspec.json.Decoder(_Request)
_response = msgspec.json.Decoder(_Response)
_text = msgspec.json.Decoder(str)
_count = msgspec.json.Decoder(int)


@dataclass(frozen=True, slots=True)
class ReadBundle:
    """A Bundle with its entries still closed; None stands for an entry that is no object.

    `next_url` is "" where further pages are announced, or may be, and cannot be reached.
    `total` is how many matches the Bundle says there are; 0 where it says nothing.
    `faults` are parts that have not the form FHIR gives them: which part, and what is wrong.
    """

    type: str
    next_url: str | None
    entries: list[Entry | None]
    faults: tuple[tuple[str, str], ...] = ()
    total: int = 0

    @property
    def is_short(self) -> bool:
        """Whether it holds fewer resources than it says there are, with no page to follow.

        A history counts deletions too, which have none.
        """
        if not self.total or self.next_url is not None or self.type == "history":
            return False
        return sum(1 for entry in self.entries if entry and entry.resource) < self.total


def read_bundle(document: bytes | msgspec.Raw, most: int | None = None) -> ReadBundle | None:
    """The document as a Bundle, or None where it is another resource.

    Raises one of `UNREADABLE` where it is not JSON, or no object with a resourceType, and
    TooManyResources where it has more than `most` entries, before any of them is read by itself.
    """
    try:
        bundle = _bundle.decode(document)
    except (msgspec.ValidationError, UnicodeDecodeError):
        loose = _loose_bundle.decode(document)
        return _read_loosely(loose, most) if loose.resource_type == "Bundle" else None
    if bundle.resource_type != "Bundle":
        return None
    return ReadBundle(
        bundle.type,
        _next(bundle.link),
        [e if len(e.resource) > len(_NULL) else _nulls_out(e) for e in bundle.entry],
        total=_total(bundle.total),
    )


def _read_loosely(bundle: _LooseBundle, most: int | None) -> ReadBundle:
    """Read part by part a Bundle of which some part is malformed."""
    faults: list[tuple[str, str]] = []
    next_url: str | None = None
    raws: list[msgspec.Raw] = []
    if _has(bundle.link):
        try:
            next_url = _next(_links.decode(bundle.link))
        except UNREADABLE:
            next_url = ""
            faults.append(("link", "not a list of links, so further pages may be missing"))
    if _has(bundle.entry):
        try:
            raws = _raws.decode(bundle.entry)
        except UNREADABLE:
            faults.append(("entry", "not a list"))
    if most is not None and len(raws) > most:
        raise TooManyResources
    return ReadBundle(
        _text_or_nothing(bundle.type),
        next_url,
        [_read_entry(r) for r in raws],
        tuple(faults),
        _total(bundle.total),
    )


def _read_entry(raw: msgspec.Raw) -> Entry | None:
    try:
        return _nulls_out(_entry.decode(raw))
    except UNREADABLE:
        pass
    try:  # the address beside it may be malformed: the resource still counts
        return _nulls_out(Entry(resource=_loose_entry.decode(raw).resource))
    except UNREADABLE:
        return None


def _has(part: msgspec.Raw) -> bool:
    return len(part) > 0 and part != _NULL


def _nulls_out(entry: Entry) -> Entry:
    if len(entry.resource) == len(_NULL) and entry.resource == _NULL:
        entry.resource = _ABSENT
    return entry


def _next(links: list[Link]) -> str | None:
    return next((link.url for link in links if link.relation == "next"), None)


def _total(raw: msgspec.Raw) -> int:
    if not _has(raw):
        return 0
    try:
        return _count.decode(raw)
    except UNREADABLE:
        return 0


def _text_or_nothing(raw: msgspec.Raw) -> str:
    try:
        return _text.decode(raw)
    except UNREADABLE:
        return ""


def type_of(resource: bytes | msgspec.Raw) -> str:
    """The resourceType of well-formed JSON; raises one of `UNREADABLE` where there is none.

    Where it stands first, as nearly all servers write it, the rest is not looked at.
    """
    match = _TYPE_FIRST.match(resource)
    return match[1].decode("ascii") if match else _resource.decode(resource).resource_type


def type_and_id(resource: msgspec.Raw) -> str | None:
    """The name "Type/id" of a resource; None without an id. Raises one of `UNREADABLE`."""
    named = _named_resource.decode(resource)
    return f"{named.resource_type}/{named.id}" if named.id else None


def named_by_request(request: msgspec.Raw) -> str | None:
    """The name "Type/id" that an entry's request is about (a deletion in a history)."""
    try:
        return _request.decode(request).url.split("/_history/")[0] or None
    except UNREADABLE:
        return None


def is_error_outcome(outcome: msgspec.Raw) -> bool:
    """Whether an OperationOutcome reports an error; one that cannot be read does."""
    try:
        issues = _outcome.decode(outcome).issue
    except UNREADABLE:
        return True
    return any(issue.severity in ("error", "fatal") for issue in issues)


def is_error_response(response: msgspec.Raw) -> bool:
    """Whether a batch's answer to one of its requests is a failure."""
    try:
        read = _response.decode(response)
    except UNREADABLE:
        return False
    return read.status[:1] in ("4", "5") or (_has(read.outcome) and is_error_outcome(read.outcome))
