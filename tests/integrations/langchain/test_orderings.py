"""The guard beside LangChain's own middleware, in the order that is advised and in the other."""

import itertools
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    HumanInTheLoopMiddleware,
    ModelCallLimitMiddleware,
    ModelFallbackMiddleware,
    ModelRequest,
    ModelRetryMiddleware,
    PIIMiddleware,
    SummarizationMiddleware,
    dynamic_prompt,
)
from langchain_anthropic import ChatAnthropic
from langchain_anthropic.middleware import AnthropicPromptCachingMiddleware
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from corroborator import Guard
from corroborator.audit import StoredTurn
from corroborator.integrations.langchain import CorroboratorMiddleware
from langchain_world import ScriptedModel, in_turn
from tiny_world import said

CLAIM, PLAIN = said("age_claim"), "I went to the shop for some bread."
BAD, GOOD = "That is k1 of you, zebrarefused.", "What a day you had. How can I help?"
CONFIG: dict[str, Any] = {"configurable": {"thread_id": "t"}}


def orders(other: Any, guard: Guard) -> list[list[Any]]:
    return [list(p) for p in itertools.permutations([other, CorroboratorMiddleware(guard)])]


def agent_of(middleware: list[Any], *replies: Any, **options: Any) -> tuple[Any, ScriptedModel]:
    model = ScriptedModel(script=in_turn(*replies))
    agent = create_agent(
        model,
        options.pop("tools", []),
        middleware=middleware,
        checkpointer=InMemorySaver(),
        **options,
    )
    return agent, model


def asking(text: str) -> dict[str, Any]:
    return {"messages": [HumanMessage(text)]}


def records(guard: Guard) -> list[StoredTurn]:
    return list(guard.audit.records("t"))


@pytest.mark.parametrize("position", [0, 1])
def test_a_fallback_model_is_guarded_like_the_first(guard: Guard, position: int) -> None:
    second = ScriptedModel(script=in_turn(BAD, GOOD))
    order = orders(ModelFallbackMiddleware(second), guard)[position]
    agent, _ = agent_of(order, RuntimeError("down"))
    shown = list(agent.stream(asking(CLAIM), CONFIG, stream_mode=["messages", "values"]))
    assert "zebrarefused" not in repr(shown)
    assert agent.get_state(CONFIG).values["messages"][-1].text == GOOD
    assert len(second.asked) == 2


@pytest.mark.parametrize("position", [0, 1])
def test_a_retry_is_of_the_same_message(guard: Guard, position: int) -> None:
    retry = ModelRetryMiddleware(max_retries=2, initial_delay=0, jitter=False)
    agent, model = agent_of(orders(retry, guard)[position], TimeoutError(), BAD, GOOD)
    result = agent.invoke(asking(CLAIM), CONFIG)
    assert result["messages"][-1].text == GOOD
    assert len(model.asked) == 3
    last = records(guard)[-1]
    assert last.detail is not None
    assert last.detail["turn"] == 1
    assert last.detail["reply"] is not None


@pytest.mark.parametrize("position", [0, 1])
def test_what_was_redacted_is_not_read(guard: Guard, position: int) -> None:
    agent, model = agent_of(orders(PIIMiddleware("email"), guard)[position], GOOD)
    agent.invoke(asking(f"{CLAIM} Write to zebra@example.org."), CONFIG)
    [turn] = records(guard)
    assert turn.detail is not None
    assert turn.detail["findings"]
    assert "zebra@example" not in repr(model.asked)


@pytest.mark.parametrize("position", [0, 1])
def test_a_summary_is_no_claim_of_the_user(guard: Guard, position: int) -> None:
    writer = ScriptedModel(script=in_turn(said("discovery_claim")))
    summary = SummarizationMiddleware(writer, trigger=("messages", 4), keep=("messages", 1))
    agent, model = agent_of(orders(summary, guard)[position], GOOD)
    for text in (CLAIM, PLAIN, PLAIN):
        agent.invoke(asking(text), CONFIG)
    assert "discovery_claim" in repr(model.asked[-1])
    turns = [turn.detail for turn in records(guard)]
    assert [[f["id"] for f in t["findings"]] for t in turns if t] == [["age_claim"], [], []]  # type: ignore[union-attr, index, call-overload]
    assert [t["turn"] for t in turns if t] == [1, 2, 3]


@tool
def lookup(query: str) -> str:
    """Look something up."""
    return query


def calls() -> Iterator[AIMessage]:
    for number in itertools.count():
        one = {"name": "lookup", "args": {"query": "x"}, "id": f"call-{number}"}
        yield AIMessage("", tool_calls=[one])


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_a_summary_in_the_middle_of_a_turn_does_not_end_it(guard: Guard, keep: int) -> None:
    writer = ScriptedModel(script=in_turn("They talked."))
    summary = SummarizationMiddleware(writer, trigger=("messages", 4), keep=("messages", keep))
    middleware = [summary, CorroboratorMiddleware(guard)]
    agent, _ = agent_of(middleware, *itertools.islice(calls(), 4), GOOD, tools=[lookup])
    agent.invoke(asking(CLAIM), CONFIG)
    agent.invoke(asking(PLAIN), CONFIG)
    turns = [turn.detail for turn in records(guard)]
    assert [(t["turn"], len(t["findings"])) for t in turns if t] == [(1, 1), (2, 0)]  # type: ignore[arg-type]


@pytest.mark.parametrize("position", [0, 1])
def test_drafts_are_no_steps_that_a_limit_counts(guard: Guard, position: int) -> None:
    limit = ModelCallLimitMiddleware(run_limit=1, exit_behavior="error")
    agent, model = agent_of(orders(limit, guard)[position], BAD, BAD, GOOD)
    assert agent.invoke(asking(CLAIM), CONFIG)["messages"][-1].text == GOOD
    assert len(model.asked) == 1 + guard.policy.reply.attempts


@pytest.mark.parametrize("position", [0, 1])
def test_the_marks_of_a_prompt_cache_stay_where_they_are(guard: Guard, position: int) -> None:
    asked: list[Any] = []

    class Claude(ChatAnthropic):
        def _generate(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
            asked.append(messages)
            return ScriptedModel(script=in_turn(GOOD))._generate(messages)

    caching = AnthropicPromptCachingMiddleware(unsupported_model_behavior="ignore")
    agent: Any = create_agent(
        Claude(model_name="claude-sonnet-4-5", api_key="none"),  # type: ignore[call-arg]
        [],
        system_prompt="You are kind.",
        middleware=orders(caching, guard)[position],
    )
    agent.invoke(asking(CLAIM))
    system = asked[0][0]
    assert isinstance(system, SystemMessage)
    if position == 0:  # after the guard it does not see that the model is Anthropic's
        kind, steering = list(system.content)
        assert "cache_control" in repr(kind)
        assert "cache_control" not in repr(steering)


def test_a_person_in_the_loop_resumes_the_turn(guard: Guard) -> None:
    call = AIMessage("", tool_calls=[{"name": "lookup", "args": {"query": "x"}, "id": "c1"}])
    for middleware in orders(HumanInTheLoopMiddleware({"lookup": True}), guard):
        agent, _ = agent_of(middleware, call, BAD, GOOD, tools=[lookup])
        assert "__interrupt__" in agent.invoke(asking(CLAIM), CONFIG)
        approved: Command[Any] = Command(resume={"decisions": [{"type": "approve"}]})
        assert agent.invoke(approved, CONFIG)["messages"][-1].text == GOOD
    first, second = records(guard)
    assert first.detail is not None
    assert second.detail is not None
    assert [len(t.detail["drafts"]) for t in (first, second) if t.detail] == [2, 2]  # type: ignore[arg-type]


@pytest.mark.parametrize("position", [0, 1])
def test_a_dynamic_prompt_and_steering_go_together(guard: Guard, position: int) -> None:
    @dynamic_prompt
    def prompt(_request: ModelRequest[Any]) -> str:
        return "You are brief."

    agent, model = agent_of(orders(prompt, guard)[position], GOOD)
    agent.invoke(asking(CLAIM), CONFIG)
    assert model.asked[0][0].text.startswith("You are brief.\n\n")


class OwnModel(AgentMiddleware[Any, Any, Any]):
    """Asks a model of its own and tells nobody."""

    def wrap_model_call(self, request: Any, handler: Any) -> Any:
        return AIMessage(BAD)


def test_a_reply_that_went_past_the_guard_is_found_and_said(
    guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    agent, _ = agent_of([CorroboratorMiddleware(guard), OwnModel()], GOOD)
    result = agent.invoke(asking(CLAIM), CONFIG)
    assert result["messages"][-1].text == guard.engine.texts.replacements.text("age_claim")
    assert "put the guard last" in caplog.text
    assert "zebrarefused" not in caplog.text + repr(list(agent.get_state_history(CONFIG)))
    [turn] = records(guard)
    assert turn.closed is not None
    assert turn.closed.body["action"] == "replaced"


class AsksAgain(AgentMiddleware[Any, Any, Any]):
    """Does not like the first reply."""

    def wrap_model_call(self, request: Any, handler: Any) -> Any:
        handler(request)
        return handler(request)


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("text", [CLAIM, PLAIN])
def test_the_last_record_has_the_reply_that_stayed(guard: Guard, streams: bool, text: str) -> None:
    second = "Something else, and it is a little longer. How can I help?"
    agent, _ = agent_of([CorroboratorMiddleware(guard), AsksAgain()], GOOD, second)
    if streams:
        list(agent.stream(asking(text), CONFIG, stream_mode="messages"))
    else:
        agent.invoke(asking(text), CONFIG)
    agent.invoke(asking(PLAIN), CONFIG)
    first, again, *_ = [turn.detail for turn in records(guard)]
    assert first is not None
    assert again is not None
    assert [t["reply"]["characters"] for t in (first, again)] == [len(GOOD), len(second)]  # type: ignore[index, call-overload]
    assert [(t["turn"], t["repeated"]) for t in (first, again)] == [(1, False), (1, True)]
    assert agent.get_state(CONFIG).values["corroborator"]["ledger"]["turn"] == 2


def test_a_good_reply_that_went_past_the_guard_is_left(guard: Guard) -> None:
    agent, _ = agent_of([CorroboratorMiddleware(guard), OwnModel()], GOOD)
    assert agent.invoke(asking(PLAIN), CONFIG)["messages"][-1].text == BAD
