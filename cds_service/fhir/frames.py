"""Records on their way between processes: in files, one framed record after the other."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_HEAD = struct.Struct("<QIII")
_BUFFER = 2**14
"""Bytes in memory for each file that is read; there may be hundreds at once."""


class Frame(NamedTuple):
    """A record: where it stood among all, by what it is sorted, an address, and its bytes."""

    at: int
    key: str
    address: str
    body: bytes

    def packed(self) -> bytes:
        key, address = self.key.encode(), self.address.encode()
        head = _HEAD.pack(self.at, len(key), len(address), len(self.body))
        return b"".join((head, key, address, self.body))


def read_frames(path: Path) -> Iterator[Frame]:
    """The records of a file; it is open only while it is read, so that hundreds can be merged."""
    kept, offset = b"", 0
    while True:
        wanted = _length(kept)
        if len(kept) < wanted:
            with open(path, "rb") as file:
                file.seek(offset)
                more = file.read(max(_BUFFER, wanted - len(kept)))
            if not more:
                return
            offset += len(more)
            kept += more
            continue
        at, keys, addresses, _ = _HEAD.unpack_from(kept)
        start = _HEAD.size + keys
        yield Frame(
            at,
            kept[_HEAD.size : start].decode(),
            kept[start : start + addresses].decode(),
            kept[start + addresses : wanted],
        )
        kept = kept[wanted:]


def _length(kept: bytes) -> int:
    """Bytes of the record that begins here, as far as that is known."""
    if len(kept) < _HEAD.size:
        return _HEAD.size
    _, keys, addresses, bodies = _HEAD.unpack_from(kept)
    return int(_HEAD.size + keys + addresses + bodies)
