import pytest
from hypothesis import given
from hypothesis import strategies as st

from corroborator.audit.merkle import (
    consistency_proof,
    inclusion_proof,
    is_consistent,
    is_included,
    leaf_hash,
    tree_root,
)

DATA = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"]
DATA.append("606162636465666768696a6b6c6d6e6f")
LEAVES = [leaf_hash(bytes.fromhex(data)) for data in DATA]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""The published vectors of Certificate Transparency's reference implementation."""
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

PATHS = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
}
"""Place and size -> the published audit path."""

sizes = st.integers(1, 70)


def numbered(size: int) -> list[bytes]:
    return [leaf_hash(number.to_bytes(4)) for number in range(size)]


def test_roots_are_the_published_ones() -> None:
    assert tree_root([])[1].hex() == EMPTY
    assert [tree_root(LEAVES[:n])[1].hex() for n in range(1, 9)] == ROOTS
    assert tree_root(iter(LEAVES))[0] == 8


@pytest.mark.parametrize(("place", "size"), PATHS)
def test_inclusion_proofs_are_the_published_ones(place: int, size: int) -> None:
    proof = inclusion_proof(LEAVES[:size], place)
    assert [part.hex() for part in proof] == PATHS[place, size]


@given(sizes, st.data())
def test_every_leaf_is_proved_and_no_other(size: int, data: st.DataObject) -> None:
    leaves = numbered(size)
    place = data.draw(st.integers(0, size - 1))
    root = tree_root(leaves)[1]
    proof = inclusion_proof(leaves, place)
    assert is_included(leaves[place], place, size, proof, root)
    other = data.draw(st.integers(0, size))
    if other != place:
        assert not is_included(leaves[place], other, size, proof, root)
    assert not is_included(leaf_hash(b"none"), place, size, proof, root)
    assert not is_included(leaves[place], place, size, [*proof, root], root)
    assert not proof or not is_included(leaves[place], place, size, proof[:-1], root)


@given(sizes, sizes, st.data())
def test_a_tree_is_proved_to_begin_with_an_earlier_one(
    one: int, two: int, data: st.DataObject
) -> None:
    earlier, size = sorted((one, two))
    leaves = numbered(size)
    roots = tree_root(leaves[:earlier])[1], tree_root(leaves)[1]
    proof = consistency_proof(leaves, earlier)
    assert is_consistent(earlier, roots[0], size, roots[1], proof)
    changed = list(leaves)
    changed[data.draw(st.integers(0, earlier - 1))] = leaf_hash(b"another")
    false = tree_root(changed[:earlier])[1]
    assert not is_consistent(earlier, false, size, roots[1], proof)
    assert not is_consistent(earlier, roots[0], size, tree_root(changed)[1], proof)
    assert not is_consistent(earlier, roots[0], size, roots[1], [*proof, roots[0]])
    assert not proof or not is_consistent(earlier, roots[0], size, roots[1], proof[:-1])


def test_what_cannot_be_proved_is_refused() -> None:
    for place in (-1, 3):
        with pytest.raises(IndexError):
            inclusion_proof(LEAVES[:3], place)
        assert not is_included(LEAVES[0], place, 3, [], LEAVES[0])
    for earlier in (0, 4):
        with pytest.raises(IndexError):
            consistency_proof(LEAVES[:3], earlier)
        assert not is_consistent(earlier, LEAVES[0], 3, LEAVES[0], [])
