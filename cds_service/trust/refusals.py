"""Calls that were turned away at the door, on record: singly, and in a flood by their number."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from cds_service.audit import Call, Client, Event, entries, refusal_event
from cds_service.audit.entries import AuthFailure
from cds_service.errors import AuditError
from cds_service.metrics import CALLS, REFUSALS
from cds_service.operations_log import log_event
from cds_service.trust.store import MINUTE

Cause = AuthFailure | entries.Refusal
SINGLY_OF_ONE = 10
SINGLY = 60
"""Entries a minute for one address, and for all; beyond, one entry says how many more came."""
SUMMED = 20
"""Addresses that such a minute is told of one by one."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One call that was turned away: why, with which status, and what is known of the caller."""

    reason: Cause
    http_status: int
    call: Call
    client: Client


class RefusalRecord:
    """Writes refusals to the decision log, the operations log and the metrics, in bounded number.

    Metrics count every one. Nothing that a token holds is written, but issuer, tenant and id.
    """

    def __init__(
        self, record: Callable[[Event], Awaitable[None]], clock: Callable[[], datetime]
    ) -> None:
        self._record = record
        self._clock = clock
        self._singly: Counter[str] = Counter()
        self._all_singly = 0
        self._untold: dict[tuple[str, str], tuple[Refusal, int]] = {}
        self._end_of_minute: asyncio.TimerHandle | None = None
        self._summing: asyncio.Task[None] | None = None

    async def add(self, refusal: Refusal) -> None:
        """Count it, and put it on record unless there are too many; returns once it is there."""
        REFUSALS.labels(refusal.reason).inc()
        CALLS.labels(refusal.call.service_id, "refused").inc()
        address = refusal.client.network_origin or ""
        if self._end_of_minute is None:
            loop = asyncio.get_running_loop()
            self._end_of_minute = loop.call_later(MINUTE, self._end_minute)
        if self._all_singly >= SINGLY or self._singly[address] >= SINGLY_OF_ONE:
            self._count(address, refusal)
            return
        self._singly[address] += 1
        self._all_singly += 1
        await self._write(refusal)

    async def aclose(self) -> None:
        """Put on record what has not been."""
        if self._end_of_minute is not None:
            self._end_of_minute.cancel()
            self._end_minute()
        if self._summing is not None:
            await self._summing

    def _count(self, address: str, refusal: Refusal) -> None:
        name = (address, refusal.reason)
        if name not in self._untold and len(self._untold) >= SUMMED:
            name = ("", refusal.reason)  # the rest, whoever they are
            refusal = replace(refusal, client=Client())
        first, count = self._untold.get(name, (refusal, 0))
        self._untold[name] = (first, count + 1)

    def _end_minute(self) -> None:
        untold = list(self._untold.values())
        self._singly.clear()
        self._all_singly = 0
        self._untold.clear()
        self._end_of_minute = None
        if untold:
            loop = asyncio.get_running_loop()
            self._summing = loop.create_task(self._sum_up(untold, self._summing))

    async def _sum_up(
        self, untold: list[tuple[Refusal, int]], before: asyncio.Task[None] | None
    ) -> None:
        if before is not None:
            await before
        for refusal, count in untold:
            # of many calls that are told as one, only the address is common to all
            client = Client(network_origin=refusal.client.network_origin)
            await self._write(replace(refusal, client=client), count)

    async def _write(self, refusal: Refusal, repeated: int | None = None) -> None:
        log_event(
            "call.refused",
            service=refusal.call.service_id,
            cause=refusal.reason,
            status=refusal.http_status,
            count=repeated,
        )
        event = refusal_event(
            refusal.reason,
            http_status=refusal.http_status,
            call=refusal.call,
            client=refusal.client,
            received_at=self._clock(),
            repeated=repeated,
        )
        with suppress(AuditError):  # refused either way
            await self._record(event)
