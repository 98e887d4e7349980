from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corroborator.errors import InputError
from corroborator.messages import Message, read_messages
from tiny_world import CANARY, everything_told

json_like: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)
message_like = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool", "nobody"]) | json_like},
    optional={"content": json_like, "id": json_like},
)


@pytest.mark.parametrize(
    ("role", "read"),
    [
        ("user", "user"),
        ("human", "user"),
        ("assistant", "assistant"),
        ("ai", "assistant"),
        ("system", "other"),
        ("developer", "other"),
        ("tool", "other"),
        ("function", "other"),
    ],
)
def test_roles_of_the_chat_apis_are_known(role: str, read: str) -> None:
    assert read_messages([{"role": role, "content": "x"}])[0].role == read


@pytest.mark.parametrize(
    ("content", "text", "unread"),
    [
        ("as it is\n", "as it is\n", 0),
        (None, "", 0),
        ([], "", 0),
        ("", "", 0),
        (["a", "b"], "a\nb", 0),
        ([{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {}}], "a", 1),
        ([{"type": "input_audio"}, {"type": "text", "text": None}, 7, None], "", 4),
        (({"text": "tuple"},), "tuple", 0),
        ("\ud800", "\ud800", 0),
    ],
)
def test_text_parts_are_read_and_the_others_counted(
    content: object, text: str, unread: int
) -> None:
    [message] = read_messages([{"role": "user", "content": content}])
    assert (message.text, message.unread_parts) == (text, unread)


def test_messages_that_are_read_already_and_iterators_are_taken() -> None:
    given = Message("user", "hello", id="m1")
    several: Iterator[object] = iter([given, {"role": "ai", "content": "hi"}])
    assert read_messages(several) == (given, Message("assistant", "hi"))


@pytest.mark.parametrize(
    ("identifier", "read"), [(None, None), ("", None), ("m1", "m1"), (7, "7"), (0, "0")]
)
def test_ids_are_kept_as_text_and_an_empty_one_is_none(identifier: object, read: object) -> None:
    assert read_messages([{"role": "user", "content": "x", "id": identifier}])[0].id == read


@pytest.mark.parametrize(
    "raw",
    [CANARY, CANARY.encode(), {"role": "user", "content": CANARY}, None, 7, object()],
)
def test_what_is_no_list_is_refused(raw: object) -> None:
    with pytest.raises(InputError, match="must be a list") as caught:
        read_messages(raw)  # type: ignore[arg-type]
    assert CANARY not in everything_told(caught.value)


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        (CANARY, "message 1 is a str, not a mapping"),
        ([("role", "user")], "message 1 is a list, not a mapping"),
        ({"content": CANARY}, "message 1 has no known role; use one of user, human"),
        ({"role": CANARY, "content": ""}, "message 1 has no known role"),
        ({"role": "User", "content": CANARY}, "message 1 has no known role"),
        ({"role": ["user"], "content": CANARY}, "message 1 has no known role"),
        ({"role": "user", "content": 5}, "content of message 1 is neither text nor a list"),
        ({"role": "user", "content": CANARY.encode()}, "content of message 1 is neither"),
        ({"role": "user", "content": bytearray(2)}, "content of message 1 is neither"),
        ({"role": "user", "content": {"text": CANARY}}, "content of message 1 is neither"),
    ],
)
def test_a_broken_message_is_named_by_its_position_alone(item: object, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        read_messages([{"role": "user", "content": "fine"}, item])
    assert CANARY not in everything_told(caught.value)


@given(st.lists(message_like | json_like, max_size=4))
def test_anything_is_read_or_refused_without_quoting_it(raw: list[object]) -> None:
    spiced = [{**item, "note": CANARY} if isinstance(item, Mapping) else item for item in raw]
    told = ""
    try:
        assert len(read_messages(spiced)) == len(raw)
    except InputError as error:
        told = everything_told(error)
    assert CANARY not in told


def test_a_message_does_not_show_its_text() -> None:
    assert CANARY not in repr(read_messages([{"role": "user", "content": CANARY}]))
