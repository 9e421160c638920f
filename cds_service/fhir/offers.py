"""What FHIR servers say they can be asked for, so that nobody waits for what they do not have."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

import msgspec

from cds_service.errors import FhirError
from cds_service.fhir.bundle_parts import UNREADABLE
from cds_service.fhir.client import FhirClient

KEPT_SECONDS = 3600.0
MOST_SERVERS = 100
_EXPECTED = frozenset({"Patient", "Condition", "MedicationRequest", "Observation"})
"""A statement that leaves one of these out is not believed: without them there is no chart."""


class _Interaction(msgspec.Struct):
    code: str = ""


class _Resource(msgspec.Struct):
    type: str = ""
    interaction: list[_Interaction] = []


class _Rest(msgspec.Struct):
    mode: str = "server"
    resource: list[_Resource] = []


class _Statement(msgspec.Struct):
    rest: list[_Rest] = []


class Offers:
    """The types that each server offers to search, as far as its statement has been read.

    A statement is read once an hour, beside a call that reads from the server anyway, and nothing
    waits for it. A server whose statement cannot be had or believed offers everything.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}
        self._types: dict[str, frozenset[str]] = {}
        self._reading: set[asyncio.Task[None]] = set()

    def has(self, base: str, resource_type: str) -> bool:
        """Whether a server may be asked for a type: unless it has said that it may not."""
        if self._until.get(base, 0.0) <= self._clock():
            return True
        types = self._types.get(base)
        return types is None or resource_type in types

    def learn(self, client: FhirClient) -> None:
        """Begin to read the server's statement, if it is not known or being read already."""
        base = client.base
        if self._until.get(base, 0.0) > self._clock():
            return
        while len(self._until) >= MOST_SERVERS:
            oldest = next(iter(self._until))
            del self._until[oldest]
            self._types.pop(oldest, None)
        self._until.pop(base, None)  # to the end of the line
        self._until[base] = self._clock() + KEPT_SECONDS
        self._types.pop(base, None)
        task = asyncio.create_task(self._learn(client))
        self._reading.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Whatever went wrong with it is passed over: the event loop would log and quote it."""
        self._reading.discard(task)
        if not task.cancelled():
            task.exception()

    async def _learn(self, client: FhirClient) -> None:
        await asyncio.sleep(0)  # what the call needs is asked for first
        with suppress(FhirError):
            types = offered_types(await client.read_statement())
            if types is not None and client.base in self._until:
                self._types[client.base] = types


def offered_types(statement: bytes) -> frozenset[str] | None:
    """The types that a CapabilityStatement offers to search; None where it cannot be believed."""
    try:
        read = msgspec.json.decode(statement, type=_Statement)
    except UNREADABLE:
        return None
    types = frozenset(
        resource.type
        for rest in read.rest
        if rest.mode == "server"
        for resource in rest.resource
        if not resource.interaction
        or any(interaction.code == "search-type" for interaction in resource.interaction)
    )
    return types if types >= _EXPECTED else None
