"""How far the processes are, and the bar that shows it on a terminal."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.context import BaseContext
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.progress import Task
    from rich.text import Text


class Tally:
    """Bytes done of the phase under way, and patients; counted by all processes together."""

    def __init__(self, context: BaseContext) -> None:
        self._bytes = context.Value("Q", 0)
        self._patients = context.Value("Q", 0)
        self.phase = ""
        self.total = 0
        self.began = time.monotonic()

    def begin(self, phase: str, total: int) -> None:
        """A new phase, with so many bytes to do; only the first process asks which."""
        self.phase, self.total, self.began = phase, total, time.monotonic()
        self._bytes.value = 0

    def add(self, done: int, patients: int = 0) -> None:
        """So many bytes more, and patients."""
        with self._bytes.get_lock():
            self._bytes.value += done
        if patients:
            with self._patients.get_lock():
                self._patients.value += patients

    @property
    def bytes(self) -> int:
        return min(int(self._bytes.value), self.total)

    @property
    def patients(self) -> int:
        return int(self._patients.value)

    @property
    def patients_a_second(self) -> float:
        """Since the phase began."""
        return self.patients / max(time.monotonic() - self.began, 0.001)


@contextmanager
def shown_on(terminal: TextIO | None, tally: Tally) -> Iterator[None]:
    """Show a bar while the work goes on, and take it away; none where there is no terminal."""
    if terminal is None:
        yield
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        ProgressColumn,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class _Patients(ProgressColumn):
        def render(self, task: Task) -> Text:
            if not tally.patients:
                return Text("")
            return Text(f"{tally.patients:,} patients, {tally.patients_a_second:,.1f}/s")

    class _Bar(Progress):
        def get_renderables(self) -> Iterable[RenderableType]:
            """As things stand now: this is called ten times a second."""
            for one in self.task_ids:
                is_new = self.tasks[0].description != tally.phase
                if is_new:
                    self.reset(one, description=tally.phase)
                self.update(one, total=tally.total, completed=tally.bytes)
            return super().get_renderables()

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        _Patients(),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with _Bar(*columns, console=Console(file=terminal), transient=True) as bar:
        bar.add_task(tally.phase, total=None)
        yield
