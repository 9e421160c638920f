"""The folder of a spool: which segments lie in it, whose writers live, and which are to be drained.

The folder's lock is held while a segment is made, while the folder is looked through, and until
what was found there is in the log: so a list of segments and the entries that announce them agree.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cds_service.audit.canonical import digest
from cds_service.audit.data_keys import DataKeys, KeysNeeded
from cds_service.audit.envelope import Process
from cds_service.audit.events import utc_now
from cds_service.audit.files import new_file, refuse_network_file_system
from cds_service.audit.spool_segment import KEPT_SUFFIX, SUFFIX, NotASegment, Segment
from cds_service.errors import AuditError
from cds_service.operations_log import log_event

_PAUSE_SECONDS = 0.01


@dataclass(slots=True)
class SpoolFolder:
    """Where the segments of one log are. Raises AuditError where it cannot be had.

    `segment_type` is for tests that break a disk.
    """

    path: Path
    keys: DataKeys
    log_id: str
    process: Process
    clock: Callable[[], datetime] = utc_now
    patience_seconds: float = 2.0
    segment_type: type[Segment] = Segment
    id: str = ""
    _left_alone: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        refuse_network_file_system(self.path)
        named = self.path / "folder-id"
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not named.exists():
                with new_file(named) as draft:
                    draft.write_text(secrets.token_hex(16), encoding="ascii")
            self.id = named.read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            raise AuditError(f"the spool's folder cannot be used: {error}") from error

    @property
    def place(self) -> str:
        """The same text for the same path; the path itself is nobody's business."""
        return digest(str(self.path.resolve()).encode())

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Whether no other process is looking through the folder now; not, where one takes too
        long. Raises OSError."""
        handle = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            until = time.monotonic() + self.patience_seconds
            while not (is_ours := _lock(handle)) and time.monotonic() < until:
                time.sleep(_PAUSE_SECONDS)
            yield is_ours
        finally:
            os.close(handle)

    def new_segment(self) -> Segment:
        """A segment to write into; under the lock. Raises OSError, KeysNeeded."""
        return self.segment_type.create(
            self.path, self.keys, self.log_id, self.process, self.clock()
        )

    def ids(self) -> list[str]:
        """The ids of all segments that lie here, also of those that were kept."""
        suffixes = (SUFFIX, KEPT_SUFFIX)
        return sorted({one.stem for one in self.path.iterdir() if one.suffix in suffixes})

    def kept(self) -> int:
        """How many files were kept because something in them was not as it should be."""
        try:
            return sum(one.suffix == KEPT_SUFFIX for one in self.path.iterdir())
        except OSError:
            return 0

    def left_behind(self) -> list[Segment]:
        """The segments of processes that are gone, the oldest first, each taken by one process
        only. What cannot be opened stays as it is, and is told of once."""
        found: list[Segment] = []
        for path in self.path.glob(f"*{SUFFIX}"):
            try:
                segment = self.segment_type.take_over(path, self.keys)
            except (NotASegment, KeysNeeded, AuditError, OSError) as error:
                self.leave_alone(path, str(error))
                continue
            if segment is not None and segment.header.log_id != self.log_id:
                self.leave_alone(path, "it is of another decision log")
                segment.close()
            elif segment is not None:
                found.append(segment)
        return sorted(found, key=lambda one: one.header.created_at)

    @property
    def unreadable(self) -> int:
        """How many segments cannot be opened by this process."""
        return len(self._left_alone)

    def leave_alone(self, path: Path, why: str) -> None:
        """This file cannot be drained: it is counted, and told of once."""
        if path.stem not in self._left_alone:
            self._left_alone.add(path.stem)
            log_event("spool.unreadable", level=logging.ERROR, error=why)


def _lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
