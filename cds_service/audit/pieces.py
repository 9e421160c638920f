"""Contents with a passage in them that came before: what has to be done with it is done once.

The request of a chart that is opened again is, but for some hundred bytes, the one of before.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, cast

_deflating: Any
try:
    from isal import isal_zlib as _deflating
except ImportError:  # not built for this machine: the same format, in five times the time
    _deflating = zlib

_RAW = -zlib.MAX_WBITS
_HEADER = b"\x78\x01"
"""Of RFC 1950: deflate with a window of 32 KiB, fastest."""
_HIDING = (b"access_token", b"\0")
_ESCAPES = (b"\\u00", b"\\/")
_WORTH_KEEPING = 4
"""A passage is kept compressed where that takes a fourth of its room, or less."""


class Passage:
    """A stretch of text that comes again, known by its digest; the text itself is not kept."""

    def __init__(self, whole: bytes, start: int, end: int) -> None:
        self.digest = sha256(memoryview(whole)[start:end]).digest()
        hiding = _HIDING if whole.find(b"\\", start, end) < 0 else _HIDING + _ESCAPES
        self.is_plain = all(whole.find(one, start, end) < 0 for one in hiding)
        """Whether all of it says what it seems to: no token by its name, no letter as an escape."""
        self._length = end - start
        self._deflated: bytes | None = None

    def __len__(self) -> int:
        return self._length

    def stands_in(self, whole: bytes, start: int) -> bool:
        """Whether it begins there, to the last byte."""
        text = memoryview(whole)[start : start + self._length]
        return len(text) == self._length and sha256(text).digest() == self.digest

    def deflated(self, text: memoryview) -> bytes:
        """This text, which is that of the passage, as whole blocks of RFC 1951, none the last."""
        if self._deflated is not None:
            return self._deflated
        deflated = _deflate(text, _deflating.Z_FULL_FLUSH)
        if len(deflated) * _WORTH_KEEPING <= self._length:
            self._deflated = deflated
        return deflated

    @property
    def held(self) -> int:
        """About how many bytes it keeps in memory, at most."""
        return self._length // _WORTH_KEEPING


@dataclass(frozen=True, slots=True)
class Pieces:
    """One content: a passage, which stands at `start` of some text, what comes before it in the
    content, and what comes after."""

    before: bytes
    passage: Passage
    after: bytes
    source: bytes
    start: int

    @classmethod
    def of(cls, whole: bytes, start: int, passage: Passage) -> Pieces:
        """The content in which this passage begins there."""
        return cls(whole[:start], passage, whole[start + len(passage) :], whole, start)

    @property
    def text(self) -> memoryview:
        """The text of the passage."""
        return memoryview(self.source)[self.start : self.start + len(self.passage)]

    @property
    def around(self) -> bytes:
        """The content with a 0 in place of the passage."""
        return self.before + b"0" + self.after

    def changed(self, change: Callable[[bytes], bytes]) -> Pieces:
        """The same with this done to what stands around the passage."""
        return replace(self, before=change(self.before), after=change(self.after))

    def has_in_passage(self, text: bytes) -> bool:
        """Whether this stands in the passage."""
        return self.source.find(text, self.start, self.start + len(self.passage)) >= 0

    @property
    def parts(self) -> tuple[bytes | memoryview, ...]:
        """The content, one part after the other."""
        return self.before, self.text, self.after

    def __len__(self) -> int:
        return len(self.before) + len(self.passage) + len(self.after)

    def __bytes__(self) -> bytes:
        return b"".join(self.parts)


def compress(content: bytes | Pieces) -> bytes:
    """The content in the format of RFC 1950; of pieces, those that were compressed before."""
    if not isinstance(content, Pieces):
        return cast(bytes, _deflating.compress(content, 1))
    check = 1
    for piece in content.parts:
        check = cast(int, _deflating.adler32(piece, check))
    return b"".join(
        (
            _HEADER,
            _deflate(content.before, _deflating.Z_FULL_FLUSH),
            content.passage.deflated(content.text),
            _deflate(content.after, _deflating.Z_FINISH),
            check.to_bytes(4, "big"),
        )
    )


def _deflate(piece: bytes | memoryview, how: int) -> bytes:
    deflater = _deflating.compressobj(1, _deflating.DEFLATED, _RAW)
    return cast(bytes, deflater.compress(piece) + deflater.flush(how))
