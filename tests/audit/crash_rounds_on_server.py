"""Kill a process while it appends, at one named point or at random, and look at what is left.

    python crash_rounds_on_server.py LOG POINT ROUNDS SEED

Each round forks a process that appends as fast as it can and writes the id of every decision that
was acknowledged into a pipe; it is killed with SIGKILL. Then the log is verified. Prints one JSON
object with the counts; fails on the first round that breaks a promise.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import select
import signal
import sys
import time
from typing import Any
from uuid import UUID

from audit.samples import a_recorder, an_event, envelopes, verified, with_keys
from cds_service.audit import DecisionLog
from cds_service.audit.address import Address, address_of
from cds_service.audit.database import Connection
from cds_service.audit.database_store import DatabaseStore

AT_ONCE = 8


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Mortal(DatabaseStore):
    """Dies when it has passed the named point so many times."""

    def __init__(self, address: Address, point: str, times: int) -> None:
        super().__init__(address, with_keys(a_recorder(make_id=_random_id), address))
        self._point = point
        self._times = times

    def _pass(self, point: str) -> None:
        if point == self._point:
            self._times -= 1
            if self._times <= 0:
                die()

    def _insert(self, *arguments: Any) -> None:
        self._pass("before-insert")
        super()._insert(*arguments)

    def _commit(self, db: Connection) -> None:
        self._pass("before-commit")
        super()._commit(db)
        self._pass("after-commit")


def _random_id() -> str:
    return str(UUID(bytes=os.urandom(16), version=4))


async def append_until_killed(store: DatabaseStore, pipe: int) -> None:
    log = DecisionLog(store)

    async def one_after_another() -> None:
        while True:
            receipt = await log.append(an_event(1, decision_id=_random_id()))
            os.write(pipe, receipt.event_id.encode() + b"\n")

    await asyncio.gather(*(one_after_another() for _ in range(AT_ONCE)))


def one_round(path: Address, point: str, chance: random.Random) -> set[str]:
    """The ids that were acknowledged before the process was killed."""
    times, seconds = chance.randint(1, 12), chance.uniform(0.0, 0.06)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        asyncio.run(append_until_killed(Mortal(path, point, times), writing))
    os.close(writing)
    if point == "random":
        if times % 2:  # else while the log is opened, which may take longer than the round
            select.select([reading], [], [], 10)
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    with os.fdopen(reading, "rb") as pipe:
        acknowledged = pipe.read().decode().splitlines()
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL, "the process ended by itself"
    return set(acknowledged)


def main() -> None:
    path, point, rounds, seed = address_of(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    chance = random.Random(seed)  # noqa: S311
    acknowledged: set[str] = set()
    count = 0
    for number in range(rounds):
        these = one_round(path, point, chance)
        acknowledged |= these
        count += len(these)
        recorded = [entry["eventId"] for entry in envelopes(path)]
        assert acknowledged <= set(recorded), f"round {number}: an acknowledged event is lost"
        assert len(recorded) == len(set(recorded)), f"round {number}: an event stands twice"
        assert verified(path).exit_code == 3, f"round {number}: {verified(path).findings}"
    sys.stdout.write(json.dumps({"rounds": rounds, "acknowledged": count}))


if __name__ == "__main__":
    main()
