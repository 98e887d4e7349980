"""What the rails do. Each returns a `RailOutcome`, so that any engine of NeMo can run it.

Nothing is raised here: NeMo logs the parameters of an action that fails, the user's text included.
"""

import textwrap
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import Any

from nemoguardrails.actions import action
from nemoguardrails.actions.rail_outcome import RailOutcome, TransformTarget
from nemoguardrails.context import raw_llm_request
from pydantic import ValidationError

from corroborator.errors import CorroboratorError, InputError
from corroborator.evidence import TEXT_CHARACTERS, Evidence
from corroborator.integrations.nemo.call import CURRENT, LOG, GuardedCall, as_text
from corroborator.integrations.nemo.conversation import GivenEvidence, steered, without_contexts
from corroborator.integrations.nemo.revision import settled
from corroborator.integrations.nemo.settings import KEY

CHECK_INPUT, CHECK_OUTPUT, GROUND = (
    "corroborator_check_input",
    "corroborator_check_output",
    "corroborator_ground",
)
Events = list[dict[str, Any]]
_Action = Callable[..., Awaitable[RailOutcome]]


def contained(run: _Action) -> _Action:
    """Refuse the turn where an action fails, and say no more of the error than its type."""

    @wraps(run)
    async def safely(*arguments: Any, **named: Any) -> RailOutcome:
        try:
            return await run(*arguments, **named)
        except Exception as error:  # noqa: BLE001 - the outermost edge
            LOG.error("%s failed (%s)", run.__name__, type(error).__name__)
            call = CURRENT.get()
            reply = call.replacement() if call is not None else ""
            return RailOutcome.block(reason=KEY, metadata={"reply": reply})

    return safely


@action(name=CHECK_INPUT, is_system_action=True)
@contained
async def check_input(
    text: Any = "", events: Events | None = None, config: Any = None, **_: Any
) -> RailOutcome:
    """Open the turn, and put its guidance where the main call will find it."""
    call = CURRENT.get()
    if call is None:
        return _unguarded()
    turn = await call.open(as_text(text), _rail_id(events))
    if turn is None:
        return RailOutcome.block(reason=KEY, metadata={"reply": call.replacement()})
    if config.colang_version != "1.0" and call.steering and isinstance(text, str):
        annotated = f"{text}\n\n{call.steering}"  # what such an app sends on is its own affair
        return RailOutcome.transform(
            [(TransformTarget.USER_MESSAGE, annotated)], reason=KEY, metadata=_metadata(call)
        )
    if config.passthrough:
        steer_request(call)
    return RailOutcome.allow(reason=turn.decision.verdict, metadata=_metadata(call))


@action(name=CHECK_OUTPUT, is_system_action=True)
@contained
async def check_output(text: Any = "", events: Events | None = None, **_: Any) -> RailOutcome:
    """Judge the draft; have it revised by the app's own model, or replace it."""
    call = CURRENT.get()
    if call is None:
        return _unguarded()
    if events is None:  # a piece of a stream; `streams` keeps it back where it must not be shown
        return RailOutcome.allow(metadata={"piece": True})
    draft = as_text(text)
    if call.failed and draft == call.replacement():
        return RailOutcome.allow(metadata=_metadata(call))
    reply = await settled(call, draft)
    if reply == draft:
        return RailOutcome.allow(metadata=_metadata(call))
    withhold_reasoning(events)
    if reply is None:
        metadata = _metadata(call) | {"reply": call.replacement()}
        return RailOutcome.block(reason="revise", metadata=metadata)
    return RailOutcome.transform(
        [(TransformTarget.BOT_MESSAGE, reply)], reason=KEY, metadata=_metadata(call)
    )


@action(name=GROUND, is_system_action=True)
@contained
async def ground(text: Any = "", kb: Any = None, **_: Any) -> RailOutcome:
    """Make evidence of what was retrieved, where its document says what it bears on."""
    call = CURRENT.get()
    question = as_text(text)
    if call is None or kb is None or not question:
        return RailOutcome.allow()
    chunks = await kb.search_relevant_chunks(question)
    found = [item for chunk in chunks if (item := _as_evidence(chunk)) is not None]
    try:
        await call.ground(found)
    except CorroboratorError as error:
        call.fail("what was retrieved could not be used", error)
    return RailOutcome.allow(metadata={"evidence": len(found)})


def steer_request(call: GuardedCall) -> None:
    """Put guidance into the request that passthrough sends as it is, and take NeMo's roles out.

    The list is NeMo's own, made of copies; whichever task a rail runs in, it holds the same one.
    """
    request = raw_llm_request.get()
    if not isinstance(request, list) or call.steered:
        return
    messages = without_contexts(request)
    request[:] = steered(messages, call.steering) if call.steering else messages
    call.steered = True


def withhold_reasoning(events: Events) -> None:
    """Empty the reasoning behind a draft that is not sent: NeMo would show it before the reply."""
    for event in events:
        if not isinstance(event, dict):
            continue  # Colang 2 has objects among them, which hold no reasoning
        if event.get("type") == "BotThinking":
            event["content"] = ""
        elif event.get("type") == "ContextUpdate" and "bot_thinking" in event.get("data", {}):
            event["data"]["bot_thinking"] = ""


def _metadata(call: GuardedCall) -> dict[str, Any]:
    """Return what NeMo's log may hold: what was decided, no text, no score."""
    if call.turn is None:
        return {"failed": True}
    decision = call.turn.decision
    return {
        "verdict": decision.verdict,
        "action": decision.action,
        "steered": bool(call.steering),
        "hold": decision.hold,
        "revisions": len(call.guidance),
        "opened": call.turn.opened,
    }


def _unguarded() -> RailOutcome:
    """Refuse to look as if something was checked."""
    problem = f"{KEY}: this engine runs the rail outside a guarded call; see docs/nemo.md"
    return RailOutcome.block(reason=problem, metadata={"reply": problem})


def _rail_id(events: Events | None) -> str | None:
    """Return the id under which NeMo's own log has the rail that runs."""
    rails = [e for e in events or () if isinstance(e, dict) and e.get("type") == "StartInputRail"]
    return str(rails[-1]["uid"]) if rails and rails[-1].get("uid") else None


def _as_evidence(chunk: Mapping[str, Any]) -> Evidence | None:
    """Read what the head of a document says of it: ``corroborator: {domain, source, bearing}``."""
    said = chunk.get(KEY)
    if not isinstance(said, Mapping):
        return None
    text = textwrap.shorten(str(chunk.get("body", "")), TEXT_CHARACTERS, placeholder=" ...")
    try:
        return GivenEvidence.model_validate({"text": text, **said}).evidence()
    except (ValidationError, InputError) as error:
        LOG.warning("the head of a document is no evidence (%s)", type(error).__name__)
        return None
