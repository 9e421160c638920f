"""What the store cannot take is in the spool, and gets into the store once, in order."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import timedelta
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
    card_id,
    decision_id,
    envelopes,
    faults,
    feedback_on,
    kinds,
    verified,
)
from audit.samples import VERSIONS
from cds_service.audit import Event, EventType, Recorded, service_started_event
from cds_service.audit.data_keys import DataKeys, default_data_key_file
from cds_service.audit.entries import service_stopped_event
from cds_service.audit.findings import Kind
from cds_service.audit.reading import open_reader
from cds_service.audit.spool import NO_PLACE_YET, SpoolingStore, SpoolLimits
from cds_service.audit.spool_folder import SpoolFolder
from cds_service.audit.spool_frames import Damage, Frame, frames_in, write_frame
from cds_service.audit.spool_segment import Segment
from cds_service.audit.sqlite_store import SqliteStore
from cds_service.audit.store import Store
from cds_service.errors import AuditError, LogUnavailable

QUICK = SpoolLimits(retry_seconds=0.01, look_seconds=0.05, busy_seconds=1.0)
STARTED = service_started_event(VERSIONS, settings={})
STOPPED = service_stopped_event(cause="shutdown")


class Away(SqliteStore):
    """A store that can be sent away, and come back."""

    is_away = True

    def append(self, events: Sequence[Event]) -> list[Recorded | AuditError]:
        if self.is_away:
            raise LogUnavailable("the store is away")
        return super().append(events)


@dataclass
class Spooled:
    """A log that is away, with a spool in front of it."""

    tmp: Path
    clock: Clock = field(default_factory=Clock)
    limits: SpoolLimits = QUICK
    segment_type: type[Segment] = Segment
    opened: list[SpoolingStore] = field(default_factory=list)

    @property
    def path(self) -> Path:
        return self.tmp / "log.db"

    @property
    def folder(self) -> Path:
        return self.tmp / "spool"

    def open(self, *, is_away: bool = True, store: type[Any] = Away) -> SpoolingStore:
        """One process's spool; `store` is its way to the log."""
        with closing(a_store(self.path)) as made:
            made.append([])
        keys = DataKeys(default_data_key_file(self.path))
        if not keys.file_exists:
            keys.create()
        recorder = a_recorder(self.clock, make_id=Ids(1_000 * len(self.opened)))
        self.store = store(self.path, recorder)
        self.store.is_away = is_away
        with open_reader(self.path) as reader:
            log_id, _ = reader.first_link()
        folder = SpoolFolder(
            self.folder, keys, log_id, recorder.process, self.clock, segment_type=self.segment_type
        )
        made = SpoolingStore(
            self.store, folder, limits=self.limits, clock=self.clock, make_id=recorder.make_id
        )
        self.opened.append(made)
        return made

    def files(self, suffix: str = ".spool") -> list[Path]:
        return sorted(self.folder.glob(f"*{suffix}"))

    def types(self) -> list[str]:
        return [one["eventType"] for one in envelopes(self.path)]

    def abandon(self, spool: SpoolingStore) -> None:
        """As if the process had been killed: the lock is gone, the file stays."""
        self.store.is_away = True
        spool._closing.set()
        spool._drainer.join()
        for segment in filter(None, [spool._segment, spool._following]):
            segment.close()
        spool._segment = spool._following = None


@pytest.fixture
def spooled(tmp_path: Path) -> Iterator[Spooled]:
    made = Spooled(tmp_path)
    yield made
    for spool in made.opened:
        spool.close()


def until(holds: Callable[[], bool]) -> None:
    for _ in range(1_000):
        if holds():
            return
        time.sleep(0.005)
    raise AssertionError("it did not come to that")


def ids(receipts: Sequence[Recorded | AuditError]) -> list[str]:
    assert all(isinstance(one, Recorded) for one in receipts), receipts
    return [one.event_id for one in receipts if isinstance(one, Recorded)]


# --- in and out ---------------------------------------------------------------------------------


def test_a_store_that_answers_is_all_that_is_used(spooled: Spooled) -> None:
    spool = spooled.open(is_away=False)
    (empty,) = spooled.files()
    before = empty.read_bytes()
    (receipt,) = spool.append([an_event(1)])
    assert isinstance(receipt, Recorded)
    assert receipt.seq == 1
    assert empty.read_bytes() == before
    assert "spooledAt" not in envelopes(spooled.path)[0]


def test_what_a_store_cannot_take_has_its_id_at_once_and_its_place_later(spooled: Spooled) -> None:
    spool = spooled.open()
    given = [an_event(1), feedback_on(card_id(1)), an_event(2)]
    receipts = [one for event in given for one in spool.append([event])]
    assert [one.seq for one in receipts if isinstance(one, Recorded)] == [NO_PLACE_YET] * 3
    assert envelopes(spooled.path) == []
    spooled.clock.now += timedelta(minutes=10)
    spooled.store.is_away = False
    until(lambda: not spool.is_spooling)
    entries = envelopes(spooled.path)
    assert [one["eventId"] for one in entries][:3] == ids(receipts)
    assert [one["eventType"] for one in entries] == ["decision", "feedback", "decision", "spool-drained"]
    assert entries[1]["decisionId"] == decision_id(1)
    for entry in entries[:3]:
        assert entry["receivedAt"] == "2026-11-21T12:00:00.000000Z"
        assert entry["spooledAt"] < "2026-11-21T12:01" < "2026-11-21T12:10" < entry["recordedAt"]
    assert verified(spooled.path).exit_code == 3


def test_a_drained_decision_is_what_it_would_have_been(spooled: Spooled, tmp_path: Path) -> None:
    spool = spooled.open()
    spool.append([an_event(1)])
    spooled.store.is_away = False
    until(lambda: not spool.is_spooling)
    with closing(a_store(tmp_path / "other.db")) as other:
        other.append([an_event(1)])
    unlike = {"recordedAt", "patientPseudonym", "sealed", "prevHash", "spooledAt"}
    (direct,) = envelopes(tmp_path / "other.db")
    drained = envelopes(spooled.path)[0]
    assert {k: drained[k] for k in drained if k not in unlike} == {
        k: direct[k] for k in direct if k not in unlike
    }
    contents = []
    for path in (spooled.path, tmp_path / "other.db"):
        with open_reader(path) as reader:
            (event,) = [one for one in reader.events() if one.event_type == "decision"]
            names = event.read()["sealed"]["digests"]
            contents.append({n: reader.content(event, n) for n in names if n != "inputs"})
    assert contents[0] == contents[1]


def test_the_segment_is_accounted_for_and_its_file_goes(spooled: Spooled) -> None:
    spool = spooled.open()
    spool.append([an_event(number) for number in range(1, 200)])
    (file,) = spooled.files()
    assert file.stat().st_mode & 0o777 == 0o600
    spooled.store.is_away = False
    until(lambda: not spool.is_spooling)
    told = envelopes(spooled.path)[-1]
    assert told["segmentId"] == file.stem
    assert told["events"] == 199
    assert len(told["finalHash"]) == 64
    assert [one.stem for one in spooled.files()] == [told["nextSegment"]]
    assert [one["decisionId"] for one in envelopes(spooled.path)[:-1]] == [
        decision_id(number) for number in range(1, 200)
    ]


def test_a_store_that_comes_and_goes_keeps_the_order(spooled: Spooled) -> None:
    spool = spooled.open()
    for number in range(1, 61):
        spooled.store.is_away = number % 20 > 10
        spool.append([an_event(number)])
        time.sleep(0.003)
    spooled.store.is_away = False
    until(lambda: not spool.is_spooling)
    decided = [one["decisionId"] for one in envelopes(spooled.path) if "decisionId" in one]
    assert decided == [decision_id(number) for number in range(1, 61)]
    assert verified(spooled.path).exit_code == 3


def test_an_outage_without_an_event_leaves_no_entry(spooled: Spooled) -> None:
    spool = spooled.open()
    spool.append([])
    assert spool.is_spooling
    spooled.store.is_away = False
    until(lambda: not spool.is_spooling)
    assert envelopes(spooled.path) == []


def test_an_event_that_is_at_fault_is_refused_at_once(spooled: Spooled) -> None:
    spool = spooled.open()
    broken = replace(an_event(2), members={"n": float("nan")})
    receipts = spool.append([an_event(1), broken, an_event(3)])
    assert [type(one) for one in receipts] == [Recorded, AuditError, Recorded]


def test_what_the_store_has_already_is_not_put_in_twice(spooled: Spooled) -> None:
    a_log_of(spooled.path, 2)
    spool = spooled.open()
    spool.append([an_event(2), an_event(3)])
    spooled.store.is_away = False
    until(lambda: not spool.is_spooling)
    assert spooled.types() == ["decision"] * 3 + ["spool-drained"]
    assert "refused" not in envelopes(spooled.path)[-1]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_the_store_refuses_for_good_does_not_hold_up_the_rest(
    spooled: Spooled, place: int
) -> None:
    class Refusing(Away):
        def append(self, events: Sequence[Event]) -> list[Recorded | AuditError]:
            good = [one for one in events if one.event_id != decision_id(place)]
            receipts = iter(super().append(good))
            return [
                AuditError("never") if one.event_id == decision_id(place) else next(receipts)
                for one in events
            ]

    spool = spooled.open(store=Refusing)
    spool.append([an_event(number) for number in range(3)])
    spooled.store.is_away = False
    until(lambda: not spool.is_spooling)
    decided = [one["decisionId"] for one in envelopes(spooled.path) if "decisionId" in one]
    assert decided == [decision_id(number) for number in range(3) if number != place]
    told = [one for one in envelopes(spooled.path) if one["eventType"] == "spool-drained"]
    assert told[-1]["refused"] == [place + 1]
    assert kinds(verified(spooled.path)) == {Kind.SPOOL_UNACCOUNTED}
    assert len(spooled.files(".kept")) == 1
    assert spool.state.faults == 1
