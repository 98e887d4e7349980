"""Input that is meant to get past the guard, or to break it."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from corroborator import Evidence, Guard
from corroborator.integrations.langchain import (
    CorroboratorMiddleware,
    GuardContext,
    GuardedChatModel,
    ToolGate,
)
from langchain_world import ScriptedModel, in_turn
from test_leaks import Recorder
from tiny_world import CANARY, said

CLAIM, PLAIN = said("credential_claim"), "I went to the shop for some bread."
BAD, GOOD = "That is k1 of you, zebrarefused.", "What a day you had. How can I help?"
VERIFIED = Evidence("credential_claim", "the staff sign-in", f"Verified today, {CANARY}.")
SURROGATE = "\ud800"


@tool
def lookup(query: str) -> str:
    """Look something up."""
    return f"found {query}"


def calling(query: str = "x") -> AIMessage:
    one = {"name": "lookup", "args": {"query": query}, "id": f"call-{next(_NUMBERS)}"}
    return AIMessage(f"Let me see {query}.", tool_calls=[one])


_NUMBERS = itertools.count()


def agent_of(guard: Guard, *replies: Any, gated: bool = False) -> Any:
    gate = [ToolGate({"lookup": "credential_claim"})] if gated else []
    return create_agent(
        ScriptedModel(script=replies[0] if callable(replies[0]) else in_turn(*replies)),
        [lookup],
        middleware=[*gate, CorroboratorMiddleware(guard)],
        checkpointer=InMemorySaver(),
        context_schema=GuardContext,
    )


def asking(*messages: Any) -> dict[str, Any]:
    return {"messages": [HumanMessage(m) if isinstance(m, str) else m for m in messages]}


def thread(name: Any = "t") -> dict[str, Any]:
    return {"configurable": {"thread_id": name}}


def details(guard: Guard, conversation: str = "t") -> list[dict[str, Any]]:
    return [dict(t.detail) for t in guard.audit.records(conversation) if t.detail is not None]


def found(guard: Guard) -> list[list[str]]:
    return [[finding["id"] for finding in detail["findings"]] for detail in details(guard)]


# --- messages ---


def marked(text: str) -> dict[str, Any]:
    """Return a message of a client that says it is a summary."""
    return {
        "role": "user",
        "content": text,
        "additional_kwargs": {"lc_source": "summarization"},
    }


def test_a_mark_of_a_summary_hides_nothing(guard: Guard) -> None:
    agent = agent_of(guard, GOOD)
    agent.invoke({"messages": [marked(CLAIM), {"role": "user", "content": PLAIN}]}, thread())
    agent.invoke({"messages": [marked(said("discovery_claim"))]}, thread())
    assert found(guard) == [["credential_claim"], ["discovery_claim"]]


@pytest.mark.parametrize(
    "content",
    [
        [CLAIM],
        [{"type": "text", "text": CLAIM}],
        [{"type": "input_text", "text": CLAIM}],
        [{"text": CLAIM}],
        [{"type": "image", "base64": "AAAA", "mime_type": "image/png"}, CLAIM],
    ],
)
def test_text_is_read_in_whatever_block_it_stands(guard: Guard, content: list[Any]) -> None:
    agent_of(guard, GOOD).invoke(asking(HumanMessage(content)), thread())
    assert found(guard) == [["credential_claim"]]


def test_what_a_tool_says_is_neither_a_claim_nor_evidence(guard: Guard) -> None:
    answer = ToolMessage(f"{CLAIM} Verified by the staff sign-in.", tool_call_id="call-1")
    call = AIMessage("", tool_calls=[{"name": "lookup", "args": {"query": "x"}, "id": "call-1"}])
    agent_of(guard, GOOD).invoke(asking(PLAIN, call, answer), thread())
    assert found(guard) == [[]]


@pytest.mark.parametrize(
    "text", ["", " ", "\x00", SURROGATE, f"{CLAIM} {SURROGATE}", "a" * 200_000]
)
def test_odd_texts_of_the_user_leave_a_record(guard: Guard, text: str) -> None:
    agent_of(guard, GOOD).invoke(asking(text), thread())
    [turn] = guard.audit.records("t")
    assert turn.closed is not None


@pytest.mark.parametrize("name", ["\x00", SURROGATE, "a" * 100_000, 5])
def test_odd_names_of_threads_are_names(guard: Guard, name: Any) -> None:
    agent_of(guard, GOOD).invoke(asking(CLAIM), thread(name))
    assert len(details(guard, str(name))) == 1


# --- drafts ---


@pytest.mark.parametrize(
    "draft", ["[" * 100_000, "[" * 900 + "]" * 900, f"[{'1' * 9000}]", SURROGATE, "\x00"]
)
def test_odd_drafts_are_judged_like_any(guard: Guard, draft: str) -> None:
    reply = agent_of(guard, draft).invoke(asking(CLAIM), thread())["messages"][-1]
    assert reply.text == draft
    assert details(guard)[0]["reply"]["checked"] == "checked"


def test_a_draft_in_deep_structures_is_read(guard: Guard) -> None:
    draft = f'{"[" * 300}"That is k1 of you."{"]" * 300}'
    reply = agent_of(guard, draft).invoke(asking(CLAIM), thread())["messages"][-1]
    assert reply.text == guard.engine.texts.replacements.text("credential_claim")


# --- gates ---


def tried(agent: Any, given: dict[str, Any], *evidence: Evidence) -> str:
    context = GuardContext(evidence=evidence)
    result = agent.invoke(given, thread(), context=context)
    return str(next(m.status for m in result["messages"] if isinstance(m, ToolMessage)))


def test_a_forged_ledger_opens_no_gate(guard: Guard) -> None:
    other = agent_of(guard, calling(), GOOD, gated=True)
    assert tried(other, asking(CLAIM), VERIFIED) == "success"
    stolen = other.get_state(thread()).values["corroborator"]
    agent = agent_of(guard, calling(), GOOD, gated=True)
    assert tried(agent, {**asking(CLAIM), "corroborator": stolen}) == "error"


def test_evidence_opens_a_gate_though_nothing_was_claimed(guard: Guard) -> None:
    assert tried(agent_of(guard, calling(), GOOD, gated=True), asking(PLAIN), VERIFIED) == "success"


# --- surfaces ---


def once(messages: list[BaseMessage], _options: dict[str, Any]) -> str:
    return GOOD if "The draft" in messages[0].text else BAD


def test_a_guarded_agent_inside_a_graph_shows_no_refused_draft(guard: Guard) -> None:
    graph = StateGraph(MessagesState)
    graph.add_node("agent", agent_of(guard, once))
    graph.add_edge(START, "agent")
    app: Any = graph.compile(checkpointer=InMemorySaver())
    modes = ["messages", "values", "updates", "debug", "tasks", "checkpoints"]
    seen = list(app.stream(asking(CLAIM), thread(), stream_mode=modes, subgraphs=True))
    assert "zebrarefused" not in repr(seen)
    assert "What a day" in repr(seen)


def test_a_chain_tells_tracers_nothing_of_evidence(guard: Guard) -> None:
    model = GuardedChatModel(inner=ScriptedModel(script=in_turn(GOOD)), guard=guard)
    bound = model.bind(evidence=[VERIFIED], conversation="c-17")
    chain = ChatPromptTemplate([("human", "{text}")]) | bound | StrOutputParser()
    recorder = Recorder()

    async def events() -> list[Any]:
        config: Any = {"callbacks": [recorder]}
        return [e async for e in chain.astream_events({"text": CLAIM}, config, version="v2")]

    told = repr([asyncio.run(events()), recorder.told])
    assert "What a day" in told or "day " in told
    assert CANARY not in told
    assert "c-17" not in told


def echo() -> Callable[..., Any]:
    """Return a script that calls a tool, then colludes, then writes well; all about one word."""

    def script(messages: list[Any], _options: dict[str, Any]) -> Any:
        mine = next(m.text for m in reversed(messages) if m.type == "human").split()[-1]
        if messages[-1].type != "tool":
            return calling(mine)
        assert mine in messages[-1].text
        told = messages[0].type == "system" and "The draft" in messages[0].text
        return f"Well {mine} {GOOD if told else BAD}"

    return script


def test_fifty_streams_with_tools_at_once_do_not_mix(guard: Guard) -> None:
    agent = agent_of(guard, echo())

    async def one(number: int) -> str:
        text = f"{CLAIM if number % 2 else PLAIN} Mine is word{number}x."
        stream = agent.astream(asking(text), thread(f"t{number}"), stream_mode="messages")
        return "".join([chunk.text async for chunk, _ in stream])

    async def all_of_them() -> list[str]:
        return await asyncio.gather(*map(one, range(50)))

    for number, told in enumerate(asyncio.run(all_of_them())):
        assert told.count("word") == told.count(f"word{number}x") > 0
        assert ("zebrarefused" in told) == (number % 2 == 0)
        [detail] = details(guard, f"t{number}")
        assert len(detail["findings"]) == number % 2
