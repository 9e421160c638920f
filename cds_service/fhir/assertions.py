"""The token of one FHIR server, given for an assertion that is signed with the service's own key.

The token endpoint is somebody else's: what it says is read with limits, and quoted nowhere.

Source: SMART App Launch 2.2, Backend Services; RFC 7523 §2.2, RFC 6749 §4.4 and §5.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlencode

import httpcore
import httpx
import msgspec
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from cds_service.errors import FhirError, FhirTokenUnusable, FhirUnavailable
from cds_service.fhir.allowed import AddressRules
from cds_service.fhir.bodies import BodyTooLong, BrokenBody, read_body
from cds_service.fhir.bundle_parts import UNREADABLE
from cds_service.fhir.client import Transport, is_token
from cds_service.fhir.links import BaseUrl

SigningKey = RSAKey | ECKey

ASSERTION_SECONDS = 240
"""Life of an assertion; SMART allows five minutes."""
ASK_SECONDS = 5.0
SPARE_SECONDS = 30.0
"""A token is not used in its last seconds: the request would arrive after its end."""
SHORT_SECONDS = 60.0
"""Life of a token whose `expires_in` is missing or cannot be meant."""
LONGEST_SECONDS = 3600.0
LARGEST_ANSWER = 64 * 1024
_FORM = "application/x-www-form-urlencoded"
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "refractory-cds"}


@dataclass(frozen=True, slots=True)
class Account:
    """What a FHIR server knows this service by."""

    base: BaseUrl
    client_id: str
    key: SigningKey = field(repr=False)
    kid: str
    alg: str
    scope: str
    token_url: BaseUrl | None = None


class _Configuration(msgspec.Struct):
    token_endpoint: str


class _Answer(msgspec.Struct):
    access_token: str
    token_type: str = ""
    expires_in: msgspec.Raw = msgspec.Raw(b"null")


class TokenOfServer:
    """The token of one server: kept in memory until shortly before its end, and asked for once,
    however many requests wait for it.
    """

    def __init__(
        self,
        account: Account,
        rules: AddressRules,
        transport: Transport,
        *,
        new_id: Callable[[], str],
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._account = account
        self._rules = rules
        self._http = httpx.AsyncClient(
            transport=transport,
            headers=_HEADERS,
            timeout=ASK_SECONDS,
            follow_redirects=False,
            trust_env=False,
        )
        self._new_id = new_id
        self._monotonic = monotonic
        self._now = now
        self._token = ""
        self._until = 0.0
        self._asking: asyncio.Task[str] | None = None

    async def token(self, resource_type: str) -> str:
        """The token; raises FhirTokenUnusable or FhirUnavailable where none is to be had."""
        if self._token and self._monotonic() < self._until:
            return self._token
        asking = self._asking
        if asking is None or asking.done() or asking.get_loop() is not asyncio.get_running_loop():
            asking = self._asking = asyncio.create_task(self._ask())
            asking.add_done_callback(_heard)
        # one who stops waiting does not take it from the others
        return await asyncio.shield(asking)

    def refuse(self, token: str) -> None:
        """Forget this token, if it is still the one that is given."""
        if self._token == token:
            self._token = ""

    async def _ask(self) -> str:
        try:
            async with asyncio.timeout(ASK_SECONDS):
                endpoint = self._account.token_url or await self._endpoint()
                answer = await self._exchange(endpoint)
        except TimeoutError:
            raise _unavailable("no answer in time") from None
        if answer.token_type.lower() != "bearer" or not is_token(answer.access_token):
            raise _refused("gave no Bearer token")
        self._token = answer.access_token
        self._until = self._monotonic() + _life(answer.expires_in) - SPARE_SECONDS
        return self._token

    async def _endpoint(self) -> BaseUrl:
        """Where the server says that tokens are given."""
        base = str(self._account.base)
        body = await self._body("GET", f"{base}/.well-known/smart-configuration")
        try:
            said = BaseUrl.parse(msgspec.json.decode(body, type=_Configuration).token_endpoint)
        except (*UNREADABLE, ValueError):
            raise _refused("has no SMART configuration that names it") from None
        if not self._may_ask(said):
            raise _refused("is at an address that is not asked")
        return said

    def _may_ask(self, endpoint: BaseUrl) -> bool:
        """An address out of an answer: by TLS, and none that a FHIR server could not have."""
        if endpoint.scheme != "https" and not self._rules.is_own_machine(endpoint):
            return False
        rules = AddressRules(loopback_ok=self._rules.loopback_ok, ports=frozenset({endpoint.port}))
        own = (self._account.base.scheme, self._account.base.host, self._account.base.port)
        if (endpoint.scheme, endpoint.host, endpoint.port) == own:
            return True
        try:
            rules.check(str(endpoint))
        except FhirError:
            return False
        return True

    async def _exchange(self, endpoint: BaseUrl) -> _Answer:
        form = {
            "grant_type": "client_credentials",
            "scope": self._account.scope,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": self._assertion(str(endpoint)),
        }
        body = await self._body("POST", str(endpoint), urlencode(form))
        try:
            return msgspec.json.decode(body, type=_Answer)
        except UNREADABLE:
            raise _refused("gave no token") from None

    def _assertion(self, endpoint: str) -> str:
        account, now = self._account, int(self._now())
        return jwt.encode(
            {"alg": account.alg, "kid": account.kid, "typ": "JWT"},
            {
                "iss": account.client_id,
                "sub": account.client_id,
                "aud": endpoint,
                "iat": now,
                "exp": now + ASSERTION_SECONDS,
                "jti": self._new_id(),
            },
            account.key,
            algorithms=[account.alg],
        )

    async def _body(self, method: str, url: str, form: str | None = None) -> bytes:
        headers = {"Content-Type": _FORM} if form is not None else {}
        request = self._http.build_request(method, url, content=form, headers=headers)
        try:
            response = await self._http.send(request, stream=True)
            try:
                if response.status_code != 200:
                    raise _of_status(response.status_code)
                encoding = response.headers.get("content-encoding", "").lower()
                return await read_body(response.aiter_raw(), encoding, LARGEST_ANSWER)
            finally:
                await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, *_OF_THE_CORE):
            raise _unavailable("no connection, or it broke off") from None
        except (BodyTooLong, BrokenBody):
            raise _refused("gave no token") from None


_OF_THE_CORE = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException)


def _life(expires_in: msgspec.Raw) -> float:
    """Seconds that a token lives, by a number or one written as text."""
    try:
        seconds = float(msgspec.json.decode(expires_in, type=int | float | str))
    except (*UNREADABLE, ValueError, OverflowError):
        return SHORT_SECONDS
    if not 0 < seconds < float("inf"):
        return SHORT_SECONDS
    return min(seconds, LONGEST_SECONDS)


def _of_status(status: int) -> FhirError:
    if status == 429 or status >= 500:
        return _unavailable(f"status {status}")
    return _refused(f"answered {status}")


def _refused(why: str) -> FhirTokenUnusable:
    return FhirTokenUnusable(f"the token endpoint of the FHIR server {why}")


def _unavailable(why: str) -> FhirUnavailable:
    return FhirUnavailable("a token", why)


def _heard(asking: asyncio.Task[str]) -> None:
    """Somebody has looked at how it ended, whoever went away meanwhile."""
    if not asking.cancelled():
        asking.exception()
