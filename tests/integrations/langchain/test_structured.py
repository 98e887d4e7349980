"""Structured output: read, judged, and never left half-done."""

import json
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel

from corroborator import Guard
from corroborator.integrations.langchain import (
    CorroboratorMiddleware,
    GuardedChatModel,
    RefusedReplyError,
)
from langchain_world import ScriptedModel, in_turn
from tiny_world import said

BAD, GOOD = "That is k1 of you.", "What did you notice?"
CLAIM = {"messages": [HumanMessage(said("age_claim"))]}


class Advice(BaseModel):
    """Advice."""

    title: str
    steps: list[str]


def by_tool(step: str) -> AIMessage:
    arguments = {"title": "Advice", "steps": ["Look.", step]}
    return AIMessage("", tool_calls=[{"name": "Advice", "args": arguments, "id": "call-1"}])


def by_text(step: str) -> AIMessage:
    return AIMessage(json.dumps({"title": "Advice", "steps": ["Look.", step]}))


class Watching(AgentMiddleware[Any, Any, Any]):
    """Has a node of its own after the model."""

    def after_model(self, state: Any, runtime: Any) -> None:
        return None


STRATEGIES = [(ToolStrategy, by_tool), (ProviderStrategy, by_text)]
BESIDES: list[Any] = [[], [Watching()]]


def agent_of(guard: Guard, strategy: Any, besides: list[Any], *drafts: AIMessage) -> Any:
    model = ScriptedModel(script=in_turn(*drafts))
    return create_agent(
        model,
        [],
        middleware=[*besides, CorroboratorMiddleware(guard)],
        response_format=strategy(Advice),
        checkpointer=InMemorySaver(),
    )


CONFIG: dict[str, Any] = {"configurable": {"thread_id": "t"}, "recursion_limit": 12}


@pytest.mark.parametrize(("strategy", "reply"), STRATEGIES)
@pytest.mark.parametrize("besides", BESIDES)
def test_it_is_asked_for_again(guard: Guard, strategy: Any, reply: Any, besides: Any) -> None:
    agent = agent_of(guard, strategy, besides, reply(BAD), reply(GOOD))
    result = agent.invoke(CLAIM, CONFIG)
    assert result["structured_response"] == Advice(title="Advice", steps=["Look.", GOOD])
    [turn] = guard.audit.records("t")
    assert turn.detail is not None
    assert turn.detail["reply"]["checked"] == "checked"  # type: ignore[index, call-overload]
    assert BAD not in repr(result)


@pytest.mark.parametrize(("strategy", "reply"), STRATEGIES)
@pytest.mark.parametrize("besides", BESIDES)
def test_at_last_the_agent_ends_with_a_text_to_show(
    guard: Guard, strategy: Any, reply: Any, besides: Any
) -> None:
    agent = agent_of(guard, strategy, besides, reply(BAD))
    with pytest.raises(RefusedReplyError) as raised:
        agent.invoke(CLAIM, CONFIG)
    assert raised.value.text == guard.engine.texts.replacements.text("age_claim")
    [turn] = guard.audit.records("t")
    assert turn.closed is not None
    assert turn.closed.body["action"] == "replaced"
    assert BAD not in repr(list(agent.get_state_history(CONFIG)))


def test_output_of_the_wrong_form_is_of_the_same_turn(guard: Guard) -> None:
    wrong = AIMessage("", tool_calls=[{"name": "Advice", "args": {"title": GOOD}, "id": "call-0"}])
    agent = agent_of(guard, ToolStrategy, [], wrong, by_tool(GOOD))
    assert agent.invoke(CLAIM, CONFIG)["structured_response"].steps[1] == GOOD
    assert len(list(guard.audit.records("t"))) == 1


# --- a model, without an agent ---


@pytest.mark.parametrize("include_raw", [True, False])
def test_a_model_is_asked_again(guard: Guard, include_raw: bool) -> None:
    inner = ScriptedModel(script=in_turn(by_tool(BAD), by_tool(GOOD)))
    chain = GuardedChatModel(inner=inner, guard=guard).with_structured_output(
        Advice, include_raw=include_raw
    )
    found: Any = chain.invoke(CLAIM["messages"])
    assert (found["parsed"] if include_raw else found).steps[1] == GOOD


def test_a_model_refuses_with_a_text_to_show(guard: Guard) -> None:
    inner = ScriptedModel(script=in_turn(by_tool(BAD)))
    chain = GuardedChatModel(inner=inner, guard=guard).with_structured_output(Advice)
    with pytest.raises(RefusedReplyError) as raised:
        chain.invoke(CLAIM["messages"])
    assert raised.value.text == guard.engine.texts.replacements.text("age_claim")
    assert BAD not in repr(raised.value)


def test_arguments_of_tools_that_act_are_not_judged(guard: Guard) -> None:
    inner = ScriptedModel(script=in_turn(by_tool(BAD)))
    model = GuardedChatModel(inner=inner, guard=guard).bind_tools([Advice])
    assert model.invoke(CLAIM["messages"]).tool_calls[0]["args"]["steps"][1] == BAD
