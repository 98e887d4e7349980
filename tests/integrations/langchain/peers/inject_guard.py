"""A pytest plugin: appends the guard to the middleware of every agent that is made.

``GUARD=idle`` finds nothing; ``GUARD=forced`` finds a claim in each message of the user, holds each
reply and judges it, and adds nothing to prompts, which the tests compare word for word.
"""

import atexit
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import langchain.agents
import langchain.agents.factory
import pytest

from corroborator import Guard, parse_policy
from corroborator.integrations.langchain import CorroboratorMiddleware, steps
from corroborator.integrations.langchain.turns import GuardedTurn
from corroborator.messages import Message
from tiny_world import WordEncoder, said, write_model

FORCED = os.environ["GUARD"] == "forced"
_FOLDER = tempfile.TemporaryDirectory()
atexit.register(_FOLDER.cleanup)
_STREAM = "hold_always" if FORCED else "hold_on_finding"
GUARD = Guard(
    parse_policy(
        f"model: {write_model(Path(_FOLDER.name) / 'model', WordEncoder())}\n"
        f"reply: {{stream: {_STREAM}}}\naudit: {{store: null}}"
    ),
    encoder=WordEncoder(),
)
_first = GUARD.open_turn(
    [{"role": "user", "content": "Hello."}]
)  # loads what later ones find loaded
_first.close("Hello.")
_MADE: list[object] = []
_create = langchain.agents.factory.create_agent


def create_agent(model: Any, tools: Any = None, **options: Any) -> Any:
    """Make an agent that is guarded."""
    own = list(options.pop("middleware", None) or [])
    agent = _create(model, tools, middleware=[*own, CorroboratorMiddleware(GUARD)], **options)
    _MADE.append(agent)
    return agent


langchain.agents.create_agent = langchain.agents.factory.create_agent = create_agent

if FORCED:
    _read = steps.conversation_of  # type: ignore[attr-defined]

    def _claiming(messages: Any, **options: Any) -> list[Message]:
        claim = said("age_claim")
        read = _read(messages, **options)
        return [replace(m, text=f"{m.text}\n{claim}") if m.role == "user" else m for m in read]

    steps.conversation_of = _claiming  # type: ignore[attr-defined]
    GuardedTurn.steering = ""  # type: ignore[assignment, method-assign]


@pytest.fixture(autouse=True)
def _synchronous_calls_may_wait_for_the_log(blockbuster: Any) -> None:
    """Let the log be written where a test calls an agent synchronously on an event loop.

    The asynchronous hook is watched like everything else.
    """
    place = "corroborator/integrations/langchain/middleware.py"
    for function in blockbuster.functions.values():
        function.can_block_in(place, {"wrap_model_call"})


def pytest_sessionfinish() -> None:
    """Say how many agents were guarded, and how many turns they took."""
    turns = sum(1 for _ in GUARD.audit.records())
    print(f"\nguarded agents: {len(_MADE)}, turns on record: {turns}")  # noqa: T201
