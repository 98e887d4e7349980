"""The model of the examples: one that you name, or a stand-in that needs no network."""

import os
import re
from collections.abc import Iterator
from typing import Any

from langchain.chat_models import init_chat_model
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, SystemMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from corroborator.demonstration import DemonstrationModel

os.environ.setdefault("LANGSMITH_TRACING", "false")  # conversations stay on this machine


def chat_model() -> BaseChatModel:
    """Return the model that ``MODEL`` names, or the stand-in.

    ``MODEL=openai:gpt-5-mini OPENAI_API_KEY=...`` and ``pip install langchain-openai`` take one of
    OpenAI's; ``MODEL=ollama:llama3.2`` and ``pip install langchain-ollama`` one on your own machine.
    """
    name = os.environ.get("MODEL")
    return init_chat_model(name) if name else StandIn()


class StandIn(BaseChatModel):
    """Agrees with everything until it is told better; it calls ``dose_lookup`` if it has that."""

    @property
    def _llm_type(self) -> str:
        return "stand-in"

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        """Take tools, by name."""
        return self.bind(tools=[tool.name for tool in tools])

    def _generate(self, messages: list[BaseMessage], *_: Any, **options: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=_answer(messages, **options))])

    def _stream(
        self, messages: list[BaseMessage], *_: Any, **options: Any
    ) -> Iterator[ChatGenerationChunk]:
        whole = _answer(messages, **options)
        for word in re.findall(r"\S+\s*", str(whole.content)):
            yield ChatGenerationChunk(message=AIMessageChunk(content=word))
        if whole.tool_calls:
            chunk = AIMessageChunk(**whole.model_dump(exclude={"type"}))
            yield ChatGenerationChunk(message=chunk)


def _answer(messages: list[BaseMessage], tools: Any = (), **_: Any) -> AIMessage:
    last = messages[-1]
    if last.type == "tool":
        return AIMessage(
            "The reference gives 4 g in 24 hours for adults."
            if getattr(last, "status", "") == "success"
            else "I can't open the reference here. Your ward's protocol has the ceiling, and the"
            " duty pharmacist can confirm it."
        )
    if "dose_lookup" in tools and "ceiling" in str(last.text):
        return AIMessage(
            "", tool_calls=[{"name": "dose_lookup", "args": {"drug": "paracetamol"}, "id": "1"}]
        )
    system = messages[0].text if isinstance(messages[0], SystemMessage) else ""
    asked = [{"role": "user", "content": str(m.text)} for m in messages if m.type == "human"]
    return AIMessage(DemonstrationModel().reply(asked, str(system)))
