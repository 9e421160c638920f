"""Client tokens (JWT) for the calls, and forged ones that a deployment has to refuse."""

from __future__ import annotations

import base64
import hmac
import json
import time
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey, import_key

from cds_service.errors import UsageError

SECONDS = 300
ALGORITHMS = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}

SigningKey = ECKey | RSAKey
Audience = str | list[str]


@dataclass(frozen=True, slots=True)
class Signer:
    """What a registered client signs with; no member of it is ever printed."""

    key: SigningKey
    iss: str
    kid: str
    jku: str | None = None

    @classmethod
    def from_file(cls, file: Path, iss: str, kid: str, jku: str | None) -> Self:
        """With the private key in a file, PEM or JWK; raises UsageError where it holds none."""
        try:
            content = file.read_bytes()
        except OSError as fault:
            raise UsageError(f"{file}: {fault.strerror or 'cannot be read'}") from None
        key = _key_in(content)
        if key is None or not key.is_private:
            raise UsageError(f"{file}: no private key of kind EC or RSA, as PEM or JWK")
        return cls(key, iss, kid, jku)

    @property
    def alg(self) -> str:
        if isinstance(self.key, ECKey):
            return ALGORITHMS.get(self.key.curve_name, "ES384")
        return "RS384"

    def header(self) -> dict[str, Any]:
        made = {"alg": self.alg, "kid": self.kid, "typ": "JWT"}
        return made | ({"jku": self.jku} if self.jku else {})

    def claims(self, aud: Audience) -> dict[str, Any]:
        """For one request to this address, valid for five minutes."""
        now = int(time.time())
        return {"iss": self.iss, "aud": aud, "exp": now + SECONDS, "iat": now, "jti": str(uuid4())}

    def token(self, aud: Audience, *, header: Any = None, without: str = "", **claims: Any) -> str:
        """A signed token; header and claims may be other than they should be."""
        all_claims = self.claims(aud) | claims
        all_claims.pop(without, None)
        return jwt.encode(
            self.header() | (header or {}), all_claims, self.key, algorithms=[self.alg]
        )

    def with_foreign_key(self) -> Signer:
        """The same client by name, with a key that nobody has registered."""
        key: SigningKey
        if isinstance(self.key, ECKey):
            key = ECKey.generate_key(self.key.curve_name)
        else:
            key = RSAKey.generate_key(2048)
        return replace(self, key=key)

    def unsigned(self, aud: str) -> str:
        """A token that says it needs no signature."""
        return f"{_signing_input(self.header() | {'alg': 'none'}, self.claims(aud))}."

    def symmetric(self, aud: str) -> str:
        """A token signed with the public key as if that were a shared secret."""
        said = _signing_input(self.header() | {"alg": "HS256"}, self.claims(aud))
        secret = self.key.as_pem(private=False)
        return f"{said}.{_encoded(hmac.new(secret, said.encode(), sha256).digest())}"


def _key_in(content: bytes) -> SigningKey | None:
    try:
        return _asymmetric(import_key(json.loads(content)))
    except (ValueError, TypeError, KeyError, JoseError):
        pass
    for kind in (ECKey, RSAKey):
        try:
            return kind.import_key(content)
        except (ValueError, TypeError, KeyError, AttributeError, JoseError):
            continue
    return None


def _asymmetric(key: object) -> SigningKey | None:
    return key if isinstance(key, ECKey | RSAKey) else None


def _signing_input(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return ".".join(_encoded(json.dumps(part).encode()) for part in (header, claims))


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
