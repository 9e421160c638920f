"""Failures of a FHIR server, staged on purpose: what a client has to live with."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import orjson
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cds_service.demo.fhir_server_answers import MEDIA_TYPE, outcome, refusal

_LOGIN_PAGE = "<!doctype html><title>Log in</title><p>Your session has ended."


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which answers about a resource type go wrong.

    `on` is the resource type, "" for any; `after` so many requests that still go well, and
    then `times` that do not (None: all).

    - slow: `seconds` of silence, then the right answer
    - status: an error `status`, with `retry_after` as its Retry-After (401: an expired token)
    - html: a log-in page with 200
    - half: the first half of the body
    - outcome: an OperationOutcome with 200 in place of what was asked for
    - next: a page whose next link is `next_url`
    """

    kind: Literal["slow", "status", "html", "half", "outcome", "next"]
    on: str = ""
    after: int = 0
    times: int | None = None
    seconds: float = 0.0
    status: int = 500
    retry_after: str = ""
    next_url: str = ""


class FaultyAnswers:
    """Spoils the answers of an application as the faults say."""

    def __init__(self, app: ASGIApp, faults: Sequence[Fault], prefix: str = "") -> None:
        self._app = app
        self._faults = [(fault, _Count()) for fault in faults]
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = self._fault_for(scope) if scope["type"] == "http" else None
        if fault is None:
            await self._app(scope, receive, send)
            return
        if fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
            await self._app(scope, receive, send)
        elif fault.kind in ("half", "next"):
            await self._app(scope, receive, _Spoiled(fault, send))
        else:
            await _instead(fault)(scope, receive, send)

    def _fault_for(self, scope: Scope) -> Fault | None:
        asked = scope["path"].removeprefix(self._prefix).strip("/").partition("/")[0]
        for fault, count in self._faults:
            if fault.on in ("", asked):
                count.seen += 1
                turn = count.seen - fault.after
                if turn > 0 and (fault.times is None or turn <= fault.times):
                    return fault
        return None


class _Count:
    def __init__(self) -> None:
        self.seen = 0


def _instead(fault: Fault) -> Response:
    if fault.kind == "html":
        return HTMLResponse(_LOGIN_PAGE)
    if fault.kind == "outcome":
        body, status = outcome("processing", "staged"), 200
    else:
        body, status = refusal(fault.status, "staged"), fault.status
    headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
    return Response(orjson.dumps(body), status, headers, MEDIA_TYPE)


class _Spoiled:
    """Holds an answer back until it is whole, and sends it on spoiled."""

    def __init__(self, fault: Fault, send: Send) -> None:
        self._fault = fault
        self._send = send
        self._start: Message = {}
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._body += message.get("body", b"")
        if message.get("more_body"):
            return
        body = self._spoil(self._body)
        headers = [(k, v) for k, v in self._start["headers"] if k.lower() != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
        await self._send({**self._start, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    def _spoil(self, body: bytes) -> bytes:
        if self._fault.kind == "half":
            return body[: len(body) // 2]
        page = orjson.loads(body)
        page["link"] = [{"relation": "next", "url": self._fault.next_url}]
        return orjson.dumps(page)
