"""FHIR servers that gave nothing a moment ago: nobody waits for them again at once.

docs/decisions/0047-servers-that-give-nothing.md says why, and what that costs.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

QUIET_SECONDS = 30.0
MOST_SERVERS = 100


class SilentServers:
    """Addresses, as callers write them, that nothing could be read from."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: OrderedDict[str, float] = OrderedDict()

    def has(self, address: str) -> bool:
        """Whether to leave a server alone. After half a minute one call finds that it is not to,
        and all others only once that call has had an answer."""
        until = self._until.get(address)
        if until is None:
            return False
        if until > self._clock():
            return True
        self.add(address)
        return False

    def add(self, address: str) -> None:
        """It gave nothing just now."""
        self._until.pop(address, None)
        while len(self._until) >= MOST_SERVERS:
            self._until.popitem(last=False)
        self._until[address] = self._clock() + QUIET_SECONDS

    def remove(self, address: str) -> None:
        """It gave something."""
        self._until.pop(address, None)
