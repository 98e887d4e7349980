"""The guard as middleware of an agent."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Self

from langchain.agents.middleware import AgentMiddleware, ModelRequest

from corroborator.guard import Guard
from corroborator.integrations.langchain.ending import off_loop, opened_off_loop
from corroborator.integrations.langchain.state import GuardState
from corroborator.integrations.langchain.steps import Extended, Response, Step
from corroborator.integrations.langchain.tracing import NO_INPUTS
from corroborator.integrations.langchain.turns import OpenTurns


class CorroboratorMiddleware(AgentMiddleware[GuardState, Any, Any]):
    """Steers an agent's model, has its drafts judged, and keeps the record of each turn.

    Put it last in the list. One instance may serve many agents, threads and tasks. A structured
    reply that stays at fault raises `RefusedReplyError`: a text in its place would be none that the
    app can read, and the agent would ask for ever.

    Args:
        guard: one for the process; by default one with the default policy.
    """

    state_schema = GuardState
    trace_policy = NO_INPUTS

    def __init__(self, guard: Guard | None = None) -> None:
        super().__init__()
        self.guard = guard or Guard()
        self._turns = OpenTurns()

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """Return middleware with a policy of your own; see `corroborator.load_policy`."""
        return cls(Guard.from_yaml(path))

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Response]
    ) -> Extended:
        """See `AgentMiddleware.wrap_model_call`."""
        with Step(self.guard, self._turns, request) as step:
            response = handler(step.request)
        return step.end(response)

    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[Response]],
    ) -> Extended:
        """See `AgentMiddleware.awrap_model_call`."""
        opening = partial(Step, self.guard, self._turns, request)
        async with await opened_off_loop(opening) as step:
            response = await handler(step.request)
        return await off_loop(step.end, response)
