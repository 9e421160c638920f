"""The service verifies its log: what is new every hour, all of it once a day, whoever forgets to.

One process of all that share the log does it, in a child process that gives way to everything else;
the others read in the log what it found.
"""

from __future__ import annotations

import fcntl
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from cds_service.audit.address import Address
from cds_service.audit.canonical import Json
from cds_service.audit.entries import Reader, verification_event
from cds_service.audit.events import Event, EventType, timestamp, utc_now
from cds_service.audit.listing import Wanted
from cds_service.audit.reading import LogReader, StoredEvent, open_reader
from cds_service.audit.verifying import UNREADABLE, Task
from cds_service.audit.verifying_later import Reached
from cds_service.errors import AuditError
from cds_service.operations_log import log_event

ALL_EVERY: Final = timedelta(days=1)
_LOOK_EVERY_SECONDS: Final = 60.0
_LOOKS_A_TURN: Final = 4
_LOOKED_THROUGH: Final = 200
_PATIENCE_SECONDS: Final = 5.0
_SERVICE: Final = Reader(account="refractory-cds", role="service")
Mode = Literal["new", "all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What the service's last verification came to. `all_at`: when all of it was verified last."""

    at: datetime
    mode: Mode
    exit_code: int
    size: int = 0
    findings: tuple[str, ...] = ()
    all_at: datetime | None = None
    reached: Reached | None = None
    purged_at: datetime | None = None
    """When a purge of the log ended last, whoever ran it."""

    @property
    def is_whole(self) -> bool:
        return self.exit_code in (0, 3)

    @property
    def result(self) -> str:
        """For people and probes."""
        if self.exit_code == UNREADABLE:
            return "unreadable"
        return "whole" if self.is_whole else "tampered-or-lost"

    def as_json(self) -> dict[str, Json]:
        """For the readiness of the service."""
        told: dict[str, Json] = {
            "result": self.result,
            "at": timestamp(self.at),
            "verified": self.mode,
            "size": self.size,
        }
        return told if self.is_whole else {**told, "findings": list(self.findings)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """What is watched and how often. `lock_file` exists; whoever locks it is the one to verify."""

    db: Address
    seconds: float
    lock_file: Path
    anchor_file: Path | None = None
    clock: Callable[[], datetime] = utc_now

    @property
    def look_every(self) -> float:
        return min(_LOOK_EVERY_SECONDS, self.seconds / _LOOKS_A_TURN)


class Watch:
    """A thread that sees to it that the log is verified, until it is closed.

    `record` puts an entry in the log and returns once it is there; `tell` is told of each result,
    also of those of other processes.
    """

    def __init__(
        self,
        watching: Watching,
        record: Callable[[Event], None],
        tell: Callable[[Verified], None],
    ) -> None:
        self._watching = watching
        self._record = record
        self._tell = tell
        self._known: Verified | None = None
        self._seen = 0
        self._child: subprocess.Popen[bytes] | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="verification", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; a verification under way is given up, and begun again by whoever is next."""
        self._closing.set()
        if self._child is not None:
            with suppress(OSError):
                self._child.terminate()
        self._thread.join(_PATIENCE_SECONDS)

    def _watch(self) -> None:
        with suppress(AuditError):
            self._learn()
        while not self._closing.wait(self._watching.look_every):
            try:
                self.look()
            except (AuditError, OSError) as error:
                log_event("verification.failed", level=logging.ERROR, error=type(error).__name__)

    def look(self) -> None:
        """Learn what others found; verify where it is time and nobody else does."""
        if not self._is_due():
            return
        with _locked(self._watching.lock_file) as is_ours:
            if is_ours and self._is_due():
                self._verify()

    def _is_due(self) -> bool:
        """Whether now. A log that cannot be read is verified, which says so."""
        try:
            begun = self._learn()
        except AuditError:
            begun = None
        if begun is None:
            return self._known is None or self._age(self._known.at) >= self._watching.seconds
        return self._age(begun) >= self._watching.seconds

    def _learn(self) -> datetime | None:
        """Take in what the log has of the newest verification; when that was, or else when the log
        began; None where neither is there."""
        with open_reader(self._watching.db) as reader:
            found = _newest(reader)
            first = reader.find("1")
        if found is not None and found[0] > self._seen:
            self._seen = found[0]
            self._take_in(found[1])
        if self._known is not None:
            return self._known.at
        return datetime.fromisoformat(first.recorded_at) if first else None

    def _take_in(self, verified: Verified) -> None:
        self._known = replace(verified, purged_at=self._purged_at())
        self._tell(self._known)

    def _purged_at(self) -> datetime | None:
        wanted = Wanted(event_type=EventType.PURGE, limit=_LOOKED_THROUGH)
        with suppress(AuditError), open_reader(self._watching.db) as reader:
            for event in reader.newest(wanted):
                if "result" in event.read():
                    return datetime.fromisoformat(event.recorded_at)
        return None

    def _age(self, moment: datetime) -> float:
        """Seconds between then and now, whichever way the clock was set."""
        return abs((self._watching.clock() - moment).total_seconds())

    def _verify(self) -> None:
        known = self._known
        since = known.reached if known is not None and known.is_whole else None
        if known is None or known.all_at is None or self._age(known.all_at) >= _SECONDS_OF_ALL:
            since = None
        found = self._found(since)
        if self._closing.is_set():
            return
        now = self._watching.clock()
        mode: Mode = "all" if since is None else "new"
        all_at = now if since is None else known and known.all_at
        result: dict[str, Json] = {
            **{name: value for name, value in found.items() if name != "why"},
            "verified": mode,
            **({"from": since.size} if since else {}),
            **({"allAt": timestamp(all_at)} if all_at else {}),
        }
        self._take_in(_verified(now, result))
        if not self._known or not self._known.is_whole:
            log_event("verification.alarm", level=logging.ERROR, cause=", ".join(_kinds(result)))
        try:
            self._record(verification_event(_SERVICE, result=result))
        except AuditError as error:  # the result stands, recorded or not
            log_event("verification.not-recorded", level=logging.ERROR, error=str(error))
            return
        with suppress(AuditError), open_reader(self._watching.db) as reader:
            newest = _newest(reader)
            self._seen = newest[0] if newest else self._seen  # our own need not be told twice

    def _found(self, since: Reached | None) -> dict[str, Any]:
        """What a child process found. One that could not read the log is given a second chance."""
        anchor_file = self._watching.anchor_file
        task = Task(
            str(self._watching.db),
            str(anchor_file) if anchor_file else None,
            since.as_json() if since else None,
        )
        found = self._run(task)
        if found.get("exitCode") == UNREADABLE and not self._closing.wait(1.0):
            found = self._run(task)
        return found

    def _run(self, task: Task) -> dict[str, Any]:
        command = [sys.executable, "-m", "cds_service.audit.verifying"]
        with subprocess.Popen(  # noqa: S603 # our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as child:
            self._child = child
            if self._closing.is_set():
                child.terminate()
            said, _ = child.communicate(msgspec.json.encode(task))
        self._child = None
        try:
            found = msgspec.json.decode(said, type=dict[str, Any])
        except msgspec.DecodeError:
            return {"exitCode": UNREADABLE, "findings": []}
        return found


_SECONDS_OF_ALL: Final = ALL_EVERY.total_seconds()


def _newest(reader: LogReader) -> tuple[int, Verified] | None:
    """The newest verification that a service made, with its number."""
    wanted = Wanted(event_type=EventType.VERIFICATION, limit=_LOOKED_THROUGH)
    for event in reader.newest(wanted):
        found = _of_service(event)
        if found is not None:
            return event.seq, found
    return None


def _of_service(event: StoredEvent) -> Verified | None:
    with suppress(AuditError, KeyError, TypeError, ValueError):
        members = event.read()
        if members["reader"]["role"] == _SERVICE.role:
            return _verified(datetime.fromisoformat(event.recorded_at), members["result"])
    return None


def _verified(at: datetime, result: Any) -> Verified:
    all_at = result.get("allAt")
    return Verified(
        at=at,
        mode=result["verified"],
        exit_code=int(result["exitCode"]),
        size=int(result.get("size", 0)),
        findings=tuple(map(str, result.get("findings", ()))),
        all_at=datetime.fromisoformat(all_at) if all_at else None,
        reached=Reached.of(result.get("reached")),
    )


def _kinds(result: dict[str, Any]) -> tuple[str, ...]:
    return tuple(map(str, result.get("findings", ()))) or ("unreadable",)


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Whether this process holds the lock on an existing file, for the block."""
    handle = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(handle)
