"""How many calls a process answers at once; a few more wait for a moment, in turn by caller."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

SECONDS_TO_WAIT = 10.0
"""A burst is answered late rather than refused; whoever does not want to wait hangs up."""
WAITING_FOR_ONE = 16
"""So many calls may wait for each that is being answered."""


class Busy(Exception):
    """Every place is taken, and was for as long as a call waits."""


class Slots:
    """Places for calls. One caller holds at most seven eighths, so that others still get in."""

    def __init__(self, most: int, *, seconds: float = SECONDS_TO_WAIT) -> None:
        self._most = most
        self._most_of_one = most - most // 8
        self._most_waiting = most * WAITING_FOR_ONE
        self._seconds = seconds
        self._held: Counter[str] = Counter()
        self._open = 0
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._queued = 0

    @asynccontextmanager
    async def one(self, caller: str) -> AsyncIterator[None]:
        """A place while the block runs; raises Busy."""
        await self.take(caller)
        try:
            yield
        finally:
            self.give_back(caller)

    async def take(self, caller: str) -> None:
        """Take a place, perhaps after a moment; raises Busy."""
        if self._has_place(caller):
            self._hold(caller)
            return
        if self._queued >= self._most_waiting:
            raise Busy
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller, deque()).append(turn)
        self._queued += 1
        try:
            async with asyncio.timeout(self._seconds):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # its turn came in that same moment
                self.give_back(caller)
            else:
                self._leave(caller, turn)
            if isinstance(error, TimeoutError):
                raise Busy from None
            raise

    def give_back(self, caller: str) -> None:
        """The place is free again, and goes to who waits longest among the callers, in turn."""
        self._open -= 1
        self._held[caller] -= 1
        if not self._held[caller]:
            del self._held[caller]
        while (following := self._following()) is not None:
            turn = self._waiting[following].popleft()
            self._queued -= 1
            rest = self._waiting.pop(following)
            if rest:
                self._waiting[following] = rest  # at the end: the others first
            if not turn.done():
                self._hold(following)
                turn.set_result(None)

    def _has_place(self, caller: str) -> bool:
        return self._open < self._most and self._held[caller] < self._most_of_one

    def _hold(self, caller: str) -> None:
        self._open += 1
        self._held[caller] += 1

    def _following(self) -> str | None:
        return next((caller for caller in self._waiting if self._has_place(caller)), None)

    def _leave(self, caller: str, turn: asyncio.Future[None]) -> None:
        queue = self._waiting.get(caller)
        if queue is not None and turn in queue:
            queue.remove(turn)
            self._queued -= 1
            if not queue:
                del self._waiting[caller]
