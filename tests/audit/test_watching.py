"""The service verifies its log by itself; whoever tampers with it is found within one interval."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hooks.calls import call, myeloma, prefetch_of
from hooks.conftest import said as said
from hooks.serving import Served, serving

from audit.samples import (
    NOON,
    Ids,
    a_log_of,
    a_recorder,
    a_store,
    an_event,
    data_keys_of,
    envelopes,
    record,
    sign_log,
    verified,
)
from audit.tampering import change_a_byte, make_unreadable
from audit.test_purging import BY
from cds_service.audit.events import Event
from cds_service.audit.purging import purge
from cds_service.audit.reading import open_reader
from cds_service.audit.retention import Retention
from cds_service.audit.signing_keys import default_signing_key_file
from cds_service.audit.watching import Verified, Watch, Watching, _newest

HOUR = 3600.0
WITH_CARD = call(prefetch_of(myeloma()))


class Hours:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> Any:
        return self.now

    def pass_by(self, hours: float) -> None:
        self.now += timedelta(hours=hours)


class Worker:
    """One process that serves: what it was told, and what it recorded."""

    def __init__(self, path: Path, clock: Hours) -> None:
        self.told: list[Verified] = []
        self.path = path
        self.clock = clock
        watching = Watching(
            db=path, seconds=HOUR, lock_file=default_signing_key_file(path), clock=clock
        )
        self.watch = Watch(watching, self.record, self.told.append)

    def record(self, event: Event) -> None:
        recorder = a_recorder(self.clock, make_id=Ids(after=500 + len(envelopes(self.path))))  # type: ignore[arg-type]
        with closing(a_store(self.path, recorder)) as store:
            record(store, event)

    @property
    def results(self) -> list[tuple[str, str]]:
        return [(one.mode, one.result) for one in self.told]


@contextmanager
def worker(path: Path, clock: Hours) -> Iterator[Worker]:
    made = Worker(path, clock)
    try:
        yield made
    finally:
        made.watch.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "log.db"
    a_log_of(path, 5)
    sign_log(path)
    return path


@contextmanager
def in_hands_of_administrator(path: Path) -> Iterator[sqlite3.Connection]:
    """Somebody who may do anything, and leaves all triggers as they were."""
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
    with closing(sqlite3.connect(path)) as db:
        triggers = db.execute(query).fetchall()
        for name, _ in triggers:
            db.execute(f"DROP TRIGGER {name}")
        yield db
        for _, text in triggers:
            db.execute(text)
        db.commit()


def verifications(path: Path) -> list[dict[str, Any]]:
    return [one for one in envelopes(path) if one["eventType"] == "verification"]


def test_every_hour_what_is_new_and_every_day_all_of_it(path: Path) -> None:
    clock = Hours()
    with worker(path, clock) as one:
        one.watch.look()
        assert one.results == []  # the log began a moment ago
        for hours, mode in ((0.99, None), (0.02, "all"), (0.5, None), (0.51, "new"), (1, "new"),
                            (22, "all"), (1, "new")):  # fmt: skip
            before = len(one.told)
            clock.pass_by(hours)
            one.watch.look()
            assert [mode for mode, _ in one.results[before:]] == ([mode] if mode else [])
    found = verifications(path)
    assert [one["result"]["verified"] for one in found] == ["all", "new", "new", "all", "new"]
    assert [one["result"].get("from") for one in found] == [None, 6, 7, None, 9]
    assert {one["reader"]["role"] for one in found} == {"service"}
    assert verified(path).exit_code == 3


def test_with_each_verification_it_is_told_when_a_purge_ended_last(path: Path) -> None:
    clock = Hours()
    with worker(path, clock) as one:
        clock.pass_by(1.1)
        one.watch.look()
        purge(path, Retention(), by=BY, data_keys=data_keys_of(path), clock=clock)
        ended = clock.now
        clock.pass_by(1.1)
        one.watch.look()
        assert [known.purged_at for known in one.told] == [None, ended]
    with worker(path, clock) as other:
        other.watch.look()
        assert {known.purged_at for known in other.told} == {ended}


def test_a_restart_goes_on_where_the_log_says(path: Path) -> None:
    clock = Hours()
    with worker(path, clock) as one:
        clock.pass_by(1.1)
        one.watch.look()
    with worker(path, clock) as other:
        other.watch.look()
        assert other.results == [("all", "whole")]  # what the first one found
        clock.pass_by(1.1)
        other.watch.look()
        assert other.results[1:] == [("new", "whole")]
    assert len(verifications(path)) == 2


def test_of_several_processes_one_verifies_and_all_know(path: Path) -> None:
    clock = Hours()
    with worker(path, clock) as one, worker(path, clock) as other:
        clock.pass_by(1.1)
        both = [threading.Thread(target=each.watch.look) for each in (one, other)]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
        assert len(verifications(path)) == 1
        for each in (one, other):
            each.watch.look()
            assert each.results[-1] == ("all", "whole")
        with in_hands_of_administrator(path) as db:
            make_unreadable(db, 7)
        clock.pass_by(1.1)
        one.watch.look()
        other.watch.look()
        assert one.results[-1] == other.results[-1] == ("new", "tampered-or-lost")


@pytest.mark.parametrize(("seq", "hours"), [(8, 1.1), (2, 24.1)])
def test_tampering_is_told_within_the_interval_and_until_all_is_whole_again(
    path: Path, said: Callable[[], str], seq: int, hours: float
) -> None:
    clock = Hours()
    with worker(path, clock) as one:
        clock.pass_by(1.1)
        one.watch.look()
        one.record(an_event(30))
        one.record(an_event(31))
        with in_hands_of_administrator(path) as db:
            change_a_byte(db, seq)
        clock.pass_by(hours)
        one.watch.look()
        assert one.told[-1].result == "tampered-or-lost"
        assert one.told[-1].as_json()["findings"]
        assert "verification.alarm" in said()
        clock.pass_by(1.1)
        one.watch.look()  # not forgotten because what is new is whole
        assert one.results[-1] == ("all", "tampered-or-lost")
    assert [one["result"]["exitCode"] for one in verifications(path)] == [3, 1, 1]


def test_a_log_that_cannot_be_read_alarms(tmp_path: Path) -> None:
    clock = Hours()
    path = tmp_path / "log.db"
    a_log_of(path, 5)
    sign_log(path)
    with worker(path, clock) as one:
        clock.pass_by(1.1)
        one.watch.look()
        path.write_bytes(b"no database at all" * 100)
        (tmp_path / "log.db-wal").unlink(missing_ok=True)
        clock.pass_by(1.1)
        one.watch.look()
        assert one.results[-1][1] == "unreadable"


def test_to_close_waits_for_no_verification(path: Path) -> None:
    clock = Hours()
    with worker(path, clock) as one:
        clock.pass_by(1.1)
        looking = threading.Thread(target=one.watch.look)
        looking.start()
        time.sleep(0.05)
        began = time.monotonic()
    looking.join(10)
    assert time.monotonic() - began < 3
    assert one.told == []
    assert verifications(path) == []


# --- the running service -------------------------------------------------------------------------


async def until(holds: Callable[[], Any], seconds: float = 20.0) -> None:
    for _ in range(int(seconds * 20)):
        if holds():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come about in time")


async def readiness(served: Served) -> dict[str, Any]:
    found = (await served.http.get("/readyz")).json()
    assert isinstance(found, dict)
    return found


def verified_by(served: Served) -> str:
    """What the newest verification that the log has came to."""
    with open_reader(served.db) as reader:
        newest = _newest(reader)
    return newest[1].result if newest else ""


async def tampered_metric(served: Served) -> str:
    lines = (await served.http.get("/metrics")).text.splitlines()
    (found,) = [one for one in lines if one.startswith("refractory_cds_log_tampered ")]
    return found.split()[1]


async def test_a_copy_in_use_is_tampered_with_and_readiness_and_metric_say_so(
    tmp_path: Path,
) -> None:

    from cds_service.audit.events import utc_now

    settings = {"audit_verify_seconds": 1.0}
    with serving(tmp_path, clock=utc_now, settings=settings) as served:
        sign_log_of(served)
        async with served.app.router.lifespan_context(served.app):
            for number in range(20):  # under load nothing alarms
                body = {**WITH_CARD, "hookInstance": f"d1577c69-dfbe-44ad-ba6d-{number:012d}"}
                assert (await served.hook(body)).status_code == 200
            await until(lambda: served.app and len(verifications(served.db)) >= 2)
            ready = await readiness(served)
            assert (ready["decisionLog"], ready["verification"]["result"]) == ("writable", "whole")
            assert await tampered_metric(served) == "0.0"
            assert {one["result"]["exitCode"] for one in verifications(served.db)} == {3}
            size = served.size()
            with in_hands_of_administrator(served.db) as db:
                make_unreadable(db, size)
            await served.hook({**WITH_CARD, "hookInstance": "d1577c69-dfbe-44ad-ba6d-000000000999"})
            await until(lambda: verified_by(served) == "tampered-or-lost")
            ready = await readiness(served)
            assert ready["verification"]["findings"]
            assert (ready["status"], ready["decisionLog"]) == ("ready", "degraded")
            assert await tampered_metric(served) == "1.0"


def sign_log_of(served: Served) -> None:
    """The key that a service makes with its log; the tests' log has none."""
    from cds_service.audit.notes import SigningKey

    file = default_signing_key_file(served.db)
    file.write_text(SigningKey.new("test").secret_line() + "\n")
    file.chmod(0o600)


async def test_without_the_setting_nothing_is_verified(tmp_path: Path) -> None:
    with serving(tmp_path, settings={"audit_verify_seconds": 0.0}) as served:
        sign_log_of(served)
        async with served.app.router.lifespan_context(served.app):
            assert "verification" not in {one.name for one in threading.enumerate()}
    with serving(tmp_path) as served:
        async with served.app.router.lifespan_context(served.app):
            assert "verification" in {one.name for one in threading.enumerate()}
        assert "verification" not in {one.name for one in threading.enumerate()}
