"""However many threads work on charts, `serve` keeps one heap for all of them."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

HEAPS = """
import ctypes, threading
from cds_service import heap

if {kept}:
    heap.keep_one()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
started = threading.Barrier(6)

def take():
    started.wait()
    for _ in range(100):
        libc.malloc(5000)

threads = [threading.Thread(target=take) for _ in range(6)]
[one.start() for one in threads]
[one.join() for one in threads]
libc.fdopen.restype = ctypes.c_void_p
out = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, out)
libc.fflush(out)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other libraries have one anyway")
@pytest.mark.parametrize(("kept", "is_one"), [(True, True), (False, False)])
def test_threads_share_one_heap(kept: bool, is_one: bool) -> None:
    code = HEAPS.format(kept=kept)
    told = subprocess.run(  # noqa: S603 # our own
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert (told.stdout.count("<heap nr=") == 1) is is_one
