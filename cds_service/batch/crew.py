"""Processes that do one step on many tasks, and leave nothing behind when they are stopped."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing.context import BaseContext
from pathlib import Path
from types import FrameType
from typing import Any, Generic, TypeAlias, TypeVar

from cds_service.errors import BatchStopped

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")
_PREFIX = "refractory-cds-assess-"
_TRIES = 5
_ORPHANED = 1
_SIGNS = {
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
}


class Alone(Generic[S]):
    """This process."""

    def __init__(self, make: Callable[[], S]) -> None:
        self._own = make()

    def each(self, step: Callable[[S, T], R], tasks: Sequence[T]) -> Iterator[R]:
        """Each step when its result is asked for."""
        return map(partial(step, self._own), tasks)


class Processes(Generic[S]):
    """Several processes, each with what `make` makes once at its start."""

    def __init__(
        self, make: Callable[[], S], number: int, folder: Path, context: BaseContext
    ) -> None:
        before = {child.pid for child in multiprocessing.active_children()}
        self._pool = ProcessPoolExecutor(
            number, mp_context=context, initializer=_begin, initargs=(make, folder)
        )
        with _signals_held_back():
            begun = [self._pool.submit(os.getpid) for _ in range(number)]
        for ready in begun:
            _result(ready)  # all are there before this process begins a thread for its own
        self._own = [c for c in multiprocessing.active_children() if c.pid not in before]

    def each(self, step: Callable[[S, T], R], tasks: Sequence[T]) -> Iterator[R]:
        """All steps, begun at once; none is cancelled, which the pool's own end would trip over."""
        return map(_result, [self._pool.submit(_do, step, task) for task in tasks])

    def end(self, *, is_done: bool) -> None:
        """End the processes, in the middle of a step unless all is done."""
        if not is_done:
            for child in self._own:
                child.terminate()
            for child in self._own:
                child.join()
        self._pool.shutdown()


Crew: TypeAlias = Alone[S] | Processes[S]
"""Does a step, a function at the top of a module, for every task.

Results come in the order of the tasks, and so does what a step raises.
"""


@contextmanager
def crew_of(
    number: int, make: Callable[[], S], folder: Path, context: BaseContext
) -> Iterator[Crew[S]]:
    """So many processes, 1 being this one; they are gone at the end, however it comes."""
    if number == 1:
        yield Alone(make)
        return
    crew = Processes(make, number, folder, context)
    is_done = False
    try:
        yield crew
        is_done = True
    finally:
        with _deaf():
            crew.end(is_done=is_done)


def cores() -> int:
    """How many processes can work at once for this one."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def working_folder() -> Iterator[Path]:
    """A folder of this user's alone, below TMPDIR; it is removed however the work ends."""
    with _stopped_by_signals():
        try:
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        except OSError as fault:
            raise BatchStopped(f"no folder for temporary files: {fault.strerror}") from None
        try:
            yield folder
        finally:
            with _deaf():
                _remove(folder)


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Make of the signals that end a program at once an orderly end with the same exit code."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    names = [n for n in ("SIGTERM", "SIGHUP") if hasattr(signal, n)]
    before = {name: signal.signal(getattr(signal, name), _leave) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


def _leave(sign: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + sign)


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Signals wait until this is over; in processes that are made meanwhile, until `_begin` has
    said what they do there. One that came before would end it with a traceback."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _deaf() -> Iterator[None]:
    """Nothing interrupts what is inside, which is short."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signs = [signal.SIGINT, signal.SIGTERM]
    before = [signal.signal(sign, signal.SIG_IGN) for sign in signs]
    try:
        yield
    finally:
        for sign, handler in zip(signs, before, strict=True):
            signal.signal(sign, handler)


def _remove(folder: Path) -> None:
    for _ in range(_TRIES):  # a process that is ending may still have made a file
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return


def ways() -> BaseContext:
    """How processes are made. A fork has the knowledge already; it is unsafe beside threads."""
    is_safe = sys.platform == "linux" and threading.active_count() == 1
    return multiprocessing.get_context("fork" if is_safe else "spawn")


_own: Any = None
"""What this process made for itself, once it is one of a crew."""


def _begin(make: Callable[[], S], folder: Path) -> None:
    global _own
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: the first process sees to it
    for sign in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        signal.signal(sign, signal.SIG_DFL)  # to end at once, and without a word
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNS)
    threading.Thread(target=_watch, args=(folder,), daemon=True).start()
    _own = make()


def _watch(folder: Path) -> None:
    """If the first process is killed, take the charts away in its place."""
    if (first := multiprocessing.parent_process()) is not None:
        first.join()
        _remove(folder)
        os._exit(_ORPHANED)


def _do(step: Callable[[S, T], R], task: T) -> R:
    return step(_own, task)


def _result(future: Future[R]) -> R:
    try:
        return future.result()
    except BrokenProcessPool:
        raise BatchStopped(
            "one of the processes was ended from outside, for want of memory perhaps: "
            "try fewer of them with --processes"
        ) from None
