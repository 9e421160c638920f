"""One file of a spool: written by one process, which holds its lock as long as it lives."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from cds_service.audit.data_keys import DataKey, DataKeys
from cds_service.audit.envelope import Process
from cds_service.audit.events import Event, timestamp
from cds_service.audit.files import flush
from cds_service.audit.spool_events import open_event, seal_event
from cds_service.audit.spool_frames import NO_CHECK, Damage, Frame, frames_in, write_frame
from cds_service.errors import AuditError, LogUnavailable

SUFFIX = ".spool"
KEPT_SUFFIX = ".kept"
_FORM = 1


class Header(msgspec.Struct, rename="camel", frozen=True):
    """The first frame: which log the segment is for, who wrote it, and its key, wrapped."""

    form: int
    log_id: str
    created_at: str
    host_id: str
    boot_id: str
    pid: int
    key_id: str
    wrapped_key: str


class NotASegment(AuditError):
    """A spool file whose header cannot be read: nothing in it can be opened."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some events of a segment, in order, each with its number; the numbers of frames that are
    damaged, missing or out of place; and where the next batch begins. `last` is the check of the
    newest frame."""

    events: Sequence[tuple[int, Event]]
    bad: Sequence[int]
    end: int
    next_number: int
    last: bytes


@dataclass(slots=True)
class Progress:
    """How far a segment has been drained, and what was not as it should be."""

    at: int
    next_number: int
    last: bytes
    drained: int = 0
    bad: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)

    @property
    def has_faults(self) -> bool:
        return bool(self.bad or self.refused)


class Segment:
    """An open spool file. `size` is how much of it is on disk for certain."""

    def __init__(self, path: Path, handle: int, header: Header, key: DataKey, size: int) -> None:
        self.path = path
        self.id = path.stem
        self.header = header
        self.size = size
        self.count = 0
        self.oldest: datetime | None = None
        self._raw_id = bytes.fromhex(self.id)
        self._handle = handle
        self._key = key
        self._last = NO_CHECK
        self._out_of_service: str | None = None
        self.progress = Progress(0, 0, NO_CHECK)
        self.before_newest = 0
        """Where the newest frame begins."""

    @property
    def waiting(self) -> int:
        """How many bytes are not drained."""
        return max(0, self.size - self.progress.at)

    @property
    def undrained(self) -> int:
        """How many events that this process has spooled are not drained."""
        return max(0, self.count - self.progress.next_number + 1)

    @property
    def nothing(self) -> Batch:
        """No events, from where the segment was drained to."""
        progress = self.progress
        return Batch((), (), progress.at, progress.next_number, progress.last)

    def note(self, batch: Batch, refused: Sequence[int]) -> None:
        """These events are in the store, but for those that it refused for good."""
        progress = self.progress
        progress.at, progress.next_number, progress.last = batch.end, batch.next_number, batch.last
        progress.drained += len(batch.events)
        progress.bad += batch.bad
        progress.refused += refused

    @classmethod
    def create(
        cls, folder: Path, keys: DataKeys, log_id: str, process: Process, now: datetime
    ) -> Segment:
        """A new, empty segment with its header on disk. Raises OSError, KeysNeeded."""
        key = DataKey.new()
        header = Header(
            _FORM, log_id, timestamp(now), process.host_id, process.boot_id, process.pid,
            key.key_id, keys.wrap(key).hex(),
        )  # fmt: skip
        path = folder / (secrets.token_hex(16) + SUFFIX)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        made = cls(path, handle, header, key, 0)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            made._begin()
            flush(folder)
        except BaseException:
            os.close(handle)
            path.unlink(missing_ok=True)
            raise
        return made

    @classmethod
    def take_over(cls, path: Path, keys: DataKeys) -> Segment | None:
        """The segment that a process left behind; None where that lives, or another was first.

        Raises NotASegment, KeysNeeded, OSError.
        """
        try:
            handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found = os.fstat(handle)
            if not found.st_nlink:
                raise BlockingIOError
            first = next(frames_in(_reader(handle), _id_of(path), 0, found.st_size), None)
            if first is None or (isinstance(first, Damage) and first.is_torn):
                path.unlink()  # its writer did not live to begin it
                raise BlockingIOError
            frame, header = _header(first)
            key = keys.unwrap(header.key_id, bytes.fromhex(header.wrapped_key))
        except BlockingIOError:
            os.close(handle)
            return None
        except BaseException:
            os.close(handle)
            raise
        segment = cls(path, handle, header, key, found.st_size)
        segment.progress = Progress(frame.end, 1, frame.check)
        return segment

    def append(self, written: Sequence[bytes], now: datetime) -> None:
        """Put these events on disk, all or none. Raises LogUnavailable, then none is."""
        if self._out_of_service:
            raise LogUnavailable(f"the spool takes no entries: {self._out_of_service}")
        if not written:
            return
        last, framed = self._last, []
        for number, one in enumerate(written, self.count + 1):
            sealed = seal_event(one, self._key, self._raw_id, number, last)
            frame, last = write_frame(self._raw_id, number, last, sealed)
            framed.append(frame)
        data = b"".join(framed)
        try:
            self._write(data)
            self._flush()
            self._is_still_there()
        except OSError as error:
            self._take_back(error)
            raise LogUnavailable(f"the spool cannot be written: {error.strerror}") from error
        self.before_newest = self.size + len(data) - len(framed[-1])
        self._last, self.size = last, self.size + len(data)
        self.count += len(written)
        self.oldest = self.oldest or now

    def batches(self, end: int, most_events: int, most_bytes: int) -> Iterator[Batch]:
        """What has not been drained up to this place of the file, some events at a time."""
        walk = _Walk(self.progress)
        for found in frames_in(_reader(self._handle), self._raw_id, walk.at, end):
            if isinstance(found, Damage):
                walk.pass_over(found, is_last=found.end == end)
            else:
                walk.take(found, self._key, self._raw_id)
            if len(walk.events) >= most_events or walk.at - walk.began >= most_bytes:
                yield walk.batch()
        if walk.at > walk.began:
            yield walk.batch()

    def finish(self) -> None:
        """Let go of the file, all of which is in the store: it is removed, or, where there was
        something wrong with it, kept under another name. May be called twice."""
        with suppress(FileNotFoundError):
            if self.progress.has_faults:
                self.path.rename(self.path.with_suffix(KEPT_SUFFIX))
            else:
                self.path.unlink()
            flush(self.path.parent)
        self.close()

    def close(self) -> None:
        """Let go of the file as it is."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _begin(self) -> None:
        frame, check = write_frame(self._raw_id, 0, NO_CHECK, msgspec.json.encode(self.header))
        self._write(frame)
        self._flush()
        self._last, self.size, self.before_newest = check, len(frame), len(frame)
        self.progress = Progress(len(frame), 1, check)

    def _write(self, data: bytes) -> None:
        left, at = memoryview(data), self.size
        while left:
            done = os.pwrite(self._handle, left, at)
            left, at = left[done:], at + done

    def _flush(self) -> None:
        """Until this has returned, nothing is on disk; after it has failed, nobody knows what is,
        and a second try would say that all is well."""
        try:
            os.fsync(self._handle)
        except OSError as error:
            self._out_of_service = f"{error.strerror}; the service has to be restarted"
            raise

    def _is_still_there(self) -> None:
        if not os.fstat(self._handle).st_nlink:
            self._out_of_service = "its file was removed"
            raise FileNotFoundError(0, self._out_of_service)

    def _take_back(self, error: OSError) -> None:
        """Nothing of what was not acknowledged stays behind what was."""
        try:
            os.ftruncate(self._handle, self.size)
        except OSError:
            self._out_of_service = f"{error.strerror}; the service has to be restarted"


class _Walk:
    """One reading of a segment from where it was drained to, judging number and link of frames."""

    def __init__(self, progress: Progress) -> None:
        self.at = self.began = progress.at
        self.events: list[tuple[int, Event]] = []
        self._bad: list[int] = []
        self._known_bad = set(progress.bad)
        self._expected = progress.next_number
        self._last: bytes = progress.last
        self._is_last_sound = True

    def pass_over(self, damage: Damage, *, is_last: bool) -> None:
        """Bytes that are no frame. Which frames stood there, the next whole one tells."""
        if is_last and not damage.is_torn:
            self._bad.append(self._expected)
            self._expected += 1
        self.at = damage.end

    def take(self, frame: Frame, key: DataKey, segment: bytes) -> None:
        """A frame that is whole. What does not open with the segment's key is not believed, its
        number neither."""
        self.at = frame.end
        event = _opened(frame, key, segment)
        if frame.number < self._expected:
            if event and frame.number in self._known_bad.union(self._bad):  # astray, but there
                self.events.append((frame.number, event))
            return
        if event is None:
            self._bad.append(self._expected)
            self._expected += 1
            self._is_last_sound = False
            return
        self._bad.extend(range(self._expected, frame.number))
        is_next = frame.number == self._expected
        if is_next and self._is_last_sound and frame.before != self._last:
            self._bad.append(frame.number)
        self.events.append((frame.number, event))
        self._is_last_sound = True
        self._expected, self._last = frame.number + 1, frame.check

    def batch(self) -> Batch:
        """What was taken since the last batch."""
        made = Batch(self.events, self._bad, self.at, self._expected, self._last)
        self._known_bad.update(self._bad)
        self.events, self._bad, self.began = [], [], self.at
        return made


def _opened(frame: Frame, key: DataKey, segment: bytes) -> Event | None:
    try:
        return open_event(frame, key, segment)
    except AuditError:
        return None


def _reader(handle: int) -> Any:
    return lambda at, length: os.pread(handle, length, at)


def _id_of(path: Path) -> bytes:
    try:
        return bytes.fromhex(path.stem)
    except ValueError as error:
        raise NotASegment("a file in the spool has no segment's name") from error


def _header(first: Frame | Damage | None) -> tuple[Frame, Header]:
    if not isinstance(first, Frame) or first.number != 0:
        raise NotASegment("a spool file has lost its header")
    try:
        header = msgspec.json.decode(first.content, type=Header)
    except msgspec.MsgspecError as error:
        raise NotASegment("a spool file has no header that can be read") from error
    if header.form != _FORM:
        raise NotASegment(f"a spool file has form {header.form}, not {_FORM}")
    return first, header
