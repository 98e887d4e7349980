"""Set up by each configuration of the test server: a model that writes down what it is asked.

It answers with the demonstration's agreeing draft, and with a kind one when a draft was sent back.
"""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from nemoguardrails import register_provider
from nemoguardrails.types import LLMResponse, LLMResponseChunk

from corroborator.demonstration import load_demonstration

DRAFTS = {t.user: t.drafts for c in load_demonstration().conversations for t in c.turns}


class LoggingEngine:
    """Agrees with the user until a draft was sent back."""

    provider_name, provider_url = "logging", None

    def __init__(self, model: str, **_: Any) -> None:
        self.model_name = model

    async def generate_async(self, prompt: Any, **_: Any) -> LLMResponse:
        return LLMResponse(content=_answer(prompt))

    async def stream_async(self, prompt: Any, **_: Any) -> AsyncIterator[LLMResponseChunk]:
        for number, word in enumerate(_answer(prompt).split(" ")):
            yield LLMResponseChunk(delta_content=word if number == 0 else f" {word}")


def _answer(prompt: Any) -> str:
    dicts = (
        []
        if isinstance(prompt, str)
        else [m if isinstance(m, dict) else m.to_dict() for m in prompt]
    )
    text = prompt if isinstance(prompt, str) else "\n\n".join(str(m["content"]) for m in dicts)
    with Path(os.environ["ENGINE_LOG"]).open("a", encoding="utf-8") as log:
        log.write(json.dumps(text) + "\n")  # one write of a line: appends do not mix
    if text.startswith('"""') and text.rstrip().endswith('"'):
        return "  tell about self"  # a dialog asks what is meant first
    asked = max(DRAFTS, key=text.rfind)
    if asked not in text:
        return "I would say so."
    draft = DRAFTS[asked].revised if "The draft" in text else DRAFTS[asked].plain
    return f'  "{draft}"' if text.startswith('"""') else str(draft)


register_provider("logging", LoggingEngine)
