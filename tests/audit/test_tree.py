"""The tree: published vectors, an oracle that follows the RFC's own words, and proofs that fail."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.audit.chain import leaf_hash
from cds_service.audit.tree import (
    Tree,
    consistency_spans,
    inclusion_spans,
    is_consistent,
    is_included,
    roots_of,
)

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


def root_of(leaves: Sequence[bytes]) -> bytes:
    tree = Tree()
    for leaf in leaves:
        tree.add(leaf_hash(leaf))
    return tree.root()


@cache
def by_the_letter(leaves: tuple[bytes, ...]) -> bytes:
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
    leaves = tuple(f"event {number}".encode() for number in range(size))
    assert root_of(leaves) == by_the_letter(leaves)


def test_a_lone_node_is_carried_up_and_not_doubled() -> None:
    assert root_of([b"a", b"b", b"c"]) != root_of([b"a", b"b", b"c", b"c"])


def test_the_tree_keeps_one_hash_for_each_power_of_two_only() -> None:
    tree = Tree()
    for number in range(1023):
        tree.add(leaf_hash(str(number).encode()))
    assert len(tree._complete) == 10


# --- going on from a frontier ---------------------------------------------------------------


@pytest.mark.parametrize("size", range(66))
def test_a_tree_goes_on_from_its_frontier_as_if_it_had_never_stopped(size: int) -> None:
    whole, begun = Tree(), Tree()
    for number in range(size):
        begun.add(leaf(number))
    resumed = Tree.resume(size, begun.frontier)
    assert resumed.root() == begun.root()
    for number in range(size + 5):
        whole.add(leaf(number))
    for number in range(size, size + 5):
        resumed.add(leaf(number))
    assert (resumed.size, resumed.root()) == (whole.size, whole.root())


@pytest.mark.parametrize(
    ("size", "frontier"),
    [
        pytest.param(3, bytes(32), id="a hash too few"),
        pytest.param(4, bytes(64), id="a hash too many"),
        pytest.param(1, bytes(31), id="a part of a hash"),
        pytest.param(-1, b"", id="less than nothing"),
    ],
)
def test_a_frontier_of_another_size_is_refused(size: int, frontier: bytes) -> None:
    with pytest.raises(ValueError, match="another size"):
        Tree.resume(size, frontier)


# --- proofs ---------------------------------------------------------------------------------


def leaf(number: int) -> bytes:
    return leaf_hash(f"event {number}".encode())


LEAF_HASHES = [leaf(number) for number in range(65)]
ROOT_OF = [by_the_letter(tuple(f"event {n}".encode() for n in range(size))) for size in range(66)]


def path_by_the_letter(index: int, leaves: tuple[bytes, ...]) -> list[bytes]:
    """PATH of RFC 6962 §2.1.1, as it is defined there."""
    if len(leaves) == 1:
        return []
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = leaves[:split], leaves[split:]
    if index < split:
        return [*path_by_the_letter(index, left), by_the_letter(right)]
    return [*path_by_the_letter(index - split, right), by_the_letter(left)]


def proof_by_the_letter(old: int, leaves: tuple[bytes, ...], is_whole: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 6962 §2.1.2, as it is defined there."""
    if old == len(leaves):
        return [] if is_whole else [by_the_letter(leaves)]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = leaves[:split], leaves[split:]
    if old <= split:
        return [*proof_by_the_letter(old, left, is_whole), by_the_letter(right)]
    return [*proof_by_the_letter(old - split, right, False), by_the_letter(left)]


# From the Go and C++ implementations of Certificate Transparency, over LEAVES: leaf (from 1), size.
PUBLISHED_PATHS = [
    (1, 1, []),
    (
        1,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (3, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        2,
        5,
        [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]
PUBLISHED_PROOFS = [
    (1, 1, []),
    (
        1,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        [
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]


@pytest.mark.parametrize(("number", "size", "path"), PUBLISHED_PATHS)
def test_the_inclusion_path_is_the_published_one(number: int, size: int, path: list[str]) -> None:
    hashes = [leaf_hash(one) for one in LEAVES]
    made = roots_of(inclusion_spans(number - 1, size), hashes)
    assert [one.hex() for one in made] == path


@pytest.mark.parametrize(("old", "new", "path"), PUBLISHED_PROOFS)
def test_the_consistency_proof_is_the_published_one(old: int, new: int, path: list[str]) -> None:
    hashes = [leaf_hash(one) for one in LEAVES]
    made = roots_of(consistency_spans(old, new), hashes)
    assert [one.hex() for one in made] == path


@pytest.mark.parametrize("size", range(1, 66))
def test_every_leaf_has_the_path_that_the_definition_gives(size: int) -> None:
    leaves = tuple(f"event {number}".encode() for number in range(size))
    for index in range(size):
        path = roots_of(inclusion_spans(index, size), LEAF_HASHES)
        assert path == path_by_the_letter(index, leaves)
        assert is_included(LEAF_HASHES[index], index, size, path, ROOT_OF[size])


@pytest.mark.parametrize("new", range(1, 66))
def test_every_older_tree_has_the_proof_that_the_definition_gives(new: int) -> None:
    leaves = tuple(f"event {number}".encode() for number in range(new))
    for old in range(1, new + 1):
        path = roots_of(consistency_spans(old, new), LEAF_HASHES)
        assert path == proof_by_the_letter(old, leaves)
        assert is_consistent(old, new, path, ROOT_OF[old], ROOT_OF[new])


@pytest.mark.parametrize("size", range(1, 18))
def test_a_path_proves_one_leaf_in_one_place_of_one_tree(size: int) -> None:
    for index in range(size):
        path = roots_of(inclusion_spans(index, size), LEAF_HASHES)
        root = ROOT_OF[size]
        for other in range(size):
            is_it = other == index
            assert is_included(LEAF_HASHES[other], index, size, path, root) is is_it
            if size > 1 and not is_it:
                assert not is_included(LEAF_HASHES[index], other, size, path, root)
        assert not is_included(LEAF_HASHES[index], index, size, path, ROOT_OF[size + 1])
        assert not is_included(LEAF_HASHES[index], index, size, [*path, bytes(32)], root)
        assert not path or not is_included(LEAF_HASHES[index], index, size, path[:-1], root)
        assert not is_included(LEAF_HASHES[index], index, index, path, root)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_forked_tree_is_consistent_with_none_before_the_fork(data: st.DataObject) -> None:
    new = data.draw(st.integers(2, 65))
    old = data.draw(st.integers(1, new))
    changed = data.draw(st.integers(0, new - 1))
    forked = LEAF_HASHES[:new]
    forked[changed] = leaf_hash(b"another history")
    tree = Tree()
    for one in forked:
        tree.add(one)
    path = roots_of(consistency_spans(old, new), forked)
    assert is_consistent(old, new, path, ROOT_OF[old], tree.root()) is (changed >= old)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_no_bit_of_a_proof_can_change(data: st.DataObject) -> None:
    new = data.draw(st.integers(2, 65))
    old = data.draw(st.integers(1, new - 1))
    path = roots_of(consistency_spans(old, new), LEAF_HASHES)
    at = data.draw(st.integers(0, len(path) - 1))
    bit = data.draw(st.integers(0, 255))
    changed = [*path]
    changed[at] = (int.from_bytes(path[at]) ^ 1 << bit).to_bytes(32)
    assert not is_consistent(old, new, changed, ROOT_OF[old], ROOT_OF[new])
    assert not is_consistent(old, new, path[:-1], ROOT_OF[old], ROOT_OF[new])
    assert not is_consistent(old, new, [*path, bytes(32)], ROOT_OF[old], ROOT_OF[new])
    assert not is_consistent(new, old, path, ROOT_OF[new], ROOT_OF[old])


@pytest.mark.parametrize(
    "sizes", [(0, 5), (6, 5), (-1, 5), (0, 0)], ids=lambda sizes: f"{sizes[0]} of {sizes[1]}"
)
def test_where_nothing_can_be_proved_there_is_no_proof(sizes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="older tree"):
        consistency_spans(*sizes)
    assert not is_consistent(*sizes, [], bytes(32), bytes(32))


@pytest.mark.parametrize(("index", "size"), [(-1, 5), (5, 5), (0, 0)])
def test_what_is_not_in_the_tree_has_no_path(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="no such leaf"):
        inclusion_spans(index, size)
    assert not is_included(LEAF_HASHES[0], index, size, [], LEAF_HASHES[0])


def test_fewer_leaves_than_the_tree_has_are_noticed() -> None:
    with pytest.raises(ValueError, match="fewer leaves"):
        roots_of(inclusion_spans(2, 9), LEAF_HASHES[:8])
