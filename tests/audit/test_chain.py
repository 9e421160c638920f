"""The chain: what an entry is hashed to, and what a log begins with."""

from __future__ import annotations

from cds_service.audit.chain import first_link, leaf_hash
from cds_service.audit.tree import node_hash


def test_leaf_and_node_cannot_be_taken_for_one_another() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert node_hash(left, right) != leaf_hash(left + right)


def test_two_logs_begin_with_different_links() -> None:
    assert first_link("log-1", "2026-11-21T12:00:00.000000Z") == (
        b'{"canonicalForm":"rfc8785","createdAt":"2026-11-21T12:00:00.000000Z","hash":"sha-256",'
        b'"logId":"log-1","schemaVersion":1}'
    )
    assert first_link("log-1", "t") != first_link("log-2", "t")
