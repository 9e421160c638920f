"""The chart of one call: what came as prefetch, and what had to be read from the FHIR server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Literal

import msgspec

from cds_service.audit import Origin
from cds_service.errors import (
    FhirError,
    FhirForbidden,
    FhirNotOffered,
    FhirOutOfScope,
    InvalidRequest,
    PrefetchIncomplete,
    UnreadableInput,
)
from cds_service.fhir.allowed import AddressRules
from cds_service.fhir.bodies import Room
from cds_service.fhir.bundles import NOT_READ, Problem, RawResource, Unpacked, unpack
from cds_service.fhir.client import FhirClient, FhirLimits, Transport
from cds_service.fhir.offers import Offers
from cds_service.fhir.pointed_at import POINTED_AT, fetch_pointed_at, lack_any
from cds_service.fhir.queries import QUERIES, Fetched, Query, fetch_missing
from cds_service.fhir.references import is_of_patient
from cds_service.hooks.authorization import Grant, grant_of
from cds_service.hooks.messages import HookCall
from cds_service.intake import MOST_RESOURCES, is_text
from cds_service.recent import Recent
from cds_service.trust.checking import Caller

if TYPE_CHECKING:
    from cds_service.fhir.credentials import Credentials

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
WHY_NOT_HAD: Mapping[MissingCode, str] = {
    "omitted": "is not in the prefetch",
    "operation-outcome": "holds an OperationOutcome",
    "paging-cut": "came in part only",
    "malformed": "is not what its template asks for",
    "other-patient": "holds nothing of this patient",
}
"""Why a key of the prefetch counts as not fetched, as a 412 says it."""
_CODE_OF_ERROR: Mapping[str, MissingCode] = {
    "forbidden": "denied",
    "not-supported": "not-offered",
}
SHARE_OF_OPTIONAL = 0.4
"""Of the time there is, so much for keys that are not needed: the answer does not wait longer."""
ROOM = 512 * 2**20
"""Bytes of answers of FHIR servers that a process holds while it reads, all calls together."""


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


@dataclass(frozen=True, slots=True)
class Reach:
    """How a client's FHIR server may be reached."""

    rules: AddressRules
    transport: Transport
    seconds: float
    offers: Offers = field(default_factory=Offers)
    credentials: Credentials | None = None
    room: Room = field(default_factory=lambda: Room(ROOM))
    recent: Recent[Sorted] = field(default_factory=lambda: Recent(0))

    def of(self, caller: Caller) -> Reach:
        """The same for one caller, who may have a list of servers of its own."""
        return self if caller.fhir_rules is None else replace(self, rules=caller.fhir_rules)


@dataclass(slots=True)
class Sorted:
    """Prefetch as it arrived, key by key."""

    resources: list[ChartResource] = field(default_factory=list)
    missing: dict[str, MissingCode] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    entries: int = 0

    def copy(self) -> Sorted:
        """The same, to be added to."""
        return Sorted(list(self.resources), dict(self.missing), list(self.problems), self.entries)


@dataclass(frozen=True, slots=True)
class Glance:
    """A prefetch before it is taken apart: the digest of its bytes and of whose chart it is, its
    size, and what it was found to hold where the same bytes came a moment ago."""

    digest: bytes | None = None
    size: int = 0
    sorted: Sorted | None = None


def glance_at(call: HookCall, recent: Recent[Sorted]) -> Glance:
    """What can be told of a prefetch by its bytes alone."""
    if not recent.is_on:
        return Glance()
    digest, size = _digest(call)
    return Glance(digest, size, recent.get(digest))


async def complete_prefetch(call: HookCall, reach: Reach, glance: Glance | None = None) -> Chart:
    """The whole chart: what is missing of it is read from the client's FHIR server.

    A key that is null was looked up by the client and is empty. One that is missing, or does not
    hold all that its template asks for, is read here, the optional ones in a shorter time. Raises
    FhirError where required data cannot be had; optional ones are done without, and said.
    """
    found, digest = _sort_once(call, glance or Glance(), reach.recent)
    of_prefetch, resources_of_prefetch = len(found.problems), len(found.resources)
    wanted, required = _wanted(call, found)
    if wanted and call.fhir_server is not None:
        await _read_missing(call, reach, found, wanted, is_needed=bool(required))
    elif call.fhir_server is not None and lack_any(found.resources):
        with suppress(FhirError):  # an order that names no drug becomes an issue
            await _complete_alone(call, reach, found)
    return Chart(
        tuple(found.resources),
        tuple(sorted(found.missing.items())),
        tuple(found.problems),
        of_prefetch,
        digest and _with_read(digest, found.resources[resources_of_prefetch:]),
    )


def _sort_once(
    call: HookCall, glance: Glance, recent: Recent[Sorted]
) -> tuple[Sorted, bytes | None]:
    """The prefetch taken apart, and its digest; the same bytes are not taken apart again."""
    found = glance.sorted
    if found is None:
        found = _sort(call)
        if glance.digest is not None:
            recent.keep(glance.digest, found, glance.size)
    return found.copy(), glance.digest


def _digest(call: HookCall) -> tuple[bytes, int]:
    """A digest of whose chart it is and of all that came of it, and how many bytes that were."""
    state, size = sha256(call.context.patient_id.encode()), 0
    for query in QUERIES:
        raw = (call.prefetch or {}).get(query.key)
        if raw is not None:
            state.update(f"\x1f{query.key}\x1f{len(raw)}\x1f".encode())
            state.update(raw)
            size += len(raw)
    return state.digest(), size


def _with_read(digest: bytes, read: Sequence[ChartResource]) -> bytes:
    if not read:
        return digest
    state = sha256(digest)
    for one in read:
        address = one.full_url.encode(errors="replace")
        state.update(f"\x1f{one.origin}\x1f{len(one.raw)}\x1f{len(address)}\x1f".encode())
        state.update(one.raw)
        state.update(address)
    return state.digest()


def chart_again(
    call: HookCall,
    read: Iterable[ChartResource],
    missing: Iterable[tuple[str, MissingCode]],
    problems: Iterable[Problem],
) -> Chart:
    """The chart of a call that was completed before: by what was read then, and lacking what it
    lacked. Raises PrefetchIncomplete as then."""
    found = _sort(call)
    _wanted(call, found)
    return Chart(
        (*found.resources, *read),
        tuple(missing),
        (*found.problems, *problems),
        len(found.problems),
    )


def _wanted(call: HookCall, found: Sorted) -> tuple[list[str], list[str]]:
    """The keys to read, and those of them that are needed; raises PrefetchIncomplete where those
    cannot be had."""
    wanted = [q.key for q in QUERIES if found.missing.get(q.key, "null") != "null"]
    required = [q.key for q in QUERIES if q.required and q.key in wanted]
    if required and call.fhir_server is None:
        raise PrefetchIncomplete(required[0], WHY_NOT_HAD[found.missing[required[0]]])
    return wanted, required


def _sort(call: HookCall) -> Sorted:
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


@dataclass(frozen=True, slots=True)
class _Source:
    """The FHIR server of a call, and what may be asked of it."""

    client: FhirClient
    grant: Grant | None
    offers: Offers

    @classmethod
    def of(cls, call: HookCall, reach: Reach) -> _Source:
        """Raises FhirError where we do not go there, or have no token that is for this call."""
        base = reach.rules.check(call.fhir_server or "")
        grant = grant_of(call)
        own = reach.credentials.of(base) if reach.credentials and grant is None else None
        client = FhirClient(
            base,
            grant.token if grant else own,
            transport=reach.transport,
            limits=FhirLimits(seconds=reach.seconds),
            room=reach.room,
        )
        return cls(client, grant, reach.offers)

    def refused(self) -> dict[str, FhirError]:
        """The types that are not asked for, and why not."""
        refused: dict[str, FhirError] = {}
        for query in QUERIES:
            kind = query.resource_type
            if not query.required and not self.offers.has(self.client.base, kind):
                refused[kind] = FhirNotOffered(kind)
        for kind in [query.resource_type for query in QUERIES] + list(POINTED_AT):
            if self.grant is not None and self.grant.extent_of(kind) == "none":
                refused[kind] = FhirOutOfScope(kind)
        return refused

    def is_in_part(self, kind: str) -> bool:
        """Whether what is read of a type is what the token lets us see of it, and no more."""
        return self.grant is not None and self.grant.extent_of(kind) == "part"


async def _read_missing(
    call: HookCall, reach: Reach, found: Sorted, wanted: list[str], *, is_needed: bool
) -> None:
    began = asyncio.get_running_loop().time()
    deadline = began + reach.seconds
    try:
        source = _Source.of(call, reach)
    except FhirError as error:  # we do not go to its server
        if is_needed:
            raise
        if isinstance(error, FhirForbidden):
            found.missing |= dict.fromkeys(wanted, "denied")
        return
    source.offers.learn(source.client)
    async with source.client:
        fetched = await fetch_missing(
            source.client,
            call.context.patient_id,
            wanted,
            deadline,
            began + reach.seconds * SHARE_OF_OPTIONAL,
            source.refused(),
        )
        if fetched.failure is not None:
            raise fetched.failure
        _take(fetched, found)
        for query in QUERIES:
            if query.key in fetched.resources and source.is_in_part(query.resource_type):
                found.missing[query.key] = "granted-in-part"
        await _complete_pointed_at(source, found, deadline)


def _take(fetched: Fetched, found: Sorted) -> None:
    for key, read in fetched.resources.items():
        origin: Origin = "read" if key == "patient" else "search"
        text = [r for r in read if is_text(r.raw)]
        found.resources += [ChartResource(r.raw, r.full_url, origin) for r in text]
        found.problems += [Problem(key, "a resource that is not UTF-8 text")] * (
            len(read) - len(text)
        )
        found.missing.pop(key, None)
    for key, error in fetched.errors.items():
        found.missing[key] = _CODE_OF_ERROR.get(error.code, "search-failed")
    found.problems += fetched.problems


async def _complete_alone(call: HookCall, reach: Reach, found: Sorted) -> None:
    source = _Source.of(call, reach)
    async with source.client:
        await _complete_pointed_at(source, found, None)


async def _complete_pointed_at(source: _Source, found: Sorted, deadline: float | None) -> None:
    """Medications and the like: no prefetch can ask for them, so they are read here."""
    refused = source.refused()
    _take(await fetch_pointed_at(source.client, found.resources, deadline, refused), found)


async def read_medications(
    call: HookCall, reach: Reach, references: Iterable[str]
) -> tuple[ChartResource, ...]:
    """The Medications that draft orders point at, from the client's FHIR server.

    None where there is no server, where we do not go to it, or where it does not give them.
    """
    pointing = [
        {"resourceType": "MedicationRequest", "medicationReference": {"reference": reference}}
        for reference in references
    ]
    if call.fhir_server is None or not pointing:
        return ()
    found = Sorted([ChartResource(msgspec.json.encode(p), "", "prefetch") for p in pointing])
    with suppress(FhirError):  # a draft that names no drug is passed over
        await _complete_alone(call, reach, found)
    return tuple(found.resources[len(pointing) :])
