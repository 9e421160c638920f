"""The chain: each entry carries the hash of the one before it. The tree is over the same hashes."""

from __future__ import annotations

import hashlib

from cds_service.audit.canonical import ENVELOPE_FORM, canonical_json

FORMAT_VERSION = 1
"""The version of the record format; every envelope carries it as `schemaVersion`."""


def leaf_hash(data: bytes) -> bytes:
    """The hash of one entry, from the bytes as they are stored.

    Source: RFC 6962 §2.1.
    """
    return hashlib.sha256(b"\x00" + data).digest()


def first_link(log_id: str, created_at: str) -> bytes:
    """The bytes that a log begins with; their leaf hash is what event 1 links back to.

    Two logs never begin alike, so no event of one can be passed off as part of another.
    """
    return canonical_json(
        {
            "canonicalForm": ENVELOPE_FORM,
            "createdAt": created_at,
            "hash": "sha-256",
            "logId": log_id,
            "schemaVersion": FORMAT_VERSION,
        }
    )
