"""Anchors: checkpoints that are kept where the log's operator cannot alter them.

Only an anchor can show that the end of the log was cut off: a shorter chain is perfectly linked.
An anchor without a signature is as good as the place where it was kept.
"""

from __future__ import annotations

import fcntl
import heapq
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cds_service.audit.checkpoint import ORIGIN, Checkpoint, read_note
from cds_service.audit.notes import Note
from cds_service.errors import AuditError

_LONGEST_NOTE = 4096
_OUT_OF_ORDER = 64
"""Several processes write an anchor file; so many notes may have overtaken each other."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A checkpoint as it was found outside the log; `note` has the signatures, if any."""

    checkpoint: Checkpoint
    note: Note

    @classmethod
    def unsigned(cls, log_id: str, size: int, root: bytes) -> Anchor:
        checkpoint = Checkpoint(log_id, size, root)
        return cls(checkpoint, Note(checkpoint.as_text()))

    def __str__(self) -> str:
        return str(self.note)


def read_anchor(text: str) -> Anchor:
    """The anchor in this text; AuditError where it is none, or covers nothing (size 0)."""
    try:
        checkpoint, note = read_note(text.strip("\n") + "\n")
    except ValueError as error:
        raise AuditError("the anchor is not origin, size and root, a line each") from error
    if checkpoint.size < 1:
        raise AuditError("the anchor does not anchor any event of a decision log")
    return Anchor(checkpoint, note)


def read_anchors(path: Path) -> Iterator[Anchor | None]:
    """The anchors of a file, by size; None for each piece of it that is none.

    Raises AuditError where it cannot be read, or there is no anchor in it. Memory for some of them
    at a time, as long as they stand about in order.
    """
    try:
        with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
            yield from _by_size(_refuse_none(map(_anchor_or_none, _pieces(file))))
    except OSError as error:
        raise AuditError(f"the anchor file cannot be read: {error.strerror}") from error


def newest_anchor(path: Path, log_id: str) -> Anchor | None:
    """The largest of the last anchors of this log in a file; None where there is no such file."""
    try:
        with path.open("rb") as file:
            start = max(0, file.seek(0, os.SEEK_END) - _OUT_OF_ORDER * _LONGEST_NOTE)
            file.seek(start)
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise AuditError(f"the anchor file cannot be read: {error.strerror}") from error
    found = map(_anchor_or_none, _pieces(text.splitlines(keepends=True)))
    ours = [one for one in found if one and one.checkpoint.log_id == log_id]
    return max(ours, key=lambda one: one.checkpoint.size, default=None)


def append_anchor(path: Path, note: Note) -> None:
    """Add a note to an anchor file, durably; OSError where that fails."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        gap = "\n" if os.fstat(handle).st_size else ""
        os.write(handle, (gap + str(note)).encode())
        os.fsync(handle)
    finally:
        os.close(handle)


def _pieces(lines: Iterable[str]) -> Iterator[str]:
    """The text cut before each line that could begin a checkpoint."""
    piece = ""
    for line in lines:
        if line.startswith(ORIGIN) and piece:
            yield piece
            piece = ""
        if len(piece) <= _LONGEST_NOTE:
            piece += line
    if piece:
        yield piece


def _anchor_or_none(piece: str) -> Anchor | None:
    try:
        return read_anchor(piece) if piece.endswith("\n") else None
    except AuditError:
        return None


def _refuse_none(found: Iterable[Anchor | None]) -> Iterator[Anchor | None]:
    """AuditError, before anything is handed out, where the first piece is no anchor and none
    follows it."""
    pieces = iter(found)
    for damaged, one in enumerate(pieces):
        if one is not None:
            yield from [None] * damaged
            yield one
            yield from pieces
            return
    raise AuditError("there is no anchor of a decision log in the anchor file")


def _by_size(found: Iterable[Anchor | None]) -> Iterator[Anchor | None]:
    waiting: list[tuple[int, int, Anchor]] = []
    for number, one in enumerate(found):
        if one is None:
            yield None
            continue
        heapq.heappush(waiting, (one.checkpoint.size, number, one))
        if len(waiting) > _OUT_OF_ORDER:
            yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]
