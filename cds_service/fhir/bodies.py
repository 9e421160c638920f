"""The body of an answer, unzipped, up to a limit that holds against a gzip bomb too."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterable, Iterator

_GZIP = ("gzip", "x-gzip")
_STEP = 2**20


class BodyTooLong(Exception):
    """More bytes than the limit, counted after decompression."""


class NoRoom(Exception):
    """More bytes than there is room for beside what else is being read."""


class BrokenBody(Exception):
    """A compression that we did not ask for, or that does not hold together."""


class Room:
    """Bytes that the answers of one call, or of all calls of a process, may take up together."""

    def __init__(self, most: int, within: Room | None = None) -> None:
        self._most = most
        self._taken = 0
        self._within = within

    def take(self, count: int) -> None:
        """Raises NoRoom, and then nothing is taken."""
        if self._taken + count > self._most:
            raise NoRoom
        if self._within is not None:
            self._within.take(count)
        self._taken += count

    def give(self, count: int) -> None:
        """Give back what was taken; what was given back before is passed over."""
        count = min(count, self._taken)
        self._taken -= count
        if self._within is not None:
            self._within.give(count)

    def clear(self) -> None:
        """Give back all."""
        self.give(self._taken)


async def read_body(
    chunks: AsyncIterable[bytes], encoding: str, limit: int, room: Room | None = None
) -> bytes:
    """Join the chunks of a body of content encoding "gzip", or "" for none.

    The room of a body that is read to its end stays taken.
    """
    if encoding not in ("", "identity", *_GZIP):
        raise BrokenBody
    room = room or Room(limit)
    unzip = zlib.decompressobj(zlib.MAX_WBITS | 16) if encoding in _GZIP else None
    body = bytearray()  # one piece, which goes back to the system as a whole
    try:
        async for chunk in chunks:
            for part in (chunk,) if unzip is None else _unzipped(unzip, chunk):
                if len(body) + len(part) > limit:
                    raise BodyTooLong
                room.take(len(part))
                body += part
        if unzip is not None and not unzip.eof:
            raise BrokenBody
    except BaseException as error:
        room.give(len(body))
        body.clear()  # a traceback would keep it
        if isinstance(error, zlib.error):
            raise BrokenBody from None
        raise
    return bytes(body)


def _unzipped(unzip: zlib._Decompress, chunk: bytes) -> Iterator[bytes]:
    """A chunk in steps: a few bytes of it can be a thousand times as many."""
    while chunk:
        yield unzip.decompress(chunk, _STEP)
        chunk = unzip.unconsumed_tail
