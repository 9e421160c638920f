"""The door in front of all that reads a chart: who may call, how often, how many at once."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

import orjson
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from cds_service.audit import Call, Client
from cds_service.errors import TrustUnavailable
from cds_service.fhir.links import BaseUrl
from cds_service.fhir.outcomes import operation_outcome, outcome_of
from cds_service.openapi import JSON
from cds_service.trust.checking import Caller, TokenCheck
from cds_service.trust.clients import KnownClient
from cds_service.trust.rates import Rates
from cds_service.trust.refusals import Cause, Refusal, RefusalRecord
from cds_service.trust.slots import Busy, Slots
from cds_service.trust.tokens import NotTrusted, read_token

HOOKS = "/cds-services"
FEEDBACK = "/feedback"
API = "/api/assess"
CALLS_A_MINUTE = 6000
"""For a caller on another machine, unless a setting or the clients file says otherwise."""
NO_LIMIT = 0


@dataclass(frozen=True, slots=True)
class Door:
    """What admission needs. Without `tokens` nobody's are asked for, or looked at.

    `calls_a_minute` None: CALLS_A_MINUTE for other machines, no limit for this one. `services`
    are the ids there are, since logs and metrics name no others.
    """

    tokens: TokenCheck | None
    rates: Rates
    slots: Slots
    refusals: RefusalRecord
    public_url: str = ""
    calls_a_minute: int | None = None
    services: frozenset[str] = frozenset()

    async def aclose(self) -> None:
        """Put on record what waits, and let go of connections, thread and file."""
        await self.refusals.aclose()
        if self.tokens is not None:
            await self.tokens.keys.aclose()


class _Refused(Exception):
    def __init__(self, answer: Response, reason: Cause, client: Client) -> None:
        self.answer = answer
        self.reason = reason
        self.client = client
        super().__init__(reason)


class Admission:
    """Middleware of ASGI. Puts the Caller into `request.state.caller`, or answers itself.

    401 says no reason: it would help whoever tries. 429 is a caller that calls too often, 503 a
    service that has too much to do, which is nobody's fault in particular; both say when to try
    again.
    """

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] == "OPTIONS" or not is_guarded(scope["path"]):
            await self._app(scope, receive, send)
            return
        address = scope["client"][0] if scope.get("client") else None
        try:
            name, caller = await self._admit(scope, address)
            scope.setdefault("state", {})["caller"] = caller
            try:
                await self._door.slots.take(name)
            except Busy:
                raise _Refused(_busy(), "overloaded", caller.client) from None
        except _Refused as refused:
            await self._put_on_record(refused, scope, address)
            await refused.answer(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._door.slots.give_back(name)

    async def _admit(self, scope: Scope, address: str | None) -> tuple[str, Caller]:
        """Under which name the caller is counted, and who it is; raises _Refused."""
        place = place_of(address)
        if self._door.tokens is None:
            await self._count(scope, place, self._limit(None, address), Client())
            return place, Caller()
        client, caller = await self._check(scope, self._door.tokens, place, address)
        name = f"iss {client.iss}"
        await self._count(scope, name, self._limit(client, address), caller.client)
        return name, caller

    async def _check(
        self, scope: Scope, tokens: TokenCheck, place: str, address: str | None
    ) -> tuple[KnownClient, Caller]:
        try:
            return await tokens.check(read_token(scope["headers"]), self._url(scope))
        except NotTrusted as fault:
            # a signature costs more to check than to make up
            await self._count(scope, f"refused {place}", self._limit(None, address), Client())
            raise _Refused(_unknown(), fault.reason, fault.claimed) from None
        except TrustUnavailable as fault:
            raise _Refused(_unavailable(fault), "trust-unavailable", Client()) from None

    async def _count(self, scope: Scope, name: str, most: int, client: Client) -> None:
        if most == NO_LIMIT:
            return
        kind = "feedback" if scope["path"].endswith(FEEDBACK) else "call"
        wait = await self._door.rates.take(f"{kind} {name}", most)
        if wait:
            raise _Refused(_too_often(wait), "rate-limited", client)

    def _limit(self, client: KnownClient | None, address: str | None) -> int:
        own = client.calls_a_minute if client is not None else None
        if own is not None or self._door.calls_a_minute is not None:
            return own or self._door.calls_a_minute or NO_LIMIT
        return NO_LIMIT if is_this_machine(address) else CALLS_A_MINUTE

    def _url(self, scope: Scope) -> str:
        """The address of the endpoint as its callers know it; a query is no part of it.

        Where no setting tells it, only a name of this machine is believed: whoever got a token
        meant for another service could write that one's name into `Host`.
        """
        base = self._door.public_url.rstrip("/")
        if not base:
            host = next((value for name, value in scope["headers"] if name == b"host"), b"")
            base = f"{scope['scheme']}://{host.decode('latin-1')}"
            if not _is_own_name(base):
                raise NotTrusted("wrong-audience")
        return base + str(scope["path"])

    async def _put_on_record(self, refused: _Refused, scope: Scope, address: str | None) -> None:
        await self._door.refusals.add(
            Refusal(
                reason=refused.reason,
                http_status=refused.answer.status_code,
                call=Call(service_id=self._service_id(scope["path"])),
                client=replace(refused.client, network_origin=address),
            )
        )

    def _service_id(self, path: str) -> str:
        if path == API:
            return "assess"
        if path == HOOKS:
            return "discovery"
        service = path.removeprefix(f"{HOOKS}/").removesuffix(FEEDBACK)
        return service if service in self._door.services else "unknown"


def is_guarded(path: str) -> bool:
    """Whether a path is one of those that only known callers reach."""
    return path in (HOOKS, API) or path.startswith((f"{HOOKS}/", f"{API}/"))


@lru_cache(4096)
def is_this_machine(address: str | None) -> bool:
    """Whether an address is one of the machine's own."""
    try:
        return ip_address(address or "").is_loopback
    except ValueError:
        return False


def _is_own_name(base: str) -> bool:
    try:
        name = BaseUrl.parse(base).host.strip("[]")
    except ValueError:
        return False
    return name == "localhost" or is_this_machine(name)


@lru_cache(4096)
def place_of(address: str | None) -> str:
    """What counts as one place: an IPv4 address, or a network of IPv6, where one has very many."""
    try:
        ip = ip_address(address or "")
    except ValueError:
        return "unknown"
    if not isinstance(ip, IPv6Address):
        return str(ip)
    return str(ip.ipv4_mapped or ip_network((ip, 64), strict=False))


def _unknown() -> Response:
    outcome = operation_outcome("login", "the call needs the token of a client that is known here")
    return _answer(401, outcome, {"WWW-Authenticate": "Bearer"})


def _too_often(seconds: float) -> Response:
    outcome = operation_outcome("throttled", "too many calls in a minute")
    return _answer(429, outcome, {"Retry-After": str(math.ceil(seconds))})


def _busy() -> Response:
    outcome = operation_outcome("throttled", "too many calls at once")
    return _answer(503, outcome, {"Retry-After": "1"})


def _unavailable(fault: TrustUnavailable) -> Response:
    return _answer(503, outcome_of(fault), {"Retry-After": "5"})


def _answer(status: int, outcome: dict[str, object], headers: dict[str, str]) -> Response:
    return Response(orjson.dumps(outcome), status, headers, media_type=JSON)
