import asyncio
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from conftest import GuardOf, PolicyOf
from corroborator import Guard, InputError, StreamEnd, Turn, TurnError
from corroborator.encoders import CachedEncoder
from corroborator.statements import read_whole
from tiny_world import CANARY, FailingEncoder, WordEncoder, everything_told, said

PLAIN = "I went to the shop for some bread."
ADOPTS = "That is k1 of you, and k4. Go on like that."
GOOD = "What a day you had. How can I help?"

SENTENCES = st.lists(
    st.sampled_from(["What a day you had.", "That is k1 of you!", "How can I help?", "o2 it is."]),
    min_size=1,
    max_size=6,
)
NUMBER = itertools.count()
FREE = st.text(st.sampled_from(list("ab k14.!?\"()1\n\r\u2028'-Dr\ud83d")), max_size=60) | st.text()


def with_free_text(test: Any) -> Any:
    """Run a test with free texts and free chunks."""
    test = given(text=FREE, cuts=st.lists(st.integers(0, 1000), max_size=12))(test)
    return settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)(
        test
    )


class CountingEncoder(WordEncoder):
    """Remembers what it was asked to encode."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.texts += texts
        return super().encode(texts)


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def chunked(text: str, cuts: Iterable[int]) -> list[str]:
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[a:b] for a, b in itertools.pairwise(places)]


def streamed(turn: Turn, chunks: Iterable[str]) -> tuple[list[str], StreamEnd]:
    stream = turn.stream()
    return [stream.feed(chunk) for chunk in chunks], stream.end()


def recorded(guard: Guard, conversation: str) -> Any:
    [stored] = guard.audit.records(conversation)
    assert stored.detail is not None
    return stored.detail["reply"]


# --- a reply that is not held ---


def test_a_sentence_is_shown_when_the_next_begins(guard: Guard) -> None:
    turn = guard.open_turn(user(PLAIN))
    shown, end = streamed(
        turn, ["What a ", "day you", " had.", " ", "How", " can I help?\n", "Bye"]
    )
    assert shown == ["", "", "", "", "What a day you had. ", "How can I help?\n", ""]
    assert (end.rest, end.verdict, end.revise) == ("Bye", None, False)


def test_it_is_recorded_as_checked_after_release(guard: Guard) -> None:
    turn = guard.open_turn(user(PLAIN), conversation="c")
    shown, end = streamed(turn, chunked(ADOPTS, range(0, 99, 3)))
    turn.close("".join(shown) + end.rest)
    reply = recorded(guard, "c")
    assert (reply["checked"], reply["colludes"]) == ("after_release", True)
    assert reply["sentences"] == 2


@with_free_text
def test_what_is_shown_is_what_was_fed(guard: Guard, text: str, cuts: list[int]) -> None:
    turn = guard.open_turn(user(PLAIN))
    shown, end = streamed(turn, chunked(text, cuts))
    assert "".join(shown) + end.rest == text


@with_free_text
def test_it_is_judged_as_if_it_came_whole(guard: Guard, text: str, cuts: list[int]) -> None:
    replies = []
    for chunks in ([text], chunked(text, cuts)):
        name = str(next(NUMBER))
        turn = guard.open_turn(user(PLAIN), conversation=name)
        shown, end = streamed(turn, chunks)
        turn.close("".join(shown) + end.rest)
        replies.append(recorded(guard, name))
    assert replies[0] == replies[1]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(sentences=SENTENCES, cuts=st.lists(st.integers(0, 1000)))
def test_each_sentence_is_encoded_once(guard: Guard, sentences: list[str], cuts: list[int]) -> None:
    encoder = CountingEncoder()
    guard.engine = replace(guard.engine, encoder=CachedEncoder(encoder))
    turn = guard.open_turn(user(PLAIN))
    encoder.texts.clear()
    text = " ".join(sentences)
    shown, end = streamed(turn, chunked(text, cuts))
    on_the_way = list(encoder.texts)
    turn.close("".join(shown) + end.rest)
    assert sorted(encoder.texts) == sorted({s.text for s in read_whole(text)})
    assert set(on_the_way) == {s.text for s in read_whole("".join(shown))}


def test_hold_never_shows_it_whatever_was_found(guard_of: GuardOf) -> None:
    turn = guard_of("reply: {stream: hold_never}\naudit: {store: null}").open_turn(
        user(said("age_claim"))
    )
    shown, end = streamed(turn, [ADOPTS])
    assert "".join(shown) + end.rest == ADOPTS


# --- a held reply ---


@pytest.fixture
def held(guard: Guard) -> Turn:
    return guard.open_turn(user(said("age_claim")), conversation="held")


def test_nothing_is_shown_before_all_is_judged(held: Turn) -> None:
    shown, end = streamed(held, chunked(GOOD, range(0, 99, 2)))
    assert not any(shown)
    assert (end.rest, end.revise) == (GOOD, False)
    assert end.verdict is not None
    assert end.verdict.kind == "release"


def test_a_draft_at_fault_is_asked_for_again_and_at_last_replaced(guard: Guard, held: Turn) -> None:
    ends = [streamed(held, [ADOPTS])[1] for _ in range(3)]
    assert [end.revise for end in ends] == [True, True, False]
    assert [end.rest for end in ends[:2]] == ["", ""]
    assert ends[2].verdict is not None
    assert ends[2].rest == ends[2].verdict.text != ""
    held.close(ends[2].rest)
    assert recorded(guard, "held")["checked"] == "replacement"


@with_free_text
def test_chunks_change_no_verdict(guard: Guard, text: str, cuts: list[int]) -> None:
    ends = [
        streamed(guard.open_turn(user(said("age_claim"))), chunks)[1]
        for chunks in ([text], chunked(text, cuts))
    ]
    assert ends[0] == ends[1]


# --- both ---


@pytest.mark.parametrize("said_", [PLAIN, said("age_claim")])
def test_the_async_twin_does_the_same(guard: Guard, said_: str) -> None:
    async def shown() -> tuple[list[str], StreamEnd]:
        stream = (await guard.aopen_turn(user(said_))).stream()
        return [await stream.afeed(chunk) for chunk in chunked(GOOD, range(9))], await stream.aend()

    assert asyncio.run(shown()) == streamed(guard.open_turn(user(said_)), chunked(GOOD, range(9)))


def test_a_chunk_is_text(guard: Guard) -> None:
    with pytest.raises(InputError, match="a chunk is text, not bytes"):
        guard.open_turn(user(PLAIN)).stream().feed(b"x")  # type: ignore[arg-type]


def test_an_encoder_that_fails_stops_no_stream_and_tells_no_text(tiny_policy: PolicyOf) -> None:
    bad = f"All is well. Now {CANARY}. And so on."
    with Guard(tiny_policy(), encoder=FailingEncoder()) as guard:
        turn = guard.open_turn(user(PLAIN), conversation="c")
        shown, end = streamed(turn, chunked(bad, range(0, 99, 5)))
        assert "".join(shown) + end.rest == bad
        turn.close(bad)
        [stored] = guard.audit.records("c")
        assert stored.closed is not None
        assert stored.closed.body["errors"] == ["TurnError"]
        held = guard.open_turn(user(said("age_claim")))
        with pytest.raises(TurnError) as raised:
            streamed(held, [bad])
        assert CANARY not in everything_told(raised.value)
