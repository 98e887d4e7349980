"""A refused draft is nowhere: on no surface, in no state, in no trace and in no log."""

import asyncio
import itertools
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.tracers import LangChainTracer
from langgraph.checkpoint.memory import InMemorySaver
from langsmith import Client
from langsmith.run_helpers import tracing_context

from corroborator import Guard
from corroborator.integrations.langchain import CorroboratorMiddleware
from langchain_world import ForwardingModel, ScriptedModel, SilentModel, in_turn
from tiny_world import said

REFUSED = "zebrarefused"
BAD = f"That is k1 of you, {REFUSED}. And so it goes on."
GOOD = "What a day you had, yes. How can I help?"
CLAIM = {"messages": [HumanMessage(said("age_claim"))]}

Surface = Callable[[Any, dict[str, Any]], Any]


def streaming(mode: str) -> tuple[Surface, Surface]:
    async def collected(agent: Any, config: dict[str, Any]) -> list[Any]:
        return [chunk async for chunk in agent.astream(CLAIM, config, stream_mode=mode)]

    return lambda agent, config: list(agent.stream(CLAIM, config, stream_mode=mode)), collected


async def events_v2(agent: Any, config: dict[str, Any]) -> list[Any]:
    return [event async for event in agent.astream_events(CLAIM, config, version="v2")]


def events_v3(agent: Any, config: dict[str, Any]) -> list[Any]:
    run = agent.stream_events(CLAIM, config, version="v3")
    messages = ["".join(stream.text) for stream in run.messages]
    return [messages, run.output, list(agent.stream_events(CLAIM, config, version="v3"))]


async def aevents_v3(agent: Any, config: dict[str, Any]) -> list[Any]:
    run = await agent.astream_events(CLAIM, config, version="v3")
    messages = [await stream.text async for stream in run.messages]
    raw = await agent.astream_events(CLAIM, config, version="v3")
    return [messages, await run.output(), [event async for event in raw]]


SYNC: dict[str, Surface] = {
    "invoke": lambda agent, config: agent.invoke(CLAIM, config),
    "batch": lambda agent, config: agent.batch([CLAIM, CLAIM], own_threads(config)),
}
ASYNC: dict[str, Surface] = {
    "ainvoke": lambda agent, config: agent.ainvoke(CLAIM, config),
    "abatch": lambda agent, config: agent.abatch([CLAIM, CLAIM], own_threads(config)),
    "astream_events v2": events_v2,
}
for _mode in ("values", "updates", "messages", "custom", "debug", "tasks"):
    SYNC[f"stream {_mode}"], ASYNC[f"astream {_mode}"] = streaming(_mode)
if hasattr(ScriptedModel, "stream_events"):
    SYNC["stream_events v3"], ASYNC["astream_events v3"] = events_v3, aevents_v3

SHOWN = {name for name in (*SYNC, *ASYNC) if not name.endswith("custom")}


def own_threads(config: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**config, "configurable": {"thread_id": f"thread-{n}"}} for n in range(2)]


def once(messages: list[BaseMessage], _options: dict[str, Any]) -> str:
    """Write well when told what was wrong."""
    return GOOD if "The draft" in messages[0].text else BAD


class Recorder(BaseCallbackHandler):
    """Remembers whatever a handler is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("on_"):
            return lambda *args, **kwargs: self.told.append((name, args, kwargs))
        return super().__getattribute__(name)


class Payloads(Client):
    """LangSmith's client, up to the network."""

    def __init__(self) -> None:
        super().__init__(api_url="http://127.0.0.1:9", api_key="none", auto_batch_tracing=False)
        self.sent: list[object] = []

    def create_run(self, *args: Any, **kwargs: Any) -> None:
        self.sent.append((args, kwargs))

    def update_run(self, *args: Any, **kwargs: Any) -> None:
        self.sent.append((args, kwargs))


@pytest.fixture
def payloads() -> Iterator[Payloads]:
    client = Payloads()
    with tracing_context(enabled=True, client=client):
        yield client


CASES = list(itertools.product([*SYNC, *ASYNC], [True, False], ["once", "always"]))


@pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")
@pytest.mark.filterwarnings("ignore:.*experimental.*")
@pytest.mark.parametrize("model_class", [ScriptedModel, SilentModel, ForwardingModel])
@pytest.mark.parametrize(("surface", "saves", "refused"), CASES)
def test_a_refused_draft_is_nowhere(
    surface: str,
    saves: bool,
    refused: str,
    model_class: type[SilentModel],
    guard: Guard,
    payloads: Payloads,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    model = model_class(script=once if refused == "once" else in_turn(BAD))
    saver: Any = InMemorySaver() if saves else None
    agent: Any = create_agent(
        model, [], middleware=[CorroboratorMiddleware(guard)], checkpointer=saver
    )
    recorder = Recorder()
    config = {
        "configurable": {"thread_id": "thread-0"},
        "callbacks": [recorder, LangChainTracer(client=payloads)],
    }
    if surface in SYNC:
        seen = SYNC[surface](agent, config)
    else:
        seen = asyncio.run(_awaited(ASYNC[surface], agent, config))
    everything = [seen, recorder.told, payloads.sent, caplog.text]
    if saves:
        everything += [
            agent.get_state(config),
            list(agent.get_state_history(config)),
            saver.storage,
        ]
        everything += [saver.writes, saver.blobs]
    assert REFUSED not in repr(everything)
    assert len(model.asked) > 1
    expected = "What a day" if refused == "once" else "service's own check"
    assert expected in repr(payloads.sent)
    if surface in SHOWN:
        assert expected.split(maxsplit=1)[0] in repr(seen)


async def _awaited(surface: Surface, agent: Any, config: dict[str, Any]) -> Any:
    return await surface(agent, config)


def test_the_net_catches(payloads: Payloads) -> None:
    agent: Any = create_agent(ScriptedModel(script=in_turn(BAD)), [])
    recorder = Recorder()
    seen = agent.invoke(CLAIM, {"callbacks": [recorder, LangChainTracer(client=payloads)]})
    for net in (seen, recorder.told, payloads.sent):
        assert REFUSED in repr(net)
