"""What can go wrong with a store and with the spool in front of it, seen by who calls.

Each answer is 200 with a decision that is on disk, or 503 and nothing that could be taken for
"nothing found".
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest

from cds_service.audit import DecisionLog, Event, Limits, Recorded, SpoolLimits
from cds_service.audit.data_keys import DataKeys, default_data_key_file
from cds_service.audit.database import Connection
from cds_service.audit.database_memory import DatabaseMemory
from cds_service.audit.database_store import DatabaseStore
from cds_service.audit.envelope import Process, Recorder
from cds_service.audit.events import utc_now
from cds_service.audit.pseudonyms import load_or_create_keys
from cds_service.audit.spool import SpoolingStore
from cds_service.audit.spool_folder import SpoolFolder
from cds_service.audit.spool_segment import Segment
from cds_service.audit.sqlite_file import create_log
from cds_service.errors import AuditError, LogUnavailable
from hooks.calls import call, myeloma, prefetch_of, quiet
from hooks.serving import NOON, Served, issue_of, serving

WITH_CARD = call(prefetch_of(myeloma()))
WITHOUT_CARD = call(prefetch_of(quiet()))
BUNDLE = {"resourceType": "Bundle", "entry": [{"resource": r} for r in myeloma()]}
FEEDBACK = {
    "feedback": [
        {
            "card": "9c1dbd52-1ac5-4bd1-a8ea-5b0d4bbd5f05",
            "outcome": "overridden",
            "outcomeTimestamp": "2026-11-21T12:00:00Z",
        }
    ]
}


def failing(code: int) -> sqlite3.OperationalError:
    """What SQLite raises for this."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = code
    return error


class Troubled(DatabaseStore):
    """A store in trouble of one kind, until it is over."""

    trouble = ""
    LIMITS: ClassVar = {
        "read-only": "PRAGMA query_only = 1",
        "disk full": "PRAGMA max_page_count = 1",
    }

    def append(self, events: Sequence[Event]) -> list[Recorded | AuditError]:
        if self.trouble == "away":
            raise LogUnavailable("the store is away")
        if self.trouble == "slow":
            time.sleep(0.6)
        return super().append(events)

    def _begin(self, db: Connection) -> None:
        undo = "PRAGMA query_only = 0; PRAGMA max_page_count = 1073741823"
        db.executescript(self.LIMITS.get(self.trouble, undo))  # type: ignore[attr-defined]
        super()._begin(db)

    def _insert(self, *arguments: Any) -> None:
        if self.trouble == "EIO on write":
            raise failing(sqlite3.SQLITE_IOERR_WRITE)
        super()._insert(*arguments)

    def _commit(self, db: Connection) -> None:
        if self.trouble == "EIO on fsync":
            db.execute("ROLLBACK")
            raise failing(sqlite3.SQLITE_IOERR_FSYNC)
        super()._commit(db)
        if self.trouble == "EIO on fsync, and yet on disk":
            raise failing(sqlite3.SQLITE_IOERR_FSYNC)


class Broken(Segment):
    """A spool file on a disk in trouble."""

    trouble: ClassVar = ""

    def _write(self, data: bytes) -> None:
        if self.trouble in ("ENOSPC", "EIO on write") and self.size:
            os.pwrite(self._handle, data[: len(data) // 2], self.size)
            code = errno.ENOSPC if self.trouble == "ENOSPC" else errno.EIO
            raise OSError(code, os.strerror(code))
        super()._write(data)

    def _flush(self) -> None:
        if self.trouble == "EIO on fsync":
            handle, self._handle = self._handle, os.open("/dev/full", os.O_WRONLY)
            os.close(self._handle)
            try:
                super()._flush()  # of a file that is closed
            finally:
                self._handle = handle
        super()._flush()


class Place:
    """A log with a spool, both of which can be troubled and started again."""

    def __init__(self, folder: Path, **limits: Any) -> None:
        self.folder = folder
        self.db = folder / "decisions.db"
        self.spool_folder = folder / "spool"
        self.limits = SpoolLimits(**{"retry_seconds": 0.02, "busy_seconds": 0.5, **limits})
        self.seconds = 5.0

    @contextmanager
    def open(self, *, has_spool: bool = True, patience: float = 0.05) -> Iterator[Served]:
        keys = load_or_create_keys(self.folder / "key")
        create_log(self.db, log_id="log-1", created_at=NOON)
        data_keys = DataKeys(default_data_key_file(self.db))
        if not data_keys.file_exists:
            data_keys.create()
        recorder = Recorder(keys=keys, data_keys=data_keys, process=Process.this())
        self.store = Troubled(self.db, recorder, patience_seconds=patience)
        memory = DatabaseMemory(self.db, keys, patience_seconds=patience)
        limits = Limits(seconds=self.seconds)
        if has_spool:
            folder = SpoolFolder(
                self.spool_folder, data_keys, "log-1", recorder.process, segment_type=Broken
            )
            self.spool = SpoolingStore(self.store, folder, limits=self.limits)
            log = DecisionLog(self.spool, memory=memory, limits=limits)
        else:
            log = DecisionLog(self.store, memory=memory, limits=limits)
        with serving(self.folder, log=log, clock=utc_now) as served:
            yield served


@pytest.fixture(autouse=True)
def sound_disks() -> Iterator[None]:
    yield
    Broken.trouble = ""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def decision_of(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    (card,) = answer.json()["cards"]
    found: str = card["extension"]["org.refractory-cds"]["decisionId"]
    return found


def decisions(served: Served) -> list[str]:
    return [e["decisionId"] for e in served.entries() if e["eventType"] == "decision"]


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(600):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to that")


def feedback_on(answer: httpx.Response) -> dict[str, Any]:
    (card,) = answer.json()["cards"]
    one = {
        "card": card["uuid"],
        "outcome": "overridden",
        "outcomeTimestamp": "2026-11-21T12:00:00Z",
        "overrideReason": {"reason": card["overrideReasons"][0]},
    }
    return {"feedback": [one]}


async def assert_unavailable(served: Served, said: Callable[[], str]) -> None:
    """503 everywhere, with when to come back; and whoever watches can tell."""
    for send in (
        served.hook(WITH_CARD),
        served.hook(WITHOUT_CARD),
        served.assess(BUNDLE),
        served.feedback(FEEDBACK),
    ):
        answer = await send
        assert answer.status_code == 503
        assert issue_of(answer)["code"] == "no-store"
        assert int(answer.headers["retry-after"]) > 0
    ready = await served.http.get("/readyz")
    assert (ready.status_code, ready.json()["decisionLog"]) == (503, "unavailable")
    assert said().count("log.unavailable") >= 4
    metrics = (await served.http.get("/metrics")).text
    assert 'outcome="log-unavailable"' in metrics


async def fill_up(served: Served) -> None:
    """Use up what little room is left."""
    while (await served.feedback(FEEDBACK)).status_code == 200:
        pass
    while (await served.http.get("/readyz")).status_code == 200:
        await served.feedback(FEEDBACK)


# --- a store in trouble, and a spool that is not ------------------------------------------------

PASSING = ["away", "read-only", "disk full"]
TO_THE_END = ["EIO on write", "EIO on fsync", "EIO on fsync, and yet on disk"]


@pytest.mark.parametrize("trouble", PASSING + TO_THE_END)
async def test_a_store_in_trouble_costs_no_answer_and_no_entry(place: Place, trouble: str) -> None:
    with place.open() as served:
        given = [decision_of(await served.hook(WITH_CARD))]
        place.store.trouble = trouble
        for _ in range(5):
            answer = await served.hook(WITH_CARD)
            given.append(decision_of(answer))
        assert (await served.feedback(feedback_on(answer))).status_code == 200
        ready = await served.http.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "ready")
        assert ready.json()["decisionLog"] == "degraded"
        assert ready.json()["spool"]["events"] >= 5
        place.store.trouble = ""
        if trouble in PASSING:
            await until(lambda: not place.spool.is_spooling)
            ready = await served.http.get("/readyz")
            assert ready.json()["decisionLog"] == "writable"
        else:  # what the disk holds is not known before it is read again
            await asyncio.sleep(0.1)
            assert place.spool.is_spooling
    with place.open() as served:
        assert decisions(served) == given
        (feedback,) = [e for e in served.entries() if e["eventType"] == "feedback"]
        assert "orphan" not in feedback.envelope
        assert served.exit_code_of_verify() == 3


async def test_what_is_spooled_shows_in_the_metrics(place: Place) -> None:
    with place.open() as served:
        place.store.trouble = "away"
        for _ in range(3):
            await served.hook(WITH_CARD)
        told = dict(
            line.split() for line in (await served.http.get("/metrics")).text.splitlines()
            if line.startswith("refractory_cds_spool")
        )  # fmt: skip
        assert float(told["refractory_cds_spool_events"]) == 3
        assert float(told["refractory_cds_spool_bytes"]) > 3_000
        assert float(told["refractory_cds_spool_age_seconds"]) >= 0
        assert float(told["refractory_cds_spool_faults"]) == 0


async def test_a_lock_held_by_another_process_beyond_patience_is_spooled(place: Place) -> None:
    with place.open() as served:
        with closing(sqlite3.connect(place.db, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            given = [decision_of(await served.hook(WITH_CARD)) for _ in range(3)]
            assert place.spool.is_spooling
        await until(lambda: not place.spool.is_spooling)
        assert decisions(served) == given
        assert served.exit_code_of_verify() == 3


async def test_a_slow_store_holds_up_one_answer_to_its_deadline_and_no_other(place: Place) -> None:
    place.seconds = 0.15
    with place.open() as served:
        place.store.trouble = "slow"
        began = time.monotonic()
        given = [decision_of(await served.hook(WITH_CARD))]
        assert 0.1 < time.monotonic() - began < 0.6
        began = time.monotonic()
        given += [decision_of(await served.hook(WITH_CARD)) for _ in range(3)]
        assert time.monotonic() - began < 0.5
        place.store.trouble = ""
        await until(lambda: not place.spool.is_spooling)
        assert decisions(served) == given, "once each, although the slow store took one after all"
        assert served.exit_code_of_verify() == 3


async def test_a_slow_store_without_a_spool_is_503_in_time(place: Place) -> None:
    place.seconds = 0.15
    with place.open(has_spool=False) as served:
        place.store.trouble = "slow"
        began = time.monotonic()
        answer = await served.hook(WITH_CARD)
        assert time.monotonic() - began < 0.6
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert issue_of(answer)["code"] == "no-store"
        place.store.trouble = ""
        await until(lambda: served.size() >= 2)
        kinds = [entry["eventType"] for entry in served.entries()]
        assert kinds == ["decision", "delivery"], "it came too late to be returned, and says so"


async def test_a_store_that_comes_and_goes_loses_nothing(place: Place) -> None:
    with place.open() as served:
        given: list[str] = []

        async def one_after_another() -> None:
            for _ in range(15):
                given.append(decision_of(await served.hook(WITH_CARD)))
                await asyncio.sleep(0.005)

        async def come_and_go() -> None:
            for number in range(12):
                place.store.trouble = ("away", "")[number % 2]
                await asyncio.sleep(0.03)
            place.store.trouble = ""

        await asyncio.gather(come_and_go(), *(one_after_another() for _ in range(4)))
        await until(lambda: not place.spool.is_spooling)
        recorded = decisions(served)
        assert sorted(recorded) == sorted(given)
        assert served.exit_code_of_verify() == 3


async def test_an_older_copy_in_the_logs_place_gets_no_entry(place: Place) -> None:
    with place.open() as served:
        await served.hook(WITH_CARD)
        with closing(sqlite3.connect(place.db)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        older = place.db.read_bytes()
        await served.hook(WITH_CARD)
        with closing(sqlite3.connect(place.db)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        newer = place.db.read_bytes()
        place.db.write_bytes(older)
        given = decision_of(await served.hook(WITH_CARD))
        assert place.spool.is_spooling
        await asyncio.sleep(0.1)
        assert place.spool.is_spooling
        place.db.write_bytes(newer)
    with place.open() as served:
        assert decisions(served)[-1] == given
        assert served.exit_code_of_verify() == 3


# --- a real disk --------------------------------------------------------------------------------


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 2 MiB; skipped where none can be mounted."""
    point = folder / "disk"
    point.mkdir()
    mount = shutil.which("mount")
    done = mount and subprocess.run(  # noqa: S603
        [mount, "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(point)], capture_output=True
    )
    if not done or done.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield point
    finally:
        subprocess.run(["umount", "-l", str(point)], check=True)  # noqa: S603, S607


def fill(disk: Path) -> Path:
    """Take up what room there is."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    return ballast


async def test_a_full_disk_under_the_log_fills_the_spool_on_another(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        place = Place(disk)
        place.spool_folder = tmp_path / "spool"
        with place.open() as served:
            given = [decision_of(await served.hook(WITH_CARD))]
            ballast = fill(disk)
            given += [decision_of(await served.hook(WITH_CARD)) for _ in range(3)]
            assert place.spool.is_spooling
            ballast.unlink()
        with place.open() as served:
            given.append(decision_of(await served.hook(WITH_CARD)))
            assert decisions(served) == given
            assert served.exit_code_of_verify() == 3


async def test_a_disk_full_of_log_and_spool_is_503(tmp_path: Path, said: Callable[[], str]) -> None:
    with small_disk(tmp_path) as disk:
        place = Place(disk)
        with place.open() as served:
            given = [decision_of(await served.hook(WITH_CARD))]
            ballast = fill(disk)
            await fill_up(served)
            await assert_unavailable(served, said)
            ballast.unlink()
        with place.open() as served:
            given.append(decision_of(await served.hook(WITH_CARD)))
            assert [one for one in decisions(served) if one in given] == given
            assert served.exit_code_of_verify() == 3


async def test_a_disk_that_is_mounted_anew_read_only_is_spooled(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        place = Place(disk)
        place.spool_folder = tmp_path / "spool"
        with place.open() as served:
            given = [decision_of(await served.hook(WITH_CARD))]
            place.store._disconnect()  # a file that is open for writing keeps the disk writable
            served.log._memory.close()  # type: ignore[union-attr]
            remount = ["mount", "-o", "remount,ro", str(disk)]
            subprocess.run(remount, check=True)  # noqa: S603
            given += [decision_of(await served.hook(WITH_CARD)) for _ in range(3)]
            assert place.spool.is_spooling
            remount[2] = "remount,rw"
            subprocess.run(remount, check=True)  # noqa: S603
            await until(lambda: not place.spool.is_spooling)
            assert decisions(served) == given
            assert served.exit_code_of_verify() == 3


# --- a spool in trouble, too --------------------------------------------------------------------


@pytest.mark.parametrize("trouble", ["ENOSPC", "EIO on write"])
async def test_where_neither_can_be_written_it_is_503_until_one_can(
    place: Place, said: Callable[[], str], trouble: str
) -> None:
    with place.open() as served:
        given = [decision_of(await served.hook(WITH_CARD))]
        place.store.trouble = "away"
        given.append(decision_of(await served.hook(WITH_CARD)))
        Broken.trouble = trouble
        await assert_unavailable(served, said)
        Broken.trouble = ""
        assert (await served.http.get("/readyz")).status_code == 200
        given.append(decision_of(await served.hook(WITH_CARD)))
        place.store.trouble = ""
        await until(lambda: not place.spool.is_spooling)
        assert decisions(served) == given
        assert served.exit_code_of_verify() == 3


async def test_after_a_failed_flush_a_spool_file_takes_nothing_more(
    place: Place, said: Callable[[], str]
) -> None:
    with place.open() as served:
        place.store.trouble = "away"
        given = [decision_of(await served.hook(WITH_CARD))]
        Broken.trouble = "EIO on fsync"
        assert (await served.hook(WITH_CARD)).status_code == 503
        Broken.trouble = ""
        await assert_unavailable(served, said)
        place.store.trouble = ""
        await until(lambda: not place.spool.is_spooling)
        given.append(decision_of(await served.hook(WITH_CARD)))
        assert decisions(served) == given
        assert served.exit_code_of_verify() == 3


async def test_a_full_spool_is_503_until_it_is_drained(
    tmp_path: Path, said: Callable[[], str]
) -> None:
    place = Place(tmp_path, bytes=20_000)
    with place.open() as served:
        place.store.trouble = "away"
        given = []
        while (answer := await served.hook(WITH_CARD)).status_code == 200:
            given.append(decision_of(answer))
        assert 1 <= len(given) < 20
        await fill_up(served)
        await assert_unavailable(served, said)
        place.store.trouble = ""
        await until(lambda: not place.spool.is_spooling)
        given.append(decision_of(await served.hook(WITH_CARD)))
        assert [one for one in decisions(served) if one in given] == given
        assert served.exit_code_of_verify() == 3


async def test_what_is_spooled_too_long_is_503(tmp_path: Path, said: Callable[[], str]) -> None:
    place = Place(tmp_path, age=timedelta(seconds=0.2))
    with place.open() as served:
        place.store.trouble = "away"
        decision_of(await served.hook(WITH_CARD))
        await asyncio.sleep(0.3)
        await assert_unavailable(served, said)


async def test_a_damaged_spool_file_makes_the_service_degraded(place: Place) -> None:
    with place.open() as served:
        place.store.trouble = "away"
        for _ in range(3):
            await served.hook(WITH_CARD)
    (file,) = place.spool_folder.glob("*.spool")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with place.open() as served:
        assert len(decisions(served)) == 2
        ready = await served.http.get("/readyz")
        assert (ready.status_code, ready.json()["decisionLog"]) == (200, "degraded")
        assert ready.json()["spool"]["faults"] == 1
        assert served.exit_code_of_verify() == 1


# --- what is remembered -------------------------------------------------------------------------


async def test_while_the_store_is_away_nothing_is_suppressed_and_the_decision_says_so(
    place: Place,
) -> None:
    with place.open() as served:
        first = await served.hook(WITH_CARD)
        kinds = {one["kind"] for one in served.last()["advice"]}
        for _ in range(2):
            assert (await served.feedback(feedback_on(first))).status_code == 200
        silenced = await served.hook(WITH_CARD)
        suppressed = {one.get("suppressed") for one in served.last()["advice"]}
        assert "overridden" in suppressed
        assert "stateUnavailable" not in served.last().envelope
        place.store.trouble = "away"
        await served.hook(WITH_CARD)  # it is found to be away only when it is written to
        shown = await served.hook(WITH_CARD)
        assert decision_of(shown)
        place.store.trouble = ""
        await until(lambda: not place.spool.is_spooling)
        last = [e for e in served.entries() if e["eventType"] == "decision"][-1]
        assert last["stateUnavailable"] is True
        assert {one["kind"] for one in last["advice"]} == kinds
        assert "overridden" not in {one.get("suppressed") for one in last["advice"]}
        assert (await served.hook(WITH_CARD)).json().keys() == silenced.json().keys()
        assert "overridden" in {one.get("suppressed") for one in served.last()["advice"]}


async def test_feedback_that_was_spooled_counts_once_it_is_drained(place: Place) -> None:
    with place.open() as served:
        place.store.trouble = "away"
        answer = await served.hook(WITH_CARD)
        assert (await served.feedback(feedback_on(answer))).status_code == 200
        place.store.trouble = ""
        await until(lambda: not place.spool.is_spooling)
        await served.hook(WITH_CARD)
        assert "overridden" in {one.get("suppressed") for one in served.last()["advice"]}


async def test_a_memory_that_cannot_be_read_holds_nothing_back_where_there_is_a_spool(
    place: Place,
) -> None:
    class Forgetful:
        def earlier(self, _: Any) -> list[Any]:
            raise LogUnavailable("the decision log cannot be read")

        def close(self) -> None: ...

    with place.open() as served:
        served.log._memory = Forgetful()
        decision_of(await served.hook(WITH_CARD))
        assert served.last()["stateUnavailable"] is True


# --- too much at once ---------------------------------------------------------------------------


async def test_ten_times_too_much_is_answered_from_the_record_or_not_at_all(place: Place) -> None:
    place.seconds = 0.3
    with place.open() as served:
        answers: list[httpx.Response] = []
        for _ in range(3):
            answers += await asyncio.gather(*(served.hook(WITH_CARD) for _ in range(100)))
        statuses = [answer.status_code for answer in answers]
        assert set(statuses) <= {200, 503}
        await until(lambda: not place.spool.is_spooling)
        given = [decision_of(one) for one in answers if one.status_code == 200]
        assert given
        recorded = decisions(served)
        assert len(recorded) == len(set(recorded))
        assert set(given) <= set(recorded)
        assert all(one.headers["retry-after"] for one in answers if one.status_code == 503)
        assert served.exit_code_of_verify() == 3
