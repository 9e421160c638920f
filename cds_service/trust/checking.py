"""Whether a token holds: one rule after the other, the dear ones and the memory last."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cds_service.audit import Client
from cds_service.audit.entries import AuthFailure
from cds_service.fhir.allowed import AddressRules
from cds_service.trust.clients import Clients, KnownClient
from cds_service.trust.jwks import LONGEST_ID
from cds_service.trust.key_cache import KeyCache, UnknownKey
from cds_service.trust.one_thread import OneThread
from cds_service.trust.store import TrustStore
from cds_service.trust.tokens import NotTrusted, Token

if TYPE_CHECKING:
    from cds_service.trust.signatures import Key

LEEWAY = 60.0
"""Seconds by which a client's clock may differ from ours."""
_LATEST = 2.0**53
_HALF = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: for the record, and where it may send us for a chart (None: as settings say)."""

    client: Client = field(default_factory=Client)
    fhir_rules: AddressRules | None = None


@dataclass(frozen=True, slots=True)
class TokenCheck:
    """Checks tokens against the known clients. `now` is seconds since 1970."""

    clients: Clients
    keys: KeyCache
    store: TrustStore
    thread: OneThread
    now: Callable[[], float]

    async def check(self, token: Token, url: str) -> tuple[KnownClient, Caller]:
        """The client whose valid token this is, for a call of `url`, the first time.

        Raises NotTrusted with the first rule that does not hold, TrustUnavailable where it cannot
        be known whether the token was used before. Source: CDS Hooks 2.0.1, trusting CDS clients.
        """
        try:
            return await self._check(token, url)
        except NotTrusted as refused:
            raise NotTrusted(refused.reason, token.claimed) from None

    async def _check(self, token: Token, url: str) -> tuple[KnownClient, Caller]:
        header, claims = token.header, token.claims
        client = self.clients.get(_text(claims, "iss"))
        if client is None:
            raise NotTrusted("unlisted-issuer")
        algorithm, kid, jku = _read_header(header, client)
        if url not in _audience(claims):
            raise NotTrusted("wrong-audience")
        now = self.now()
        until = _check_times(claims, client, now)
        tenant = _text(claims, "tenant") if "tenant" in claims else None
        if client.tenants is not None and tenant not in client.tenants:
            raise NotTrusted("unlisted-tenant")
        jti = _text(claims, "jti")
        try:
            key = await self.keys.key(client, kid, algorithm, jku)
        except UnknownKey:
            raise NotTrusted("unknown-key") from None
        refused = await self.thread.run(
            lambda: self._prove(token, key, algorithm, client.iss, jti, until, now)
        )
        if refused is not None:
            raise NotTrusted(refused)
        caller = Client(iss=client.iss, aud=url, jti=jti, kid=kid, alg=algorithm, tenant=tenant)
        return client, Caller(caller, client.fhir_rules)

    def _prove(
        self, token: Token, key: Key, algorithm: str, iss: str, jti: str, until: float, now: float
    ) -> AuthFailure | None:
        """The signature, and only if it holds, the memory of tokens: in one go, off the loop."""
        from cds_service.trust.signatures import is_signed  # with the first token to be checked

        if not is_signed(token.compact, key, algorithm):
            return "bad-signature"
        return None if self.store.first_seen(iss, jti, until, now) else "replayed-token"


def _read_header(header: Any, client: KnownClient) -> tuple[str, str, str | None]:
    """Algorithm, key id and address of the keys. What else stands there is never used.

    An extension that must be understood (`crit`) is not, nor is an unencoded payload (`b64`).
    """
    if header.get("alg") not in tuple(client.algorithms):
        raise NotTrusted("unlisted-algorithm")
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() != "jwt" or {"crit", "b64"} & header.keys():
        raise NotTrusted("bad-token")
    jku = header.get("jku")
    if "jku" in header and not isinstance(jku, str):
        raise NotTrusted("bad-token")
    return header["alg"], _text(header, "kid"), jku


def _text(members: Any, name: str) -> str:
    """A text of 1 to 256 characters, none of them half of a surrogate pair.

    JSON can spell such a half (`"\\ud800"`), but nothing can hash or keep it.
    """
    value = members.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_ID or _HALF.search(value):
        raise NotTrusted("bad-token")
    return value


def _audience(claims: Any) -> list[str]:
    named = claims.get("aud")
    audience = [named] if isinstance(named, str) else named
    if not isinstance(audience, list) or not all(isinstance(one, str) for one in audience):
        raise NotTrusted("bad-token")
    return audience


def _check_times(claims: Any, client: KnownClient, now: float) -> float:
    """The moment from which the token is refused for its age, so need not be remembered."""
    expires, issued = _moment(claims, "exp"), _moment(claims, "iat")
    if expires + LEEWAY <= now:
        raise NotTrusted("expired-token")
    begins = _moment(claims, "nbf") if "nbf" in claims else issued
    if max(issued, begins) > now + LEEWAY:
        raise NotTrusted("future-token")
    if not 0 < expires - issued <= client.most_seconds:
        raise NotTrusted("long-lived-token")
    return expires + LEEWAY


def _moment(claims: Any, name: str) -> float:
    """A NumericDate. Source: RFC 7519 §2."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LATEST:
        raise NotTrusted("bad-token")
    return float(value)
