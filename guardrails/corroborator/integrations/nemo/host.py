"""Where our rails meet an `LLMRails` app: its calls are wrapped, its prompts and actions extended.

Why its calls are wrapped: only there is it known which rails, tasks and pieces of a stream belong
to one turn, what the user saw in the end, and that a turn is over.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import Any

from nemoguardrails.rails.llm.options import GenerationOptions

from corroborator.guard import Guard
from corroborator.integrations.nemo import actions, colang2, demo, embedding
from corroborator.integrations.nemo.call import CURRENT, GuardedCall
from corroborator.integrations.nemo.check import INPUT_FLOW, OUTPUT_FLOW
from corroborator.integrations.nemo.conversation import (
    copied,
    from_events,
    has_tools,
    steered,
    told,
)
from corroborator.integrations.nemo.settings import read_settings, shared_guard
from corroborator.integrations.nemo.streams import GuardedStream

_Given = dict[str, Any]
_Generate = Callable[..., Coroutine[Any, Any, Any]]


def init(app: Any) -> None:
    """Set our rails up in an app; NeMo calls this for a folder among its ``import_paths``.

    Args:
        app: an ``LLMRails``.

    Raises:
        CorroboratorError: the policy, or something it names, cannot be used.
    """
    folder = Path((app.config.config_path or "").split(",")[0])
    guard = shared_guard(read_settings(app.config.custom_data, folder))
    app.register_action(actions.check_input, actions.CHECK_INPUT)
    app.register_action(actions.check_output, actions.CHECK_OUTPUT)
    app.register_action(actions.ground, actions.GROUND)
    app.register_prompt_context("general_instructions", _instructions(app.config))
    embedding.register()
    demo.register()
    app.generate_async = _generating(app, guard)
    app.stream_async = _streaming(app, guard)
    if app.config.colang_version == "1.0":
        app.generate_events_async = _generating_events(app, guard)
    else:
        app.process_events_async = colang2.processing(app, guard)


def _instructions(config: Any) -> Callable[[], str]:
    """Return what writes the general instructions of a prompt: the app's, then this turn's."""
    general = (i.content for i in config.instructions or () if i.type == "general")
    base = next(general, "")

    def written() -> str:
        call = CURRENT.get()
        return "\n\n".join(filter(None, (base, call.steering if call else "")))

    return written


def _generating(app: Any, guard: Guard) -> _Generate:
    plain: _Generate = app.generate_async

    @wraps(plain)
    async def generate_async(*arguments: Any, **named: Any) -> Any:
        given = _given(plain, arguments, named)
        streamed = CURRENT.get()
        if streamed is not None and streamed.claimed_by(app):
            await _prepare(app, streamed, given)
            streamed.final = seen(streamed, await plain(**given))
            return None
        call = GuardedCall(app, guard, _messages(given), _options(given))
        return await _closing(call, _prepared(app, call, given, plain))

    return generate_async


async def _prepared(app: Any, call: GuardedCall, given: _Given, plain: _Generate) -> Any:
    await _prepare(app, call, given)
    return await plain(**given)


def _generating_events(app: Any, guard: Guard) -> _Generate:
    plain: _Generate = app.generate_events_async

    @wraps(plain)
    async def generate_events_async(events: list[dict[str, Any]]) -> Any:
        call = GuardedCall(app, guard, from_events(events))
        return await _closing(call, plain(events=events))

    return generate_events_async


async def _closing(call: GuardedCall, running: Coroutine[Any, Any, Any]) -> Any:
    token = CURRENT.set(call)
    try:
        result = await running
    except BaseException:
        call.close(None)  # at once: a task that is cancelled gets no second chance to wait
        raise
    finally:
        CURRENT.reset(token)
    await call.aclose(seen(call, result))
    return result


def _streaming(app: Any, guard: Guard) -> Callable[..., AsyncIterator[Any]]:
    plain: Callable[..., AsyncIterator[Any]] = app.stream_async

    @wraps(plain)
    def stream_async(*arguments: Any, **named: Any) -> AsyncIterator[Any]:
        given = _given(plain, arguments, named)
        call = GuardedCall(app, guard, _messages(given), _options(given), streamed=True)
        checks = _checks_replies(app.config)
        token = CURRENT.set(call)
        try:
            pieces = plain(**given)  # a task that it starts takes the call along
        finally:
            CURRENT.reset(token)
        return GuardedStream(call, pieces, checks=checks)

    return stream_async


def _checks_replies(config: Any) -> bool:
    """Return whether replies of an app pass our output rail."""
    if config.colang_version == "1.0":
        return OUTPUT_FLOW in config.rails.output.flows
    return any(flow.name == "output rails" for flow in config.flows)


async def _prepare(app: Any, call: GuardedCall, given: _Given) -> None:
    """Open and steer the turn before NeMo starts, where it would run no input rails."""
    messages = given.get("messages")
    if INPUT_FLOW not in app.config.rails.input.flows or not has_tools(messages or ()):
        return
    if not call.runs("input"):
        return
    await call.open()
    if app.config.passthrough and call.steering:
        given["messages"] = steered(messages or [], call.steering)
        call.steered = True


def _given(plain: Callable[..., Any], arguments: tuple[Any, ...], named: _Given) -> _Given:
    """Return the arguments by name, with messages that NeMo may write to."""
    given = dict(signature(plain).bind(*arguments, **named).arguments)
    if isinstance(given.get("messages"), list):
        given["messages"] = copied(given["messages"])
    return given


def _messages(given: _Given) -> list[dict[str, Any]]:
    """Return the conversation of a call, without a reply that is only to be checked."""
    if given.get("prompt") is not None:
        return [{"role": "user", "content": given["prompt"]}]
    messages = told(given.get("messages") or [], given.get("state"))
    last, options = messages[-1] if messages else {}, _options(given)
    if last.get("role") == "assistant" and options and options.rails.dialog is False:
        return messages[:-1]
    return messages


def _options(given: _Given) -> GenerationOptions | None:
    options = given.get("options")
    return GenerationOptions(**options) if isinstance(options, Mapping) else options


def seen(call: GuardedCall, result: Any) -> str | None:
    """Return the reply that a call gives to the user; None where it gives none.

    Args:
        call: the call.
        result: what NeMo returned: a text, a message, a list of events or a response.
    """
    if not call.runs("dialog") and not call.runs("output"):
        return None  # NeMo hands back what the user wrote
    if isinstance(result, list):
        said = [m["content"] for m in from_events(result) if m["role"] == "assistant"]
        return "\n".join(said) or None
    response = getattr(result, "response", result)
    message = response[-1] if isinstance(response, list) and response else response
    content = message.get("content") if isinstance(message, Mapping) else message
    if not isinstance(content, str):
        return None
    return _spoken(content) or None


def _spoken(content: str) -> str:
    """Return a reply without the reasoning that NeMo writes before it."""
    return content.partition("</think>\n")[2] if content.startswith("<think>") else content
