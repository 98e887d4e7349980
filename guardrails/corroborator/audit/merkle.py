"""Merkle trees of RFC 6962, section 2.1: roots, and proofs that need no more than a few hashes.

An inclusion proof shows that a leaf is in a tree; a consistency proof, that a tree begins with all the
leaves of an earlier one, in the same order.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence

Hash = bytes


def leaf_hash(data: bytes) -> Hash:
    """Return the hash of a leaf."""
    return hashlib.sha256(b"\0" + data).digest()


def node_hash(left: Hash, right: Hash) -> Hash:
    """Return the hash of an inner node."""
    return hashlib.sha256(b"\1" + left + right).digest()


def tree_root(leaves: Iterable[Hash]) -> tuple[int, Hash]:
    """Return size and root of a tree, in one pass over the hashes of its leaves."""
    size = 0
    peaks: list[tuple[int, Hash]] = []
    for leaf in leaves:
        size += 1
        height, node = 0, leaf
        while peaks and peaks[-1][0] == height:
            node = node_hash(peaks.pop()[1], node)
            height += 1
        peaks.append((height, node))
    if not peaks:
        return 0, hashlib.sha256(b"").digest()
    root = peaks.pop()[1]
    while peaks:
        root = node_hash(peaks.pop()[1], root)
    return size, root


def inclusion_proof(leaves: Sequence[Hash], place: int) -> list[Hash]:
    """Return the proof that a leaf stands at a place, from the leaf upwards (PATH).

    Raises:
        IndexError: there is no such leaf.
    """
    if not 0 <= place < len(leaves):
        raise IndexError("there is no leaf at this place")
    if len(leaves) == 1:
        return []
    half = _half(len(leaves))
    if place < half:
        return [*inclusion_proof(leaves[:half], place), tree_root(leaves[half:])[1]]
    return [*inclusion_proof(leaves[half:], place - half), tree_root(leaves[:half])[1]]


def consistency_proof(leaves: Sequence[Hash], earlier: int) -> list[Hash]:
    """Return the proof that a tree begins with its first leaves (PROOF).

    Raises:
        IndexError: the earlier size is 0 or larger than the tree.
    """
    if not 0 < earlier <= len(leaves):
        raise IndexError("an earlier tree has between one leaf and all of them")
    return _subproof(leaves, earlier, whole=True)


def is_included(leaf: Hash, place: int, size: int, proof: Sequence[Hash], root: Hash) -> bool:
    """Whether a proof shows that a leaf stands at a place of the tree with this root."""
    if not 0 <= place < size:
        return False
    node, last, hashes = place, size - 1, iter(proof)
    found = leaf
    for sibling in hashes:
        if last == 0:
            return False
        if node & 1 or node == last:
            found = node_hash(sibling, found)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and found == root


def is_consistent(
    earlier: int, earlier_root: Hash, size: int, root: Hash, proof: Sequence[Hash]
) -> bool:
    """Whether a proof shows that a tree begins with an earlier one (RFC 9162, section 2.1.4.2)."""
    if not 0 < earlier <= size:
        return False
    if earlier == size:
        return not proof and earlier_root == root
    node, last = earlier - 1, size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    hashes: Iterator[Hash] = iter(proof)
    start = earlier_root if earlier & (earlier - 1) == 0 else next(hashes, None)
    if start is None:
        return False
    old = new = start
    for sibling in hashes:
        if last == 0:
            return False
        if node & 1 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and (old, new) == (earlier_root, root)


def _subproof(leaves: Sequence[Hash], earlier: int, *, whole: bool) -> list[Hash]:
    if earlier == len(leaves):
        return [] if whole else [tree_root(leaves)[1]]
    half = _half(len(leaves))
    if earlier <= half:
        return [*_subproof(leaves[:half], earlier, whole=whole), tree_root(leaves[half:])[1]]
    rest = _subproof(leaves[half:], earlier - half, whole=False)
    return [*rest, tree_root(leaves[:half])[1]]


def _half(size: int) -> int:
    """Return the largest power of two below a size."""
    return 1 << ((size - 1).bit_length() - 1)
