"""What fails is recorded, and met as the policy's ``on_error`` says."""

import asyncio
import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain.agents import create_agent
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from numpy.typing import NDArray

from conftest import GuardOf, PolicyOf
from corroborator import ConfigError, Guard
from corroborator.audit import AuditLog
from corroborator.encoders import CachedEncoder
from corroborator.integrations.langchain import CorroboratorMiddleware, GuardedChatModel
from langchain_world import ScriptedModel, SilentModel, in_turn
from tiny_world import CANARY, WordEncoder, said

CLAIM, PLAIN = said("age_claim"), "I went to the shop for some bread."
BAD, GOOD = "That is k1 of you.", "What a day you had. How can I help?"
CONFIG: dict[str, Any] = {"configurable": {"thread_id": "t"}}
RELEASES = "audit: {store: null, on_error: release}"
BLOCKS = "audit: {store: null, on_error: block}"


class Failing(WordEncoder):
    """Fails on texts that hold a word, and quotes them."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word = word

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        for text in texts:
            if self.word in text:
                raise RuntimeError(f"cannot encode {text!r}")
        return super().encode(texts)


def failing(guard: Guard, word: str) -> Guard:
    guard.engine = replace(guard.engine, encoder=CachedEncoder(Failing(word)))
    return guard


def agent_of(guard: Guard, *replies: Any, model: type[SilentModel] = ScriptedModel) -> Any:
    return create_agent(
        model(script=in_turn(*replies)),
        [],
        middleware=[CorroboratorMiddleware(guard)],
        checkpointer=InMemorySaver(),
    )


def asking(text: str) -> dict[str, Any]:
    return {"messages": [HumanMessage(text)]}


def reply(agent: Any, text: str, way: str = "invoke") -> str:
    if way == "invoke":
        return str(agent.invoke(asking(text), CONFIG)["messages"][-1].text)
    if way == "ainvoke":
        return str(asyncio.run(agent.ainvoke(asking(text), CONFIG))["messages"][-1].text)
    chunks = agent.stream(asking(text), CONFIG, stream_mode="messages")
    return "".join(chunk.text for chunk, _ in chunks)


def closed(guard: Guard) -> list[Any]:
    return [turn.closed.body if turn.closed else None for turn in guard.audit.records("t")]


WAYS = pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream"])


# --- the model ---


@WAYS
@pytest.mark.parametrize("error", [RuntimeError(CANARY), TimeoutError(CANARY)])
def test_a_model_that_fails_is_on_record_and_the_app_is_told(
    guard: Guard, way: str, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    agent = agent_of(guard, error)
    with pytest.raises(type(error)):
        reply(agent, CLAIM, way)
    [body] = closed(guard)
    assert body["errors"] == [type(error).__name__]
    assert CANARY not in caplog.text


def test_a_model_that_fails_in_the_middle_leaves_what_was_shown(guard: Guard) -> None:
    class Breaking(ScriptedModel):
        def _stream(self, *args: Any, **kwargs: Any) -> Any:
            for number, chunk in enumerate(super()._stream(*args, **kwargs)):
                if number == 7:
                    raise ConnectionError
                yield chunk

    agent = agent_of(guard, f"{GOOD} And more of it.", model=Breaking)
    with pytest.raises(ConnectionError):
        reply(agent, PLAIN, "stream")
    [turn] = guard.audit.records("t")
    assert turn.closed is not None
    assert turn.closed.body["errors"] == ["ConnectionError"]
    assert turn.detail is not None
    assert turn.detail["reply"]["characters"] == len("What a day you had. ")  # type: ignore[index, call-overload]
    assert turn.detail["reply"]["checked"] == "after_release"  # type: ignore[index, call-overload]


@WAYS
@pytest.mark.parametrize("text", [CLAIM, PLAIN])
def test_a_model_that_says_nothing_is_on_record(guard: Guard, way: str, text: str) -> None:
    assert reply(agent_of(guard, ""), text, way) == ""
    [turn] = guard.audit.records("t")
    assert turn.detail is not None
    assert turn.detail["reply"]["characters"] == 0  # type: ignore[index, call-overload]


def test_a_model_that_is_none_is_refused(guard: Guard) -> None:
    class Agent(BaseChatModel):
        pass

    bound: Any = ScriptedModel(script=in_turn(GOOD)).with_retry()
    agent: Any = create_agent(bound, [], middleware=[CorroboratorMiddleware(guard)])
    with pytest.raises(ConfigError, match="RunnableRetry"):
        agent.invoke(asking(PLAIN))


# --- the encoder ---


@WAYS
@pytest.mark.parametrize("on_error", [RELEASES, BLOCKS])
def test_a_message_that_cannot_be_judged(
    guard_of: GuardOf, way: str, on_error: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    guard = failing(guard_of(on_error), CANARY)
    shown = reply(agent_of(guard, BAD), f"{CLAIM} {CANARY}", way)
    assert shown == (BAD if on_error == RELEASES else guard.fallback)
    assert "a turn could not be opened" in caplog.text
    assert CANARY not in caplog.text
    [body] = closed(guard)
    assert body["errors"] == ["TurnError"]
    assert body["action"] == ("none" if on_error == RELEASES else "replaced")


@WAYS
@pytest.mark.parametrize("on_error", [RELEASES, BLOCKS])
def test_a_draft_that_cannot_be_judged(
    guard_of: GuardOf, way: str, on_error: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    guard = failing(guard_of(on_error), CANARY)
    draft = f"{GOOD} {CANARY}"
    shown = reply(agent_of(guard, draft), CLAIM, way)
    assert shown == (draft if on_error == RELEASES else guard.fallback)
    [body] = closed(guard)
    assert "TurnError" in body["errors"]
    assert CANARY not in caplog.text


# --- the store ---


@WAYS
@pytest.mark.parametrize("on_error", ["release", "block"])
def test_a_store_that_is_locked(
    tiny_policy: PolicyOf, tmp_path: Path, way: str, on_error: str
) -> None:
    file = tmp_path / "records.db"
    policy = tiny_policy(f"audit: {{store: 'sqlite:///{file}', on_error: {on_error}}}")
    log = AuditLog.open(f"sqlite:///{file}?timeout=0")
    with Guard(policy, encoder=WordEncoder(), audit=log) as guard:
        agent = agent_of(guard, GOOD)
        holder = sqlite3.connect(file, isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        try:
            shown = reply(agent, CLAIM, way)
        finally:
            holder.close()
        assert shown == (GOOD if on_error == "release" else guard.fallback)
        assert reply(agent, PLAIN, way)
    log.close()


@WAYS
def test_a_reply_that_cannot_be_recorded_is_not_shown(guard_of: GuardOf, way: str) -> None:
    guard = guard_of(BLOCKS)

    class Locking(SilentModel):
        """The store fails while the model writes."""

        def _answer(self, *args: Any) -> AIMessage:
            guard.audit.close()
            return super()._answer(*args)

    agent = agent_of(guard, GOOD, model=Locking)
    assert reply(agent, CLAIM, way) == guard.fallback


@pytest.mark.parametrize(("on_error", "shown"), [(RELEASES, True), (BLOCKS, False)])
def test_a_chat_model_follows_the_policy_too(guard_of: GuardOf, on_error: str, shown: bool) -> None:
    guard = failing(guard_of(on_error), CANARY)
    model = GuardedChatModel(inner=ScriptedModel(script=in_turn(GOOD)), guard=guard)
    texts = [model.invoke(CANARY).text, "".join(c.text for c in model.stream(CANARY))]
    assert texts == ([GOOD, GOOD] if shown else [guard.fallback] * 2)
