"""The model of one call of an agent, and the request that it stays in."""

from collections.abc import Callable
from typing import Any

from langchain.agents.middleware import ModelRequest
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.tools import BaseTool
from pydantic import Field

from corroborator.errors import ConfigError
from corroborator.integrations.langchain.calls import Call
from corroborator.integrations.langchain.turns import GuardedTurn
from corroborator.integrations.langchain.vetted_model import VettedModel


class AgentModel(VettedModel):
    """Judges the drafts of a turn that may go on with the next call.

    Attributes:
        turn: the turn.
        actions: names of the agent's tools.
    """

    turn: Any = Field(exclude=True, repr=False)
    actions: frozenset[str] = frozenset()

    def _call(self, messages: list[BaseMessage], options: dict[str, Any]) -> Call:
        self.turn.again()  # middleware after the guard may ask for another reply
        return Call(self.turn, messages, structured=self.structured, actions=self.actions)


class GuardedRequest(ModelRequest[Any]):
    """A request whose model is guarded, whatever model is put into it later.

    Fallbacks and routers that stand after the guard change the model of the request; theirs is
    guarded like the first.
    """

    _guarded: Callable[[BaseChatModel], BaseChatModel]

    def override(self, **overrides: Any) -> "GuardedRequest":
        """See `ModelRequest.override`."""
        if "model" in overrides:
            overrides["model"] = self._guarded(overrides["model"])
        new = super().override(**overrides)
        return _of(new, self._guarded)


def guarded_request(request: ModelRequest[Any], turn: GuardedTurn) -> GuardedRequest:
    """Return the request with the guard around its model.

    Raises:
        ConfigError: the model is no chat model.
    """

    def guarded(model: BaseChatModel) -> BaseChatModel:
        if isinstance(model, AgentModel):
            return model
        if not isinstance(model, BaseChatModel):
            problem = (
                f"the guard needs a chat model, and this agent's is a {type(model).__name__}; pass"
                " the model itself, without .bind, .with_retry or .with_fallbacks"
            )
            raise ConfigError(problem)
        return AgentModel(
            inner=model,
            turn=turn,
            structured=request.response_format is not None,
            actions=frozenset(map(tool_name, request.tools)),
        )

    return _of(request.override(model=guarded(request.model)), guarded)


def _of(
    request: ModelRequest[Any], guarded: Callable[[BaseChatModel], BaseChatModel]
) -> GuardedRequest:
    new = GuardedRequest(
        model=request.model,
        messages=request.messages,
        system_message=request.system_message,
        tool_choice=request.tool_choice,
        tools=request.tools,
        response_format=request.response_format,
        state=request.state,
        runtime=request.runtime,
        model_settings=request.model_settings,
    )
    object.__setattr__(new, "_guarded", guarded)  # plain assignment is deprecated there
    return new


def tool_name(tool: BaseTool | dict[str, Any]) -> str:
    """Return the name of a tool, or of a tool of the model's own server."""
    if isinstance(tool, BaseTool):
        return tool.name
    return str(tool.get("name") or tool.get("function", {}).get("name", ""))
