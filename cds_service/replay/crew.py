"""A long period replayed by several processes, with the report that one of them would give."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from cds_service.audit.address import Address
from cds_service.audit.listing import Wanted
from cds_service.audit.reading import LogReader, open_reader
from cds_service.errors import RefractoryCdsError, UsageError
from cds_service.replay.knowledge import KnownThen, candidate
from cds_service.replay.period import PeriodReport, Replayed, replay_in_period, report_on

FROM_DECISIONS = 2_000
"""Fewer are replayed before another process has begun."""


@dataclass(frozen=True, slots=True)
class Period:
    """Which decisions of which log, and under which knowledge; `last`: no entry beyond this one."""

    address: Address
    keys: Path | None
    wanted: Wanted
    knowledge: str | None
    site: Path | None
    last: int


def processes_for(decisions: int) -> int:
    """How many processes are worth having."""
    return (os.cpu_count() or 1) if decisions >= FROM_DECISIONS else 1


def replay_side_by_side(
    period: Period, processes: int, progress: Callable[[int], None] = lambda _: None
) -> PeriodReport:
    """As `replay_period`: each process takes every so-manieth decision.

    Raises RefractoryCdsError where one of them cannot go on.
    """
    spawning = multiprocessing.get_context("spawn")  # no thread or connection of ours goes along
    crew = []
    try:
        for number in range(processes):
            told, telling = spawning.Pipe(duplex=False)
            worker = spawning.Process(
                target=_replay, args=(period, number, processes, telling), daemon=True
            )
            worker.start()
            telling.close()
            crew.append((worker, told))
        return report_on(_in_turn([told for _, told in crew]), progress)
    finally:
        for worker, told in crew:
            told.close()
            worker.terminate()
            worker.join()


def _in_turn(told: list[Connection]) -> Iterator[Replayed]:
    """What the processes tell, in the order of the decisions; whoever is ahead waits."""
    while True:
        for one in told:
            try:
                said = one.recv()
            except (EOFError, OSError):
                raise UsageError("a process that replays has ended") from None
            if said is None:
                return
            if isinstance(said, str):
                raise UsageError(said)
            yield said


def _replay(period: Period, number: int, processes: int, telling: Connection) -> None:
    with suppress(BrokenPipeError, KeyboardInterrupt):  # nobody listens any more
        try:
            with open_reader(period.address, period.keys) as reader:
                for one in _every(reader, period, number, processes):
                    telling.send(one)
            telling.send(None)
        except RefractoryCdsError as error:
            telling.send(str(error))


def _every(reader: LogReader, period: Period, number: int, of: int) -> Iterator[Replayed]:
    under = candidate(reader, period.knowledge, period.site)
    then = KnownThen(reader)
    for index, event in enumerate(reader.matching(period.wanted)):
        if event.seq > period.last:
            return
        if index % of == number:
            yield replay_in_period(reader, event, then, under)
