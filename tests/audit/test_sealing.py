import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.helpers import CANARY, MASTER
from corroborator.audit import MasterKey
from corroborator.audit.sealing import new_data_key, seal, unseal, unwrap, wrap
from corroborator.errors import IntegrityError
from tiny_world import everything_told

KEY = new_data_key()


@given(st.binary(), st.text(alphabet="abc:0123"))
def test_what_is_sealed_is_unsealed_in_its_place_alone(plain: bytes, place: str) -> None:
    sealed = seal(KEY, plain, place)
    assert unseal(KEY, sealed, place) == plain
    assert len(sealed) == len(plain) + 28
    with pytest.raises(IntegrityError):
        unseal(KEY, sealed, place + "x")


def test_sealing_twice_gives_different_bytes() -> None:
    assert seal(KEY, b"same", "p") != seal(KEY, b"same", "p")


@pytest.mark.parametrize("place", range(0, 53, 7))
def test_any_changed_byte_is_found(place: int) -> None:
    sealed = bytearray(seal(KEY, CANARY.encode(), "p"))
    sealed[place] ^= 1
    with pytest.raises(IntegrityError) as caught:
        unseal(KEY, bytes(sealed), "p")
    assert caught.value.__context__ is None
    assert CANARY not in everything_told(caught.value)


@pytest.mark.parametrize("sealed", [b"", b"short", b"x" * 27])
def test_cut_content_is_found(sealed: bytes) -> None:
    with pytest.raises(IntegrityError):
        unseal(KEY, sealed, "p")


def test_a_data_key_unwraps_for_its_chain_and_master_key_alone() -> None:
    wrapped = wrap(MASTER, KEY, "a")
    assert unwrap(MASTER, wrapped, "a") == KEY
    assert KEY not in wrapped
    with pytest.raises(IntegrityError):
        unwrap(MASTER, wrapped, "b")
    with pytest.raises(IntegrityError):
        unwrap(MasterKey(b"2" * 32), wrapped, "a")
