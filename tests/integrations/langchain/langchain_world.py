"""A chat model that answers by a script: tools, streams, usage, sync and async; it keeps what it was asked."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field, PrivateAttr

Reply = AIMessage | str
Script = Callable[[list[BaseMessage], dict[str, Any]], Reply]


def in_turn(*replies: Reply | BaseException) -> Script:
    """Return a script of replies in order; the last one again and again."""
    left = list(replies)

    def script(_messages: list[BaseMessage], _options: dict[str, Any]) -> Reply:
        reply = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(reply, BaseException):
            raise reply
        return reply

    return script


class SilentModel(BaseChatModel):
    """Answers in one piece, for it cannot stream."""

    script: Any = Field(exclude=True)
    model_name: str = "scripted-1"
    _asked: list[list[BaseMessage]] = PrivateAttr(default_factory=list)
    _options: list[dict[str, Any]] = PrivateAttr(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    @property
    def asked(self) -> list[list[BaseMessage]]:
        """The messages of each call."""
        return self._asked

    @property
    def options(self) -> list[dict[str, Any]]:
        """The options of each call."""
        return self._options

    def bind_tools(self, tools: Sequence[Any], *, tool_choice: Any = None, **kwargs: Any) -> Any:
        described = [convert_to_openai_tool(tool) for tool in tools]
        return self.bind(tools=described, tool_choice=tool_choice, **kwargs)

    def _answer(self, messages: list[BaseMessage], options: dict[str, Any]) -> AIMessage:
        self._asked.append(list(messages))
        self._options.append(dict(options))
        reply = self.script(messages, options)
        message = AIMessage(reply) if isinstance(reply, str) else reply.model_copy(deep=True)
        read, written = (sum(len(str(m.text).split()) for m in ms) for ms in (messages, [message]))
        message.usage_metadata = {
            "input_tokens": read,
            "output_tokens": written,
            "total_tokens": read + written,
        }
        message.response_metadata = {"model_name": self.model_name, **message.response_metadata}
        return message

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        message = self._answer(messages, kwargs | ({"stop": stop} if stop else {}))
        return ChatResult(generations=[ChatGeneration(message=message)])


class ScriptedModel(SilentModel):
    """Streams its answers word by word."""

    def _stream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        message = self._answer(messages, kwargs | ({"stop": stop} if stop else {}))
        if isinstance(message.content, str):
            for word in re.findall(r"\S+\s*", message.content):
                yield ChatGenerationChunk(message=AIMessageChunk(content=word))
        else:
            for index, block in enumerate(message.content):
                part = {**block, "index": index} if isinstance(block, dict) else block
                yield ChatGenerationChunk(message=AIMessageChunk(content=[part]))
        for index, call in enumerate(message.tool_calls):
            chunk = {
                "name": call["name"],
                "args": json.dumps(call["args"]),
                "id": call["id"],
                "index": index,
                "type": "tool_call_chunk",
            }
            yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[chunk]))
        yield ChatGenerationChunk(
            message=AIMessageChunk(
                content="",
                usage_metadata=message.usage_metadata,
                response_metadata=message.response_metadata,
                chunk_position="last",
            )
        )


class ForwardingModel(SilentModel):
    """Asks a model of its own, as LangChain's models of models do: with the run's callbacks."""

    other: Any = None

    @property
    def asked(self) -> list[list[BaseMessage]]:
        asked: list[list[BaseMessage]] = self._other.asked
        return asked

    @property
    def _other(self) -> Any:
        if self.other is None:
            self.other = ScriptedModel(script=self.script)
        return self.other

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._other.invoke(messages))])

    def _stream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        for chunk in self._other.stream(messages):
            yield ChatGenerationChunk(message=chunk)
