"""The demonstration model as an engine of NeMo: a configuration runs before it has a real one."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from nemoguardrails import register_provider
from nemoguardrails.types import LLMResponse, LLMResponseChunk

from corroborator.demonstration import DemonstrationModel

ENGINE = "corroborator-demo"


class DemonstrationEngine:
    """Agrees with everything, offline.

    Args:
        model: its name in the configuration.
    """

    provider_name, provider_url = ENGINE, None

    def __init__(self, model: str = "agrees", **_: Any) -> None:
        self.model_name = model
        self._model = DemonstrationModel()

    async def generate_async(self, prompt: Any, **_: Any) -> LLMResponse:
        """Return the next reply."""
        return LLMResponse(content=self._reply(prompt))

    async def stream_async(self, prompt: Any, **_: Any) -> AsyncIterator[LLMResponseChunk]:
        """Yield the next reply, word by word."""
        for number, word in enumerate(self._reply(prompt).split(" ")):
            yield LLMResponseChunk(delta_content=word if number == 0 else f" {word}")

    def _reply(self, prompt: Any) -> str:
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        read = [_as_dict(message) for message in messages]
        told = [m["content"] for m in read if m["role"] == "system"]
        talk = [m for m in read if m["role"] in ("user", "assistant")]
        return self._model.reply(_or_nothing(talk), "\n\n".join(told))


def _as_dict(message: Any) -> dict[str, str]:
    given = message if isinstance(message, dict) else message.to_dict()
    return {"role": given["role"], "content": str(given.get("content") or "")}


def _or_nothing(talk: Sequence[dict[str, str]]) -> Sequence[dict[str, str]]:
    return talk or [{"role": "user", "content": ""}]


def register() -> None:
    """Make the engine known to NeMo."""
    register_provider(ENGINE, DemonstrationEngine)
