"""The log as the service uses it: a receipt means "on disk", anything else means "no card"."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from audit.samples import (
    NOON,
    Clock,
    Ids,
    a_log_of,
    a_recorder,
    a_store,
    an_event,
    decision_id,
    envelopes,
    feedback_on,
    verified,
)
from cds_service.audit import DecisionLog, Event, Limits, Recorded, open_decision_log
from cds_service.audit.database import Connection
from cds_service.audit.database_store import DatabaseStore
from cds_service.audit.sqlite_file import create_log
from cds_service.audit.store import Store
from cds_service.errors import AuditError, LogUnavailable


@asynccontextmanager
async def a_log(store: Store, limits: Limits | None = None) -> AsyncIterator[DecisionLog]:
    log = DecisionLog(store, limits=limits)
    try:
        yield log
    finally:
        log.close()


class Gate(DatabaseStore):
    """A store that stands still before its first commit until it is opened."""

    def __init__(self, path: Path) -> None:
        create_log(path, log_id="log-1", created_at=NOON)
        super().__init__(path, a_recorder())
        self.reached, self.open = threading.Event(), threading.Event()
        self.commits = 0

    def _commit(self, db: Connection) -> None:
        self.reached.set()
        assert self.open.wait(10)
        self.commits += 1
        super()._commit(db)

    async def is_reached(self) -> None:
        assert await asyncio.to_thread(self.reached.wait, 10)


async def test_a_receipt_means_that_another_process_could_read_it(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    async with a_log(a_store(path)) as log:
        receipt = await log.append(an_event(1))
        assert (receipt.seq, receipt.event_id) == (1, decision_id(1))
        assert [one["decisionId"] for one in envelopes(path)] == [decision_id(1)]


async def test_opening_makes_log_and_key_and_closing_keeps_what_was_appended(
    tmp_path: Path,
) -> None:
    path = tmp_path / "var" / "decisions.db"
    for number in (1, 2):
        log = open_decision_log(path, clock=Clock(), make_id=Ids())
        await log.append(an_event(number, patient_id="p1"))
        log.close()
        log.close()
    first, second = envelopes(path)
    assert first["patientPseudonym"] == second["patientPseudonym"]
    names = {one.name for one in path.parent.iterdir()}
    assert {"decisions.db", "decisions.db.pseudonym-key"} <= names


async def test_all_that_waits_goes_into_one_transaction(tmp_path: Path) -> None:
    store = Gate(tmp_path / "log.db")
    async with a_log(store) as log:
        first = asyncio.ensure_future(log.append(an_event(0)))
        await store.is_reached()
        rest = [asyncio.ensure_future(log.append(an_event(number))) for number in range(1, 31)]
        await asyncio.sleep(0)
        assert log.waiting == 30
        store.open.set()
        receipts = await asyncio.gather(first, *rest)
    assert [receipt.seq for receipt in receipts] == list(range(1, 32))
    assert store.commits == 2


async def test_close_stores_what_waits_and_refuses_what_comes(tmp_path: Path) -> None:
    store = Gate(tmp_path / "log.db")
    log = DecisionLog(store)
    waiting = [asyncio.ensure_future(log.append(an_event(number))) for number in range(3)]
    await store.is_reached()
    closing_down = asyncio.ensure_future(asyncio.to_thread(log.close))
    await asyncio.sleep(0.01)
    with pytest.raises(LogUnavailable, match="closed"):
        await log.append(an_event(9))
    store.open.set()
    await closing_down
    assert all(isinstance(receipt, Recorded) for receipt in await asyncio.gather(*waiting))
    assert len(envelopes(tmp_path / "log.db")) == 3


@pytest.mark.parametrize(
    ("limits", "fits"),
    [
        pytest.param(Limits(waiting_events=2), 2, id="events"),
        pytest.param(Limits(waiting_bytes=25_000), 2, id="bytes"),
    ],
)
async def test_more_than_may_wait_is_refused_at_once_and_nothing_is_dropped(
    tmp_path: Path, limits: Limits, fits: int
) -> None:
    store = Gate(tmp_path / "log.db")
    async with a_log(store, limits) as log:
        body = b"x" * 10_000
        taken = [asyncio.ensure_future(log.append(an_event(0, response=body)))]
        await store.is_reached()
        for number in range(1, fits + 1):
            taken.append(asyncio.ensure_future(log.append(an_event(number, response=body))))
        await asyncio.sleep(0)
        with pytest.raises(LogUnavailable, match="wait"):
            await log.append(an_event(9, response=body))
        store.open.set()
        await asyncio.gather(*taken)
        await log.append(an_event(10, response=body))
    assert len(envelopes(tmp_path / "log.db")) == fits + 2


async def test_an_event_that_is_given_up_before_its_turn_is_not_recorded(tmp_path: Path) -> None:
    store = Gate(tmp_path / "log.db")
    async with a_log(store) as log:
        first = asyncio.ensure_future(log.append(an_event(1)))
        await store.is_reached()
        second = asyncio.ensure_future(log.append(an_event(2)))
        await asyncio.sleep(0)
        second.cancel()
        with suppress(asyncio.CancelledError):
            await second
        store.open.set()
        await first
    assert [one["decisionId"] for one in envelopes(tmp_path / "log.db")] == [decision_id(1)]


@pytest.mark.parametrize(
    ("event", "followed_by"),
    [
        pytest.param(an_event(1), ["decision", "delivery"], id="a decision"),
        pytest.param(feedback_on("x"), ["feedback"], id="feedback"),
    ],
)
async def test_a_decision_that_is_given_up_too_late_is_said_not_to_have_left(
    tmp_path: Path, event: Event, followed_by: list[str]
) -> None:
    store = Gate(tmp_path / "log.db")
    async with a_log(store) as log:
        task = asyncio.ensure_future(log.append(event))
        await store.is_reached()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        store.open.set()
    entries = envelopes(tmp_path / "log.db")
    assert [one["eventType"] for one in entries] == followed_by
    for delivery in entries[1:]:
        assert delivery["decisionId"] == decision_id(1)
        assert (delivery["state"], delivery["cause"]) == ("aborted", "gave-up-waiting")


async def test_an_event_at_fault_gets_its_own_error(tmp_path: Path) -> None:
    async with a_log(a_store(tmp_path / "log.db")) as log:
        await log.append(an_event(1))
        with pytest.raises(AuditError) as caught:
            await log.append(an_event(1))
        assert not isinstance(caught.value, LogUnavailable)
        await log.append(an_event(2))


# --- a store that cannot take it ------------------------------------------------------------


class Troubled(DatabaseStore):
    """A real SQLite connection under real limits, as long as `trouble` is set."""

    def __init__(self, path: Path, trouble: str, **options: Any) -> None:
        super().__init__(path, a_recorder(), **options)
        self.trouble: str | None = trouble

    def _begin(self, db: Connection) -> None:
        limit = {
            "read-only": "PRAGMA query_only = 1",
            "disk full": "PRAGMA max_page_count = 1",  # SQLite raises it to the present size
        }
        undo = "PRAGMA query_only = 0; PRAGMA max_page_count = 1073741823"
        db.executescript(limit[self.trouble] if self.trouble else undo)  # type: ignore[attr-defined]
        super()._begin(db)


@pytest.mark.parametrize("trouble", ["read-only", "disk full"])
async def test_a_store_that_cannot_write_is_unavailable_until_it_can(
    tmp_path: Path, trouble: str
) -> None:
    path = tmp_path / "log.db"
    with closing(a_store(path)) as before:
        before.append([an_event(1)])
    store = Troubled(path, trouble)
    async with a_log(store) as log:
        big = {"response": bytes(range(256)) * 4096, "request": None}
        with pytest.raises(LogUnavailable, match="cannot be written"):
            await log.append(an_event(2, **big))
        assert verified(path).size == 1
        store.trouble = None
        await log.append(an_event(3, **big))
    assert [one["decisionId"] for one in envelopes(path)] == [decision_id(1), decision_id(3)]
    assert verified(path).exit_code == 3


async def test_one_batch_is_stored_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "log.db"

    class DiesHalfWay(DatabaseStore):
        left = 2

        def _insert(self, *arguments: Any) -> None:
            self.left -= 1
            if self.left < 0:
                raise sqlite3.OperationalError("on purpose")
            super()._insert(*arguments)

    create_log(path, log_id="log-1", created_at=NOON)
    with closing(DiesHalfWay(path, a_recorder())) as store, pytest.raises(LogUnavailable):
        store.append([an_event(1), an_event(2), an_event(3)])
    assert envelopes(path) == []
    with closing(sqlite3.connect(path)) as db:
        for table in ("terms", "payloads", "patients"):
            assert db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)  # noqa: S608


async def test_a_lock_that_is_held_too_long_is_unavailable_and_not_a_wait_for_ever(
    tmp_path: Path,
) -> None:
    path = tmp_path / "log.db"
    create_log(path, log_id="log-1", created_at=NOON)
    async with a_log(DatabaseStore(path, a_recorder(), patience_seconds=0.05)) as log:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(LogUnavailable, match="locked"):
                await log.append(an_event(1))
            with pytest.raises(LogUnavailable, match="locked"):
                await log.probe()
        await log.probe()
        await log.append(an_event(2))


@contextmanager
def files_may_not_grow_beyond(size: int) -> Any:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_after_a_failed_write_the_process_takes_no_entry_before_it_is_restarted(
    tmp_path: Path,
) -> None:
    path = tmp_path / "log.db"
    async with a_log(a_store(path)) as log:
        await log.append(an_event(1))
        with (
            files_may_not_grow_beyond(100_000),
            pytest.raises(LogUnavailable, match="disk I/O error"),
        ):
            await log.append(an_event(2, response=bytes(range(256)) * 4096))
        with pytest.raises(LogUnavailable, match="restarted"):
            await log.append(an_event(3))
        with pytest.raises(LogUnavailable, match="restarted"):
            await log.probe()
    async with a_log(a_store(path)) as log:
        await log.append(an_event(4))
    assert [one["decisionId"] for one in envelopes(path)] == [decision_id(1), decision_id(4)]
    assert verified(path).exit_code == 3


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_an_error_nobody_foresaw_leaves_no_caller_waiting() -> None:
    class Broken:
        def append(self, events: Sequence[Event]) -> list[Recorded | AuditError]:
            raise RuntimeError("a bug")

        def close(self) -> None:
            pass

    async with a_log(Broken()) as log:
        with pytest.raises(LogUnavailable, match="stopped"):
            await log.append(an_event(1))
        with pytest.raises(LogUnavailable):
            await log.append(an_event(2))


def unreadable_key(path: Path) -> None:
    path.with_name("log.db.pseudonym-key").write_text("ab" * 32, encoding="ascii")
    path.with_name("log.db.pseudonym-key").chmod(0o644)


def lost_key(path: Path) -> None:
    a_log_of(path, 1)


def no_database(path: Path) -> None:
    path.write_bytes(b"not a database" * 500)


def a_folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("harm", [unreadable_key, lost_key, no_database, a_folder])
def test_a_log_that_cannot_be_used_is_refused_at_the_start(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    harm(tmp_path / "log.db")
    with pytest.raises(AuditError):
        open_decision_log(tmp_path / "log.db")
