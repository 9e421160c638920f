"""The same walk over terms and payloads in a process of its own: two thirds of what verifying a
long log takes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec

from cds_service.audit.belongings import Belongings, Sealed, found_in
from cds_service.audit.findings import Kind
from cds_service.audit.reading import StoredEvent, open_reader
from cds_service.errors import AuditError

FROM_ENTRIES = 20_000
"""A log of fewer is verified before another process has begun."""
_STEP = 1_000
"""Entries that are told of at a time."""

Fault = tuple[Kind, str]


class BelongingsBeside:
    """As `Belongings`, event by event in the same order, of the log in this file.

    The other process reads the log as it was when that began: entries that were added since are
    not asked for. It waits where it is far ahead, so memory does not grow with the log.
    """

    def __init__(self, path: Path) -> None:
        spawning = multiprocessing.get_context("spawn")  # no thread or lock of ours goes along
        self._told, telling = spawning.Pipe(duplex=False)
        self._process = spawning.Process(target=_tell, args=(path, telling), daemon=True)
        self._process.start()
        telling.close()
        self._asked = 0
        self._known = 0
        self._faults: dict[int, list[Fault]] = {}
        self._strays: list[tuple[Kind, int]] | None = None

    def faults_of(
        self, event: StoredEvent, members: dict[str, Any], sealed: Sealed
    ) -> Iterator[Fault]:
        """What is wrong beside the next event. Raises AuditError where it cannot be told."""
        return iter(self._next())

    def pass_over(self, event: StoredEvent) -> None:
        """The same walk past an event that cannot be asked."""
        self._next()

    def strays(self) -> Iterator[tuple[Kind, int]]:
        """What belongs to no event, with the place it claims. To be asked last."""
        while self._strays is None:
            self._hear()
            self._faults.clear()
        self.close()
        return iter(self._strays)

    def close(self) -> None:
        """Let the other process go."""
        self._told.close()
        self._process.terminate()
        self._process.join()

    def _next(self) -> list[Fault]:
        while self._known <= self._asked and self._strays is None:
            self._hear()
        found = self._faults.pop(self._asked, [])
        self._asked += 1
        return found

    def _hear(self) -> None:
        try:
            said = self._told.recv()
        except (EOFError, OSError):
            raise AuditError("the process that reads beside has ended") from None
        if isinstance(said, str):
            raise AuditError(said)
        self._known, faults, self._strays = said
        self._faults |= faults


def _tell(path: Path, telling: Connection) -> None:
    """What the other process does: all faults, step by step; a text where it cannot go on."""
    with suppress(BrokenPipeError, KeyboardInterrupt):  # nobody listens any more
        try:
            with open_reader(path) as reader:
                belongings = Belongings(reader)
                faults: dict[int, list[Fault]] = {}
                count = 0
                for count, event in enumerate(reader.events(), 1):
                    if found := _faults_of(belongings, event):
                        faults[count - 1] = found
                    if not count % _STEP:
                        telling.send((count, faults, None))
                        faults = {}
                telling.send((count, faults, list(belongings.strays())))
        except AuditError as error:
            telling.send(str(error))


def _faults_of(belongings: Belongings, event: StoredEvent) -> list[Fault]:
    try:
        members = found_in(event)
        sealed = msgspec.convert(members.get("sealed", {}), Sealed)
    except (AuditError, ValueError):
        belongings.pass_over(event)
        return []
    return list(belongings.faults_of(event, members, sealed))
