"""What was worked out a moment ago, under the digest of the bytes that it was worked out from.

A chart is opened again and again, by one clinician after the other, and mostly nothing in it has
changed. Content is found by its digest, so an answer is never given for other data.
docs/decisions/0041-charts-opened-again.md says what is kept, and for how long.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

KEPT_SECONDS = 900.0
"""From when it was worked out; then patient data go, whether or not they were asked for again."""


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    value: T
    size: int
    until: float


class Recent(Generic[T]):
    """Values that nobody changes, by digest: so many bytes of them, the latest used, for a while.

    `most_bytes` of 0 keeps none. For one thread.
    """

    def __init__(self, most_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_bytes = most_bytes
        self._clock = clock
        self._kept: OrderedDict[bytes, _Kept[T]] = OrderedDict()
        self._held = 0
        self._next_end = math.inf

    @property
    def is_on(self) -> bool:
        return self._most_bytes > 0

    def get(self, key: bytes) -> T | None:
        """What was kept under this digest; None where nothing is, or no longer."""
        self._forget_old()
        found = self._kept.get(key)
        if found is None:
            return None
        self._kept.move_to_end(key)
        return found.value

    def keep(self, key: bytes, value: T, size: int) -> None:
        """Keep a value of about so many bytes, and let go of what was not used for longest."""
        if size > self._most_bytes or not self.is_on:
            return
        self._drop(key)
        until = self._clock() + KEPT_SECONDS
        self._kept[key] = _Kept(value, size, until)
        self._held += size
        self._next_end = min(self._next_end, until)
        while self._held > self._most_bytes:
            self._drop(next(iter(self._kept)))

    def _forget_old(self) -> None:
        now = self._clock()
        if now < self._next_end:
            return
        for key in [key for key, kept in self._kept.items() if kept.until <= now]:
            self._drop(key)
        self._next_end = min((kept.until for kept in self._kept.values()), default=math.inf)

    def _drop(self, key: bytes) -> None:
        dropped = self._kept.pop(key, None)
        self._held -= dropped.size if dropped else 0
