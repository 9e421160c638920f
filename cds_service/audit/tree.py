"""The Merkle tree over the entries of the log: its head, and short proofs about what is in it.

Pure: leaf hashes in, hashes out. Places are counted from 0, as the RFC does: the event with `seq` 1
is leaf 0. Source for everything here: RFC 6962 §2.1; for the checking of proofs RFC 9162 §2.1.3.2
and §2.1.4.2, which spell it out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

HASH_BYTES = 32

Span = tuple[int, int]
"""A run of leaves: the first one, and the one after the last."""


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees side by side."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """The tree over the leaves added so far, kept as the roots of its complete subtrees.

    Never more than one root per power of two, so the memory does not grow with the log. A lone
    node is carried up as it is, never doubled.
    """

    def __init__(self) -> None:
        self.size = 0
        self._complete: list[bytes] = []  # the largest subtree first

    @classmethod
    def resume(cls, size: int, frontier: bytes) -> Tree:
        """The tree that had this size and this frontier; ValueError where they do not fit.

        Whether it is the right one, only its root can tell: compare it to one that is trusted.
        """
        if size < 0 or len(frontier) != size.bit_count() * HASH_BYTES:
            raise ValueError("a frontier of another size")
        tree = cls()
        tree.size = size
        tree._complete = [
            frontier[at : at + HASH_BYTES] for at in range(0, len(frontier), HASH_BYTES)
        ]
        return tree

    @property
    def frontier(self) -> bytes:
        """The roots of the complete subtrees, the largest first: enough to go on from."""
        return b"".join(self._complete)

    def add(self, leaf: bytes) -> None:
        complete = self._complete
        complete.append(leaf)
        full = self.size
        self.size = full + 1
        while full & 1:
            right = complete.pop()
            complete.append(node_hash(complete.pop(), right))
            full >>= 1

    def root(self) -> bytes:
        """The tree head; of no leaves at all, the hash of nothing."""
        if not self._complete:
            return hashlib.sha256().digest()
        *larger, root = self._complete
        for left in reversed(larger):
            root = node_hash(left, root)
        return root


def inclusion_spans(index: int, size: int) -> list[Span]:
    """The subtrees whose roots prove that leaf `index` is in the tree of `size`, nearest first."""
    if not 0 <= index < size:
        raise ValueError("there is no such leaf in the tree")
    spans: list[Span] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _left_part(end - start)
        if index < middle:
            spans.append((middle, end))
            end = middle
        else:
            spans.append((start, middle))
            start = middle
    return spans[::-1]


def consistency_spans(old: int, new: int) -> list[Span]:
    """The subtrees whose roots prove that the tree of `new` leaves begins with that of `old`.

    Of an empty tree there is nothing to prove; of equal ones, no more than their equality.
    """
    if not 0 < old <= new:
        raise ValueError("the older tree has leaves, and no more than the newer one")
    spans: list[Span] = []
    start, end = 0, new
    is_whole_old_tree = True
    while end != old:
        middle = start + _left_part(end - start)
        if old <= middle:
            spans.append((middle, end))
            end = middle
        else:
            spans.append((start, middle))
            start = middle
            is_whole_old_tree = False
    if not is_whole_old_tree:
        spans.append((start, end))
    return spans[::-1]


def roots_of(spans: Sequence[Span], leaves: Iterable[bytes]) -> list[bytes]:
    """The root of each of these runs of leaves, in one pass; ValueError where leaves are missing.

    No two runs overlap. `leaves` are those of the whole tree, from the first.
    """
    roots: dict[Span, bytes] = {}
    ahead = iter(enumerate(leaves))
    for span in sorted(spans):
        tree = Tree()
        for index, leaf in ahead:
            if index >= span[0]:
                tree.add(leaf)
            if index + 1 == span[1]:
                break
        if tree.size != span[1] - span[0]:
            raise ValueError("there are fewer leaves than the tree has")
        roots[span] = tree.root()
    return [roots[span] for span in spans]


def is_included(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether this path proves that `leaf` is number `index` of the tree with this root.

    Source: RFC 9162 §2.1.3.2.
    """
    if not 0 <= index < size:
        return False
    place, last, reached = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            reached = node_hash(sibling, reached)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            reached = node_hash(reached, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and reached == root


def is_consistent(
    old: int, new: int, path: Sequence[bytes], old_root: bytes, new_root: bytes
) -> bool:
    """Whether this path proves that the newer tree begins with all of the older one.

    Source: RFC 9162 §2.1.4.2.
    """
    if not 0 < old <= new:
        return False
    if old == new:
        return not path and old_root == new_root
    hashes = list(path) if old & (old - 1) else [old_root, *path]
    if not hashes:
        return False
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    older = newer = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            older, newer = node_hash(sibling, older), node_hash(sibling, newer)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            newer = node_hash(newer, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and (older, newer) == (old_root, new_root)


def _left_part(size: int) -> int:
    """The largest power of two below `size`: how many leaves stand in the left subtree."""
    return 1 << (size - 1).bit_length() - 1
