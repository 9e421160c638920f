"""The form of a spool file: frames one after the other, each found and judged without the others.

    16  the segment's id, so that the next frame is found behind a damaged one
     8  number of the frame, from 0 (the header)
     4  length of the content
    32  check of the frame before (zeros in the first)
     4  CRC-32 of what is above
     n  content
    32  check: SHA-256 of all that is above

Integers are big-endian. The checks are the file's own hash chain.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

ID_BYTES = 16
NO_CHECK = bytes(32)
LONGEST = 1 << 30

_HEAD = struct.Struct(">16sQI32s")
_CRC = struct.Struct(">I")
_HEAD_BYTES = _HEAD.size + _CRC.size
_CHECK_BYTES = 32
_WINDOW = 1 << 20

Read = Callable[[int, int], bytes]
"""So many bytes from this place of a file; fewer only at its end."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One whole frame; `end` is where the next one begins."""

    number: int
    before: bytes
    content: bytes
    check: bytes
    end: int


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that are no frame. `is_torn`: the end of a write that was broken off, of which nobody
    was ever told that it is on disk."""

    at: int
    end: int
    is_torn: bool = False


def write_frame(segment: bytes, number: int, before: bytes, content: bytes) -> tuple[bytes, bytes]:
    """The frame, and its check."""
    head = _HEAD.pack(segment, number, len(content), before)
    framed = head + _CRC.pack(zlib.crc32(head)) + content
    check = hashlib.sha256(framed).digest()
    return framed + check, check


def frames_in(read: Read, segment: bytes, start: int, end: int) -> Iterator[Frame | Damage]:
    """All frames from here to there. Damage costs none of the frames behind it."""
    at = start
    while at < end:
        frame = _frame_at(read, segment, at, end)
        if frame is not None:
            yield frame
            at = frame.end
            continue
        following = _next_frame(read, segment, at + 1, end)
        if following is None:
            yield Damage(at, end, _is_torn(read, segment, at, end))
            return
        yield Damage(at, following)
        at = following


def _frame_at(read: Read, segment: bytes, at: int, end: int) -> Frame | None:
    head = read(at, _HEAD_BYTES)
    length = _length(segment, head)
    if length is None or at + _HEAD_BYTES + length + _CHECK_BYTES > end:
        return None
    rest = read(at + _HEAD_BYTES, length + _CHECK_BYTES)
    content, check = rest[:length], rest[length:]
    if hashlib.sha256(head + content).digest() != check:
        return None
    _, number, _, before = _HEAD.unpack_from(head)
    return Frame(number, before, content, check, at + _HEAD_BYTES + length + _CHECK_BYTES)


def _length(segment: bytes, head: bytes) -> int | None:
    """What a head says of its content's length; None where it is no head."""
    if len(head) < _HEAD_BYTES or not head.startswith(segment):
        return None
    if _CRC.unpack_from(head, _HEAD.size)[0] != zlib.crc32(head[: _HEAD.size]):
        return None
    length: int = _HEAD.unpack_from(head)[2]
    return length if length <= LONGEST else None


def _next_frame(read: Read, segment: bytes, start: int, end: int) -> int | None:
    """Where the next whole frame begins."""
    at = start
    while at < end:
        window = read(at, _WINDOW + ID_BYTES)
        found = window.find(segment)
        while found >= 0:
            if _frame_at(read, segment, at + found, end) is not None:
                return at + found
            found = window.find(segment, found + 1)
        at += _WINDOW
    return None


def _is_torn(read: Read, segment: bytes, at: int, end: int) -> bool:
    """Whether the rest of a file is a write that was broken off: its beginning alone, or a place
    that the file system gave it and never filled."""
    head = read(at, _HEAD_BYTES)
    if len(head) < _HEAD_BYTES:
        return segment.startswith(head[:ID_BYTES]) or not any(head)
    length = _length(segment, head)
    if length is not None and at + _HEAD_BYTES + length + _CHECK_BYTES > end:
        return True
    return not any(read(max(at, end - _CHECK_BYTES), _CHECK_BYTES))
