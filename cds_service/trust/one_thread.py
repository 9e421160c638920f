"""Work that may wait for a disk or reckon for long, in one thread beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Answer = TypeVar("Answer")


class OneThread:
    """A thread that does one thing after the other, started at first use."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="trust")

    async def run(self, work: Callable[[], Answer]) -> Answer:
        """What the work gives, or raises."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self, last: Callable[[], None]) -> None:
        """Do this last thing, and stop. Nothing may be asked of it afterwards."""
        self._pool.submit(last)
        self._pool.shutdown()
