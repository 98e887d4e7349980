"""Streams beyond the modes: what is held, what is cut off, who stops reading."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from nemoguardrails.exceptions import StreamingNotSupportedError

from corroborator import Guard
from integrations.nemo.conftest import (
    ADOPTS,
    CLAIM,
    KIND,
    MODES,
    NEUTRAL,
    RAILS_ON,
    AppOf,
    RecordingModel,
    actions,
    records,
    run,
    streamed,
    user,
)

FIRST = MODES["plain"].replace("context_size: 2", "context_size: 2, stream_first: true")
NO_OUTPUT_RAIL = "models: []\nrails: {input: {flows: [corroborator check input]}}"
NO_INPUT_RAIL = MODES["plain"].replace("  input: {flows: [corroborator check input]}\n", "")
REGEX = """
models: []
rails:
  config: {regex_detection: {output: {patterns: [forbidden]}}}
  input: {flows: [corroborator check input]}
  output:
    flows: [corroborator check output, regex check output]
    streaming: {enabled: true, chunk_size: 4, context_size: 2, stream_first: false}
"""


def reply_of(guard: Guard) -> Any:
    detail: Any = records(guard)[-1].detail
    return detail["reply"]


def test_an_ordinary_reply_comes_piece_by_piece(app_of: AppOf, own_guard: Guard) -> None:
    pieces = run(streamed(app_of(RecordingModel("one two three four five six")), user(NEUTRAL)))
    assert pieces == ["one", " two", " three", " four", " five", " six"]
    assert reply_of(own_guard)["checked"] == "checked"


def test_a_held_reply_comes_whole(app_of: AppOf) -> None:
    pieces = run(streamed(app_of(RecordingModel("one two three four five six")), user(CLAIM)))
    assert pieces == ["one two three four five six"]


def test_what_is_held_is_held_even_where_nemo_would_show_it_first(
    app_of: AppOf, own_guard: Guard
) -> None:
    pieces = run(streamed(app_of(RecordingModel(ADOPTS, KIND), FIRST), user(CLAIM)))
    assert pieces == [KIND]
    assert actions(own_guard) == ["revised"]


def test_without_our_output_rail_nothing_is_held_and_the_record_says_so(
    app_of: AppOf, own_guard: Guard
) -> None:
    model = RecordingModel(ADOPTS)
    assert "".join(run(streamed(app_of(model, NO_OUTPUT_RAIL), user(CLAIM)))) == ADOPTS
    assert model.steered == [True]
    assert reply_of(own_guard)["checked"] == "after_release"
    assert reply_of(own_guard)["colludes"]


@pytest.mark.parametrize("stream", [False, True])
def test_without_our_input_rail_a_reply_is_checked_and_nothing_steered(
    app_of: AppOf, own_guard: Guard, stream: bool
) -> None:
    model = RecordingModel(ADOPTS, KIND)
    app = app_of(model, NO_INPUT_RAIL)
    if stream:
        assert run(streamed(app, user(CLAIM))) == [KIND]
    else:
        assert app.generate(messages=user(CLAIM))["content"] == KIND
    assert model.steered[0] is False
    assert actions(own_guard) == ["revised"]


def test_metadata_comes_along(app_of: AppOf, own_guard: Guard) -> None:
    app = app_of(RecordingModel(KIND), NO_OUTPUT_RAIL)
    pieces = run(streamed(app, user(CLAIM), include_metadata=True))
    assert "".join(piece["text"] for piece in pieces) == KIND
    assert reply_of(own_guard)["characters"] == len(KIND)


def test_a_stream_that_another_rail_cuts_off_ends_as_nemo_ends_it(
    app_of: AppOf, own_guard: Guard
) -> None:
    model = RecordingModel("one two three four and forbidden words")
    *shown, last = run(streamed(app_of(model, REGEX), user(NEUTRAL)))
    assert json.loads(last)["error"]["param"] == "regex check output"
    assert "forbidden" not in "".join(shown)
    assert reply_of(own_guard)["characters"] == len("".join(shown))
    assert len(records(own_guard)) == 1


def test_a_held_stream_that_another_rail_cuts_off_shows_nothing(
    app_of: AppOf, own_guard: Guard
) -> None:
    model = RecordingModel("one two three four and forbidden words")
    (last,) = run(streamed(app_of(model, REGEX), user(CLAIM)))
    assert json.loads(last)["error"]["code"] == "content_blocked"
    assert reply_of(own_guard) is None


def test_a_reader_that_stops_leaves_a_record_of_what_it_read(
    app_of: AppOf, own_guard: Guard
) -> None:
    async def read_two() -> list[str]:
        stream: Any = app_of(RecordingModel("one two three four five six")).stream_async(
            messages=user(NEUTRAL)
        )
        pieces = [await anext(stream), await anext(stream)]
        await stream.aclose()
        return pieces

    assert run(read_two()) == ["one", " two"]
    assert actions(own_guard) == ["none"]
    assert reply_of(own_guard)["characters"] == len("one two")


class SlowModel(RecordingModel):
    """Takes its time, and says when it has begun."""

    def __init__(self, *script: str) -> None:
        super().__init__(*script)
        self.begun = asyncio.Event()

    async def stream_async(self, prompt: Any, **_: Any) -> AsyncIterator[Any]:
        async for chunk in super().stream_async(prompt):
            yield chunk
            self.begun.set()
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("claim", [NEUTRAL, CLAIM])
def test_a_reader_that_is_cancelled_leaves_a_record(
    app_of: AppOf, own_guard: Guard, claim: str
) -> None:
    async def read_and_cancel() -> None:
        model = SlowModel("one two three four five six seven eight nine")
        task = asyncio.create_task(streamed(app_of(model), user(claim)))
        await model.begun.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(read_and_cancel())
    assert len(records(own_guard)) == 1
    assert reply_of(own_guard) is None


def test_a_reader_that_leaves_before_anything_happened_leaves_nothing_open(
    app_of: AppOf, own_guard: Guard
) -> None:
    async def leave() -> None:
        stream: Any = app_of(RecordingModel()).stream_async(messages=user(CLAIM))
        await stream.aclose()
        await asyncio.sleep(0.1)

    run(leave())
    assert all(turn.status == "closed" for turn in records(own_guard))


def test_a_model_that_fails_ends_the_stream_as_nemo_ends_it(
    app_of: AppOf, own_guard: Guard
) -> None:
    pieces = run(streamed(app_of(RecordingModel(RuntimeError("out of order"))), user(CLAIM)))
    assert "error" in json.loads(pieces[-1])
    assert actions(own_guard) == ["steered"]


@pytest.mark.parametrize("draft", [KIND, ADOPTS])
def test_a_text_of_the_app_s_own_is_judged(app_of: AppOf, own_guard: Guard, draft: str) -> None:
    async def own() -> AsyncIterator[str]:
        for word in draft.split(" "):
            yield f"{word} "

    model = RecordingModel(KIND)
    shown = "".join(run(streamed(app_of(model), user(CLAIM), generator=own())))
    assert shown.strip() == KIND
    assert actions(own_guard) == ["steered" if draft == KIND else "revised"]


def test_streaming_that_is_not_enabled_stays_nemo_s_error(app_of: AppOf) -> None:
    forgotten = "models: []\n" + RAILS_ON.split("    streaming")[0]
    with pytest.raises(StreamingNotSupportedError):
        app_of(RecordingModel(), forgotten).stream_async(messages=user(CLAIM))
