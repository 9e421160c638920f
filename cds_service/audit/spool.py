"""A spool in front of a store: what the store cannot take is on disk all the same, and gets into
the store, in order and once, when that answers again.

While anything is spooled everything is, so that the order stays. A thread of its own drains.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import uuid4

from cds_service.audit.data_keys import KeysNeeded
from cds_service.audit.events import Event, EventType, utc_now
from cds_service.audit.spool_accounts import closing_member, started_member
from cds_service.audit.spool_draining import Draining, SpoolLimits
from cds_service.audit.spool_events import write_event
from cds_service.audit.spool_folder import SpoolFolder
from cds_service.audit.spool_segment import Segment
from cds_service.audit.store import Recorded, Store
from cds_service.errors import AuditError, LogUnavailable
from cds_service.operations_log import log_event

NO_PLACE_YET = 0
"""The number of an entry that is spooled: it gets its own when it is drained."""
_MOST_AT_CLOSE = 1_000
"""More entries than these do not hold up the end of a process."""


@dataclass(frozen=True, slots=True)
class SpoolState:
    """What waits in the spool of this process, and how many files of any have to be looked at."""

    is_spooling: bool
    events: int
    bytes: int
    age_seconds: float
    faults: int


class SpoolingStore:
    """A store that also answers while the one behind it does not. `append` is for one thread,
    `spool` for any."""

    def __init__(
        self,
        store: Store,
        folder: SpoolFolder,
        *,
        limits: SpoolLimits | None = None,
        clock: Callable[[], datetime] = utc_now,
        make_id: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        """Begins a segment, and drains what earlier processes left. Raises AuditError where no
        segment can be made."""
        self._store = store
        self._folder = folder
        self._limits = limits or SpoolLimits()
        self._clock = clock
        self._make_id = make_id
        self._asking = threading.Lock()  # whoever uses the store
        self._spooling = threading.Lock()  # whoever uses the segment; taken before the other
        self._is_spooling = False
        self._is_in_store = False
        self._is_closed_in_log = False
        self._was_announced = False
        self._draining = Draining(store, self._asking, folder, self._limits)
        self._said: str | None = None
        self._looked = time.monotonic()
        try:
            with folder.locked():
                self._segment: Segment | None = folder.new_segment()
                self._following: Segment | None = None
                self._left_behind = folder.left_behind()
        except OSError as error:
            raise AuditError(f"no spool can be made: {error.strerror}") from error
        with suppress(AuditError, OSError):
            self._drain_left_behind()
        self._is_spooling = bool(self._left_behind)
        self._closing = threading.Event()
        self._drainer = threading.Thread(target=self._keep, name="spool", daemon=True)
        self._drainer.start()

    def append(self, events: Sequence[Event]) -> list[Recorded | AuditError]:
        """See `Store.append`. Where the store takes nothing, the spool does; LogUnavailable where
        that cannot either."""
        events = [self.named(event) for event in events]
        receipts = None if self._is_spooling else self._ask_store(events)
        if receipts is None:
            return self.spool(events)
        waits = [one for one, got in zip(events, receipts, strict=True) if _is_unavailable(got)]
        if waits:  # the keys that these need cannot be had
            spooled = iter(self.spool(waits))
            receipts = [next(spooled) if _is_unavailable(got) else got for got in receipts]
        return receipts

    def spool(self, events: Sequence[Event]) -> list[Recorded | AuditError]:
        """Receipts for events with ids that are on disk now, and in the store later."""
        with self._segment_in_hand() as segment:
            self._begin_spooling()
            now = self._clock()
            receipts: list[Recorded | AuditError] = []
            written: list[bytes] = []
            for event in events:
                try:
                    written.append(write_event(self._announced(event), now, self._folder.process))
                    receipts.append(Recorded(NO_PLACE_YET, event.event_id or "", b""))
                except (ValueError, TypeError, AttributeError, RecursionError) as error:
                    why = type(error).__name__  # not its text, which may quote the chart
                    fault = AuditError(f"a {event.type} event cannot be written down: {why}")
                    receipts.append(fault)
            self._refuse_beyond_limits(segment, sum(map(len, written)), now)
            segment.append(written, now)
            return receipts

    def named(self, event: Event) -> Event:
        """The event with an id: whoever writes it down twice writes the same one."""
        return event if event.event_id else replace(event, event_id=self._make_id())

    @property
    def is_spooling(self) -> bool:
        """Whether anything is spooled; then everything is."""
        return self._is_spooling

    @property
    def is_stuck(self) -> bool:
        """Whether the store was given events some time ago, and has not come back since."""
        return self._is_spooling and self._is_in_store

    @property
    def state(self) -> SpoolState:
        """What is spooled now."""
        segments = [*self._left_behind, *filter(None, [self._segment])]
        oldest = [one.oldest for one in segments if one.oldest]
        waiting = sum(one.waiting for one in segments)
        age = (self._clock() - min(oldest)).total_seconds() if oldest else 0.0
        return SpoolState(
            self._is_spooling,
            sum(one.undrained for one in segments),
            waiting,
            max(0.0, age),
            self._folder.kept() + self._folder.unreadable,
        )

    def close(self) -> None:
        """Try once more to drain, and let go of the store. What is spooled stays on disk."""
        self._closing.set()
        self._drainer.join()
        segment = self._segment
        if segment is not None:
            is_empty = segment.count == 0
            if is_empty and (self._is_closed_in_log or not self._was_announced):
                segment.finish()
            segment.close()
        for left in filter(None, [*self._left_behind, self._following]):
            left.close()
        self._store.close()

    # --- into the store -------------------------------------------------------------------------

    def _ask_store(self, events: Sequence[Event]) -> list[Recorded | AuditError] | None:
        """The store's receipts; None where events are to be spooled."""
        with self._asking:
            if self._is_spooling:
                return None
            self._is_in_store = True
            try:
                special = {EventType.SERVICE_STARTED, EventType.SERVICE_STOPPED}
                if special.isdisjoint(event.type for event in events):
                    return self._store.append(events)
                return self._announce(events)
            except LogUnavailable as fault:
                self._say(fault)
                return None
            finally:
                self._is_in_store = False

    def _announce(self, events: Sequence[Event]) -> list[Recorded | AuditError]:
        """Append events that say which segments there are."""
        with self._folder_in_hand() as is_ours:
            others = [one for one in self._folder.ids() if not self._is_own(one)]
            told = [self._announced(one, others if is_ours else None) for one in events]
            receipts = self._store.append(told)
        kinds = {one.type for one in events}
        self._was_announced |= EventType.SERVICE_STARTED in kinds
        self._is_closed_in_log |= EventType.SERVICE_STOPPED in kinds and is_ours
        return receipts

    def _announced(self, event: Event, others: Sequence[str] | None = None) -> Event:
        segment = self._segment
        if segment is None or "spool" in event.members:
            return event
        if event.type is EventType.SERVICE_STARTED:
            self._was_announced = True
            member = started_member(self._folder.id, self._folder.place, segment.id, others)
            return replace(event, members={**event.members, "spool": member})
        if event.type is EventType.SERVICE_STOPPED and others is not None and not segment.count:
            member = closing_member(segment.id)
            return replace(event, members={**event.members, "spool": member})
        return event

    def _is_own(self, segment_id: str) -> bool:
        return self._segment is not None and self._segment.id == segment_id

    # --- into the spool -------------------------------------------------------------------------

    @contextmanager
    def _segment_in_hand(self) -> Iterator[Segment]:
        if not self._spooling.acquire(timeout=self._limits.busy_seconds):
            raise LogUnavailable("the spool is being drained by a store that does not answer")
        try:
            if self._segment is None:
                with self._folder_in_hand():
                    self._segment = self._new_segment()
            yield self._segment
        finally:
            self._spooling.release()

    @contextmanager
    def _folder_in_hand(self) -> Iterator[bool]:
        try:
            with self._folder.locked() as is_ours:
                yield is_ours
        except OSError as error:
            raise LogUnavailable(f"the spool's folder cannot be read: {error.strerror}") from error

    def _new_segment(self) -> Segment:
        try:
            return self._folder.new_segment()
        except (OSError, KeysNeeded) as error:
            raise LogUnavailable(f"no spool can be made: {error}") from error

    def _begin_spooling(self) -> None:
        if not self._is_spooling:
            self._is_spooling = True
            log_event("spool.began", level=logging.ERROR, cause=self._said or "the store is slow")

    def _refuse_beyond_limits(self, segment: Segment, more: int, now: datetime) -> None:
        if segment.waiting + more > self._limits.bytes:
            raise LogUnavailable("the spool is full")
        if segment.oldest is not None and now - segment.oldest > self._limits.age:
            raise LogUnavailable("what is spooled is older than may be")

    # --- out of the spool -----------------------------------------------------------------------

    def _keep(self) -> None:
        while not self._closing.wait(self._limits.retry_seconds):
            self._try()
        self._try()

    def _try(self) -> None:
        """Drain what there is to drain; a store that takes nothing is asked again later."""
        try:
            if time.monotonic() - self._looked >= self._limits.look_seconds:
                self._looked = time.monotonic()
                with self._folder_in_hand() as is_ours:
                    self._left_behind += self._folder.left_behind() if is_ours else []
            if self._left_behind:
                self._drain_left_behind()
            if self._is_spooling:
                self._drain_own()
        except AuditError as fault:
            self._say(fault)
        except OSError as error:
            self._say(LogUnavailable(f"the spool cannot be read: {error.strerror}"))

    def _drain_left_behind(self) -> None:
        while self._left_behind:
            segment = self._left_behind[0]
            try:
                self._draining.all_of(segment)
            except OSError as error:  # what others have left need not wait for it
                self._folder.leave_alone(segment.path, f"it cannot be read: {error.strerror}")
                segment.close()
            self._left_behind.pop(0)

    def _drain_own(self) -> None:
        """All but the newest entry while others may be spooled; then, while nobody spools, what
        has come since, and the entry that says so."""
        with self._asking:
            self._store.append([])  # nobody waits for a store that does not answer
        segment = self._segment
        if segment is None:
            self._is_spooling = False
            return
        if self._closing.is_set() and segment.undrained > _MOST_AT_CLOSE:
            return  # the next process goes on with it
        while True:
            for batch in self._draining.batches(segment, segment.before_newest):
                self._draining.put(segment, batch)
            if segment.undrained <= self._limits.batch_events:
                break
        with self._spooling:
            if segment.count == 0:
                self._is_spooling = False
                self._say_that_it_ended(0)
                return
            *batches, last = [*self._draining.batches(segment, segment.size)] or [segment.nothing]
            for batch in batches:
                self._draining.put(segment, batch)
            with self._folder_in_hand():
                following = self._following = self._following or self._segment_or_none()
                self._draining.end(segment, last, following)
            self._was_announced |= following is not None
            self._segment, self._following = following, None
            self._is_spooling = False
        self._say_that_it_ended(segment.count)

    def _segment_or_none(self) -> Segment | None:
        try:
            return self._new_segment()
        except LogUnavailable as fault:  # the next event that is to be spooled tries again
            self._say(fault)
            return None

    def _say(self, fault: AuditError) -> None:
        """Once for each different reason."""
        if str(fault) != self._said:
            self._said = str(fault)
            log_event("spool.waits", level=logging.WARNING, cause=str(fault))

    def _say_that_it_ended(self, count: int) -> None:
        self._said = None
        log_event("spool.drained", count=count)


def _is_unavailable(receipt: Recorded | AuditError) -> bool:
    return isinstance(receipt, LogUnavailable)
