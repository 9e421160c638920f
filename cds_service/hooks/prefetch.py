"""What came with a call as prefetch: taken apart, known again by its bytes, and what it lacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Literal

import msgspec

from cds_service.audit import Origin, Pieces
from cds_service.errors import InvalidRequest, UnreadableInput
from cds_service.fhir.bundles import NOT_READ, Problem, RawResource, Unpacked, unpack
from cds_service.fhir.pointed_at import lacking
from cds_service.fhir.queries import QUERIES, Query
from cds_service.fhir.references import is_of_patient
from cds_service.hooks.messages import HookCall
from cds_service.intake import MOST_RESOURCES, beside
from cds_service.recent import Recent

MissingCode = Literal[
    "omitted",
    "null",
    "operation-outcome",
    "paging-cut",
    "malformed",
    "other-patient",
    "search-failed",
    "denied",
    "granted-in-part",
    "not-offered",
]


_HELD_BESIDE = 128
"""Bytes of a resource in memory beside its text."""


class ChartResource(RawResource, frozen=True, gc=False):
    """One resource of the chart, and how it came."""

    origin: Origin = "prefetch"


@dataclass(frozen=True, slots=True)
class Chart:
    """All resources of a call; `missing` are prefetch keys that brought nothing, and why."""

    resources: tuple[ChartResource, ...]
    missing: tuple[tuple[str, MissingCode], ...] = ()
    problems: tuple[Problem, ...] = ()
    problems_of_prefetch: int = 0
    """So many of the problems, the first ones, are of the prefetch."""
    digest: bytes | None = None
    """Of all that it was made of, byte for byte; None where that was not asked for."""

    @property
    def not_read(self) -> tuple[Problem, ...]:
        """The keys that were asked for in vain, or came in part only."""
        what = "did not come whole, and could not be read"
        return tuple(
            Problem(f"prefetch.{key}", what, NOT_READ)
            for key, code in self.missing
            if code not in ("null", "omitted", "not-offered")
        )


@dataclass(slots=True)
class Sorted:
    """Prefetch as it arrived, key by key."""

    resources: list[ChartResource] = field(default_factory=list)
    missing: dict[str, MissingCode] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    entries: int = 0
    lacking: tuple[str, ...] | None = None
    """The references to what no prefetch can ask for; None as long as nobody has looked."""

    @property
    def held(self) -> int:
        """About how many bytes it keeps in memory."""
        return sum([len(one.raw) for one in self.resources]) + _HELD_BESIDE * len(self.resources)

    def copy(self) -> Sorted:
        """The same, to be added to."""
        return replace(
            self,
            resources=list(self.resources),
            missing=dict(self.missing),
            problems=list(self.problems),
        )


@dataclass(frozen=True, slots=True)
class Glance:
    """A prefetch before it is taken apart: the digest of its bytes and of whose chart it is, its
    size, and what it was found to hold where the same bytes came a moment ago."""

    digest: bytes | None = None
    size: int = 0
    sorted: Sorted | None = None


def glance_at(call: HookCall, pieces: Pieces | None, recent: Recent[Sorted]) -> Glance:
    """What can be told of a prefetch by its bytes alone; `pieces`: the body, where it has one and
    it is known where that stands."""
    if pieces is None and call.prefetch:
        return Glance(None, _size(call))
    text = pieces.passage.digest if pieces else b""
    digest = sha256(text + call.context.patient_id.encode()).digest()
    return Glance(digest, len(pieces.passage) if pieces else 0, recent.get(digest))


async def sort_once(
    call: HookCall, glance: Glance, recent: Recent[Sorted]
) -> tuple[Sorted, bytes | None]:
    """The prefetch taken apart, and its digest; the same bytes are not taken apart again."""
    found = glance.sorted
    if found is None:
        found = await beside(glance.size, sort_prefetch, call)
        if glance.digest is not None:
            recent.keep(glance.digest, found, found.held)
    if call.fhir_server is not None and found.lacking is None:
        found.lacking = await beside(glance.size, lacking, found.resources)
    return found.copy(), glance.digest


def _size(call: HookCall) -> int:
    return sum(len(raw) for raw in (call.prefetch or {}).values())


def sort_prefetch(call: HookCall) -> Sorted:
    """The prefetch taken apart; raises InvalidRequest for what is no resource, or too many."""
    found = Sorted()
    prefetch = call.prefetch or {}
    names: dict[str, str] = {}
    for query in QUERIES:  # the Patient first: others may name it by the address of its entry
        raw = prefetch.get(query.key)
        if raw is None:
            found.missing[query.key] = "omitted"
        elif bytes(raw) == b"null":
            found.missing[query.key] = "null"
        else:
            _sort_one(query, raw, call.context.patient_id, names, found)
    return found


def _sort_one(
    query: Query, raw: msgspec.Raw, patient_id: str, names: dict[str, str], found: Sorted
) -> None:
    key = query.key
    try:
        unpacked = unpack(raw, most=MOST_RESOURCES - found.entries)
    except UnreadableInput as fault:
        where, status = f"prefetch.{key}", fault.http_status
        raise InvalidRequest(str(fault), where=where, http_status=status) from None
    found.entries += unpacked.entries
    if query.is_read:
        names |= _names_of_patient(unpacked, patient_id)
    why = _why_not_had(unpacked, query, patient_id, names)
    if why is not None:
        found.missing[key] = why
        return
    found.resources += [ChartResource(r.raw, r.full_url, "prefetch") for r in unpacked.resources]
    found.problems += [
        replace(problem, where=f"prefetch.{key}.{problem.where}") for problem in unpacked.problems
    ]


def _why_not_had(
    unpacked: Unpacked, query: Query, patient_id: str, names: Mapping[str, str]
) -> MissingCode | None:
    """Why a value does not hold all that its template asks for; None where it does.

    A Bundle without anything does: nothing is there. One resource in place of a Bundle does not,
    since nothing says that there are no more.
    """
    if unpacked.outcomes:
        return "operation-outcome"
    if unpacked.is_cut:
        return "paging-cut"
    is_read = query.is_read and unpacked.root == query.resource_type
    if unpacked.is_broken or not (is_read or unpacked.root == "Bundle"):
        return "malformed"
    resources = unpacked.resources
    if resources and not any(is_of_patient(r, patient_id, names) for r in resources):
        return "other-patient"
    return None


def _names_of_patient(unpacked: Unpacked, patient_id: str) -> dict[str, str]:
    """The Patient by the address of its entry, which may be a `urn:uuid:`."""
    return {
        resource.full_url: f"Patient/{patient_id}"
        for resource in unpacked.resources
        if resource.full_url and is_of_patient(resource, patient_id, {})
    }
