"""The prefetch of a call as one passage of its text, known again before anything is read.

Nearly all of a call is its prefetch, and mostly the same came a moment ago: then one look at every
byte is enough. Where it ends is told by what was read then.
docs/decisions/0041-charts-opened-again.md says why no other data can be taken for it.
"""

from __future__ import annotations

import re

from cds_service.audit import Passage, Pieces
from cds_service.hooks.messages import Outline, outline_around
from cds_service.intake import beside
from cds_service.recent import Recent

_BEFORE = re.compile(rb'"prefetch"\s*:\s*')
_CLOSING = re.compile(rb"\s*\}")
_BEGINNING = 1024
"""So many bytes of a prefetch tell which of the known ones it may be."""
_ENDING = 64
_TRIES = 4


async def known_in(body: bytes, known: Recent[Passage]) -> tuple[Pieces, Outline] | None:
    """The body with its prefetch as a passage that came before, and its outline; None where no such
    stands there."""
    start = _start_of_prefetch(body)
    passage = None if start is None else known.get(_beginning(body, start))
    if start is None or passage is None:
        return None
    if not await beside(len(passage), passage.stands_in, body, start):
        return None
    pieces = Pieces.of(body, start, passage)
    outline = outline_around(pieces.before, pieces.after)
    return None if outline is None else (pieces, outline)


async def pieces_of(body: bytes, outline: Outline) -> Pieces | None:
    """A body that was read, with its prefetch as a passage; None where it cannot be told."""
    start = _start_of_prefetch(body)
    end = None if start is None else _end_of_prefetch(body, start, outline)
    if start is None or end is None:
        return None
    return Pieces.of(body, start, await beside(end - start, Passage, body, start, end))


def keep(pieces: Pieces, known: Recent[Passage]) -> None:
    """Know this passage again. Only for one that was looked through."""
    beginning = _beginning(pieces.source, pieces.start)
    known.keep(beginning, pieces.passage, len(beginning) + pieces.passage.held)


def _start_of_prefetch(body: bytes) -> int | None:
    found = _BEFORE.search(body)
    return found.end() if found else None


def _beginning(body: bytes, start: int) -> bytes:
    return body[start : start + _BEGINNING]


def _end_of_prefetch(body: bytes, start: int, outline: Outline) -> int | None:
    """Behind the last value of the prefetch comes its closing brace. A text like the value's end
    may stand elsewhere: then what is left around the two is not what was read."""
    if not outline.prefetch:
        return None
    last = bytes(memoryview(next(reversed(outline.prefetch.values())))[-_ENDING:])
    at = len(body)
    for _ in range(_TRIES):
        at = body.rfind(last, start, at)
        if at < 0:
            return None
        if closing := _CLOSING.match(body, at + len(last)):
            around = outline_around(body[:start], body[closing.end() :])
            if around is not None and around.rest == outline.rest:
                return closing.end()
        at += len(last) - 1
    return None
