"""The chart of one call: what came as prefetch, and what had to be read from the FHIR server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Literal

import msgspec

from cds_service.audit import Origin
from cds_service.errors import FhirError, InvalidRequest, PrefetchIncomplete, UnreadableInput
from cds_service.fhir.allowed import AddressRules
from cds_service.fhir.bundles import NOT_READ, Problem, RawResource, Unpacked, unpack
from cds_service.fhir.client import FhirClient, FhirLimits, Transport
from cds_service.fhir.queries import (
    QUERIES,
    Fetched,
    Query,
    fetch_medications,
    fetch_missing,
)
from cds_service.fhir.references import is_of_patient
from cds_service.hooks.messages import HookCall
from cds_service.service import is_text

MissingCode = Literal[
    "omitted",
    "null",
    "operation-outcome",
    "paging-cut",
    "malformed",
    "other-patient",
    "search-failed",
    "denied",
]
WHY_NOT_HAD: Mapping[MissingCode, str] = {
    "omitted": "is not in the prefetch",
    "operation-outcome": "holds an OperationOutcome",
    "paging-cut": "came in part only",
    "malformed": "is not what its template asks for",
    "other-patient": "holds nothing of this patient",
}
"""Why a key of the prefetch counts as not fetched, as a 412 says it."""
SHARE_OF_OPTIONAL = 0.4
"""Of the time there is, so much for keys that are not needed: the answer does not wait longer."""


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

    @property
    def not_read(self) -> tuple[Problem, ...]:
        """The keys that were asked for in vain, or came in part only."""
        what = "did not come whole, and could not be read"
        return tuple(
            Problem(f"prefetch.{key}", what, NOT_READ)
            for key, code in self.missing
            if code not in ("null", "omitted")
        )


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

    A key that is null was looked up by the client and is empty. One that is missing, or does not
    hold all that its template asks for, is read here, the optional ones in a shorter time. Raises
    FhirError where required data cannot be had; optional ones are done without, and said.
    """
    found = _sort(call)
    wanted = [q.key for q in QUERIES if found.missing.get(q.key, "null") != "null"]
    required = [q.key for q in QUERIES if q.required and q.key in wanted]
    if required and call.fhir_server is None:
        raise PrefetchIncomplete(required[0], WHY_NOT_HAD[found.missing[required[0]]])
    began = asyncio.get_running_loop().time()
    deadline = began + reach.seconds
    if wanted and call.fhir_server is not None:
        try:
            client = _client(call, reach)
        except FhirError:  # we do not go to its server
            if required:
                raise
        else:
            of_optional = began + reach.seconds * SHARE_OF_OPTIONAL
            patient_id = call.context.patient_id
            fetched = await fetch_missing(client, patient_id, wanted, deadline, of_optional)
            if fetched.failure is not None:
                raise fetched.failure
            _take(fetched, found)
    await _complete_medications(call, reach, found, deadline)
    return Chart(
        tuple(found.resources), tuple(sorted(found.missing.items())), tuple(found.problems)
    )


def _sort(call: HookCall) -> _Sorted:
    found = _Sorted()
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
    query: Query, raw: msgspec.Raw, patient_id: str, names: dict[str, str], found: _Sorted
) -> None:
    key = query.key
    try:
        unpacked = unpack(raw)
    except UnreadableInput as fault:
        raise InvalidRequest(str(fault), where=f"prefetch.{key}") from None
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
    found = _Sorted([ChartResource(msgspec.json.encode(p), "", "prefetch") for p in pointing])
    deadline = asyncio.get_running_loop().time() + reach.seconds
    await _complete_medications(call, reach, found, deadline)
    return tuple(found.resources[len(pointing) :])
