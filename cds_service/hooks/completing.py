"""The whole chart of one call: its prefetch, and what had to be read from the FHIR server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from cds_service.audit import Origin, Passage
from cds_service.errors import (
    FhirError,
    FhirForbidden,
    FhirNotOffered,
    FhirOutOfScope,
    PrefetchIncomplete,
)
from cds_service.fhir.allowed import AddressRules
from cds_service.fhir.bodies import Room
from cds_service.fhir.bundles import Problem
from cds_service.fhir.client import FhirClient, FhirLimits, Transport, keeps
from cds_service.fhir.links import BaseUrl
from cds_service.fhir.offers import Offers
from cds_service.fhir.pointed_at import POINTED_AT, fetch_pointed_at, keys_lacking
from cds_service.fhir.queries import QUERIES, Fetched, fetch_missing
from cds_service.fhir.silent import SilentServers
from cds_service.hooks.authorization import Grant, grant_of
from cds_service.hooks.messages import HookCall
from cds_service.hooks.prefetch import (
    Chart,
    ChartResource,
    Glance,
    MissingCode,
    Sorted,
    sort_once,
    sort_prefetch,
)
from cds_service.intake import is_text
from cds_service.recent import Recent
from cds_service.trust.checking import Caller

if TYPE_CHECKING:
    from cds_service.fhir.credentials import Credentials

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


@dataclass(frozen=True, slots=True)
class Reach:
    """How a client's FHIR server may be reached."""

    rules: AddressRules
    transport: Transport
    seconds: float
    offers: Offers = field(default_factory=Offers)
    credentials: Credentials | None = None
    room: Room = field(default_factory=lambda: Room(ROOM))
    silent: SilentServers = field(default_factory=SilentServers)
    recent: Recent[Sorted] = field(default_factory=lambda: Recent(0))
    passages: Recent[Passage] = field(default_factory=lambda: Recent(0))

    def of(self, caller: Caller) -> Reach:
        """The same for one caller, who may have a list of servers of its own."""
        return self if caller.fhir_rules is None else replace(self, rules=caller.fhir_rules)


async def complete_prefetch(call: HookCall, reach: Reach, glance: Glance | None = None) -> Chart:
    """The whole chart: what is missing of it is read from the client's FHIR server.

    A key that is null was looked up by the client and is empty. One that is missing, or does not
    hold all that its template asks for, is read here, the optional ones in a shorter time. Raises
    FhirError where required data cannot be had; optional ones are done without, and said.
    """
    found, digest = await sort_once(call, glance or Glance(), reach.recent)
    of_prefetch, resources_of_prefetch = len(found.problems), len(found.resources)
    wanted, required = _wanted(call, found)
    if call.fhir_server is not None and (wanted or found.lacking):
        silent = None if required else _silent_server(call.fhir_server, reach)
        if silent is not None:
            also = keys_lacking(found.lacking or (), partial(keeps, silent))
            found.missing |= dict.fromkeys([*wanted, *also], "search-failed")
        elif wanted:
            await _read_missing(call, reach, found, wanted, is_needed=bool(required))
        else:
            with suppress(FhirError):  # an order that names no drug becomes an issue
                await _complete_alone(call, reach, found)
    return Chart(
        tuple(found.resources),
        tuple(sorted(found.missing.items())),
        tuple(found.problems),
        of_prefetch,
        digest and _with_read(digest, found.resources[resources_of_prefetch:]),
    )


def _silent_server(address: str, reach: Reach) -> BaseUrl | None:
    """The server at this address, where we would go there, but it gave nothing a moment ago."""
    try:
        base = reach.rules.check(address)
    except FhirError:
        return None
    return base if reach.silent.has(address) else None


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
    found = sort_prefetch(call)
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
        _note_silence(call.fhir_server, fetched, reach)
        if fetched.failure is not None:
            raise fetched.failure
        _take(fetched, found)
        for query in QUERIES:
            if query.key in fetched.resources and source.is_in_part(query.resource_type):
                found.missing[query.key] = "granted-in-part"
        await _complete_pointed_at(source, found, deadline)


def _note_silence(address: str | None, fetched: Fetched, reach: Reach) -> None:
    """Note of a server whether it gave anything. One that refuses this caller may give others."""
    if address is None:
        return
    kinds = {type(error) for error in fetched.errors.values()}
    if fetched.resources or any(issubclass(kind, FhirForbidden) for kind in kinds):
        reach.silent.remove(address)
    elif kinds - {FhirNotOffered}:
        reach.silent.add(address)


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
        _note_silence(call.fhir_server, await _complete_pointed_at(source, found, None), reach)


async def _complete_pointed_at(source: _Source, found: Sorted, deadline: float | None) -> Fetched:
    """Medications and the like: no prefetch can ask for them, so they are read here."""
    refused = source.refused()
    fetched = await fetch_pointed_at(source.client, found.resources, deadline, refused)
    _take(fetched, found)
    return fetched


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
