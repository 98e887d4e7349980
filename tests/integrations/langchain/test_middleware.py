import asyncio
import itertools
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import BaseCallbackHandler, get_usage_metadata_callback
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver

from conftest import GuardOf
from corroborator import Evidence, Guard, InputError
from corroborator.integrations.langchain import (
    CorroboratorMiddleware,
    GuardContext,
    GuardedChatModel,
)
from corroborator.observing import TurnReport
from langchain_world import Script, ScriptedModel, in_turn
from tiny_world import CANARY, said

CLAIM, PLAIN = said("credential_claim"), "I went to the shop for some bread."
BAD, GOOD = "That is k1 of you.", "What a day you had. How can I help?"
VERIFIED = Evidence("credential_claim", "the staff sign-in", "The registration was verified today.")


@tool
def lookup(query: str) -> str:
    """Look something up."""
    return f"found {query}"


def call(name: str = "lookup", **args: Any) -> AIMessage:
    arguments = args or {"query": "x"}
    return AIMessage("", tool_calls=[{"name": name, "args": arguments, "id": "call-1"}])


def agent_of(
    guard: Guard, script: Script, *tools: Any, **options: Any
) -> tuple[Any, ScriptedModel]:
    model = ScriptedModel(script=script)
    options.setdefault("middleware", [CorroboratorMiddleware(guard)])
    return create_agent(model, list(tools), **options), model


def asking(*texts: str | BaseMessage) -> dict[str, Any]:
    return {"messages": [HumanMessage(t) if isinstance(t, str) else t for t in texts]}


def thread(name: str = "t") -> dict[str, Any]:
    return {"configurable": {"thread_id": name}}


def details(guard: Guard, conversation: str = "t") -> list[dict[str, Any]]:
    return [dict(t.detail) for t in guard.audit.records(conversation) if t.detail is not None]


def kept(agent: Any, name: str = "t") -> dict[str, Any]:
    found: dict[str, Any] = agent.get_state(thread(name)).values["corroborator"]
    return found


# --- steering ---


@pytest.mark.parametrize("system", [None, "You are kind."])
def test_steering_is_in_the_system_message_of_the_call_alone(
    guard: Guard, system: str | None
) -> None:
    agent, model = agent_of(guard, in_turn(GOOD), system_prompt=system)
    given = asking(CLAIM)
    result = agent.invoke(given)
    asked = model.asked[0][0]
    steering = guard.open_turn([{"role": "user", "content": CLAIM}]).steering
    assert isinstance(asked, SystemMessage)
    assert asked.content == "\n\n".join(filter(None, [system, steering]))
    assert [m.type for m in result["messages"]] == ["human", "ai"]
    assert [m.text for m in given["messages"]] == [CLAIM]


def test_a_system_message_of_blocks_keeps_its_marks(guard: Guard) -> None:
    marked = {"type": "text", "text": "You are kind.", "cache_control": {"type": "ephemeral"}}
    agent, model = agent_of(guard, in_turn(GOOD), system_prompt=SystemMessage([marked]))
    agent.invoke(asking(CLAIM))
    content: Any = model.asked[0][0].content
    assert content[0] == marked
    assert content[1]["type"] == "text"
    assert "cache_control" not in content[1]


def test_an_ordinary_message_is_passed_on_as_it_is(guard: Guard) -> None:
    agent, model = agent_of(guard, in_turn(BAD), system_prompt="You are kind.")
    result = agent.invoke(asking(PLAIN))
    assert model.asked == [[SystemMessage("You are kind."), *result["messages"][:1]]]
    assert result["messages"][-1].text == BAD


# --- drafts ---


def test_the_model_is_asked_again_without_its_draft(guard: Guard) -> None:
    agent, model = agent_of(guard, in_turn(BAD, GOOD))
    result = agent.invoke(asking(CLAIM))
    assert result["messages"][-1].text == GOOD
    first, second = model.asked
    assert second[0].text.startswith(first[0].text)
    assert guard.engine.texts.revision.codes["K1"] in second[0].text
    assert second[1:] == first[1:]


def test_each_turn_is_told_to_the_observer_once(guard: Guard) -> None:
    told: list[TurnReport] = []
    guard.observer = told.append
    agent, _ = agent_of(guard, in_turn(call(), BAD, GOOD), lookup)
    agent.invoke(asking(CLAIM))
    assert [(report.body or {}).get("action") for report in told] == ["revised"]


def test_at_last_a_text_stands_in_its_place(guard: Guard) -> None:
    draft = AIMessage(
        [{"type": "thinking", "thinking": CANARY, "signature": "s"}, {"type": "text", "text": BAD}],
        additional_kwargs={"note": CANARY},
        response_metadata={"logprobs": CANARY},
        tool_calls=[{"name": "lookup", "args": {"query": CANARY}, "id": "call-1"}],
    )
    agent, model = agent_of(guard, in_turn(draft), lookup)
    result = agent.invoke(asking(CLAIM))
    reply = result["messages"][-1]
    assert reply.text == guard.engine.texts.replacements.text("credential_claim")
    assert CANARY not in repr(result)
    assert len(model.asked) == 3
    assert [m.type for m in result["messages"]] == ["human", "ai"]


def test_a_released_message_is_the_models_own(guard: Guard) -> None:
    draft = AIMessage(
        [
            {"type": "thinking", "thinking": "so", "signature": "s"},
            {"type": "text", "text": GOOD},
        ],
        additional_kwargs={"note": "kept"},
    )
    agent, _ = agent_of(guard, in_turn(draft))
    reply = agent.invoke(asking(CLAIM))["messages"][-1]
    assert reply.content == draft.content
    assert reply.additional_kwargs == {"note": "kept"}


def test_reasoning_is_no_text_of_the_reply(guard: Guard) -> None:
    draft = AIMessage([{"type": "reasoning", "reasoning": BAD}, {"type": "text", "text": GOOD}])
    agent, model = agent_of(guard, in_turn(draft))
    agent.invoke(asking(CLAIM))
    assert len(model.asked) == 1


@pytest.mark.parametrize("streams", [True, False])
def test_the_tokens_of_all_drafts_are_counted(guard: Guard, streams: bool) -> None:
    agent, model = agent_of(guard, in_turn(BAD, GOOD))
    with get_usage_metadata_callback() as counted:
        if streams:
            chunks = [c for c, _ in agent.stream(asking(CLAIM), stream_mode="messages")]
            usage = sum((c.usage_metadata or {}).get("output_tokens", 0) for c in chunks)
        else:
            usage = agent.invoke(asking(CLAIM))["messages"][-1].usage_metadata["output_tokens"]
    assert usage == len(BAD.split()) + len(GOOD.split())
    [told] = counted.usage_metadata.values()
    assert told["output_tokens"] == usage
    assert len(model.asked) == 2


# --- a turn with tools ---


def test_a_turn_with_tools_is_one_turn(guard: Guard) -> None:
    agent, model = agent_of(
        guard, in_turn(call(), call(), BAD, GOOD), lookup, checkpointer=InMemorySaver()
    )
    result = agent.invoke(asking(CLAIM), thread())
    assert result["messages"][-1].text == GOOD
    [detail] = details(guard)
    assert [draft["kind"] for draft in detail["drafts"]] == ["revise", "release"]
    assert detail["reply"]["checked"] == "checked"
    assert kept(agent)["ledger"]["turn"] == 1
    assert kept(agent)["turn"] is None
    steered = {messages[0].text for messages in model.asked[:3]}
    assert len(steered) == 1, "each call of the turn is steered alike"


def test_what_is_said_beside_a_call_of_tools_is_judged(guard: Guard) -> None:
    spoken = call().model_copy(update={"content": BAD})
    agent, _ = agent_of(guard, in_turn(spoken, call(), GOOD), lookup)
    result = agent.invoke(asking(CLAIM))
    assert BAD not in repr(result)
    assert [m.type for m in result["messages"]] == ["human", "ai", "tool", "ai"]


def test_streamed_words_beside_a_call_are_on_record(guard: Guard) -> None:
    spoken = call().model_copy(update={"content": "Let me see. One moment."})
    agent, _ = agent_of(guard, in_turn(spoken, GOOD), lookup, checkpointer=InMemorySaver())
    list(agent.stream(asking(PLAIN), thread(), stream_mode="messages"))
    [detail] = details(guard)
    assert detail["reply"]["checked"] == "after_release"
    assert detail["reply"]["sentences"] == 4


def test_after_a_restart_a_turn_goes_on_as_the_same_turn(guard: Guard) -> None:
    saver = InMemorySaver()
    interrupted, _ = agent_of(
        guard, in_turn(call()), lookup, checkpointer=saver, interrupt_before=["tools"]
    )
    interrupted.invoke(asking(CLAIM), thread())
    assert kept(interrupted)["turn"] is not None
    resumed, model = agent_of(guard, in_turn(BAD, GOOD), lookup, checkpointer=saver)
    result = resumed.invoke(None, thread())
    assert result["messages"][-1].text == GOOD
    assert len(model.asked) == 2
    ledger = kept(resumed)["ledger"]
    assert (ledger["turn"], ledger["threads"][0]["recurrences"]) == (1, 1)
    assert details(guard)[-1]["repeated"] is True


def test_in_the_same_process_an_interrupted_turn_has_one_record(guard: Guard) -> None:
    agent, _ = agent_of(
        guard,
        in_turn(call(), GOOD),
        lookup,
        checkpointer=InMemorySaver(),
        interrupt_before=["tools"],
    )
    agent.invoke(asking(CLAIM), thread())
    agent.invoke(None, thread())
    assert len(details(guard)) == 1


def test_a_turn_that_is_left_ends_without_a_reply(guard: Guard) -> None:
    agent, _ = agent_of(
        guard,
        in_turn(call(), GOOD),
        lookup,
        checkpointer=InMemorySaver(),
        interrupt_before=["tools"],
    )
    agent.invoke(asking(CLAIM), thread())
    answer = ToolMessage("never mind", tool_call_id="call-1")
    agent.invoke(asking(answer, PLAIN), thread())
    first, second = details(guard)
    assert first["reply"] is None
    assert second["reply"] is not None
    assert second["turn"] == 2


# --- the ledger ---


def test_the_ledger_goes_on_over_turns_and_holds_no_text(guard: Guard) -> None:
    agent, _ = agent_of(guard, in_turn(GOOD), checkpointer=InMemorySaver())
    for text in (CLAIM, PLAIN, CLAIM):
        agent.invoke(asking(f"{text} {CANARY}"), thread())
    found = kept(agent)
    assert found["ledger"]["turn"] == 3
    assert found["ledger"]["threads"][0]["recurrences"] == 2
    assert CANARY not in repr(found)
    assert found["record"] == f"{guard_chain(guard)}/5"


def guard_chain(guard: Guard) -> str:
    return next(iter(guard.audit.records("t"))).opened.chain


def test_callers_cannot_forge_the_ledger(guard: Guard) -> None:
    agent, _ = agent_of(guard, in_turn(GOOD), checkpointer=InMemorySaver())
    forged = {"ledger": {"schema": 1, "turn": 99}}
    result = agent.invoke({**asking(CLAIM), "corroborator": forged}, thread())
    assert "corroborator" not in result
    assert kept(agent)["ledger"]["turn"] == 1
    assert "corroborator" not in agent.get_input_jsonschema()["properties"]


def test_an_app_may_correct_the_ledger(guard: Guard) -> None:
    agent, _ = agent_of(guard, in_turn(GOOD), checkpointer=InMemorySaver())
    agent.invoke(asking(CLAIM), thread())
    ledger = kept(agent)["ledger"]
    ledger["threads"][0]["status"] = "corroborated"
    agent.update_state(thread(), {"corroborator": {"ledger": ledger}})
    assert kept(agent)["record"] is not None
    agent.invoke(asking(CLAIM), thread())
    assert details(guard)[-1]["decision"]["verdict"] == "note"


def test_a_state_that_is_no_ledger_is_refused(guard: Guard) -> None:
    agent, _ = agent_of(guard, in_turn(GOOD), checkpointer=InMemorySaver())
    agent.invoke(asking(CLAIM), thread())
    agent.update_state(thread(), {"corroborator": {"ledger": {"turn": CANARY}}})
    with pytest.raises(InputError) as raised:
        agent.invoke(asking(CLAIM), thread())
    assert CANARY not in str(raised.value)


def test_all_unseen_messages_are_read_once(guard: Guard) -> None:
    agent, _ = agent_of(guard, in_turn(GOOD), checkpointer=InMemorySaver())
    agent.invoke(asking(CLAIM, PLAIN, "And more."), thread())
    [detail] = details(guard)
    assert [f["id"] for f in detail["findings"]] == ["credential_claim"]
    agent.invoke(asking(PLAIN), thread())
    assert details(guard)[-1]["findings"] == []


def test_without_a_checkpointer_the_ledger_is_rebuilt(guard: Guard) -> None:
    agent, _ = agent_of(guard, in_turn(GOOD))
    history = [HumanMessage(CLAIM), AIMessage(GOOD), HumanMessage(PLAIN)]
    agent.invoke({"messages": history}, context=GuardContext(conversation="t"))
    [detail] = details(guard)
    assert (detail["turn"], detail["findings"]) == (2, [])
    assert detail["ledger_after"]["threads"][0]["domain"] == "credential_claim"


def test_messages_may_be_taken_out_of_the_history(guard: Guard) -> None:
    agent, _ = agent_of(guard, in_turn(GOOD), checkpointer=InMemorySaver())
    result = agent.invoke(asking(CLAIM), thread())
    agent.invoke(asking(*[RemoveMessage(m.id) for m in result["messages"]], PLAIN), thread())
    assert details(guard)[-1]["findings"] == []
    assert kept(agent)["ledger"]["turn"] == 2


def test_pictures_are_counted_as_unread(guard: Guard) -> None:
    agent, _ = agent_of(guard, in_turn(GOOD), checkpointer=InMemorySaver())
    picture = {"type": "image", "base64": "AAAA", "mime_type": "image/png"}
    agent.invoke(asking(HumanMessage([{"type": "text", "text": CLAIM}, picture])), thread())
    [detail] = details(guard)
    assert detail["unread"] == 1
    assert detail["findings"]


# --- what the app knows ---


@dataclass
class OwnContext:
    tenant: str
    evidence: list[Evidence] = field(default_factory=list)


@pytest.mark.parametrize(
    "context",
    [
        GuardContext(evidence=[VERIFIED]),
        OwnContext("clinic", [VERIFIED]),
        {"evidence": [VERIFIED], "tenant": "clinic"},
    ],
)
def test_evidence_comes_with_the_context(guard: Guard, context: Any) -> None:
    agent, model = agent_of(guard, in_turn(GOOD), context_schema=type(context))
    agent.invoke(asking(CLAIM), context=context)
    assert "staff sign-in" in model.asked[0][0].text


@pytest.mark.parametrize("context", [None, {}, OwnContext("clinic"), GuardContext()])
def test_a_context_may_know_nothing(guard: Guard, context: Any) -> None:
    agent, model = agent_of(guard, in_turn(GOOD))
    agent.invoke(asking(CLAIM), context=context)
    assert "staff sign-in" not in model.asked[0][0].text


def test_what_is_no_evidence_is_refused(guard: Guard) -> None:
    agent, _ = agent_of(guard, in_turn(GOOD))
    with pytest.raises(InputError, match="evidence"):
        agent.invoke(asking(CLAIM), context={"evidence": ["trust me"]})


def test_new_evidence_in_a_turn_changes_the_steering(guard: Guard) -> None:
    known: list[Evidence] = []

    @tool
    def sign_in() -> str:
        """Check the credential."""
        known.append(VERIFIED)
        return "done"

    sign = AIMessage("", tool_calls=[{"name": "sign_in", "args": {}, "id": "call-1"}])
    agent, model = agent_of(guard, in_turn(sign, GOOD), sign_in, checkpointer=InMemorySaver())
    agent.invoke(asking(CLAIM), thread(), context={"evidence": known})
    assert "staff sign-in" not in model.asked[0][0].text
    assert "staff sign-in" in model.asked[1][0].text
    assert kept(agent)["ledger"]["turn"] == 1


def test_the_record_names_run_and_checkpoint(guard: Guard) -> None:
    agent, _ = agent_of(guard, in_turn(GOOD), checkpointer=InMemorySaver())
    config = thread() | {"run_id": "00000000-0000-4000-8000-000000000001"}
    agent.invoke(asking(PLAIN), config)
    [stored] = guard.audit.records("t")
    history = {s.config["configurable"]["checkpoint_id"] for s in agent.get_state_history(thread())}
    run, checkpoint = str(stored.opened.body["turn"]).split("/")
    assert run == f"run={config['run_id']}"
    assert checkpoint.removeprefix("checkpoint=") in history


# --- many at once ---


def about(number: int) -> str:
    return f"{CLAIM} Mine is word{number}x." if number % 2 else f"{PLAIN} Mine is word{number}x."


def echo(messages: list[Any], _options: dict[str, Any]) -> str:
    mine = next(m.text for m in reversed(messages) if m.type == "human").split()[-1]
    system = messages[0].text if messages[0].type == "system" else ""
    return f"Well {mine} {GOOD}" if "The draft" in system else f"Well {mine} {BAD}"


def test_fifty_conversations_at_once_do_not_mix(guard: Guard) -> None:
    agent, _ = agent_of(guard, echo, checkpointer=InMemorySaver())

    async def all_of_them() -> list[Any]:
        return await asyncio.gather(
            *(agent.ainvoke(asking(about(n)), thread(f"t{n}")) for n in range(50))
        )

    for number, result in enumerate(asyncio.run(all_of_them())):
        reply = result["messages"][-1].text
        assert f"word{number}x" in reply
        assert (BAD in reply) == (number % 2 == 0)
        threads = kept(agent, f"t{number}")["ledger"]["threads"]
        assert [t["domain"] for t in threads] == ["credential_claim"] * (number % 2)
        assert len(details(guard, f"t{number}")) == 1


def test_fifty_in_threads_without_ids_do_not_mix(guard: Guard) -> None:
    agent, _ = agent_of(guard, in_turn_for_each(), lookup)
    results = agent.batch([asking(about(n)) for n in range(50)])
    for number, result in enumerate(results):
        assert f"word{number}x" in result["messages"][-1].text
        assert len(result["messages"]) == 4


def in_turn_for_each() -> Callable[..., Any]:
    """Return a script that calls a tool first in each conversation, and then answers."""
    ids = itertools.count()

    def script(messages: list[Any], options: dict[str, Any]) -> Any:
        if messages[-1].type == "tool":
            return echo(messages, options)
        one = {"name": "lookup", "args": {"query": "x"}, "id": f"call-{next(ids)}"}
        return AIMessage("", tool_calls=[one])

    return script


@pytest.mark.parametrize("reply", [GOOD, BAD, TimeoutError()])
@pytest.mark.parametrize("text", [CLAIM, PLAIN])
@pytest.mark.parametrize("streams", [True, False])
def test_the_event_loop_never_waits_for_the_guard(
    guard: Guard, monkeypatch: pytest.MonkeyPatch, reply: Any, text: str, streams: bool
) -> None:
    loop_thread = threading.get_ident()
    worked: list[int] = []
    write = guard.audit._store.write

    def noted(work: Any) -> Any:
        worked.append(threading.get_ident())
        return write(work)

    monkeypatch.setattr(guard.audit._store, "write", noted)
    model = ScriptedModel(script=in_turn(reply))
    guarded = GuardedChatModel(inner=model, guard=guard)
    agent: Any = create_agent(model, [lookup], middleware=[CorroboratorMiddleware(guard)])

    async def ask(answering: Any, question: Any) -> None:
        with suppress(TimeoutError):
            if streams:
                _ = [chunk async for chunk in answering.astream(question)]
            else:
                await answering.ainvoke(question)

    async def both() -> None:
        await ask(guarded, text)
        await ask(agent, asking(text))

    asyncio.run(both())
    assert len(worked) >= 4
    assert loop_thread not in worked


# --- streams ---


def first_words(agent: Any, text: str) -> list[str]:
    return [c.text for c, _ in agent.stream(asking(text), stream_mode="messages")]


LONG = "What a day. How can I help?"


@pytest.mark.parametrize(
    ("stream", "text", "held"),
    [
        ("hold_never", CLAIM, False),
        ("hold_on_finding", PLAIN, False),
        ("hold_on_finding", CLAIM, True),
        ("hold_always", PLAIN, True),
    ],
)
def test_the_policy_says_what_is_held(
    guard_of: GuardOf, stream: str, text: str, held: bool
) -> None:
    guard = guard_of(f"reply: {{stream: {stream}}}\naudit: {{store: null}}")
    order: list[str] = []

    class Slow(ScriptedModel):
        def _stream(self, *args: Any, **kwargs: Any) -> Any:
            for chunk in super()._stream(*args, **kwargs):
                order.append("written")
                yield chunk

    model = Slow(script=in_turn(LONG))
    agent: Any = create_agent(model, [], middleware=[CorroboratorMiddleware(guard)])

    class Watching(BaseCallbackHandler):
        def on_llm_new_token(self, token: Any, **_: Any) -> None:
            order.extend(["shown"] if token else [])

    list(agent.stream(asking(text), {"callbacks": [Watching()]}, stream_mode="messages"))
    assert order.count("shown") == 7
    assert (order.index("shown") > 7) is held


def test_chunks_that_are_not_held_pass_as_they_are(guard: Guard) -> None:
    plain, _ = agent_of(guard, in_turn(LONG), middleware=[])
    guarded, _ = agent_of(guard, in_turn(LONG))
    assert first_words(guarded, PLAIN) == first_words(plain, PLAIN)


def test_a_stream_that_is_left_is_on_record_as_far_as_it_was_shown(guard: Guard) -> None:
    model = ScriptedModel(script=in_turn(LONG))
    middleware = CorroboratorMiddleware(guard)
    agent: Any = create_agent(model, [], middleware=[middleware], checkpointer=InMemorySaver())

    async def some() -> None:
        stream = agent.astream(asking(PLAIN), thread(), stream_mode="messages")
        async for chunk, _ in stream:
            if chunk.text:
                break
        await stream.aclose()

    asyncio.run(some())
    assert len(details(guard)) == 1


def test_nothing_of_the_conversation_is_logged(
    guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    agent, _ = agent_of(guard, in_turn(f"{BAD} {CANARY}"))
    agent.invoke(asking(f"{CLAIM} {CANARY}"))
    assert CANARY not in caplog.text
