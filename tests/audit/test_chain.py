"""The chain and the tree: published vectors, and an oracle that follows the RFC's own words."""

from __future__ import annotations

import hashlib

import pytest

from cds_service.audit.chain import Tree, first_link, leaf_hash, node_hash

# The leaves and tree heads that Certificate Transparency's reference implementations publish.
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def root_of(leaves: list[bytes]) -> bytes:
    tree = Tree()
    for leaf in leaves:
        tree.add(leaf_hash(leaf))
    return tree.root()


def by_the_letter(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 §2.1, as it is defined there: split at the largest power of two below n."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = by_the_letter(leaves[:split]), by_the_letter(leaves[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


@pytest.mark.parametrize("size", range(9))
def test_the_tree_head_is_the_published_one(size: int) -> None:
    assert root_of(LEAVES[:size]).hex() == ROOTS[size]


@pytest.mark.parametrize("size", range(66))
def test_the_tree_head_is_what_the_definition_gives(size: int) -> None:
    leaves = [f"event {number}".encode() for number in range(size)]
    assert root_of(leaves) == by_the_letter(leaves)


def test_a_lone_node_is_carried_up_and_not_doubled() -> None:
    assert root_of([b"a", b"b", b"c"]) != root_of([b"a", b"b", b"c", b"c"])


def test_the_tree_keeps_one_hash_for_each_power_of_two_only() -> None:
    tree = Tree()
    for number in range(1023):
        tree.add(leaf_hash(str(number).encode()))
    assert len(tree._complete) == 10


def test_leaf_and_node_cannot_be_taken_for_one_another() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert node_hash(left, right) != leaf_hash(left + right)


def test_two_logs_begin_with_different_links() -> None:
    assert first_link("log-1", "2026-11-21T12:00:00.000000Z") == (
        b'{"canonicalForm":"rfc8785","createdAt":"2026-11-21T12:00:00.000000Z","hash":"sha-256",'
        b'"logId":"log-1","schemaVersion":1}'
    )
    assert first_link("log-1", "t") != first_link("log-2", "t")
