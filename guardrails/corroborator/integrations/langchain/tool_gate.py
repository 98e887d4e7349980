"""Tools that wait for a corroborated claim."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import ToolMessage
from langgraph.prebuilt.tool_node import ToolCallRequest
from langgraph.types import Command

from corroborator.errors import ConfigError
from corroborator.integrations.langchain.state import GuardState, kept
from corroborator.ledger import Ledger
from corroborator.taxonomy import load_taxonomy
from corroborator.texts import load_texts
from corroborator.yaml_file import did_you_mean

Result = ToolMessage | Command[Any]


class ToolGate(AgentMiddleware[GuardState, Any, Any]):
    """Runs named tools only where the app's evidence supports a claim.

    It reads the ledger that `CorroboratorMiddleware` keeps, so both go into the list. What the user
    says opens no gate; evidence in the run's context does.

    Args:
        gates: name of a tool -> id of a domain, such as ``{"dose_lookup": "credential_claim"}``.

    Raises:
        ConfigError: there is no such domain.
    """

    state_schema = GuardState

    def __init__(self, gates: Mapping[str, str]) -> None:
        super().__init__()
        domains = load_taxonomy().domains
        for tool, domain in gates.items():
            if domain not in domains:
                hint = did_you_mean(domain, domains) or "; the taxonomy lists them"
                raise ConfigError(f"the gate of {tool}: there is no domain {domain!r}{hint}")
        self._gates = dict(gates)
        self._text = load_texts().steering.shared.closed_tool

    def wrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Result]
    ) -> Result:
        """See `AgentMiddleware.wrap_tool_call`."""
        return self._shut(request) or handler(request)

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[Result]]
    ) -> Result:
        """See `AgentMiddleware.awrap_tool_call`."""
        return self._shut(request) or await handler(request)

    def _shut(self, request: ToolCallRequest) -> ToolMessage | None:
        domain = self._gates.get(request.tool_call["name"])
        if domain is None:
            return None
        state = kept(request.state).get("ledger")
        ledger = Ledger() if state is None else Ledger.from_state(state)
        if ledger.status(domain) == "corroborated":
            return None
        return ToolMessage(
            self._text,
            tool_call_id=request.tool_call["id"],
            name=request.tool_call["name"],
            status="error",
        )
