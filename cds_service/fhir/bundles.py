"""FHIR JSON taken apart into single resources, each still the bytes it came in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from cds_service.errors import TooManyResources, UnreadableInput
from cds_service.fhir.bundle_parts import (
    UNREADABLE,
    Entry,
    ReadBundle,
    is_error_outcome,
    is_error_response,
    is_plainly_a_resource,
    named_by_request,
    read_bundle,
    type_and_id,
    type_of,
)
from cds_service.fhir.heads import Head

DEEPEST_BUNDLE = 4
"""A Bundle may hold Bundles (a batch of searches does); more levels than this are no chart."""


class RawResource(msgspec.Struct, frozen=True, gc=False):
    """One resource as its JSON bytes; `full_url` is its address in the Bundle, "" without one.

    Charts have thousands: a Struct is made in a fifth of the time of a frozen dataclass.
    """

    raw: bytes
    full_url: str = ""


class Headed(RawResource, frozen=True, gc=False):
    """A resource whose head was read on the way in."""

    head: Head = Head("")


NOT_READ = "not-read"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that could not be read: where, as a path or a line, and what; no chart text.

    `code`: as of an issue of the Assessment; `not-read` for what was not there to be read.
    """

    where: str
    what: str
    code: str = "invalid-resource"

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What a document holds.

    `root` is its own resource type. `next_url` is the address of the Bundle's next page, ""
    where there may be one that cannot be reached.
    `outcomes` counts the OperationOutcomes that report an error, and one that stands in place
    of the document whatever it reports: so much was asked for and not given.
    `entries` counts what was looked at, with and without a resource.
    `is_short`: it says that there are more resources than it holds. `is_broken`: it has entries,
    and none that can be read.
    """

    root: str
    resources: tuple[RawResource, ...]
    next_url: str | None = None
    outcomes: int = 0
    problems: tuple[Problem, ...] = ()
    is_short: bool = False
    entries: int = 1

    @property
    def is_broken(self) -> bool:
        return bool(self.problems) and not self.resources

    @property
    def is_whole(self) -> bool:
        """Whether nothing says that some of what was asked for is missing."""
        return not (self.outcomes or self.is_cut or self.is_broken)

    @property
    def is_cut(self) -> bool:
        """Whether there is more on further pages, or some in its total and none in it."""
        return self.next_url is not None or (self.is_short and not self.resources)

    def shortfalls(self) -> Iterator[Problem]:
        """All problems, and what says that some of what was asked for is missing."""
        yield from self.problems
        if self.outcomes:
            yield Problem(
                "Bundle", "holds an OperationOutcome: something asked for is missing", NOT_READ
            )
        if self.next_url is not None:
            yield Problem("Bundle", "has further pages, which may not be here", NOT_READ)
        if self.is_short:
            yield Problem("Bundle", "holds fewer resources than its total says", NOT_READ)


def unpack(document: bytes | msgspec.Raw, *, most: int | None = None) -> Unpacked:
    """Take a Bundle of any type apart, or take a single resource as the only one of its kind.

    A broken entry is left out and said in `problems`; it never costs the others. Bundles
    inside are taken apart too; of a history only the newest version of a resource is kept.
    Where a key stands twice in an object the last one counts, here and in every later reading
    of the same bytes.
    Raises UnreadableInput where the whole is not JSON, or not a FHIR resource, and its subclass
    TooManyResources where it has more than `most` entries, those of Bundles inside included.
    """
    try:
        root = type_of(document) if (bundle := read_bundle(document, most)) is None else "Bundle"
    except msgspec.ValidationError:
        raise UnreadableInput("not a FHIR resource") from None
    except msgspec.DecodeError as error:  # its text names a byte, and quotes none
        raise UnreadableInput(f"not valid JSON: {error}") from None
    except UnicodeDecodeError:
        raise UnreadableInput("not valid JSON: the text is not UTF-8") from None
    except RecursionError:
        raise UnreadableInput("not valid JSON: nested too deep") from None
    if root == "OperationOutcome":
        return Unpacked(root, (), outcomes=1)
    if bundle is None:
        return Unpacked(root, (RawResource(bytes(document)),))
    found = _Findings(most)
    found.take_bundle(bundle, "Bundle", depth=1)
    return Unpacked(
        root,
        tuple(found.resources),
        bundle.next_url,
        found.outcomes,
        tuple(found.problems),
        found.is_short,
        found.entries,
    )


class _Findings:
    """What has been met so far on the way through a Bundle."""

    def __init__(self, most: int | None) -> None:
        self.most = most
        self.entries = 0
        self.resources: list[RawResource] = []
        self.problems: list[Problem] = []
        self.outcomes = 0
        self.is_short = False

    def take_bundle(self, bundle: ReadBundle, where: str, *, depth: int) -> None:
        self.problems.extend(Problem(f"{where}.{part}", what) for part, what in bundle.faults)
        self.entries += len(bundle.entries)
        if self.most is not None and self.entries > self.most:
            raise TooManyResources
        self.is_short = self.is_short or bundle.is_short
        older = _older_versions(bundle.entries) if bundle.type == "history" else frozenset()
        for index, entry in enumerate(bundle.entries):
            if index in older:
                continue
            if entry is None:
                self.problems.append(Problem(f"{where}.entry[{index}]", "not an object"))
            elif is_plainly_a_resource(raw := entry.resource):
                self.resources.append(RawResource(bytes(raw), entry.full_url))
            elif raw:
                self._take_resource(entry, where, index, depth)
            elif entry.response and is_error_response(entry.response):
                self.outcomes += 1

    def _take_resource(self, entry: Entry, where: str, index: int, depth: int) -> None:
        try:
            resource_type = type_of(entry.resource)
        except UNREADABLE:
            what = "not a resource: no object with a resourceType"
            self.problems.append(Problem(f"{where}.entry[{index}]", what))
            return
        if resource_type == "Bundle":
            self._take_nested(entry, f"{where}.entry[{index}].resource", depth)
        elif resource_type == "OperationOutcome":
            self.outcomes += is_error_outcome(entry.resource)
        else:
            self.resources.append(RawResource(bytes(entry.resource), entry.full_url))

    def _take_nested(self, entry: Entry, where: str, depth: int) -> None:
        if depth == DEEPEST_BUNDLE:
            self.problems.append(Problem(where, "Bundles inside Bundles, too many levels"))
            return
        try:
            bundle = read_bundle(entry.resource, self.most)
        except UNREADABLE:
            bundle = None
        if bundle is None:
            self.problems.append(Problem(where, "of two types, by a key that stands twice"))
            return
        if bundle.next_url is not None:
            self.problems.append(Problem(where, "a Bundle inside has further pages", NOT_READ))
        self.take_bundle(bundle, where, depth=depth + 1)


def _older_versions(entries: Sequence[Entry | None]) -> frozenset[int]:
    """The entries of a history behind the first of the same resource, or behind its deletion.

    Source: FHIR R4 http.html#history: oldest versions last.
    """
    seen: set[str] = set()
    older: set[int] = set()
    for index, entry in enumerate(entries):
        name = _name(entry) if entry is not None else None
        if name in seen:
            older.add(index)
        elif name is not None:
            seen.add(name)
    return frozenset(older)


def _name(entry: Entry) -> str | None:
    if not entry.resource:
        return named_by_request(entry.request)
    try:
        return type_and_id(entry.resource)
    except UNREADABLE:
        return None
