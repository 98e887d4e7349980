"""Colang 2: a turn may take several calls of ``process_events_async``, which share a state."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from corroborator.guard import Guard
from corroborator.integrations.nemo.call import CURRENT, GuardedCall
from corroborator.integrations.nemo.conversation import Messages, from_events

_Process = Callable[..., Coroutine[Any, Any, tuple[list[Any], Any]]]
_KEPT = "_corroborator"


@dataclass
class _Kept:
    """What stays with a state: the conversation so far, and the turn that waits for its reply."""

    messages: Messages = field(default_factory=list)
    call: GuardedCall | None = None


def processing(app: Any, guard: Guard) -> _Process:
    """Return ``process_events_async`` of an app under guard."""
    plain: _Process = app.process_events_async

    @wraps(plain)
    async def process_events_async(
        events: list[dict[str, Any]], state: Any = None, blocking: bool = False
    ) -> tuple[list[Any], Any]:
        kept: _Kept = getattr(state, _KEPT, None) or _Kept()
        if said := [m for m in from_events(events) if m["role"] != "assistant"]:
            _give_up(kept)
            kept.messages += said
            kept.call = GuardedCall(app, guard, kept.messages)
        token = CURRENT.set(kept.call)
        try:
            output, new_state = await plain(events, state, blocking)
        except BaseException:
            _give_up(kept)
            raise
        finally:
            CURRENT.reset(token)
        if replies := [m for m in from_events(output) if m["role"] == "assistant"]:
            kept.messages += replies
            if kept.call is not None:
                await kept.call.aclose("\n".join(str(m["content"]) for m in replies))
                kept.call = None
        setattr(new_state, _KEPT, kept)
        return output, new_state

    return process_events_async


def _give_up(kept: _Kept) -> None:
    if kept.call is not None:
        kept.call.close(None)
        kept.call = None
