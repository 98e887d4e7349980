import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, ChatMessage, HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from corroborator import Evidence, Guard, InputError
from corroborator.integrations.langchain import GuardedChatModel
from langchain_world import ScriptedModel, SilentModel, in_turn
from openai_server import serving
from tiny_world import CANARY, said

CLAIM, PLAIN = said("credential_claim"), "I went to the shop for some bread."
BAD, GOOD = "That is k1 of you.", "What a day you had. How can I help?"
VERIFIED = Evidence("credential_claim", "the staff sign-in", f"Verified today, {CANARY}.")


class Advice(BaseModel):
    """Advice."""

    text: str


@tool
def lookup(query: str) -> str:
    """Look something up."""
    return query


def guarded(guard: Guard, *replies: Any, **options: Any) -> GuardedChatModel:
    inner = ScriptedModel(script=in_turn(*replies), **options)
    return GuardedChatModel(inner=inner, guard=guard)


# --- the chains of LCEL ---


def test_a_chain_steers_asks_again_and_streams(guard: Guard) -> None:
    model = guarded(guard, BAD, GOOD)
    chain = ChatPromptTemplate([("system", "You are kind."), ("human", "{text}")]) | model
    told = chain | StrOutputParser()
    assert told.invoke({"text": CLAIM}) == GOOD
    assert "".join(told.stream({"text": CLAIM})) == GOOD
    assert model.inner.asked[0][0].text.startswith("You are kind.\n\n")  # type: ignore[attr-defined]


def test_events_of_a_chain_hold_no_refused_draft(guard: Guard) -> None:
    chain = guarded(guard, BAD, GOOD) | StrOutputParser()

    async def events() -> list[Any]:
        return [event async for event in chain.astream_events(CLAIM, version="v2")]

    told = repr(asyncio.run(events()))
    assert BAD not in told
    assert "How can I help" in told or "help?" in told


def test_the_async_ways_do_the_same(guard: Guard) -> None:
    async def all_of_them() -> list[str]:
        model = guarded(guard, BAD, GOOD)
        one = (await model.ainvoke(CLAIM)).text
        streamed = "".join([c.text async for c in model.astream(CLAIM)])
        batch = await model.abatch([CLAIM, PLAIN])
        return [one, streamed, *(m.text for m in batch)]

    assert asyncio.run(all_of_them()) == [GOOD] * 4


def test_batches_and_retries_and_fallbacks(guard: Guard) -> None:
    model = guarded(guard, BAD, GOOD)
    assert [m.text for m in model.batch([CLAIM, CLAIM])] == [GOOD, GOOD]
    failing = guarded(guard, TimeoutError(), GOOD)
    assert failing.with_retry(stop_after_attempt=2).invoke(CLAIM).text == GOOD
    second = guarded(guard, BAD, GOOD)
    assert guarded(guard, TimeoutError()).with_fallbacks([second]).invoke(CLAIM).text == GOOD


def test_an_agent_takes_it_as_its_model(guard: Guard) -> None:
    call = AIMessage("", tool_calls=[{"name": "lookup", "args": {"query": "x"}, "id": "c1"}])
    agent: Any = create_agent(guarded(guard, call, BAD, GOOD), [lookup])
    result = agent.invoke({"messages": [HumanMessage(CLAIM)]})
    assert [m.type for m in result["messages"]] == ["human", "ai", "tool", "ai"]
    assert result["messages"][-1].text == GOOD


# --- a call is a turn ---


def test_options_of_a_call_go_to_the_guard_and_nowhere_else(guard: Guard) -> None:
    told: list[Any] = []

    class Recorder(BaseCallbackHandler):
        def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
            told.append((args, kwargs))

    model = guarded(guard, GOOD)
    options: dict[str, Any] = {"conversation": "c-17", "subject": "p-1", "evidence": [VERIFIED]}
    for way in (
        lambda: model.invoke(CLAIM, {"callbacks": [Recorder()]}, **options),
        lambda: list(model.bind(**options).stream(CLAIM, {"callbacks": [Recorder()]})),
    ):
        way()
    assert "staff sign-in" in model.inner.asked[0][0].text  # type: ignore[attr-defined]
    assert model.inner.options == [{}, {}]  # type: ignore[attr-defined]
    assert len(list(guard.audit.records("c-17"))) == 2
    assert told
    assert CANARY not in repr(told)
    assert "c-17" not in repr(told)


def test_evidence_that_is_none_is_refused(guard: Guard) -> None:
    with pytest.raises(InputError):
        guarded(guard, GOOD).invoke(CLAIM, evidence=["trust me"])


def test_roles_in_chat_messages_are_read(guard: Guard) -> None:
    model = guarded(guard, BAD, GOOD)
    assert model.invoke([ChatMessage(content=CLAIM, role="user")]).text == GOOD
    assert model.invoke([SystemMessage(CLAIM), ChatMessage(content=PLAIN, role="developer")]).text


# --- like the model inside ---


class Counting(BaseRateLimiter):
    """Counts."""

    def __init__(self) -> None:
        self.asked = 0

    def acquire(self, *, blocking: bool = True) -> bool:
        self.asked += 1
        return blocking

    async def aacquire(self, *, blocking: bool = True) -> bool:
        self.asked += 1
        return blocking


def test_each_draft_passes_the_rate_limiter(guard: Guard) -> None:
    limiter = Counting()
    model = guarded(guard, BAD, GOOD, BAD, GOOD, BAD, GOOD, BAD, GOOD, rate_limiter=limiter)
    model.invoke(CLAIM)
    list(model.stream(CLAIM))

    async def both() -> None:
        await model.ainvoke(CLAIM)
        _ = [chunk async for chunk in model.astream(CLAIM)]

    asyncio.run(both())
    assert limiter.asked == len(model.inner.asked)  # type: ignore[attr-defined]


def test_drafts_are_cached_and_judged_all_the_same(guard: Guard) -> None:
    model = guarded(guard, BAD, GOOD, cache=InMemoryCache())
    assert [model.invoke(CLAIM, conversation="c").text for _ in range(3)] == [GOOD] * 3
    assert len(model.inner.asked) == 2  # type: ignore[attr-defined]
    kinds = [[d["kind"] for d in t.detail["drafts"]] for t in guard.audit.records("c") if t.detail]  # type: ignore[union-attr, index, call-overload]
    assert kinds == [["revise", "release"]] * 3


def test_it_is_known_by_what_the_model_inside_is(guard: Guard) -> None:
    handler = BaseCallbackHandler()
    profile: Any = {"max_input_tokens": 8, "structured_output": True}
    model = guarded(
        guard, GOOD, profile=profile, tags=["t"], metadata={"m": 1}, callbacks=[handler], name="n"
    )
    inner: Any = model.inner
    assert model.profile == profile
    assert (model.tags, model.metadata, model.callbacks) == (["t"], inner.metadata, [handler])
    assert (model.name, model.model_name, model._llm_type) == ("n", "scripted-1", inner._llm_type)
    assert model._get_ls_params() == inner._get_ls_params()
    assert model._get_llm_string() == inner._get_llm_string()
    with pytest.raises(AttributeError):
        _ = model.no_such_thing


def test_tokens_are_counted_by_the_model_inside(guard: Guard) -> None:
    model = guarded(guard, GOOD, custom_get_token_ids=lambda text: [1] * len(text))
    assert model.get_num_tokens("abc") == 3
    assert model.get_num_tokens_from_messages([HumanMessage("abc")]) > 3


def test_a_model_that_cannot_stream_answers_in_one_piece(guard: Guard) -> None:
    model = GuardedChatModel(inner=SilentModel(script=in_turn(BAD, GOOD)), guard=guard)
    assert [chunk.text for chunk in model.stream(CLAIM)] == [GOOD]


def test_of_several_replies_to_choose_from_the_first_is_judged(guard: Guard) -> None:
    class Several(SilentModel):
        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            result = super()._generate(*args, **kwargs)
            result.generations = [*result.generations, super()._generate(*args).generations[0]]
            return result

    model = GuardedChatModel(inner=Several(script=in_turn(GOOD, BAD)), guard=guard)
    result = model.generate([[HumanMessage(CLAIM)]])
    assert [[g.text for g in gs] for gs in result.generations] == [[GOOD]]


def test_models_that_are_no_chat_models_are_refused(guard: Guard) -> None:
    class Odd(ScriptedModel):
        def bind_tools(self, *_: Any, **__: Any) -> Any:
            return StrOutputParser()

    model = GuardedChatModel(inner=Odd(script=in_turn(GOOD)), guard=guard)
    with pytest.raises(TypeError, match="StrOutputParser"):
        model.bind_tools([lookup])


# --- OpenAI's own class, against a server on this machine ---


@pytest.fixture
def server() -> Iterator[tuple[str, list[Any]]]:
    with serving() as served:
        yield served


@pytest.fixture
def openai(server: tuple[str, list[Any]], guard: Guard) -> Iterator[GuardedChatModel]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("HTTPS_PROXY", raising=False)
        inner = ChatOpenAI(model="gpt-4o", base_url=server[0], api_key="none", max_retries=0)
        yield GuardedChatModel(inner=inner, guard=guard)


def test_openai_answers_and_streams(openai: GuardedChatModel) -> None:
    reply = openai.invoke(CLAIM)
    assert reply.text == GOOD
    assert reply.usage_metadata is not None
    assert reply.usage_metadata["total_tokens"] == 10
    assert "".join(c.text for c in openai.stream(CLAIM)).strip() == GOOD
    assert asyncio.run(openai.ainvoke(CLAIM)).text == GOOD


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_openai_gives_structured_output_its_own_way(
    openai: GuardedChatModel, server: tuple[str, list[Any]], method: str
) -> None:
    found = openai.with_structured_output(Advice, method=method).invoke(CLAIM)
    assert found == Advice(text=GOOD)
    assert ("response_format" in server[1][-1]) is (method == "json_schema")
