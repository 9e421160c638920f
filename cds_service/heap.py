"""How a process of ours holds its memory: one heap, and a collector that seldom looks."""

from __future__ import annotations

import gc
from contextlib import suppress

_M_ARENA_MAX = -8
"""The name of a limit in glibc's malloc.h."""


def collect_seldom() -> None:
    """A full collection in the middle of a call costs more than the call; cycles are rare here."""
    gc.set_threshold(100_000, 20, 20)


def settle() -> None:
    """Keep the collector off what lives as long as the process; processes that are forked share it
    until it is touched."""
    gc.collect()
    gc.freeze()
    collect_seldom()


def keep_one() -> None:
    """Threads share one heap: glibc would give each its own, which keeps what its largest chart
    took. Python lets one thread run at a time, so that none waits for it."""
    import ctypes  # of no use to other commands

    with suppress(OSError, AttributeError, TypeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
