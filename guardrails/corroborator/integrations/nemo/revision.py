"""Judge a draft, and ask the app's own model for another one where that is called for."""

from typing import Any

from nemoguardrails.context import llm_call_info_var
from nemoguardrails.llm.call import llm_call
from nemoguardrails.llm.types import Task
from nemoguardrails.logging.explain import LLMCallInfo

from corroborator.integrations.nemo.call import LOG, GuardedCall
from corroborator.integrations.nemo.conversation import as_events, steered

TASK = "corroborator_revise"
"""How the call is named in NeMo's log."""


async def settled(call: GuardedCall, draft: str) -> str | None:
    """Return what is sent: the draft, another one of the app's model, or a text of ours.

    Returns:
        None where the draft must not be sent and there is no model to ask for another.
    """
    call.judged = True
    verdict = await call.check(draft)
    while verdict is not None and verdict.kind == "revise":
        if call.app.llm is None or not call.runs("dialog"):
            return None
        draft = await _revised(call) or draft  # a model that fails uses up its attempts
        verdict = await call.check(draft)
    if verdict is None:
        return call.replacement()
    return verdict.text if verdict.kind == "replace" else draft


async def _revised(call: GuardedCall) -> str | None:
    tasks = call.app.runtime.llm_task_manager
    llm_call_info_var.set(LLMCallInfo(task=TASK))
    try:
        response = await llm_call(
            call.app.llm,
            await _prompt(call),
            stop=None if call.app.config.passthrough else ["User:"],
            llm_params=(call.options and call.options.llm_params) or {},
        )
        parsed: str = tasks.parse_task_output(Task.GENERAL, output=response.content)
    except Exception as error:  # noqa: BLE001 - each provider has its own, and may quote text
        LOG.warning("the model gave no other draft (%s)", type(error).__name__)
        return None
    return parsed.strip() or None


async def _prompt(call: GuardedCall) -> Any:
    """Return the prompt of the main call with all guidance of this turn."""
    app = call.app
    if app.config.passthrough:
        return steered(call.messages, call.steering)
    kb = app.runtime.registered_action_params.get("kb")
    said = call.messages[-1]["content"] if call.messages else ""
    chunks = await kb.search_relevant_chunks(said) if kb and isinstance(said, str) else []
    return app.runtime.llm_task_manager.render_task_prompt(
        task=Task.GENERAL,
        events=as_events(call.messages),
        context={"relevant_chunks": "\n".join(chunk["body"] for chunk in chunks)},
    )
