"""What can be read out of the files that a log leaves behind, without any key."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

_ZLIB = re.compile(rb"\x78[\x01\x5e\x9c\xda]")


def readable(file: Path) -> bytes:
    """The bytes of a file, and behind them whatever in it can be inflated."""
    raw = file.read_bytes()
    return b"\n".join([raw, *_inflated(raw)])


def found_in(folder: Path, wanted: Iterable[bytes]) -> set[tuple[str, bytes]]:
    """Which of these stand in which file of a folder, in clear or compressed."""
    wanted = set(wanted)
    files = [file for file in folder.rglob("*") if file.is_file()]
    texts = {file.name: readable(file) for file in files}
    return {(name, one) for name, text in texts.items() for one in wanted if one in text}


def _inflated(raw: bytes) -> Iterator[bytes]:
    for start in (match.start() for match in _ZLIB.finditer(raw)):
        try:
            yield zlib.decompressobj().decompress(raw[start:])
        except zlib.error:
            continue
