"""A SMART token endpoint beside a FHIR server, without a socket, that checks what it is sent."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import parse_qs

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

BASE = "https://ehr.example/fhir"
TOKEN_URL = "https://ehr.example/oauth2/token"  # noqa: S105 - an address
CONFIGURATION = f"{BASE}/.well-known/smart-configuration"
BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
NOW = 1_795_262_400


class TokenServer(httpx.AsyncBaseTransport):
    """Gives tokens named canary-1, canary-2, … to whom it knows, and charts to whom has the last.

    `answers` replaces what the token endpoint says, `configuration` what is well known.
    """

    def __init__(self, keys: list[RSAKey | ECKey]) -> None:
        self.keys = KeySet([public(key) for key in keys])
        self.configuration: Any = {"token_endpoint": TOKEN_URL}
        self.answer: httpx.Response | Exception | None = None
        self.members: dict[str, Any] = {}
        self.valid: set[str] = set()
        self.given = 0
        self.seconds = 0.0
        self.claims: list[dict[str, Any]] = []
        self.headers: list[dict[str, Any]] = []
        self.forms: list[dict[str, str]] = []
        self.asked: list[httpx.Request] = []

    @property
    def paths(self) -> list[str]:
        return [request.url.path for request in self.asked]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        url = str(request.url)
        if url == CONFIGURATION:
            return said(json.dumps(self.configuration).encode())
        if url == TOKEN_URL:
            await asyncio.sleep(self.seconds)
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer or self._token((await request.aread()).decode())
        if not url.startswith(f"{BASE}/"):
            return said(b"{}")
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.valid:
            return said(b"", 401)
        kind = request.url.path.split("/")[2]
        if kind == "Patient":
            return said(b'{"resourceType":"Patient","id":"p1"}')
        return said(b'{"resourceType":"Bundle","type":"searchset"}')

    def _token(self, body: str) -> httpx.Response:
        form = {name: values[0] for name, values in parse_qs(body).items()}
        self.forms.append(form)
        assertion = jwt.decode(form["client_assertion"], self.keys, algorithms=["RS384", "ES384"])
        self.headers.append(assertion.header)
        self.claims.append(assertion.claims)
        self.given += 1
        token = f"canary-{self.given}"
        self.valid = {token}
        answer = {"access_token": token, "token_type": "bearer", "expires_in": 300}
        return said(json.dumps(answer | self.members).encode())


def said(body: bytes, status: int = 200, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers=named, stream=httpx.ByteStream(body))


def public(key: RSAKey | ECKey) -> RSAKey | ECKey:
    """What the server was given of a key when the service was registered."""
    kind = ECKey if isinstance(key, ECKey) else RSAKey
    return kind.import_key(key.as_dict(private=False))
