"""A bearer token as it came: taken apart strictly, believed in nothing yet."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cds_service.audit import Client
from cds_service.audit.entries import AuthFailure
from cds_service.trust.strict_json import read_object

LONGEST_TOKEN = 8192
LONGEST_HEADER = 4096
"""Characters of a whole token, and of its first part."""

_BEARER = re.compile(rb"bearer +([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.I)


class NotTrusted(Exception):
    """A call whose token does not hold. `claimed` is what it said of itself, no more."""

    def __init__(self, reason: AuthFailure, claimed: Client | None = None) -> None:
        self.reason: AuthFailure = reason
        self.claimed = claimed or Client()
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Token:
    """Header and claims of a token nobody has checked; `compact` is the token itself."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    compact: bytes

    @property
    def claimed(self) -> Client:
        """What may be logged of it: issuer, tenant and id, where they are texts."""
        iss, jti, tenant = (
            value if isinstance(value := self.claims.get(name), str) else None
            for name in ("iss", "jti", "tenant")
        )
        return Client(iss=iss, jti=jti, tenant=tenant)


def read_token(headers: Iterable[tuple[bytes, bytes]]) -> Token:
    """The one bearer token of a request; raises NotTrusted.

    Two `Authorization` headers are none: two readers might each take another. Base64 has one
    spelling for one text, and JSON one meaning, or the token is refused. Source: RFC 7515 §2, §4.
    """
    given = [value for name, value in headers if name.lower() == b"authorization"]
    if not given:
        raise NotTrusted("no-token")
    if len(given) > 1 or len(given[0]) > LONGEST_TOKEN:
        raise NotTrusted("bad-token")
    parts = _BEARER.fullmatch(given[0])
    if parts is None:
        raise NotTrusted("bad-token")
    if len(parts[1]) > LONGEST_HEADER:
        raise NotTrusted("bad-token")
    try:
        header = read_object(_decoded(parts[1]))
        claims = read_object(_decoded(parts[2]))
        _decoded(parts[3])
    except ValueError:
        raise NotTrusted("bad-token") from None
    return Token(header, claims, b".".join(parts.groups()))


def _decoded(segment: bytes) -> bytes:
    """The bytes of one part; ValueError where it is not the spelling that they are written in."""
    try:
        raw = base64.urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))
    except binascii.Error:
        raise ValueError("not base64url") from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != segment:
        raise ValueError("not base64url as it is written")
    return raw
