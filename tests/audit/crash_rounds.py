"""Kill a process while it appends, at one named point or at random, and look at what is left.

    python crash_rounds.py FOLDER POINT ROUNDS SEED

Each round forks a process that appends as fast as it can and writes the id of every decision that
was acknowledged into a pipe; it is killed with SIGKILL. Its store comes and goes, so that it spools
and drains, and checkpoints are made meanwhile. Then a process opens the log as after a restart, and
the log is verified. Prints one JSON object with the counts; fails on the first round that breaks a
promise.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

from audit.samples import NOON, VERSIONS, Clock, a_recorder, an_event, envelopes, verified
from cds_service.audit import (
    DecisionLog,
    Event,
    Recorded,
    Signing,
    SpoolLimits,
    keeper,
    proof_commands,
    service_started_event,
    signing,
    signing_keys,
)
from cds_service.audit.anchor import read_anchors
from cds_service.audit.data_keys import DataKeys, default_data_key_file
from cds_service.audit.database import Connection
from cds_service.audit.database_store import DatabaseStore
from cds_service.audit.keeper import start_keeper
from cds_service.audit.signing_keys import default_signing_key_file
from cds_service.audit.spool import SpoolingStore
from cds_service.audit.spool_folder import SpoolFolder
from cds_service.audit.spool_segment import Segment
from cds_service.audit.sqlite_file import create_log
from cds_service.errors import AuditError, LogUnavailable

ROUNDS_A_LOG = 20
AT_ONCE = 8
QUICK = SpoolLimits(retry_seconds=0.004, look_seconds=1.0)
OF_STORE = ("before-insert", "before-commit", "after-commit")
OF_SPOOL = ("mid-frame", "before-spool-fsync", "after-spool-fsync", "mid-drain", "before-removal")
OF_SIGNING = ("mid-checkpoint", "mid-rotation")
TIMES = {"mid-drain": (1, 4), "before-removal": (1, 1), "mid-checkpoint": (8, 40)}
"""How often a point is passed before the process dies there: those that are rare, less often."""
POINTS = (*OF_STORE, *OF_SPOOL, *OF_SIGNING, "random")


class Fate:
    """Where and when this process dies."""

    point: ClassVar[str] = "random"
    times: ClassVar[int] = 0

    @classmethod
    def passes(cls, point: str) -> bool:
        """Whether this process dies here; counts."""
        if point == cls.point:
            cls.times -= 1
        return point == cls.point and cls.times <= 0

    @classmethod
    def meets(cls, point: str) -> None:
        if cls.passes(point):
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(10)


class Mortal(DatabaseStore):
    """Dies at a point of its own. Where it comes and goes, it answers five times in ten."""

    comes_and_goes = False
    _calls = 0
    _drains = False

    def append(self, events: Sequence[Event]) -> list[Recorded | AuditError]:
        self._drains = threading.current_thread().name == "spool" and bool(events)
        self._calls += 1
        if self.comes_and_goes and self._calls % 10 < 5 and not self._drains:
            raise LogUnavailable("the store is away")
        return super().append(events)

    def _insert(self, *arguments: Any) -> None:
        Fate.meets("before-insert")
        super()._insert(*arguments)

    def _commit(self, db: Connection) -> None:
        Fate.meets("before-commit")
        if self._drains:
            Fate.meets("mid-drain")
        super()._commit(db)
        Fate.meets("after-commit")


class MortalSegment(Segment):
    def _write(self, data: bytes) -> None:
        if self.size and Fate.passes("mid-frame"):
            os.pwrite(self._handle, data[: random.randrange(1, len(data))], self.size)  # noqa: S311
            os.kill(os.getpid(), signal.SIGKILL)
        super()._write(data)

    def _flush(self) -> None:
        if self.count:
            Fate.meets("before-spool-fsync")
        super()._flush()
        if self.count:
            Fate.meets("after-spool-fsync")

    def finish(self) -> None:
        if self.count:
            Fate.meets("before-removal")
        super().finish()


def dying(point: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, before or after which this process may die."""

    def call(*arguments: Any, **named: Any) -> Any:
        Fate.meets(point)
        result = function(*arguments, **named)
        Fate.meets(point)
        return result

    return call


def _random_id() -> str:
    return str(UUID(bytes=os.urandom(16), version=4))


def a_signing(path: Path) -> Signing:
    anchor = path.with_name(path.name + ".anchor")
    return Signing(default_signing_key_file(path), anchor, seconds=0.005)


def a_spool(path: Path, store: DatabaseStore) -> SpoolingStore:
    keys = DataKeys(default_data_key_file(path))
    process = a_recorder().process
    folder = SpoolFolder(
        path.with_name(path.name + ".spool"), keys, "log", process, segment_type=MortalSegment
    )
    return SpoolingStore(store, folder, limits=QUICK, clock=Clock(), make_id=_random_id)


async def append_until_killed(path: Path, pipe: int) -> None:
    store = Mortal(path, a_recorder(make_id=_random_id))
    signs = Fate.point in (*OF_SIGNING, "random")
    beside = start_keeper(path, store, a_signing(path)) if signs else None
    log = DecisionLog(a_spool(path, store), keeper=beside)
    store.comes_and_goes = Fate.point in (*OF_SPOOL, "random")
    await log.append(service_started_event(VERSIONS, settings={}))

    async def one_after_another() -> None:
        while True:
            receipt = await log.append(an_event(1, decision_id=_random_id()))
            os.write(pipe, receipt.event_id.encode() + b"\n")
            if Fate.point == "before-removal":
                await asyncio.sleep(0.02)  # so that the spool gets empty

    def rotate() -> None:
        while True:
            chosen = a_signing(path)
            proof_commands.rotate(
                path, signing_key_file=chosen.key_file, anchor_file=chosen.anchor_file
            )

    if Fate.point == "mid-rotation":
        threading.Thread(target=rotate, daemon=True).start()
    await asyncio.gather(*(one_after_another() for _ in range(AT_ONCE)))


def live_and_die(path: Path, pipe: int) -> None:
    keeper._LOOK_EVERY_SECONDS = 0.002
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    for module, name, point in (
        (signing, "append_anchor", "mid-checkpoint"),
        (signing, "_ring", "mid-checkpoint"),
        (signing_keys, "_write", "mid-rotation"),
        (proof_commands, "record", "mid-rotation"),
    ):
        setattr(module, name, dying(point, getattr(module, name)))
    asyncio.run(append_until_killed(path, pipe))


def one_round(path: Path, point: str, chance: random.Random) -> set[str]:
    """The ids that were acknowledged before the process was killed."""
    Fate.point, Fate.times = point, chance.randint(*TIMES.get(point, (1, 12)))
    seconds = chance.uniform(0.0, 0.08)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        random.seed(chance.random())
        live_and_die(path, writing)
        os._exit(1)
    os.close(writing)
    if point == "random":
        if Fate.times % 2:  # else while the log is opened, which may take longer than the round
            select.select([reading], [], [], 10)
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    Fate.point = "nowhere"
    with os.fdopen(reading, "rb") as pipe:
        acknowledged = pipe.read().decode().splitlines()
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL, "the process ended by itself"
    return set(acknowledged)


def restart(path: Path) -> None:
    """What the next process does first. Raises AuditError where the log cannot be gone on with."""
    with closing(a_spool(path, DatabaseStore(path, a_recorder(make_id=_random_id)))) as spool:
        spool.append([service_started_event(VERSIONS, settings={})])
        assert not spool.is_spooling, "the spool was not drained"


def check(path: Path, number: int, acknowledged: set[str]) -> int:
    """How many entries had been spooled. Fails where a promise was broken."""
    entries = envelopes(path)
    recorded = [entry["eventId"] for entry in entries]
    assert acknowledged <= set(recorded), f"round {number}: an acknowledged event is lost"
    assert len(recorded) == len(set(recorded)), f"round {number}: an event stands twice"
    anchor = a_signing(path).anchor_file
    report = verified(path, *(read_anchors(anchor) if anchor and anchor.exists() else ()))
    assert report.exit_code in (0, 3), f"round {number}: {report.findings}"
    return sum("spooledAt" in entry for entry in entries)


def main() -> None:
    folder, point, rounds, seed = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    chance = random.Random(seed)  # noqa: S311
    acknowledged: set[str] = set()
    count = spooled = 0
    for number in range(rounds):
        path = folder / f"log-{number // ROUNDS_A_LOG}.db"
        if number % ROUNDS_A_LOG == 0:
            create_log(path, log_id="log", created_at=NOON)
            keys = DataKeys(default_data_key_file(path))
            if not keys.file_exists:
                keys.create()
            acknowledged = set()
        these = one_round(path, point, chance)
        acknowledged |= these
        count += len(these)
        restart(path)
        spooled = check(path, number, acknowledged)
    sys.stdout.write(json.dumps({"rounds": rounds, "acknowledged": count, "spooled": spooled}))


if __name__ == "__main__":
    main()
