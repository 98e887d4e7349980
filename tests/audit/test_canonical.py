import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.helpers import CANARY
from corroborator.audit.canonical import JSON, canonical, digest, parse, parse_object
from corroborator.errors import InputError
from tiny_world import everything_told

SAFE = 2**53 - 1
values: st.SearchStrategy[JSON] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-SAFE, SAFE)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(values)
def test_what_is_written_reads_back_to_the_same_bytes(value: JSON) -> None:
    written = canonical(value)
    assert canonical(parse(written)) == written


@given(st.dictionaries(st.text(), st.integers(0, 9), max_size=8))
def test_neither_order_nor_the_type_of_a_list_matters(value: dict[str, int]) -> None:
    other = dict(reversed(value.items()))
    assert canonical(other) == canonical(value)
    assert canonical(tuple(value)) == canonical(list(value))


def test_the_form_is_that_of_rfc_8785() -> None:
    value = {"b": [1.0, 1e21, 1e-7, -0.0], "a": "\u20ac\x0f\n", "\ufb33": None, "\U0001f600": True}
    assert canonical(value).decode() == (
        '{"a":"€\\u000f\\n","b":[1,1e+21,1e-7,0],"\U0001f600":true,"\ufb33":null}'
    )


def test_a_large_float_without_a_point_reads_back() -> None:
    assert canonical(1e20) == b"100000000000000000000"
    assert canonical(parse(canonical(1e20))) == canonical(1e20)


@pytest.mark.parametrize("text", ["a\ud800b", "\udc00"])
def test_half_a_surrogate_pair_is_replaced(text: str) -> None:
    assert json.loads(canonical({"k": text, text: 1}))["k"] == text.replace(
        next(c for c in text if c > "\ud7ff"), "\ufffd"
    )


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, 2**53, b"bytes", {1, 2}, object(), {1: CANARY}, {CANARY: [CANARY, b""]}],
)
def test_what_is_not_json_is_refused_without_telling_it(value: object) -> None:
    with pytest.raises(InputError) as caught:
        canonical(value)
    assert CANARY not in everything_told(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "text", ['{"b":1,"a":2}', '{"a": 1}', "[1]", "{", "", None, 7, '{"a":NaN}']
)
def test_only_canonical_objects_are_read_as_bodies(text: object) -> None:
    assert parse_object(text) is None


def test_a_canonical_object_is_read() -> None:
    assert parse_object('{"a":[1,"x"]}') == {"a": [1, "x"]}


def test_the_digest_is_sha256() -> None:
    assert digest(b"abc").startswith("ba7816bf8f01cfea")
