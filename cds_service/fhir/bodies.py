"""The body of an answer, unzipped, up to a limit that holds against a gzip bomb too."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterable

_GZIP = ("gzip", "x-gzip")


class BodyTooLong(Exception):
    """More bytes than the limit, counted after decompression."""


class BrokenBody(Exception):
    """A compression that we did not ask for, or that does not hold together."""


async def read_body(chunks: AsyncIterable[bytes], encoding: str, limit: int) -> bytes:
    """Join the chunks of a body of content encoding "gzip", or "" for none."""
    if encoding not in ("", "identity", *_GZIP):
        raise BrokenBody
    unzip = zlib.decompressobj(zlib.MAX_WBITS | 16) if encoding in _GZIP else None
    parts: list[bytes] = []
    left = limit
    try:
        async for chunk in chunks:
            # one byte more than is left is enough to know
            part = chunk if unzip is None else unzip.decompress(chunk, left + 1)
            left -= len(part)
            if left < 0:
                raise BodyTooLong
            parts.append(part)
    except zlib.error:
        raise BrokenBody from None
    if unzip is not None and not unzip.eof:
        raise BrokenBody
    return b"".join(parts)
