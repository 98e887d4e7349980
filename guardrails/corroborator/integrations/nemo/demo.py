"""The demonstration model as an engine of NeMo: a configuration runs before it has a real one."""

from collections.abc import AsyncIterator
from typing import Any

from nemoguardrails import register_provider
from nemoguardrails.types import LLMResponse, LLMResponseChunk

from corroborator.demonstration import DemonstrationModel, load_demonstration

ENGINE = "corroborator-demo"

_KNOWN = [turn.user for talk in load_demonstration().conversations for turn in talk.turns]


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
        if isinstance(prompt, str):  # a prompt that NeMo wrote holds instructions and conversation
            asked = max(_KNOWN, key=prompt.rfind)
            said = asked if asked in prompt else ""
            return self._model.reply([{"role": "user", "content": said}], prompt)
        read = [_as_dict(message) for message in prompt]
        told = [m["content"] for m in read if m["role"] == "system"]
        talk = [m for m in read if m["role"] in ("user", "assistant")]
        return self._model.reply(talk, "\n\n".join(told))


def _as_dict(message: Any) -> dict[str, str]:
    given = message if isinstance(message, dict) else message.to_dict()
    return {"role": given["role"], "content": str(given.get("content") or "")}


def register() -> None:
    """Make the engine known to NeMo."""
    register_provider(ENGINE, DemonstrationEngine)
