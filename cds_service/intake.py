"""A request body as it comes in: how long it may take, how large, how deep, and of what type.

docs/decisions/0033-limits-of-input.md says which limits there are, and why these.
"""

from __future__ import annotations

import asyncio
import codecs
import re
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

from cds_service.errors import InterruptedRequest, InvalidRequest

P = ParamSpec("P")
R = TypeVar("R")

MIB = 1024 * 1024
BODY_SECONDS = 30.0
"""From the first line of a request to the last byte of its body: whoever drips gets 408."""
LONG_CHART_BYTES = 2 * MIB
"""A chart of more bytes is worked on in a thread, so that short ones need not wait for it."""
LARGE_BODY = MIB // 4
"""A body of more bytes is looked through in a thread, so that others need not wait for it."""
DEEPEST = 64
"""Objects and arrays inside each other, the outermost being the first. FHIR needs some twenty."""
BYTES_A_VALUE = 16
"""Of the largest body, per member or element: a chart has some twenty or more, a bomb two."""
MOST_RESOURCES = 20_000
"""Entries of all Bundles of a call; the charts of whole careers have a quarter of that."""

_ANY_JSON = re.compile(r"[a-z]+/(?:json|[a-z0-9.-]+\+json|json\+[a-z0-9.-]+)")
_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii"})
_STEP = 64 * 1024
_KEPT = b'"{}[],'
_DROPPED = bytes(set(range(256)) - set(_KEPT))
_AS_ROUND = bytes.maketrans(b"{}[]", b"()()")
_STRING = re.compile(rb'"[^"]*+(?:"|\Z)')


async def read_body(request: Request, most: int, seconds: float | None = None) -> bytes:
    """The request body: JSON text by its headers, UTF-8, in time, and within all limits of size.

    Raises InvalidRequest as `read_text` and `look_through` do.
    """
    body = await read_text(request, most, seconds)
    await look_through(body, most)
    return body


async def read_text(request: Request, most: int, seconds: float | None = None) -> bytes:
    """The request body as text that nobody has looked into.

    Raises InvalidRequest: 415 for another media type or a content coding, 408 where the body is
    not here after `seconds` (BODY_SECONDS), 413 beyond `most` bytes, without reading on, and 400
    for what is not UTF-8.
    """
    check_media_type(request)
    try:
        async with asyncio.timeout(BODY_SECONDS if seconds is None else seconds):
            body = await _read(request, most)
    except TimeoutError:
        raise InvalidRequest("the body took too long to arrive", http_status=408) from None
    if not is_text(body):
        raise InvalidRequest("the body is not UTF-8 text")
    return body


async def look_through(body: bytes, most: int) -> None:
    """Raise InvalidRequest for JSON with too many values for a body of `most` bytes (413: one for
    BYTES_A_VALUE of them), or nested deeper than DEEPEST (400)."""
    if len(body) > LARGE_BODY:
        await asyncio.to_thread(check_shape, body, most // BYTES_A_VALUE)
    else:
        check_shape(body, most // BYTES_A_VALUE)


async def beside(size: int, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Do this work on so many bytes: in a thread where there are many, so that the calls that
    come meanwhile, and `/healthz`, need not wait for its end."""
    if size < LONG_CHART_BYTES:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)


async def has_gone(receive: Receive) -> bool:
    """Whether the caller has closed the connection; asked without waiting for what it does.

    As `Request.is_disconnected`, in a fourth of the time: one step of the question tells.
    """
    asking = receive()
    try:
        asking.send(None)  # type: ignore[attr-defined]
    except StopIteration as answer:
        return bool(answer.value["type"] == "http.disconnect")
    asking.close()  # type: ignore[attr-defined]
    return False


def check_media_type(request: Request) -> None:
    """Raise InvalidRequest (415) for a body that does not say that it is JSON, or is compressed.

    A page of any origin may make a browser post a form, text/plain, or bytes without a type,
    unasked; JSON only after a preflight. So a missing type passes where no browser speaks.
    """
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("identity", ""):
        raise InvalidRequest("send the body as it is, not compressed", http_status=415)
    media_type, _, parameters = request.headers.get("content-type", "").lower().partition(";")
    if not media_type.strip() and "origin" not in request.headers:
        return
    if _ANY_JSON.fullmatch(media_type.strip()) is None:
        raise InvalidRequest("the body must be of type application/json", http_status=415)
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip().strip('"') not in _CHARSETS:
            raise InvalidRequest("the body must be in UTF-8", http_status=415)


async def _read(request: Request, most: int) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and (len(declared) > 18 or int(declared) > most):
        raise _too_large(most)
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > most:
                raise _too_large(most)
            parts.append(part)
    except ClientDisconnect:
        raise InterruptedRequest("the body ended early") from None
    return b"".join(parts)


def _too_large(most: int) -> InvalidRequest:
    return InvalidRequest(f"the body is larger than {most // MIB} MiB", http_status=413)


def is_text(body: bytes) -> bool:
    """Whether these bytes are UTF-8. What is not is no JSON; readers that pass over parts of a
    text would not notice.
    """
    if body.isascii():
        return True
    decode = codecs.getincrementaldecoder("utf-8")().decode
    view = memoryview(body)
    try:
        for start in range(0, len(body), _STEP):  # the whole as text would take four times the room
            decode(view[start : start + _STEP])
        decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def check_shape(body: bytes, most_values: int) -> None:
    """Raise InvalidRequest for JSON that is deeper than DEEPEST, or has more values than that.

    Whether it is JSON at all is for its reader to say. Time and memory grow with the length, no
    matter what is in it: each step is one pass of C over the bytes.
    """
    nested, values = [], 0
    for marks in _marks(body):
        values += marks.count(b",") + marks.count(b"(")
        if values > most_values:
            what = f"the body has more than {most_values:,} members and elements"
            raise InvalidRequest(what, http_status=413)
        nested.append(marks.translate(None, b","))
    left = b"".join(nested)
    for _ in range(DEEPEST):
        left, before = left.replace(b"()", b""), len(left)
        if len(left) == before:
            return
    if b"()" in left:
        raise InvalidRequest(f"the body is nested more than {DEEPEST} levels deep")


def _marks(body: bytes) -> Iterator[bytes]:
    """The commas and brackets outside of strings, part by part; every bracket as a round one.

    A backslash is an escape in strings only, and all that matters of these is where they end. In
    what is left of the strings quotes stand side by side, unless there are marks between them.
    """
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    marks = body.translate(_AS_ROUND, _DROPPED).replace(b'""', b"")
    if b'"' not in marks:
        yield marks
        return
    is_open = False
    for start in range(0, len(marks), _STEP):
        part = marks[start : start + _STEP]
        yield _STRING.sub(b"", b'"' + part if is_open else part)
        is_open ^= bool(part.count(b'"') % 2)
