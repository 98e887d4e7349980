"""LangChain: `CorroboratorMiddleware` for agents, `GuardedChatModel` for everything else.

::

    from corroborator.integrations.langchain import CorroboratorMiddleware

    agent = create_agent(model, tools, middleware=[*others, CorroboratorMiddleware()])

Drafts are judged inside a chat model that stands in front of the app's own. What LangChain sees is
one call that gives one vetted reply; a refused draft is in no stream, no state, no checkpoint and
no trace.
"""

from corroborator.integrations.langchain.context import GuardContext
from corroborator.integrations.langchain.guarded_model import GuardedChatModel
from corroborator.integrations.langchain.middleware import CorroboratorMiddleware
from corroborator.integrations.langchain.tool_gate import ToolGate
from corroborator.integrations.langchain.turns import RefusedReplyError

__all__ = [
    "CorroboratorMiddleware",
    "GuardContext",
    "GuardedChatModel",
    "RefusedReplyError",
    "ToolGate",
]
