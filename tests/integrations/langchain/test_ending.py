"""Whoever stops waiting, the turn ends and has its record."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver

from corroborator import Guard
from corroborator.integrations.langchain import CorroboratorMiddleware, GuardedChatModel
from langchain_world import SilentModel, in_turn
from tiny_world import said

CLAIM = said("age_claim")
CONFIG: dict[str, Any] = {"configurable": {"thread_id": "t"}}


class NeverModel(SilentModel):
    """Writes for ever."""

    async def _agenerate(self, *_: Any, **__: Any) -> Any:
        await asyncio.sleep(3600)


def by_agent(guard: Guard) -> Any:
    agent: Any = create_agent(
        NeverModel(script=in_turn(AIMessage(""))),
        [],
        middleware=[CorroboratorMiddleware(guard)],
        checkpointer=InMemorySaver(),
    )
    return agent.ainvoke({"messages": [HumanMessage(CLAIM)]}, CONFIG)


def by_model(guard: Guard) -> Any:
    inner = NeverModel(script=in_turn(AIMessage("")))
    return GuardedChatModel(inner=inner, guard=guard).ainvoke(CLAIM, conversation="t")


WAYS = pytest.mark.parametrize("asked", [by_agent, by_model])


async def errors_on_record(guard: Guard) -> list[Any]:
    for _ in range(200):
        turns = await asyncio.to_thread(lambda: list(guard.audit.records("t")))
        if turns and all(turn.closed for turn in turns):
            return [turn.closed.body["errors"] for turn in turns if turn.closed]
        await asyncio.sleep(0.02)
    return ["never closed"]


@pytest.fixture
def busy() -> Iterator[Callable[[], None]]:
    """Give an event loop a single worker, and return what keeps it busy until told otherwise."""
    free = threading.Event()

    def keep_busy() -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        loop.run_in_executor(None, free.wait, 5)
        loop.call_later(0.2, free.set)

    yield keep_busy
    free.set()


@WAYS
def test_a_scope_that_is_left_cancels_again_and_again(
    guard: Guard, asked: Any, busy: Callable[[], None]
) -> None:
    """A web framework leaves such a scope where the client has gone."""

    async def leave() -> list[Any]:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(lambda: asked(guard))
                await anyio.sleep(0.3)
                busy()
                scope.cancel()
        return await errors_on_record(guard)

    assert asyncio.run(leave()) == [["CancelledError"]]


@WAYS
def test_a_turn_that_nobody_waits_for_any_more_when_it_is_open_ends(
    guard: Guard, asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go_on = threading.Event(), threading.Event()
    open_turn = guard.open_turn

    def slow(*args: Any, **kwargs: Any) -> Any:
        turn = open_turn(*args, **kwargs)
        began.set()
        go_on.wait(5)
        return turn

    monkeypatch.setattr(guard, "open_turn", slow)

    async def leave() -> list[Any]:
        task = asyncio.ensure_future(asked(guard))
        await asyncio.to_thread(began.wait, 5)
        task.cancel()
        await asyncio.wait([task])
        go_on.set()
        return await errors_on_record(guard)

    assert asyncio.run(leave()) == [["CancelledError"]]
