"""The keys of callers and their signatures, by joserfc: loaded only where tokens are checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from cds_service.trust.tokens import LONGEST_HEADER, LONGEST_TOKEN

Key: TypeAlias = ECKey | RSAKey
_KINDS: Mapping[str, type[ECKey] | type[RSAKey]] = {"EC": ECKey, "RSA": RSAKey}


def imported(parts: Mapping[str, str]) -> Key:
    """The key of these members of a JWK; ValueError where they make none."""
    try:
        return _KINDS[parts["kty"]].import_key({**parts})
    except (JoseError, ValueError, TypeError, OverflowError):
        raise ValueError("not a key that can be read") from None


def is_signed(compact: bytes, key: Key, algorithm: str) -> bool:
    """Whether this key has signed exactly this token, with this algorithm."""
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    registry.max_header_length = LONGEST_HEADER
    registry.max_payload_length = LONGEST_TOKEN
    registry.max_signature_length = LONGEST_TOKEN
    try:
        jws.deserialize_compact(compact, key, registry=registry)
    except (JoseError, ValueError, TypeError):
        return False
    return True
