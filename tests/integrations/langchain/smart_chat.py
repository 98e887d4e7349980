"""A chat model that answers LangChain's own standard tests offline: tools, structured output, streams."""

import re
from typing import Any

from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, BaseMessage
from pydantic import ConfigDict, Field

from langchain_world import ScriptedModel

_CALLED_FOR = ("?", "magic", "weather", "use", "call", "joke", "create", "add", "tell me")


def smart(messages: list[BaseMessage], options: dict[str, Any]) -> AIMessage:
    """Call a tool where one is forced or the text asks for it, else answer in a sentence."""
    tools, forced = options.get("tools") or [], options.get("tool_choice")
    last = messages[-1]
    text = str(last.text)
    wanted = forced or any(word in text.lower() for word in _CALLED_FOR)
    if tools and last.type != "tool" and wanted:
        functions = [tool["function"] for tool in tools]
        named = next((f for f in functions if f["name"] == forced), functions[0])
        arguments = _arguments(named.get("parameters", {}), text)
        return AIMessage("", tool_calls=[{"name": named["name"], "args": arguments, "id": "c1"}])
    if last.type == "tool":
        return AIMessage(f"The result is {text}")
    return AIMessage("hi" if options.get("stop") else "Hello, the answer to that is hello.")


def smart_after_a_fault(messages: list[BaseMessage], options: dict[str, Any]) -> AIMessage:
    """Do the same, but write a draft that is refused first, wherever something is said."""
    reply = smart(messages, options)
    told = messages[0].type == "system" and "The draft" in messages[0].text
    if told or not reply.text:
        return reply
    return AIMessage(f"That is k1 of you. {reply.text}")


def _arguments(schema: dict[str, Any], text: str) -> dict[str, Any]:
    required = schema.get("required", schema.get("properties", {}))
    found = {
        name: _value(part, name, schema.get("$defs", {}))
        for name, part in schema.get("properties", {}).items()
        if name in required
    }
    if "customer_name" in found:
        found["customer_name"] = (re.findall(r"'([^']+)'", text) or ["x"])[0]
    return found


def _value(schema: dict[str, Any], name: str, known: dict[str, Any]) -> Any:
    if "$ref" in schema:
        schema = known[schema["$ref"].split("/")[-1]]
    if "default" in schema:
        return schema["default"]
    if "anyOf" in schema:
        return _value(schema["anyOf"][0], name, known)
    if "enum" in schema:
        return schema["enum"][0]
    plain: dict[str, Any] = {"integer": 3 if name in ("input", "x", "number") else 1, "number": 1.0}
    plain |= {"boolean": True, "array": [], "string": "text"}
    kind = schema.get("type")
    if kind == "object":
        return {k: _value(v, k, known) for k, v in schema.get("properties", {}).items()}
    return plain.get(str(kind), "text")


class ChatSmart(ScriptedModel):
    """The fake, with the parameters that the standard tests set."""

    model_config = ConfigDict(populate_by_name=True, arbitrary_types_allowed=True)

    script: Any = Field(default=smart, exclude=True)
    model_name: str = Field(default="smart-1", alias="model")
    temperature: float | None = None
    max_tokens: int | None = None
    timeout: float | None = None
    stop: list[str] | None = None
    max_retries: int | None = None
    streaming: bool = False

    @property
    def _llm_type(self) -> str:
        return "chat-smart"

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return LangSmithParams(
            ls_provider="smart",
            ls_model_name=kwargs.get("model", self.model_name),
            ls_model_type="chat",
            ls_temperature=kwargs.get("temperature", self.temperature),
        )

    def _answer(self, messages: list[BaseMessage], options: dict[str, Any]) -> AIMessage:
        message = super()._answer(messages, options)
        if options.get("model"):
            message.response_metadata["model_name"] = options["model"]
        return message
