"""The decision log as the service uses it: `await log.append(event)` returns once it is on disk."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

from cds_service.audit.address import Address, beside, connect
from cds_service.audit.data_keys import DataKeys, default_data_key_file
from cds_service.audit.database import UNREADABLE
from cds_service.audit.database_memory import DatabaseMemory
from cds_service.audit.database_store import DatabaseStore
from cds_service.audit.entries import delivery_event
from cds_service.audit.envelope import Process, Recorder
from cds_service.audit.events import Event, EventType, utc_now
from cds_service.audit.keeper import Keeper, start_keeper
from cds_service.audit.memory import Memory, Remembered, Sought
from cds_service.audit.pseudonyms import PseudonymKey, load_keys, load_or_create_keys
from cds_service.audit.reading import open_reader
from cds_service.audit.rewrapping import prepare_data_keys, say_generation
from cds_service.audit.signing import Signing
from cds_service.audit.spool import NO_PLACE_YET, SpoolingStore, SpoolState
from cds_service.audit.spool_draining import SpoolLimits
from cds_service.audit.spool_folder import SpoolFolder
from cds_service.audit.sqlite_file import create_log
from cds_service.audit.store import Recorded, Store
from cds_service.errors import AuditError, LogUnavailable


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may wait for the disk, and how much goes into one transaction."""

    waiting_events: int = 1_000
    waiting_bytes: int = 256 * 1024 * 1024
    batch_events: int = 64
    seconds: float = 10.0
    """How long one entry waits, before it goes to the spool instead, or is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spooling:
    """Where entries go that the store cannot take, and how much of them."""

    folder: Path
    limits: SpoolLimits = field(default_factory=SpoolLimits)


_Answer: TypeAlias = Recorded | AuditError | None


@dataclass(slots=True, eq=False)
class _Waiting:
    """An event, and who waits in which loop for its receipt."""

    event: Event | None  # None: only ask whether the store would take one
    loop: asyncio.AbstractEventLoop
    receipt: asyncio.Future[Recorded | None]
    is_taken: bool = False
    is_given_up: bool = False

    @classmethod
    def here(cls, event: Event | None) -> _Waiting:
        loop = asyncio.get_running_loop()
        return cls(event, loop, loop.create_future())

    @property
    def held(self) -> int:
        return self.event.held if self.event else 0

    async def for_its_receipt(self, seconds: float) -> Recorded | None:
        """Raises what the store did, and TimeoutError where it does not answer in time."""
        timer = self.loop.call_later(seconds, _answer, [(self, TimeoutError())])
        try:
            return await self.receipt
        finally:
            timer.cancel()


def _answer(answers: Iterable[tuple[_Waiting, _Answer | TimeoutError]]) -> None:
    """Tell those who wait; in their loop. Who no longer does is passed over."""
    for one, answer in answers:
        if one.receipt.done():
            continue
        if isinstance(answer, Exception):
            one.receipt.set_exception(answer)
            one.receipt.exception()  # whether or not anybody waits: it is no stray error
        else:
            one.receipt.set_result(answer)


class DecisionLog:
    """One writer thread in front of a store. All events that wait go into one transaction.

    Beside it one thread reads what is remembered of earlier cards, and waits for no writer.
    Nothing is dropped to save time: what cannot be stored raises LogUnavailable, and then no card
    may leave.
    """

    def __init__(
        self,
        store: Store | SpoolingStore,
        *,
        limits: Limits | None = None,
        memory: Memory | None = None,
        keeper: Keeper | None = None,
    ) -> None:
        self._store = store
        self._spool = store if isinstance(store, SpoolingStore) else None
        self._memory = memory
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="decision-log-memory")
        self._keeper = keeper
        self._limits = limits or Limits()
        self._queue: deque[_Waiting] = deque()
        self._held = 0
        self._is_closed = False
        self._changed = threading.Condition()
        self._writer = threading.Thread(target=self._write, name="decision-log", daemon=True)
        self._writer.start()

    async def append(self, event: Event) -> Recorded:
        """The receipt for this event, which is on disk by then.

        Raises LogUnavailable where the store cannot take it in time or too much is waiting,
        AuditError where the event itself cannot be recorded. With a spool, that takes what the
        store does not. A decision whose caller gives up waiting is followed by a `delivery` entry
        that says so, if it was too late to leave it out.
        """
        if self._spool is not None:
            event = self._spool.named(event)
            if self._spool.is_stuck:
                return await self._put_in_spool(self._spool, event)
        waiting = self._offer(event)
        try:
            recorded = await waiting.for_its_receipt(self._limits.seconds)
        except TimeoutError:
            if self._spool is not None:  # should the store have it after all, it is known by its id
                return await self._put_in_spool(self._spool, event)
            self._say_given_up(waiting, event)
            raise LogUnavailable("the decision log does not answer in time") from None
        except asyncio.CancelledError:
            self._say_given_up(waiting, event)
            raise
        if recorded is None:
            raise LogUnavailable("the decision log gave no receipt")
        if recorded.seq == NO_PLACE_YET:
            self._let_go_of_memory()
        return recorded

    async def _put_in_spool(self, spool: SpoolingStore, event: Event) -> Recorded:
        (receipt,) = await asyncio.to_thread(spool.spool, [event])
        if isinstance(receipt, AuditError):
            raise receipt
        return receipt

    def _let_go_of_memory(self) -> None:
        """It is opened again when the store answers. A file that was opened while it could only be
        read would keep all others in this process from being written."""
        if self._memory is not None:
            with suppress(RuntimeError):  # closed before
                self._reader.submit(self._memory.close)

    def _say_given_up(self, waiting: _Waiting, event: Event) -> None:
        with self._changed:
            waiting.is_given_up = True  # and left out, unless it was taken
        if waiting.is_taken and event.type is EventType.DECISION and event.event_id:
            with suppress(LogUnavailable):
                self._offer(delivery_event(event.event_id, cause="gave-up-waiting"))

    async def earlier(self, sought: Sought) -> Sequence[Remembered]:
        """What is remembered of a patient's earlier cards, as everything on disk says.

        Raises LogUnavailable where that cannot be told: while events are spooled, what is in the
        store is not all. A log without a memory remembers nothing.
        """
        if self.is_spooling:
            raise LogUnavailable("what is spooled is not remembered yet")
        if self._memory is None:
            return ()
        try:
            reading = self._reader.submit(self._memory.earlier, sought)
        except RuntimeError:
            raise LogUnavailable("the decision log is closed") from None
        return await asyncio.wrap_future(reading)

    async def probe(self) -> None:
        """Raise LogUnavailable where an entry could not be stored now. Writes nothing."""
        if self._spool is not None and self._spool.is_stuck:
            await asyncio.to_thread(self._spool.spool, [])
            return
        probed = self._offer(None)
        try:
            await probed.for_its_receipt(self._limits.seconds)
        except TimeoutError:
            if self._spool is None:
                raise LogUnavailable("the decision log does not answer in time") from None
            await asyncio.to_thread(self._spool.spool, [])

    @property
    def has_spool(self) -> bool:
        """Whether there is anything that takes what the store does not."""
        return self._spool is not None

    @property
    def is_spooling(self) -> bool:
        """Whether entries go to the spool, so that what the store remembers is not all."""
        return self._spool is not None and self._spool.is_spooling

    @property
    def spool(self) -> SpoolState | None:
        """What is spooled; None for a log without a spool."""
        return self._spool.state if self._spool is not None else None

    @property
    def waiting(self) -> int:
        """How many entries wait for the disk."""
        return len(self._queue)

    def close(self) -> None:
        """Store what waits, refuse what comes, and let go of the store. May be called twice."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._let_go_of_memory()
        self._reader.shutdown()
        self._writer.join()
        if self._keeper:
            self._keeper.close()

    def _offer(self, event: Event | None) -> _Waiting:
        waiting = _Waiting.here(event)
        with self._changed:
            if self._is_closed:
                raise LogUnavailable("the decision log is closed")
            if not self._has_room_for(waiting):
                raise LogUnavailable("too many entries wait for the decision log")
            self._queue.append(waiting)
            self._held += waiting.held
            self._changed.notify()
        return waiting

    def _has_room_for(self, waiting: _Waiting) -> bool:
        return (
            len(self._queue) < self._limits.waiting_events
            and self._held + waiting.held <= self._limits.waiting_bytes
        )

    def _write(self) -> None:
        batch: list[_Waiting] = []
        try:
            while batch := self._take():
                self._commit([one for one in batch if not one.is_given_up])
        finally:  # after an error that nobody foresaw, too, no caller is left waiting
            with self._changed:
                self._is_closed = True
                batch += self._queue
                self._queue.clear()
            _tell([(one, LogUnavailable("the decision log has stopped")) for one in batch])
            self._store.close()

    def _take(self) -> list[_Waiting]:
        """What waits, at most one transaction's worth; nothing once the log is closed and empty."""
        with self._changed:
            while not self._queue and not self._is_closed:
                self._changed.wait()
            count = min(len(self._queue), self._limits.batch_events)
            batch = [self._queue.popleft() for _ in range(count)]
            self._held -= sum(one.held for one in batch)
            for one in batch:
                one.is_taken = not one.is_given_up
            return batch

    def _commit(self, batch: list[_Waiting]) -> None:
        try:
            receipts = iter(self._store.append([one.event for one in batch if one.event]))
        except LogUnavailable as error:
            _tell([(one, LogUnavailable(str(error))) for one in batch])
        else:
            _tell([(one, next(receipts) if one.event else None) for one in batch])


def _tell(answers: Sequence[tuple[_Waiting, _Answer]]) -> None:
    """Tell those who wait, each loop once."""
    for loop in {one.loop for one, _ in answers}:
        with suppress(RuntimeError):  # closed: nobody waits there
            loop.call_soon_threadsafe(_answer, [it for it in answers if it[0].loop is loop])


def open_decision_log(
    address: Address,
    *,
    key_file: Path | None = None,
    data_key_file: Path | None = None,
    clock: Callable[[], datetime] = utc_now,
    make_id: Callable[[], str] = lambda: str(uuid4()),
    patience_seconds: float = 5.0,
    limits: Limits | None = None,
    signing: Signing | None = None,
    spooling: Spooling | None = None,
) -> DecisionLog:
    """The log at this address, ready to take entries. A file is made first, with its key, if there
    is none; a database is made by `audit migrate`.

    With `signing`, checkpoints of it are made as long as it is open; with `spooling`, events go to
    a spool while it cannot be written. Raises AuditError where it
    cannot be made or opened, or an anchor knows of more, LogUnavailable where it cannot be written.
    A log whose keys have gone missing is not opened: its patients would quietly get new pseudonyms,
    and what is sealed could not be opened.
    """
    key_file = key_file or default_key_file(address)
    data_keys = DataKeys(data_key_file or default_data_key_file(address))
    if not isinstance(address, Path):
        keys = keys_of_server(address, key_file)
    elif address.exists():
        keys = load_keys(key_file)
    else:  # the key first: whoever finds the log finds the key
        keys = load_or_create_keys(key_file)
        create_log(address, log_id=make_id(), created_at=clock())
    recorder = Recorder(
        keys=keys, data_keys=data_keys, clock=clock, make_id=make_id, process=Process.this()
    )
    store = DatabaseStore(address, recorder, patience_seconds=patience_seconds)
    try:
        store.append([])  # fails now rather than at the first decision
        prepare_data_keys(address, data_keys)
    except AuditError:
        store.close()
        raise
    memory = DatabaseMemory(address, keys, patience_seconds=patience_seconds)
    keeper = start_keeper(address, store, signing) if signing else None
    if keeper:
        say_generation(address, store, data_keys)
    if spooling is None:
        return DecisionLog(store, limits=limits, memory=memory, keeper=keeper)
    try:
        with open_reader(address) as reader:
            log_id, _ = reader.first_link()
        folder = SpoolFolder(spooling.folder, data_keys, log_id, recorder.process, clock)
        spool = SpoolingStore(store, folder, limits=spooling.limits, clock=clock, make_id=make_id)
    except AuditError:
        if keeper:
            keeper.close()
        store.close()
        raise
    return DecisionLog(spool, limits=limits, memory=memory, keeper=keeper)


def default_spool_folder(address: Address) -> Path:
    """Where the spool lies unless a setting says otherwise. Better: on another disk."""
    return beside(address, ".spool", "REFRACTORY_CDS_AUDIT_SPOOL")


def keys_of_server(address: Address, key_file: Path) -> tuple[PseudonymKey, ...]:
    """The pseudonym keys of a log that several hosts may write: made while it is empty, and held
    against its patients afterwards. AuditError where they are another log's."""
    try:
        with closing(connect(address)) as db:
            (size,) = db.execute("SELECT size FROM head").fetchone() or (1,)
            keys = load_keys(key_file) if size else load_or_create_keys(key_file)
            (has_patients,) = db.execute("SELECT EXISTS (SELECT 1 FROM patients)").fetchone()
            known = "SELECT EXISTS (SELECT 1 FROM patients WHERE key_id = ?)"
            is_theirs = any(db.execute(known, (key.key_id,)).fetchone()[0] for key in keys)
    except UNREADABLE as error:
        raise AuditError(f"the decision log cannot be read: {error}") from error
    if has_patients and not is_theirs:
        raise AuditError("the pseudonym key file is not that of this log: copy it from its host")
    return keys


def default_key_file(address: Address) -> Path:
    """Where the pseudonym key lies unless a setting says otherwise. Better: on another disk."""
    return beside(address, ".pseudonym-key", "REFRACTORY_CDS_AUDIT_KEY_FILE")
