"""A client's public keys, out of a JWK Set (RFC 7517): which key may check which algorithm."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from cds_service.trust.strict_json import read_object

if TYPE_CHECKING:
    from cds_service.trust.signatures import Key

ALGORITHMS = ("ES384", "RS384", "ES256", "RS256")
"""All that can be allowed. Nothing symmetric, and not `none`."""
DEFAULT_ALGORITHMS = ("ES384", "RS384")
LEAST_RSA_BITS = 2048
MOST_RSA_BITS = 8192
MOST_KEYS = 100
LONGEST_ID = 256
UNREADABLE = "not a key that can be read"
_OF_CURVE = {"P-256": ("ES256",), "P-384": ("ES384",)}
_OF_RSA = ("RS256", "RS384")
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})

Keys: TypeAlias = "Mapping[tuple[str, str], Key]"
"""By `kid` and algorithm, so that no key is ever tried with an algorithm that is not its own."""


def read_keys(raw: bytes, *, is_own_file: bool = False) -> Keys:
    """The keys for signatures in a JWK Set; ValueError with a reason where it is not to be used.

    Private or symmetric key material refuses the whole set: such a set is no longer a secret's
    public half. Keys for other uses, without `kid`, or of kinds and curves that we do not check
    are passed over; in a file of the operator's own (`is_own_file`) a weak or broken key is a
    fault as well.
    """
    listed = read_object(raw).get("keys")
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise ValueError("not a JWK Set: no list of keys")
    if len(listed) > MOST_KEYS:
        raise ValueError(f"more than {MOST_KEYS} keys")
    keys: dict[tuple[str, str], Key] = {}
    for number, jwk in enumerate(listed):
        if jwk.get("kty") == "oct" or _PRIVATE & jwk.keys():
            raise ValueError(f"keys[{number}] holds private or symmetric key material")
        if not _is_for_signatures(jwk):
            continue
        try:
            suited = _suited(jwk)
        except ValueError as fault:
            if is_own_file:
                raise ValueError(f"keys[{number}]: {fault}") from None
            continue
        for algorithm, key in suited.items():
            if (jwk["kid"], algorithm) in keys:
                raise ValueError(f"keys[{number}]: another key has its kid")
            keys[jwk["kid"], algorithm] = key
    return keys


def _is_for_signatures(jwk: Mapping[str, Any]) -> bool:
    """Whether a key says by `use`, `key_ops` and `kid` that it may check a named signature."""
    operations = jwk.get("key_ops", ["verify"])
    kid = jwk.get("kid")
    return (
        jwk.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and isinstance(kid, str)
        and 0 < len(kid) <= LONGEST_ID
    )


def _suited(jwk: Mapping[str, Any]) -> dict[str, Key]:
    """The algorithms that a key may check; ValueError for one too weak, broken or not known."""
    if jwk.get("kty") == "RSA":
        parts = _parts(jwk, "n", "e")
        bits = _bits(parts["n"])
        if not LEAST_RSA_BITS <= bits <= MOST_RSA_BITS:
            raise ValueError(f"an RSA key of {bits} bits, not {LEAST_RSA_BITS} or more")
        return _for_algorithms(_imported(parts), _OF_RSA, jwk.get("alg"))
    if jwk.get("kty") == "EC" and jwk.get("crv") in tuple(_OF_CURVE):
        key = _imported(_parts(jwk, "crv", "x", "y"))
        return _for_algorithms(key, _OF_CURVE[jwk["crv"]], jwk.get("alg"))
    raise ValueError("neither RSA nor EC on curve P-256 or P-384")


def _for_algorithms(key: Key, suited: tuple[str, ...], named: object) -> dict[str, Key]:
    """The key by each algorithm it suits, or by the one alone that it names."""
    return {algorithm: key for algorithm in suited if named in (None, algorithm)}


def _parts(jwk: Mapping[str, Any], *names: str) -> dict[str, str]:
    """Only what makes the key, so that nothing else of a stranger's JSON is interpreted."""
    parts = {name: jwk.get(name) for name in names}
    if not all(isinstance(part, str) and part.isascii() for part in parts.values()):
        raise ValueError(UNREADABLE)
    return {"kty": jwk["kty"], **parts}


def _bits(modulus: str) -> int:
    """How long a modulus is, before anything is reckoned with it."""
    try:
        raw = base64.urlsafe_b64decode(modulus + "=" * (-len(modulus) % 4))
    except ValueError:
        raise ValueError(UNREADABLE) from None
    return int.from_bytes(raw, "big").bit_length()


def _imported(parts: Mapping[str, str]) -> Key:
    from cds_service.trust.signatures import imported

    return imported(parts)
