"""A signal never meets a process of a crew that has not yet said what it does with one."""

from __future__ import annotations

import os
import signal
import sys
import threading

import pytest

from cds_service.batch.crew import _signals_held_back


@pytest.mark.skipif(sys.platform == "win32", reason="no signal can be held back there")
def test_while_processes_are_made_signals_wait_here_and_in_them() -> None:
    met: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda sign, _: met.append(sign))
    try:
        with _signals_held_back():
            # to this thread: beside others, as pytest-xdist has them, it could go to any of them
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
            child = os.fork()
            if child == 0:
                held = signal.pthread_sigmask(signal.SIG_BLOCK, ())
                os._exit(0 if {signal.SIGINT, signal.SIGTERM, signal.SIGHUP} <= held else 1)
            assert os.waitpid(child, 0)[1] == 0
            assert met == []
        assert met == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)
