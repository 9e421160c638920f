"""The chart of one call: what came as prefetch, and what had to be read from the FHIR server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Literal

import msgspec

from cds_service.audit import Origin
from cds_service.errors import FhirError, InvalidRequest, PrefetchIncomplete, UnreadableInput
from cds_service.fhir.allowed import AddressRules
from cds_service.fhir.bundles import NOT_READ, Problem, RawResource, Unpacked, unpack
from cds_service.fhir.client import FhirClient, FhirLimits, Transport
from cds_service.fhir.queries import QUERIES, Fetched, fetch_medications, fetch_missing
from cds_service.hooks.messages import HookCall
from cds_service.service import is_text

MissingCode = Literal[
    "omitted", "null", "operation-outcome", "search-failed", "paging-cut", "denied"
]
CAME_IN_PART = frozenset({"operation-outcome", "paging-cut"})


@dataclass(frozen=True, slots=True)
class ChartResource:
    """One resource of the chart, and how it came."""

    raw: bytes
    full_url: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Chart:
    """All resources of a call; `missing` are prefetch keys that brought nothing, and why."""

    resources: tuple[ChartResource, ...]
    missing: tuple[tuple[str, MissingCode], ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Reach:
    """How a client's FHIR server may be reached."""

    rules: AddressRules
    transport: Transport
    seconds: float


@dataclass(slots=True)
class _Sorted:
    """Prefetch as it arrived, key by key."""

    resources: list[ChartResource] = field(default_factory=list)
    missing: dict[str, MissingCode] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


async def complete_prefetch(call: HookCall, reach: Reach) -> Chart:
    """The whole chart: what is missing of it is read from the client's FHIR server.

    A key that is null was looked up by the client and is empty. One that is missing, holds an
    OperationOutcome or has further pages was not, and is read here; an optional one that is
    missing only when required ones have to be read anyway. Raises FhirError where required data
    cannot be had; what came in part only and is optional is done without, and said.
    """
    found = _sort(call.prefetch or {})
    wanted = [q.key for q in QUERIES if found.missing.get(q.key, "null") != "null"]
    required = [q.key for q in QUERIES if q.required and q.key in wanted]
    if required and call.fhir_server is None:
        raise PrefetchIncomplete(required[0])
    cut = [key for key in wanted if found.missing[key] in CAME_IN_PART]
    deadline = asyncio.get_running_loop().time() + reach.seconds
    if required:
        fetched = await fetch_missing(
            _client(call, reach), call.context.patient_id, wanted, deadline
        )
        if fetched.failure is not None:
            raise fetched.failure
        _take(fetched, found)
    elif cut and call.fhir_server is not None:
        with suppress(FhirError):
            client = _client(call, reach)
            _take(await fetch_missing(client, call.context.patient_id, cut, deadline), found)
    found.problems += [
        Problem(f"prefetch.{key}", "came in part only, and the rest could not be read", NOT_READ)
        for key in cut
        if key in found.missing
    ]
    await _complete_medications(call, reach, found, deadline)
    return Chart(
        tuple(found.resources), tuple(sorted(found.missing.items())), tuple(found.problems)
    )


def _sort(prefetch: Mapping[str, msgspec.Raw]) -> _Sorted:
    found = _Sorted()
    for query in QUERIES:
        raw = prefetch.get(query.key)
        if raw is None:
            found.missing[query.key] = "omitted"
        elif bytes(raw) == b"null":
            found.missing[query.key] = "null"
        else:
            _sort_one(query.key, raw, found)
    return found


def _sort_one(key: str, raw: msgspec.Raw, found: _Sorted) -> None:
    try:
        unpacked = unpack(raw)
    except UnreadableInput as fault:
        raise InvalidRequest(str(fault), where=f"prefetch.{key}") from None
    if not unpacked.is_whole:
        found.missing[key] = _why_not_whole(unpacked)
        return
    found.resources += [ChartResource(r.raw, r.full_url, "prefetch") for r in unpacked.resources]
    found.problems += [
        replace(problem, where=f"prefetch.{key}.{problem.where}") for problem in unpacked.problems
    ]


def _why_not_whole(unpacked: Unpacked) -> MissingCode:
    return "operation-outcome" if unpacked.outcomes else "paging-cut"


def _client(call: HookCall, reach: Reach) -> FhirClient:
    """A client for the address of this call, if we go there at all; its token goes nowhere else."""
    base = reach.rules.check(call.fhir_server or "")
    token = call.fhir_authorization.access_token if call.fhir_authorization else None
    return FhirClient(
        base, token, transport=reach.transport, limits=FhirLimits(seconds=reach.seconds)
    )


def _take(fetched: Fetched, found: _Sorted) -> None:
    for key, read in fetched.resources.items():
        origin: Origin = "read" if key == "patient" else "search"
        text = [r for r in read if is_text(r.raw)]
        found.resources += [ChartResource(r.raw, r.full_url, origin) for r in text]
        found.problems += [Problem(key, "a resource that is not UTF-8 text")] * (
            len(read) - len(text)
        )
        found.missing.pop(key, None)
    for key, error in fetched.errors.items():
        found.missing[key] = "denied" if error.code == "forbidden" else "search-failed"
    found.problems += fetched.problems


def _is_of_medication(resource: ChartResource) -> bool:
    return b'"medicationReference"' in resource.raw or b'"Medication"' in resource.raw


async def _complete_medications(
    call: HookCall, reach: Reach, found: _Sorted, deadline: float
) -> None:
    """Medications that orders point at: no prefetch can ask for them, so they are read here."""
    pointing = [r for r in found.resources if b'"medicationReference"' in r.raw]
    if call.fhir_server is None or not pointing:
        return
    raw = [RawResource(r.raw, r.full_url) for r in found.resources if _is_of_medication(r)]
    with suppress(FhirError):  # each order that names no drug becomes an issue
        _take(await fetch_medications(_client(call, reach), raw, deadline), found)
