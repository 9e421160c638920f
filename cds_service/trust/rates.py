"""How many calls a minute a caller has, over all workers of the machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cds_service.operations_log import log_event
from cds_service.trust.one_thread import OneThread
from cds_service.trust.store import MINUTE, Share, TrustStore, TrustUnavailable

SHARES_A_MINUTE = 100
"""In so many parts a worker takes a caller's minute: most calls then ask nobody."""
NONE = -1
MOST_CALLERS = 10_000
"""Callers that a worker remembers; beyond, those whose minute is over are forgotten."""


@dataclass(slots=True)
class _Minute:
    """What a worker still has of a caller's minute; NONE where there is no more to be had."""

    left: int
    until: float

    def is_on(self, now: float) -> bool:
        return self.until - MINUTE <= now < self.until


class Rates:
    """Counts calls by caller. Never more than the limit are let through in a caller's minute.

    A worker may end the minute with a part of its last share unused: with several, up to one in a
    hundred calls each are refused early. Where the store cannot be used, each worker counts alone.
    """

    def __init__(self, store: TrustStore, thread: OneThread, now: Callable[[], float]) -> None:
        self._store = store
        self._thread = thread
        self._now = now
        self._minutes: dict[str, _Minute] = {}

    async def take(self, caller: str, most: int) -> float:
        """Take one call. 0 where the caller had one left, else the seconds until it has again."""
        now = self._now()
        minute = self._minutes.get(caller)
        if minute is None or minute.left == 0 or not minute.is_on(now):
            minute = await self._ask(caller, most, now)
        if minute.left < 1:
            return max(minute.until - now, 0.001)
        minute.left -= 1
        return 0.0

    async def _ask(self, caller: str, most: int, now: float) -> _Minute:
        wanted = max(1, most // SHARES_A_MINUTE)
        try:
            share = await self._thread.run(lambda: self._store.share(caller, most, wanted, now))
        except TrustUnavailable:
            log_event("rates.alone", cause="store-unavailable")
            minute = self._minutes.get(caller)
            goes_on = minute is not None and minute.is_on(now)
            share = Share(0, minute.until) if minute and goes_on else Share(most, now + MINUTE)
        minute = self._minutes.get(caller)
        if minute is None or minute.until != share.until:
            if len(self._minutes) >= MOST_CALLERS:
                self._forget(now)
            minute = self._minutes[caller] = _Minute(0, share.until)
        if share.calls:
            minute.left = max(minute.left, 0) + share.calls
        elif minute.left < 1:
            minute.left = NONE
        return minute

    def _forget(self, now: float) -> None:
        self._minutes = {
            caller: minute for caller, minute in self._minutes.items() if now < minute.until
        }
        if len(self._minutes) >= MOST_CALLERS:  # the store still knows what they have taken
            self._minutes.clear()
