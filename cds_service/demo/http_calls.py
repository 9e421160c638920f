"""Plain HTTP calls with JSON, one connection a server; what an EHR or a loader needs, no more."""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote

from cds_service.errors import RefractoryCdsError, UsageError
from cds_service.fhir.links import BaseUrl

SECONDS = 30.0
LONGEST_WHY = 300


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, and after how long; `body` is None where it is no JSON."""

    status: int
    body: Any
    milliseconds: float


class CallFailed(RefractoryCdsError):
    """No answer, or a refusal: which call, and in one line what came back."""


class NoAnswer(CallFailed):
    """Nobody there, or the connection broke off."""


class Caller:
    """Calls below one base address; redirects are not followed."""

    def __init__(self, base: str, token: str | None = None, *, seconds: float = SECONDS) -> None:
        try:
            url = BaseUrl.parse(base)
        except ValueError as fault:
            raise UsageError(f"{base}: {fault}") from None
        self.base = str(url)
        self._path = url.path
        self._headers = {"Accept": "application/json"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(url.host.strip("[]"), url.port, timeout=seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def get(self, path: str) -> Reply:
        """GET of a path below the base, with its query."""
        return self._call("GET", path, None)

    def post(self, path: str, body: bytes) -> Reply:
        """POST of a JSON body."""
        return self._call("POST", path, body)

    def _call(self, method: str, path: str, body: bytes | None) -> Reply:
        headers = dict(self._headers)
        if body is not None:
            headers["Content-Type"] = "application/json"
        target = f"{self._path}/{path}" if path else self._path or "/"
        began = time.perf_counter()
        try:
            self._connection.request(method, quote(target, safe="/?&=%:,|$+-._~"), body, headers)
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            said = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise NoAnswer(f"{self.base}: {said}") from None
        spent = (time.perf_counter() - began) * 1000
        return Reply(response.status, _parsed(content), spent)


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None


def answered(reply: Reply, what: str) -> Any:
    """The body of a good reply; raises CallFailed, with the words of an OperationOutcome."""
    if not 200 <= reply.status < 300 or reply.body is None:
        raise CallFailed(f"{what}: {why(reply)}")
    return reply.body


def why(reply: Reply) -> str:
    """What a refusal says of itself, in one line: its status and an OperationOutcome's words."""
    issues = reply.body.get("issue") if isinstance(reply.body, dict) else None
    said = [
        str(issue.get("diagnostics") or issue.get("code"))
        for issue in (issues if isinstance(issues, list) else ())
        if isinstance(issue, dict)
    ]
    return " ".join(f"{reply.status} {'; '.join(said)}".split())[:LONGEST_WHY]
