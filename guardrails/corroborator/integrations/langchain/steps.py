"""One model call of an agent under guard."""

import logging
from typing import Any

from langchain.agents.middleware import ExtendedModelResponse, ModelRequest, ModelResponse
from langchain_core.messages import AIMessage
from langgraph.types import Command

from corroborator.evidence import read_evidence
from corroborator.guard import Guard
from corroborator.integrations.langchain.agent_model import guarded_request, tool_name
from corroborator.integrations.langchain.context import host_id, read_context, thread_id
from corroborator.integrations.langchain.ending import EndsItsTurn
from corroborator.integrations.langchain.messages import conversation_of, draft_text, replaced
from corroborator.integrations.langchain.state import KEY, kept
from corroborator.integrations.langchain.turns import GuardedTurn, OpenTurns, RefusedReplyError

_LOG = logging.getLogger("corroborator")

Response = ModelResponse[Any]
Extended = Response | ExtendedModelResponse[Any]


class Step(EndsItsTurn):
    """A model call; as a context it ends the turn without a reply where the call fails.

    Args:
        guard: opens the turn, unless it waits among `turns`.
        turns: those of this process that wait for tools.
        request: what the agent asks.

    Raises:
        InputError: the app gave evidence, ids or a state that are none.
        ConfigError: the agent's model is no chat model.
    """

    def __init__(self, guard: Guard, turns: OpenTurns, request: ModelRequest[Any]) -> None:
        self._guard, self._turns = guard, turns
        context, earlier = read_context(request.runtime), kept(request.state)
        messages = conversation_of(request.messages, known="ledger" in earlier)
        evidence = read_evidence(context.evidence)
        self._about = [message for message in messages if message.role == "user"][-1:]
        self.turn = turns.take(earlier.get("turn"), self._about) or GuardedTurn(
            guard,
            messages=messages,
            state=earlier.get("ledger"),
            conversation=context.conversation or thread_id(request.runtime),
            subject=context.subject,
            evidence=evidence,
            host_id=host_id(request.runtime),
        )
        self.turn.ground(evidence)
        self.turn.judged = False
        self.request = guarded_request(request, self.turn)
        structured = request.response_format is not None
        self._outputs = frozenset(map(tool_name, request.tools)) if structured else None

    def end(self, response: Response) -> Extended:
        """Return what the agent goes on with: a vetted reply, and what the guard keeps.

        Raises:
            RefusedReplyError: structured output is at fault, or cannot be recorded.
        """
        reply = next((m for m in response.result[::-1] if isinstance(m, AIMessage)), AIMessage(""))
        text = draft_text(reply, self._outputs)
        if not self.turn.judged and (instead := self._late(text, reply)):
            return self._extended(self._in_place_of(reply, instead))
        if reply.tool_calls and response.structured_response is None and not self.turn.ended:
            return self._extended(response, self._turns.keep(self.turn, self._about))
        if not self.turn.answered(text):
            return self._extended(self._in_place_of(reply, self._guard.fallback))
        return self._extended(response)

    def _late(self, text: str, reply: AIMessage) -> str:
        """Judge a reply of a model that the guard was not asked about; return what replaces it."""
        _LOG.error("middleware after the guard called a model of its own; put the guard last")
        kind = "revise"
        while kind == "revise":  # nobody can be asked for another, so the policy's bound is reached
            verdict = self.turn.judge(text, final=not reply.tool_calls)
            kind = verdict.kind
        return verdict.text

    def _in_place_of(self, reply: AIMessage, text: str) -> Response:
        if self._outputs is not None:
            raise RefusedReplyError(text)
        return ModelResponse([replaced(reply, text)])

    def _extended(self, response: Response, waiting: str | None = None) -> Extended:
        if self.turn.state is None:
            return response
        kept_now = {"ledger": self.turn.state, "turn": waiting, "record": self.turn.record}
        return ExtendedModelResponse(response, Command(update={KEY: kept_now}))
