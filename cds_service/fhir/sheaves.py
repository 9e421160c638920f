"""Resources on their way between processes, those of one patient that were met together as one.

A file holds blocks, one behind the other: how long it is, whose sheaves it has and how long each
resource of them, then their bytes. To find a patient's, only the beginnings of blocks are read.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from cds_service.fhir.bundles import RawResource

_BLOCK = struct.Struct("<QQ")
"""Bytes of the list of sheaves, and of their resources."""
_SHEAF = struct.Struct("<QIIQ")
"""Where its first resource stood among all, bytes of the patient, resources, bytes of them."""
_SIZES = struct.Struct("<II")
"""Bytes of the address of a resource, and of the resource."""


@dataclass(slots=True)
class Sheaf:
    """Resources of one patient in the order in which they were met, the first of them at `at`."""

    at: int
    patient: str
    bodies: list[bytes] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)


def block_of(sheaves: Iterable[Sheaf]) -> list[bytes]:
    """What is written of sheaves, in parts: bytes that are only moved are not joined."""
    listed: list[bytes] = []
    parts: list[bytes] = []
    length = 0
    for sheaf in sheaves:
        sizes, before = bytearray(), length
        for body, text in zip(sheaf.bodies, sheaf.addresses, strict=True):
            address = text.encode()
            sizes += _SIZES.pack(len(address), len(body))
            length += len(address) + len(body)
            parts += (address, body)
        patient = sheaf.patient.encode()
        head = _SHEAF.pack(sheaf.at, len(patient), len(sheaf.bodies), length - before)
        listed += (head, patient, bytes(sizes))
    return [_BLOCK.pack(sum(map(len, listed)), length), *listed, *parts]


class Place(NamedTuple):
    """Where the bytes of a sheaf lie; places sort as what lies there was met."""

    at: int
    file: int
    offset: int
    length: int
    sizes: bytes

    def read(self, files: list[int]) -> Iterator[RawResource]:
        """Its resources, from the open files."""
        found, start = _read(files[self.file], self.length, self.offset), 0
        for addresses, bodies in _SIZES.iter_unpack(self.sizes):
            body, end = start + addresses, start + addresses + bodies
            yield RawResource(found[body:end], found[start:body].decode() if addresses else "")
            start = end


def _read(file: int, length: int, offset: int) -> bytes:
    """So many bytes, of which the system may give fewer at a time."""
    found = os.pread(file, length, offset)
    while len(found) < length:
        if not (more := os.pread(file, length - len(found), offset + len(found))):
            raise OSError("a temporary file is shorter than it was")
        found += more
    return found


def places_in(path: Path, number: int) -> Iterator[tuple[str, Place]]:
    """Patient and place of each sheaf of a file that is called `number`; no resource is kept."""
    with open(path, "rb") as file:
        while head := file.read(_BLOCK.size):
            length, bodies = _BLOCK.unpack(head)
            listed = file.read(length)
            offset, start = file.tell(), 0
            while start < length:
                at, patients, count, bytes_of_it = _SHEAF.unpack_from(listed, start)
                start += _SHEAF.size
                sizes, end = start + patients, start + patients + count * _SIZES.size
                place = Place(at, number, offset, bytes_of_it, listed[sizes:end])
                yield listed[start:sizes].decode(), place
                start, offset = end, offset + bytes_of_it
            file.seek(bodies, os.SEEK_CUR)
