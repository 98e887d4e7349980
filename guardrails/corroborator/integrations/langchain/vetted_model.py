"""A chat model in front of another one: what comes out of it was judged.

LangChain sees one call that gives one reply. The model inside is called without callbacks, so that
a refused draft makes no run, no token event and no trace; what it cost is counted.
"""

from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, message_chunk_to_message
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.outputs.chat_generation import merge_chat_generation_chunks

from corroborator.integrations.langchain.calls import Call
from corroborator.integrations.langchain.ending import off_loop, opened_off_loop
from corroborator.integrations.langchain.gate import StreamGate
from corroborator.integrations.langchain.messages import as_chunk, with_usage
from corroborator.integrations.langchain.model_proxy import ModelProxy
from corroborator.integrations.langchain.unseen import aeach_unseen, each_unseen, unseen

Messages = list[BaseMessage]


class VettedModel(ModelProxy):
    """Asks the inner model, has its drafts judged, and asks again within the policy's bounds.

    Where a reply is not streamed, the inner model's cache and rate limiter work as they do without
    a guard. Where it is, its rate limiter does; LangChain's own ``stream`` asks no cache either.
    """

    @abstractmethod
    def _call(self, messages: Messages, options: dict[str, Any]) -> Call:
        """Return a new call; options that are not for the inner model are taken out."""

    def _generate(
        self,
        messages: Messages,
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with self._call(messages, kwargs) as call:
            while True:
                with unseen():
                    result = self.inner._generate_with_cache(call.messages, stop=stop, **kwargs)
                released = call.judge(_draft(result))
                if released is not None:
                    return _result(result, released, call)

    async def _agenerate(
        self,
        messages: Messages,
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        async with await opened_off_loop(partial(self._call, messages, kwargs)) as call:
            while True:
                with unseen():
                    result = await self.inner._agenerate_with_cache(
                        call.messages, stop=stop, **kwargs
                    )
                released = await off_loop(call.judge, _draft(result))
                if released is not None:
                    return _result(result, released, call)

    def _stream(
        self,
        messages: Messages,
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        with self._call(messages, kwargs) as call:
            if not call.hold:
                yield from self._passed(call, self._written(call.messages, stop, kwargs))
                return
            while True:
                chunks = list(self._written(call.messages, stop, kwargs))
                draft = _whole(chunks)
                released = call.judge(draft)
                if released is not None:
                    yield from _chunks(chunks, draft, released, call)
                    return

    async def _astream(
        self,
        messages: Messages,
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        async with await opened_off_loop(partial(self._call, messages, kwargs)) as call:
            if not call.hold:
                async for chunk in self._apassed(call, self._awritten(call.messages, stop, kwargs)):
                    yield chunk
                return
            while True:
                chunks = [c async for c in self._awritten(call.messages, stop, kwargs)]
                draft = _whole(chunks)
                released = await off_loop(call.judge, draft)
                if released is not None:
                    for chunk in _chunks(chunks, draft, released, call):
                        yield chunk
                    return

    def _passed(
        self, call: Call, written: Iterator[ChatGenerationChunk]
    ) -> Iterator[ChatGenerationChunk]:
        gate = StreamGate(call.turn, single=call.single)
        try:
            for chunk in written:
                yield from gate.feed(chunk)
            yield from gate.rest()
        except BaseException:
            gate.end(whole=False)
            raise
        gate.end(whole=True)

    async def _apassed(
        self, call: Call, written: AsyncIterator[ChatGenerationChunk]
    ) -> AsyncIterator[ChatGenerationChunk]:
        gate = StreamGate(call.turn, single=call.single)
        try:
            async for chunk in written:
                for passing in await gate.afeed(chunk):
                    yield passing
            for passing in gate.rest():
                yield passing
        except BaseException:
            gate.end(whole=False)
            raise
        await off_loop(gate.end, whole=True)

    def _written(
        self, messages: Messages, stop: list[str] | None, options: dict[str, Any]
    ) -> Iterator[ChatGenerationChunk]:
        """Yield a draft as the inner model writes it, or in one piece."""
        return each_unseen(self._asked(messages, stop, options))

    def _awritten(
        self, messages: Messages, stop: list[str] | None, options: dict[str, Any]
    ) -> AsyncIterator[ChatGenerationChunk]:
        return aeach_unseen(self._aasked(messages, stop, options))

    def _asked(
        self, messages: Messages, stop: list[str] | None, options: dict[str, Any]
    ) -> Iterator[ChatGenerationChunk]:
        inner = self.inner
        if type(inner)._stream is BaseChatModel._stream:
            yield as_chunk(_draft(inner._generate_with_cache(messages, stop=stop, **options)))
            return
        if inner.rate_limiter:
            inner.rate_limiter.acquire(blocking=True)
        yield from inner._stream(messages, stop=stop, **options)

    async def _aasked(
        self, messages: Messages, stop: list[str] | None, options: dict[str, Any]
    ) -> AsyncIterator[ChatGenerationChunk]:
        inner = self.inner
        if BaseChatModel._stream is type(inner)._stream and (
            BaseChatModel._astream is type(inner)._astream
        ):
            result = await inner._agenerate_with_cache(messages, stop=stop, **options)
            yield as_chunk(_draft(result))
            return
        if inner.rate_limiter:
            await inner.rate_limiter.aacquire(blocking=True)
        async for chunk in inner._astream(messages, stop=stop, **options):
            yield chunk


def _draft(result: ChatResult) -> AIMessage:
    """Return the reply; where a model gives several to choose from, the first."""
    message = result.generations[0].message if result.generations else AIMessage("")
    return message if isinstance(message, AIMessage) else AIMessage(message.content)


def _whole(chunks: list[ChatGenerationChunk]) -> AIMessage:
    chunk = merge_chat_generation_chunks(chunks)
    message = AIMessage("") if chunk is None else message_chunk_to_message(chunk.message)
    return message if isinstance(message, AIMessage) else AIMessage(message.content)


def _result(result: ChatResult, released: AIMessage, call: Call) -> ChatResult:
    message = released.model_copy(update={"usage_metadata": call.usage})
    kept = released is _draft(result)
    info = result.generations[0].generation_info if kept and result.generations else None
    return ChatResult(
        generations=[ChatGeneration(message=message, generation_info=info)],
        llm_output=result.llm_output if kept else None,
    )


def _chunks(
    chunks: list[ChatGenerationChunk], draft: AIMessage, released: AIMessage, call: Call
) -> list[ChatGenerationChunk]:
    if released is draft:
        return with_usage(chunks, call.earlier)
    return [as_chunk(released.model_copy(update={"usage_metadata": call.usage}))]
