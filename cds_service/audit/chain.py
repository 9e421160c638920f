"""Hashes that tie the log together: a chain of links, and a Merkle tree over the same leaves."""

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


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees side by side.

    Source: RFC 6962 §2.1.
    """
    return hashlib.sha256(b"\x01" + left + right).digest()


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


class Tree:
    """The Merkle tree over the leaves added so far, kept as the roots of its complete subtrees.

    Never more than one root per power of two, so the memory does not grow with the log. A lone
    node is carried up as it is, never doubled.

    Source: RFC 6962 §2.1.
    """

    def __init__(self) -> None:
        self.size = 0
        self._complete: list[bytes] = []  # the largest subtree first

    def add(self, leaf: bytes) -> None:
        self._complete.append(leaf)
        self.size += 1
        for _ in range(_trailing_zeros(self.size)):
            right = self._complete.pop()
            self._complete.append(node_hash(self._complete.pop(), right))

    def root(self) -> bytes:
        """The tree head; of no leaves at all, the hash of nothing."""
        if not self._complete:
            return hashlib.sha256().digest()
        *larger, root = self._complete
        for left in reversed(larger):
            root = node_hash(left, root)
        return root


def _trailing_zeros(number: int) -> int:
    return (number & -number).bit_length() - 1
