"""Any chat model, guarded: for LCEL and for everything that takes a model."""

from collections.abc import Mapping
from typing import Any

from langchain_core.messages import BaseMessage
from pydantic import Field

from corroborator.guard import Guard
from corroborator.integrations.langchain.calls import Call
from corroborator.integrations.langchain.messages import conversation_of
from corroborator.integrations.langchain.turns import GuardedTurn
from corroborator.integrations.langchain.vetted_model import VettedModel

_OURS = ("conversation", "subject", "evidence", "state")


class GuardedChatModel(VettedModel):
    """A chat model whose replies were judged.

    It does what the model inside does: tools, structured output, streams, batches, fallbacks,
    retries. Each call is a turn of its own with a record of its own; the ledger is rebuilt from the
    messages. An agent that calls tools is better served by `CorroboratorMiddleware`, which follows
    a turn over all its calls.

    `Guard.open_turn`'s ``conversation``, ``subject``, ``evidence`` and ``state`` are taken as
    options of a call: ``model.invoke(messages, conversation="c-17")``, or bound:
    ``model.bind(evidence=[...])``.

    Attributes:
        inner: the app's own model.
        guard: one for the process; by default one with the default policy.
    """

    guard: Guard = Field(default_factory=Guard, exclude=True, repr=False)

    def _get_invocation_params(
        self, stop: list[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        _taken(kwargs)  # tracers get these parameters
        return super()._get_invocation_params(stop=stop, **kwargs)

    def _call(self, messages: list[BaseMessage], options: dict[str, Any]) -> Call:
        turn = GuardedTurn(self.guard, messages=conversation_of(messages), **_taken(options))
        return Call(turn, messages, structured=self.structured, single=True)


def _taken(options: dict[str, Any]) -> Mapping[str, Any]:
    return {name: options.pop(name) for name in _OURS if name in options}
