"""HTTP requests whose head is bounded: the parser keeps all of it, and has no limit of its own."""

from __future__ import annotations

from asyncio import Transport
from http import HTTPStatus

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from cds_service.fhir.outcomes import operation_outcome
from cds_service.openapi import JSON

MOST_BYTES_OF_HEAD = 64 * 1024
"""Request line and headers together; a token has 8 KiB at most."""
_BETWEEN = len(": \r\n")


class _TooLong(Exception):
    """A head beyond what is read."""


class BoundedHeads(HttpToolsProtocol):
    """One connection. What is no HTTP, or has too long a head, is told so and the line is cut."""

    _in_head = True
    _received = 0
    """Bytes of a head that is still coming; of one that is whole, `_kept` says its length."""
    _kept = 0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Nothing has come yet."""
        self._in_head, self._received, self._kept = True, 0, 0
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Bytes, as they come; what a refused caller still sends is not looked at."""
        if self.transport.is_closing():
            return
        if self._in_head:
            self._received += len(data)
        super().data_received(data)
        if self._in_head and self._received > MOST_BYTES_OF_HEAD:
            self._refuse_head()

    def on_message_begin(self) -> None:
        """The first bytes of a request."""
        self._in_head, self._kept = True, 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A part of the address."""
        self._keep(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, whole."""
        self._keep(len(name) + len(value) + _BETWEEN)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_head, self._received = False, 0
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """What the parser does not take: no HTTP, or a head beyond `_keep`."""
        if self.transport.is_closing():
            return
        if self._kept > MOST_BYTES_OF_HEAD:
            self._refuse_head()
        else:
            self._refuse(HTTPStatus.BAD_REQUEST, "structure", "this is no request of HTTP")

    def _keep(self, length: int) -> None:
        self._kept += length
        if self._kept > MOST_BYTES_OF_HEAD:
            raise _TooLong

    def _refuse_head(self) -> None:
        said = "the address and headers of a request are too long"
        self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "too-long", said)

    def _refuse(self, status: HTTPStatus, code: str, sentence: str) -> None:
        body = orjson.dumps(operation_outcome(code, sentence))
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: {JSON}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()
