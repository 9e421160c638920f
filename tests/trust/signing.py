"""Tokens as clients make them, and as clients should not: keys, key sets, signatures."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from hooks.serving import NOON
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

NOW = NOON.timestamp()
ISS = "https://ehr.example"
URL = "https://cds.example/cds-services"
CALL_URL = f"{URL}/refractory-status"
EC = ECKey.generate_key("P-384", {"kid": "ec"})
EC_256 = ECKey.generate_key("P-256", {"kid": "ec-256"})
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
STRANGER = ECKey.generate_key("P-384", {"kid": "ec"})
CAN_SIGN = ("ES256", "ES384", "RS256", "RS384", "RS512", "PS384")
GONE = object()
"""A change to this takes a member away."""

Key = ECKey | RSAKey
Members = dict[str, Any]


def public(key: Key, **members: Any) -> Members:
    """The key as a JWK that may be published."""
    jwk: Members = key.as_dict(private=False) | members
    return {name: value for name, value in jwk.items() if value is not GONE}


def jwks(*keys: Key | Members) -> bytes:
    """A JWK Set of these."""
    return json.dumps({"keys": [k if isinstance(k, dict) else public(k) for k in keys]}).encode()


def claims(changes: Members | None = None) -> Members:
    """The claims of a good token, with these changes."""
    good: Members = {
        "iss": ISS,
        "aud": URL,
        "iat": int(NOW),
        "exp": int(NOW) + 300,
        "jti": str(uuid4()),
    }
    good |= changes or {}
    return {name: value for name, value in good.items() if value is not GONE}


def header(changes: Members | None = None) -> Members:
    """The header of a good token, with these changes."""
    good: Members = {"alg": "ES384", "kid": "ec", "typ": "JWT"} | (changes or {})
    return {name: value for name, value in good.items() if value is not GONE}


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(
    changes: Members | None = None,
    *,
    head: Members | None = None,
    key: Key = EC,
    signs_as: str | None = None,
    raw_header: bytes | None = None,
    raw_claims: bytes | None = None,
) -> str:
    """A token whose signature is right for this key; `signs_as` where the header lies about it."""
    described = header(head)
    first = raw_header if raw_header is not None else json.dumps(described).encode()
    second = raw_claims if raw_claims is not None else json.dumps(claims(changes)).encode()
    said = described.get("alg")
    algorithm = signs_as or (said if said in CAN_SIGN else "ES384")
    model = jws.JWSRegistry.algorithms[algorithm]
    signing_input = f"{b64(first)}.{b64(second)}"
    return f"{signing_input}.{b64(model.sign(signing_input.encode(), key))}"


def bearer(token: str) -> list[tuple[bytes, bytes]]:
    """The headers of a request with this token."""
    return [(b"host", b"cds.test"), (b"authorization", f"Bearer {token}".encode())]


def toml(**members: Any) -> str:
    """One entry of the clients file; values of TOML are those of JSON here."""
    entry = {"iss": ISS, "jwks_file": "keys.json"} | members
    lines = [f"{name} = {json.dumps(v)}" for name, v in entry.items() if v is not GONE]
    return "\n".join(["[[clients]]", *lines]) + "\n"


def all_toml(entries: Iterable[Members]) -> str:
    return "".join(toml(**entry) for entry in entries)
