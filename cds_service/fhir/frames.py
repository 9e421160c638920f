"""Resources on their way between processes: in files, one framed record after the other."""

from __future__ import annotations

import os
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


class Place(NamedTuple):
    """Where the address and the bytes of a record lie; sorts as the records were met."""

    at: int
    file: int
    offset: int
    address_length: int
    length: int

    def read(self, files: list[int]) -> tuple[str, bytes]:
        """Address and bytes, from the open files."""
        found = os.pread(files[self.file], self.address_length + self.length, self.offset)
        return found[: self.address_length].decode(), found[self.address_length :]


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


def places_in(path: Path, number: int) -> Iterator[tuple[str, Place]]:
    """Key and place of each record of a file that is called `number`; no bytes of it are kept."""
    with open(path, "rb") as file:
        while head := file.read(_HEAD.size):
            at, keys, addresses, bodies = _HEAD.unpack(head)
            key = file.read(keys).decode()
            yield key, Place(at, number, file.tell(), addresses, bodies)
            file.seek(addresses + bodies, os.SEEK_CUR)
