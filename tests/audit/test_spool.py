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
    VERSIONS,
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
    places,
    verified,
)
from cds_service.audit import (
    DecisionLog,
    Event,
    Recorded,
    Signing,
    Spooling,
    open_decision_log,
    proof_commands,
    service_started_event,
)
from cds_service.audit.data_keys import DataKeys, default_data_key_file
from cds_service.audit.database_store import DatabaseStore
from cds_service.audit.entries import service_stopped_event
from cds_service.audit.findings import Kind
from cds_service.audit.reading import open_reader
from cds_service.audit.signing import Signer
from cds_service.audit.signing_keys import default_signing_key_file
from cds_service.audit.spool import NO_PLACE_YET, SpoolingStore
from cds_service.audit.spool_draining import SpoolLimits
from cds_service.audit.spool_folder import SpoolFolder
from cds_service.audit.spool_frames import frames_in, write_frame
from cds_service.audit.spool_segment import Segment
from cds_service.errors import AuditError, LogUnavailable

QUICK = SpoolLimits(retry_seconds=0.01, look_seconds=0.05, busy_seconds=1.0)
STARTED = service_started_event(VERSIONS, settings={})
STOPPED = service_stopped_event(cause="shutdown")


class Away(DatabaseStore):
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
        with closing(a_store(self.path)) as empty:
            empty.append([])
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
    assert [one["eventType"] for one in entries] == [
        "decision",
        "feedback",
        "decision",
        "spool-drained",
    ]
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


# --- processes that are gone --------------------------------------------------------------------


def test_what_a_dead_process_spooled_is_drained_by_the_next_before_anything_else(
    spooled: Spooled,
) -> None:
    first = spooled.open()
    first.append([an_event(1), an_event(2)])
    spooled.abandon(first)
    second = spooled.open(is_away=False)
    second.append([an_event(3)])
    assert spooled.types() == ["decision", "decision", "spool-drained", "decision"]
    assert verified(spooled.path).exit_code == 3


def test_what_a_living_process_spools_is_left_to_it(spooled: Spooled) -> None:
    living = spooled.open()
    living.append([an_event(1)])
    theirs = spooled.store
    other = spooled.open(is_away=False)
    other.append([an_event(2)])
    assert spooled.types() == ["decision"]
    theirs.is_away = False
    until(lambda: not living.is_spooling)
    assert spooled.types() == ["decision", "decision", "spool-drained"]


def test_a_process_that_dies_later_is_noticed(spooled: Spooled) -> None:
    dying = spooled.open()
    dying.append([an_event(1)])
    other = spooled.open(is_away=False)
    other.append([an_event(2)])
    store = spooled.store
    spooled.abandon(dying)
    store.is_away = False
    until(lambda: "spool-drained" in spooled.types())
    assert [one for one in spooled.types() if one == "decision"] == ["decision"] * 2


def test_the_spool_of_another_log_is_left_alone(spooled: Spooled, tmp_path: Path) -> None:
    first = spooled.open()
    first.append([an_event(1)])
    spooled.abandon(first)
    for file in tmp_path.glob("log.db*"):
        if not file.name.endswith("key"):
            file.rename(file.with_name(file.name.replace("log", "old")))
    from cds_service.audit.sqlite_file import create_log

    create_log(spooled.path, log_id="another", created_at=NOON)
    second = spooled.open(is_away=False)
    second.append([an_event(2)])
    assert [one["decisionId"] for one in envelopes(spooled.path)] == [decision_id(2)]
    assert second.state.faults == 1


def test_killed_between_the_commit_and_the_removal_nothing_is_twice(spooled: Spooled) -> None:
    first = spooled.open()
    first.append([an_event(1), an_event(2)])
    (file,) = spooled.files()
    again = file.read_bytes()
    spooled.abandon(first)
    spooled.open(is_away=False)
    entries = spooled.types()
    file.write_bytes(again)
    third = spooled.open(is_away=False)
    assert spooled.types() == entries
    assert not file.exists()
    third.append([an_event(3)])
    assert verified(spooled.path).exit_code == 3


def test_closing_leaves_on_disk_what_the_store_does_not_take(spooled: Spooled) -> None:
    first = spooled.open()
    first.append([an_event(1)])
    first.close()
    assert len(spooled.files()) == 1
    spooled.open(is_away=False)
    assert spooled.types() == ["decision", "spool-drained"]


# --- files that were damaged --------------------------------------------------------------------


def places_of(file: Path) -> list[tuple[int, int]]:
    """Where each frame begins and ends, the header first."""
    data = file.read_bytes()
    at, found = 0, []
    for frame in frames_in(lambda a, n: data[a : a + n], bytes.fromhex(file.stem), 0, len(data)):
        found.append((at, frame.end))
        at = frame.end
    return found


def cut_into(data: bytearray, places: list[tuple[int, int]]) -> None:
    del data[places[-1][1] - 7 :]


def cut_into_head(data: bytearray, places: list[tuple[int, int]]) -> None:
    del data[places[-1][0] + 30 :]


def never_filled(data: bytearray, places: list[tuple[int, int]]) -> None:
    begin, end = places[-1]
    data[begin + 100 : end] = bytes(end - begin - 100)


def given_and_never_filled(data: bytearray, places: list[tuple[int, int]]) -> None:
    begin, end = places[-1]
    data[begin:end] = bytes(end - begin)


@pytest.mark.parametrize("tear", [cut_into, cut_into_head, never_filled, given_and_never_filled])
def test_a_frame_torn_at_the_end_was_never_acknowledged_and_is_dropped(
    spooled: Spooled, tear: Callable[[bytearray, list[tuple[int, int]]], None]
) -> None:
    first = spooled.open()
    for number in range(1, 4):
        first.append([an_event(number)])
    (file,) = spooled.files()
    spooled.abandon(first)
    data = bytearray(file.read_bytes())
    tear(data, places_of(file))
    file.write_bytes(data)
    spooled.open(is_away=False)
    assert spooled.types() == ["decision", "decision", "spool-drained"]
    assert verified(spooled.path).exit_code == 3
    assert spooled.files(".kept") == []


def one_bit(data: bytearray, begin: int, end: int) -> None:
    data[(begin + end) // 2] ^= 1


def its_length(data: bytearray, begin: int, end: int) -> None:
    data[begin + 25] ^= 1


def its_number(data: bytearray, begin: int, end: int) -> None:
    data[begin + 20] ^= 1


def its_sync(data: bytearray, begin: int, end: int) -> None:
    data[begin] ^= 1


def all_of_it(data: bytearray, begin: int, end: int) -> None:
    data[begin:end] = b"\x55" * (end - begin)


def taken_out(data: bytearray, begin: int, end: int) -> None:
    del data[begin:end]


HARMS = [one_bit, its_length, its_number, its_sync, all_of_it]


@pytest.mark.parametrize(
    ("harm", "number"),
    [(harm, number) for harm in HARMS for number in (1, 3, 5)]
    + [(taken_out, number) for number in (1, 3)],
)
def test_a_damaged_frame_costs_no_other_and_is_reported(
    spooled: Spooled, harm: Callable[[bytearray, int, int], None], number: int
) -> None:
    first = spooled.open()
    for one in range(1, 6):
        first.append([an_event(one)])
    (file,) = spooled.files()
    spooled.abandon(first)
    data = bytearray(file.read_bytes())
    harm(data, *places_of(file)[number])
    file.write_bytes(data)
    second = spooled.open(is_away=False)
    decided = [one["decisionId"] for one in envelopes(spooled.path) if "decisionId" in one]
    assert decided == [decision_id(one) for one in range(1, 6) if one != number]
    told = envelopes(spooled.path)[-1]
    assert told["eventType"] == "spool-drained"
    assert told["badFrames"] == [number]
    (finding,) = faults(verified(spooled.path))
    assert finding.kind is Kind.SPOOL_UNACCOUNTED
    assert spooled.files(".kept")[0].read_bytes() == bytes(data)
    assert second.state.faults == 1


@pytest.mark.parametrize("number", [2, 1 << 60])
def test_a_frame_that_was_made_without_the_key_is_not_believed(
    spooled: Spooled, number: int
) -> None:
    first = spooled.open()
    for one in range(1, 4):
        first.append([an_event(one)])
    (file,) = spooled.files()
    spooled.abandon(first)
    data, at = file.read_bytes(), places_of(file)
    forged, _ = write_frame(bytes.fromhex(file.stem), number, bytes(32), b"x" * 500)
    file.write_bytes(data[: at[2][0]] + forged + data[at[2][1] :])
    spooled.open(is_away=False)
    entries = envelopes(spooled.path)
    decided = [one["decisionId"] for one in entries if "decisionId" in one]
    assert decided == [decision_id(1), decision_id(3)]
    assert entries[-1]["badFrames"] == [2]


@pytest.mark.parametrize(("one", "other"), [(1, 2), (2, 3), (1, 3)])
def test_frames_that_changed_places_are_all_there_and_it_is_reported(
    spooled: Spooled, one: int, other: int
) -> None:
    first = spooled.open()
    for number in range(1, 5):
        first.append([an_event(number)])
    (file,) = spooled.files()
    spooled.abandon(first)
    data, at = file.read_bytes(), places_of(file)
    frames = [data[begin:end] for begin, end in at]
    frames[one], frames[other] = frames[other], frames[one]
    file.write_bytes(b"".join(frames))
    spooled.open(is_away=False)
    decided = [found["decisionId"] for found in envelopes(spooled.path) if "decisionId" in found]
    assert sorted(decided) == [decision_id(number) for number in range(1, 5)]
    assert kinds(verified(spooled.path)) == {Kind.SPOOL_UNACCOUNTED}


def test_a_frame_put_in_a_second_time_counts_once(spooled: Spooled) -> None:
    first = spooled.open()
    first.append([an_event(1)])
    first.append([an_event(2)])
    (file,) = spooled.files()
    spooled.abandon(first)
    begin, end = places_of(file)[1]
    data = file.read_bytes()
    file.write_bytes(data[:end] + data[begin:])
    spooled.open(is_away=False)
    assert spooled.types() == ["decision", "decision", "spool-drained"]


def test_a_file_without_its_header_is_kept_and_told_of(
    spooled: Spooled, caplog: pytest.LogCaptureFixture
) -> None:
    first = spooled.open()
    first.append([an_event(1)])
    (file,) = spooled.files()
    spooled.abandon(first)
    data = bytearray(file.read_bytes())
    data[70] ^= 1
    file.write_bytes(data)
    second = spooled.open(is_away=False)
    second.append([an_event(2)])
    assert spooled.types() == ["decision"]
    assert file.exists()
    assert second.state.faults == 1
    assert "spool.unreadable" in caplog.messages


# --- files that were removed --------------------------------------------------------------------


def test_starts_stops_and_drains_add_up(spooled: Spooled) -> None:
    for _ in range(2):
        one = spooled.open(is_away=False)
        one.append([STARTED])
        spooled.store.is_away = True
        one.append([an_event(len(spooled.opened))])
        spooled.store.is_away = False
        until(lambda one=one: not one.is_spooling)  # type: ignore[misc]
        one.append([STOPPED])
        one.close()
        assert spooled.files() == []
    killed = spooled.open(is_away=False)
    killed.append([STARTED])
    spooled.abandon(killed)
    spooled.open(is_away=False).append([STARTED])
    report = verified(spooled.path)
    assert report.exit_code == 3
    assert len(report.spools) == 1


@pytest.mark.parametrize("is_whole_folder", [False, True])
@pytest.mark.parametrize("was_used", [False, True])
def test_a_spool_file_deleted_by_hand_is_missed(
    spooled: Spooled, was_used: bool, is_whole_folder: bool
) -> None:
    first = spooled.open(is_away=False)
    first.append([STARTED])
    if was_used:
        spooled.store.is_away = True
        first.append([an_event(1)])
    (file,) = spooled.files()
    spooled.abandon(first)
    shutil.rmtree(spooled.folder) if is_whole_folder else file.unlink()
    second = spooled.open(is_away=False)
    assert verified(spooled.path).exit_code == 3
    second.append([STARTED])
    (finding,) = faults(verified(spooled.path))
    assert (finding.kind, finding.first) == (Kind.SPOOL_UNACCOUNTED, 1)
    assert file.stem in finding.detail


def test_processes_side_by_side_miss_nothing_of_each_other(spooled: Spooled) -> None:
    both = [spooled.open(is_away=False) for _ in range(3)]
    for one in both:
        one.append([STARTED])
    assert verified(spooled.path).exit_code == 3
    assert len(verified(spooled.path).spools) == 3


def test_a_file_deleted_under_a_living_process_takes_no_more_and_loses_nothing(
    spooled: Spooled,
) -> None:
    spool = spooled.open()
    spool.append([an_event(1)])
    spooled.files()[0].unlink()
    with pytest.raises(LogUnavailable, match="removed"):
        spool.append([an_event(2)])
    spooled.store.is_away = False
    until(lambda: not spool.is_spooling)
    spool.append([an_event(3)])
    decided = [one["decisionId"] for one in envelopes(spooled.path) if "decisionId" in one]
    assert decided == [decision_id(1), decision_id(3)]


# --- limits -------------------------------------------------------------------------------------


def test_a_full_spool_refuses_and_has_room_again_once_drained(tmp_path: Path) -> None:
    spooled = Spooled(tmp_path, limits=replace(QUICK, bytes=10_000))
    spool = spooled.open()
    noise = os.urandom(3_000)
    spool.append([an_event(1, response=noise), an_event(2, response=noise)])
    with pytest.raises(LogUnavailable, match="full"):
        spool.append([an_event(3, response=noise)])
    spooled.store.is_away = False
    until(lambda: not spool.is_spooling)
    spool.append([an_event(4)])
    spool.close()
    assert [one["decisionId"] for one in envelopes(spooled.path) if "decisionId" in one] == [
        decision_id(number) for number in (1, 2, 4)
    ]


@pytest.mark.parametrize(("minutes", "is_taken"), [(59, True), (61, False)])
def test_what_is_spooled_may_not_get_too_old(tmp_path: Path, minutes: int, is_taken: bool) -> None:
    spooled = Spooled(tmp_path, limits=replace(QUICK, age=timedelta(hours=1)))
    spool = spooled.open()
    spool.append([an_event(1)])
    spooled.clock.now += timedelta(minutes=minutes)
    if is_taken:
        spool.append([an_event(2)])
    else:
        with pytest.raises(LogUnavailable, match="older"):
            spool.append([an_event(2)])
    assert spool.state.age_seconds == pytest.approx(minutes * 60, abs=1)
    spool.close()


# --- nothing in clear ---------------------------------------------------------------------------


def test_nothing_of_a_chart_lies_in_the_spool_in_clear(spooled: Spooled) -> None:
    spool = spooled.open()
    spool.append([an_event(1, patient_id="canary-4711", request=b'{"canary-4711": 1}')])
    spool.append([feedback_on(card_id(1), comment="canary-4711")])
    for file in spooled.folder.iterdir():
        data = file.read_bytes()
        assert b"canary" not in data
        assert b"multiple-myeloma" not in data
        assert b"Practitioner" not in data
        assert file.stat().st_mode & 0o077 == 0


def test_without_the_key_file_a_spool_stays_shut(spooled: Spooled) -> None:
    first = spooled.open()
    first.append([an_event(1)])
    spooled.abandon(first)
    default_data_key_file(spooled.path).unlink()
    second = spooled.open(is_away=False)
    assert second.state.faults == 1
    assert spooled.types() == []
    assert len(spooled.files()) == 2


# --- a log that went back -----------------------------------------------------------------------


async def test_what_was_spooled_survives_a_restored_backup_and_comes_after_the_recovery(
    tmp_path: Path,
) -> None:
    path, backup = tmp_path / "log.db", tmp_path / "backup.db"
    anchor = tmp_path / "anchor"
    signing = Signing(default_signing_key_file(path), anchor)

    def opened(signing: Signing | None = signing) -> DecisionLog:
        spooling = Spooling(folder=tmp_path / "spool", limits=QUICK)
        return open_decision_log(path, patience_seconds=0.05, signing=signing, spooling=spooling)

    log = opened()
    await log.append(STARTED)
    await log.append(an_event(1))
    log.close()
    with closing(sqlite3.connect(path)) as db, closing(sqlite3.connect(backup)) as to:
        db.backup(to)
    log = opened(signing=None)
    await log.append(an_event(2))
    with closing(Signer(path, signing)) as signer:
        signer.make()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        await log.append(an_event(3))
        assert log.is_spooling
        log.close()
    for name in ("-wal", "-shm"):
        path.with_name(path.name + name).unlink(missing_ok=True)
    path.write_bytes(backup.read_bytes())
    with pytest.raises(AuditError, match="lacks entries"):
        opened()
    proof_commands.recover(path, reason="restored", anchor_file=anchor)
    again = opened()
    await again.append(STARTED)
    again.close()
    entries = envelopes(path)
    decided = [one["decisionId"] for one in entries if one["eventType"] == "decision"]
    assert decided == [decision_id(1), decision_id(3)]
    (recovery,) = [one["seq"] for one in entries if one["eventType"] == "recovery"]
    assert entries[-1]["seq"] > recovery
    assert not places(verified(path), Kind.SPOOL_UNACCOUNTED)
