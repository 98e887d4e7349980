"""Run a NeMo configuration once, with a stand-in for its model, and see whether our rails work.

This needs NeMo, and runs what the configuration itself runs when it starts (its ``config.py``).
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("NEMO_GUARDRAILS_NO_USAGE_STATS", "1")  # nobody asked for that here

from nemoguardrails import LLMRails, RailsConfig
from nemoguardrails.types import LLMResponse, LLMResponseChunk

from corroborator.demonstration import load_demonstration
from corroborator.guard import Guard
from corroborator.integrations.nemo import embedding
from corroborator.integrations.nemo.check import Remark
from corroborator.integrations.nemo.settings import on_trial, read_settings, shared_guard


def trial(folder: Path) -> list[Remark]:
    """Return what went otherwise than it should; a note where all is well."""
    try:
        config = RailsConfig.from_path(str(folder))
    except Exception as error:  # noqa: BLE001 - NeMo has many; no text of a user was given yet
        return [Remark("error", f"NeMo cannot load this: {_reason(error)}")]
    if _needs_download(config):
        text = (
            "not tried: its examples or documents need a model that NeMo downloads;"
            f" {{type: embeddings, engine: {embedding.ENGINE}, model: builtin}} needs none"
        )
        return [Remark("note", text)]
    with on_trial(), _quiet():
        try:
            model = _Agreeing()
            guard = shared_guard(read_settings(config.custom_data, folder))
            before = len(list(guard.audit.records()))
            reply = asyncio.run(_answer(LLMRails(config, llm=model), model.claim))
        except Exception as error:  # noqa: BLE001 - as above
            return [Remark("error", f"NeMo cannot run this: {_reason(error)}")]
        return list(_seen(guard, model, reply, before))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep NeMo from warning of what only the trial does."""
    logger = logging.getLogger("nemoguardrails")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


class _Agreeing:
    """A model that agrees with the demonstration's claim, until a draft was sent back."""

    model_name, provider_name, provider_url = "stand-in", "stand-in", None

    def __init__(self) -> None:
        demonstration = load_demonstration()
        turn = demonstration.conversations[0].turns[0]
        self.claim, self.draft = turn.user, turn.drafts.plain
        self._revised, self._sign = str(turn.drafts.revised), demonstration.revision_sign
        self.prompts: list[str] = []

    async def generate_async(self, prompt: Any, **_: Any) -> LLMResponse:
        parts = [prompt] if isinstance(prompt, str) else [_content(m) for m in prompt]
        self.prompts.append("\n\n".join(parts))
        return LLMResponse(content=self._revised if self._sign in self.prompts[-1] else self.draft)

    async def stream_async(self, prompt: Any, **_: Any) -> AsyncIterator[LLMResponseChunk]:
        yield LLMResponseChunk(delta_content=(await self.generate_async(prompt)).content)


def _content(message: Any) -> str:
    given = message if isinstance(message, dict) else message.to_dict()
    return str(given.get("content") or "")


async def _answer(app: LLMRails, claim: str) -> str:
    message = [{"role": "user", "content": claim}]
    result = await app.generate_async(messages=message, options={"log": {}})
    return str(result.response[-1].get("content"))


def _seen(guard: Guard, model: _Agreeing, reply: str, before: int) -> Iterator[Remark]:
    turn = guard.open_turn([{"role": "user", "content": model.claim}])
    turn.close()
    records = list(guard.audit.records())[before:-1]
    if len(records) != 1 or records[0].closed is None:
        yield Remark("error", f"tried: {len(records)} records for one turn; our rails did not run")
        return
    if turn.decision.action == "none":
        yield Remark("note", "tried: the turn was recorded; the policy steers on nothing")
        return
    if not any(turn.steering in prompt for prompt in model.prompts):
        yield Remark("error", "tried: guidance did not reach the model")
    if guard.policy.reply.on_collusion != "release" and model.draft in reply:
        yield Remark("error", "tried: a reply that adopts a claim reached the user")
    else:
        yield Remark("note", "tried: a claim was steered on, its reply checked, the turn recorded")


def _needs_download(config: RailsConfig) -> bool:
    engines = [model.engine for model in config.models if model.type == "embeddings"]
    return bool(config.user_messages or config.docs) and embedding.ENGINE not in engines


def _reason(error: Exception) -> str:
    return str(error.__cause__ or error).partition("\n")[0] or type(error).__name__
