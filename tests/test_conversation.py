from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corroborator.conversation import (
    NEW_MESSAGES,
    REBUILT_MESSAGES,
    NewMessages,
    earlier_turns,
    new_messages,
)
from corroborator.ledger import Ledger
from corroborator.messages import Message, Role

ROLES: dict[str, Role] = {"u": "user", "a": "assistant", "t": "other"}
shapes = st.text("uat", max_size=30)


def messages(shape: str, named: Sequence[str | None] = ()) -> tuple[Message, ...]:
    names = [*named, *[None] * (len(shape) - len(named))]
    return tuple(Message(ROLES[r], str(n), id=names[n]) for n, r in enumerate(shape))


def fresh(shape: str, seen: int = 0) -> NewMessages:
    return new_messages(messages(shape), Ledger(seen=seen))


@pytest.mark.parametrize(
    ("shape", "seen", "positions", "repeated"),
    [
        ("", 0, (), False),
        ("t", 0, (), False),
        ("a", 0, (), False),
        ("u", 0, (0,), False),
        ("uau", 1, (2,), False),
        ("uauu", 1, (2, 3), False),
        ("tuatu", 1, (4,), False),
        ("uau", 0, (0, 2), False),
        ("uau", 2, (2,), True),  # asked again for the same turn
        ("uaua", 2, (2,), True),  # nothing new: it ends with a reply
        ("au", 7, (1,), False),  # the host has cut the history
        ("auu", 7, (1, 2), False),
        ("uu", 7, (0, 1), False),
    ],
)
def test_the_unseen_user_messages_are_new(
    shape: str, seen: int, positions: tuple[int, ...], repeated: bool
) -> None:
    found = fresh(shape, seen)
    assert (found.positions, found.repeated, found.unread) == (positions, repeated, 0)


def test_of_many_new_messages_the_last_are_read_and_the_rest_counted() -> None:
    found = fresh("u" * 1000)
    assert found.positions == tuple(range(1000 - NEW_MESSAGES, 1000))
    assert found.unread == 1000 - NEW_MESSAGES


def test_the_hosts_ids_go_before_counting() -> None:
    windowed = messages("uau", ["m8", None, "m9"])
    assert new_messages(windowed, Ledger(seen=30, last_id="m8")).positions == (2,)
    assert new_messages(windowed, Ledger(seen=2, last_id="m8")).positions == (2,)
    assert new_messages(windowed, Ledger(seen=2, last_id="m9")).repeated


def test_where_the_last_one_seen_was_taken_out_what_follows_the_last_reply_is_new() -> None:
    assert new_messages(messages("u", ["m9"]), Ledger(seen=1, last_id="m1")) == NewMessages((0,))
    cut = messages("uau", ["m8", None, "m9"])
    assert new_messages(cut, Ledger(seen=1, last_id="m1")) == NewMessages((2,))


def test_without_an_id_for_each_message_they_are_counted() -> None:
    assert new_messages(messages("u"), Ledger(seen=1, last_id="m1")).repeated


def test_an_unknown_id_falls_back_to_counting() -> None:
    assert new_messages(messages("uau", ["m8", None, "m9"]), Ledger(seen=1, last_id="m1")) == (
        NewMessages((2,))
    )


def test_an_id_that_every_message_has_hides_nothing() -> None:
    same = messages("uau", ["c-17", "c-17", "c-17"])
    assert new_messages(same, Ledger(seen=1, last_id="c-17")) == NewMessages((2,))


@given(shapes, st.integers(0, 40))
def test_new_messages_are_user_messages_in_order(shape: str, seen: int) -> None:
    given_ = messages(shape)
    found = new_messages(given_, Ledger(seen=seen))
    assert all(given_[p].role == "user" for p in found.positions)
    assert list(found.positions) == sorted(set(found.positions))
    assert bool(found.positions) == ("u" in shape)  # no user turn passes unread
    assert shape.rfind("u") in (found.positions or (-1,))


@pytest.mark.parametrize(
    ("shape", "turns"),
    [
        ("", []),
        ("u", []),
        ("ua", []),  # its only user message is the turn itself
        ("uau", [[0]]),
        ("uaua", [[0]]),
        ("uuau", [[0, 1]]),
        ("utuau", [[0, 2]]),
        ("uauau", [[0], [2]]),
        ("auau", [[1]]),
    ],
)
def test_earlier_turns_end_where_a_reply_follows(shape: str, turns: list[list[int]]) -> None:
    assert list(earlier_turns(messages(shape))) == turns


def test_only_the_last_messages_are_read_again() -> None:
    turns = list(earlier_turns(messages("ua" * 500 + "u")))
    assert sum(map(len, turns)) == REBUILT_MESSAGES
    assert turns[-1] == [998]


@given(shapes)
def test_earlier_turns_and_new_messages_are_all_user_messages(shape: str) -> None:
    given_ = messages(shape)
    earlier = [position for turn in earlier_turns(given_) for position in turn]
    new = new_messages(given_, Ledger(seen=len(earlier)))
    users = [position for position, role in enumerate(shape) if role == "u"]
    assert [*earlier, *new.positions] == users
    assert not new.repeated
