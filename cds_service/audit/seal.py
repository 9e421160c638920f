"""Payloads: what holds patient data, kept apart from the chained envelope and tied to it by digest.

Each is compressed, salted and encrypted (scheme `aes-256-gcm`). The digest in the envelope covers
what is stored, so that verifying needs no key, and destroying a key changes nothing that was
hashed. Earlier versions stored them compressed and salted only (scheme `plain`).
"""

from __future__ import annotations

import secrets
import zlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag

from cds_service.audit.canonical import digest
from cds_service.audit.data_keys import DataKey
from cds_service.audit.gone import Purge
from cds_service.audit.pieces import Pieces, compress
from cds_service.errors import AuditError

PLAIN = "plain"
AES_256_GCM = "aes-256-gcm"

_SALT_BYTES = 32
_NONCE_BYTES = 12


class PayloadGone(AuditError):
    """What the payload held cannot be had again, and an entry says why."""


class PayloadErased(PayloadGone):
    """The patient was erased: the payload's key was destroyed, or the payload itself."""


class PayloadPurged(PayloadGone):
    """The payload was older than the log keeps them."""

    def __init__(self, name: str, seq: int, purge: Purge) -> None:
        super().__init__(f"the {name} of event {seq} was {purge.told}")
        self.purge = purge


@dataclass(frozen=True, slots=True)
class Payload:
    """One payload as it is stored. For `plain`, `nonce` is a random salt of 256 bits; `stored` is
    the content, compressed. For `aes-256-gcm` it is the ciphertext with its tag."""

    name: str
    scheme: str
    key_id: str | None
    nonce: bytes
    stored: bytes

    @property
    def digest(self) -> str:
        """What the envelope carries. It cannot be found by trying likely texts."""
        return digest_of(self.nonce, self.stored)


def digest_of(nonce: bytes, stored: bytes) -> str:
    """The digest of a payload that is stored so."""
    return digest(bytes([len(nonce)]) + nonce, stored)


@dataclass(frozen=True, slots=True)
class Bond:
    """The entry that a payload belongs to. In the place of another it does not open."""

    event_id: str
    schema_version: int

    def with_name(self, name: str) -> bytes:
        return f"{self.event_id}\x1f{name}\x1f{self.schema_version}".encode()


def pack(content: bytes | Pieces) -> bytes:
    """This content as it is encrypted: a salt of 256 random bits, then the content, compressed
    (RFC 1950).

    The salt lies inside, so that nobody can try likely texts against anything that is stored, even
    with the nonce at hand, and it dies with the key. Compression comes first because it is cheaper
    than writing: a chart of 12 MB is stored in 0.8 MB.
    """
    return secrets.token_bytes(_SALT_BYTES) + compress(content)


def seal(name: str, packed: bytes, key: DataKey, bond: Bond) -> Payload:
    """What `pack` made, encrypted with AES-256-GCM under a random nonce and bound to its entry.

    Source: NIST SP 800-38D (96-bit nonces; far below 2^32 payloads for one patient).
    """
    nonce = secrets.token_bytes(_NONCE_BYTES)
    stored = key.cipher.encrypt(nonce, packed, bond.with_name(name))
    return Payload(name, AES_256_GCM, key.key_id, nonce, stored)


def unseal(payload: Payload, key: DataKey | None, bond: Bond) -> bytes:
    """The exact bytes that were recorded; AuditError where they cannot be had. `plain` needs no
    key."""
    try:
        if payload.scheme == PLAIN:
            return zlib.decompress(payload.stored)
        if payload.scheme == AES_256_GCM and key is not None:
            packed = key.cipher.decrypt(payload.nonce, payload.stored, bond.with_name(payload.name))
            return zlib.decompress(packed[_SALT_BYTES:])
    except (zlib.error, InvalidTag, ValueError) as error:
        raise AuditError(f"a stored payload cannot be opened: {payload.name}") from error
    raise AuditError(f"a payload is sealed with a scheme this version cannot open: {payload.name}")
