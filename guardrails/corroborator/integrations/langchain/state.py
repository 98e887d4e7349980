"""What the guard keeps in a graph's state."""

from collections.abc import Mapping
from typing import Annotated, Any, NotRequired

from langchain.agents.middleware import AgentState
from langchain.agents.middleware.types import PrivateStateAttr

KEY = "corroborator"


def merged(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what was kept, with what is new."""
    return {**(old or {}), **(new or {})}


class GuardState(AgentState[Any]):
    """The state of a guarded agent.

    ``corroborator`` holds ids, counters and times, no text and no vector: the ``ledger``, the key
    of a ``turn`` that waits for tools, and the ``record`` of the last reply. It is in neither the
    input nor the output of the graph, so that no caller can forge it; an app corrects it with
    ``update_state``.
    """

    # LangGraph takes the last annotation for the reducer; elsewhere it would not be one
    corroborator: NotRequired[Annotated[dict[str, Any], PrivateStateAttr, merged]]


def kept(state: Any) -> Mapping[str, Any]:
    """Return what the guard kept in a state."""
    found = state.get(KEY) if isinstance(state, Mapping) else None
    return found if isinstance(found, Mapping) else {}
