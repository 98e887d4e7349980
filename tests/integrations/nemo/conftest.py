"""NeMo apps in the tiny world, with a model that records what it is asked."""

import asyncio
import copy
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

# NeMo reads both when it is imported
os.environ["NEMO_GUARDRAILS_NO_USAGE_STATS"] = "1"
os.environ["COLANGPATH"] = str(Path(__file__).parents[3] / "guardrails")

import pytest
from nemoguardrails import LLMRails, RailsConfig
from nemoguardrails.types import LLMResponse, LLMResponseChunk

from corroborator import Guard
from corroborator.audit import StoredTurn
from corroborator.integrations.nemo import host, settings
from tiny_world import said

Messages = list[dict[str, Any]]
Result = TypeVar("Result")


def pytest_configure(config: pytest.Config) -> None:
    """Let the host's own warnings pass; ours are errors here too."""
    for host_module in ("nemoguardrails", "uvicorn", "websockets", "fastapi", "starlette"):
        config.addinivalue_line("filterwarnings", rf"ignore:::{host_module}(\..*)?$")


RAILS = "corroborator/integrations/nemo/rails"
SAMPLE = "as you describe it"
"""Stands in the guidance on the claim below, and nowhere else."""

CLAIM = said("surveillance_claim")
NEUTRAL = "What is the capital of France?"
ADOPTS = f"They do it, k1. {CLAIM}"
KIND = "That sounds hard."


class RecordingModel:
    """A chat model that answers from a script and keeps what it was asked.

    A scripted ``(reasoning, text)`` comes with a reasoning trace; an exception is raised.
    """

    model_name, provider_name, provider_url = "recording", "recording", None

    def __init__(self, *script: str | tuple[str, str] | Exception) -> None:
        self.script = list(script)
        self.prompts: list[str] = []

    @property
    def steered(self) -> list[bool]:
        """Whether guidance stood in each prompt so far."""
        return [SAMPLE in prompt for prompt in self.prompts]

    async def generate_async(self, prompt: Any, **_: Any) -> LLMResponse:
        await asyncio.sleep(0)
        reasoning, text = self._next(prompt)
        return LLMResponse(content=text, reasoning=reasoning)

    async def stream_async(self, prompt: Any, **_: Any) -> AsyncIterator[LLMResponseChunk]:
        reasoning, text = self._next(prompt)
        if reasoning:
            yield LLMResponseChunk(delta_reasoning=reasoning)
        for number, word in enumerate(text.split(" ")):
            await asyncio.sleep(0)
            yield LLMResponseChunk(delta_content=word if number == 0 else f" {word}")

    def _next(self, prompt: Any) -> tuple[str | None, str]:
        self.prompts.append(_plain(prompt))
        answer = self.script.pop(0) if self.script else KIND
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, tuple) else (None, answer)


def _plain(prompt: Any) -> str:
    if isinstance(prompt, str):
        return prompt
    dicts = (m if isinstance(m, dict) else m.to_dict() for m in prompt)
    return "\n".join(f"{m['role']}: {m.get('content')}" for m in dicts)


RAILS_ON = """
rails:
  input: {flows: [corroborator check input]}
  output:
    flows: [corroborator check output]
    streaming: {enabled: true, chunk_size: 4, context_size: 2}
"""
PARALLEL_ON = RAILS_ON.replace("input: {", "input: {parallel: true, ").replace(
    "output:\n", "output:\n    parallel: true\n"
)
EMBEDDINGS = "models: [{type: embeddings, engine: corroborator, model: builtin}]"
DIALOG_FLOWS = """
define user tell about self
  "they are after me"
  "I told you about it"

define user ask for the time
  "what time is it?"

define bot give the time
  "It is noon."

define flow telling
  user tell about self
  bot answer kindly

define flow time
  user ask for the time
  bot give the time
"""
INTENT = "  tell about self"
"""What a model in a dialog says first."""

MODES = {
    "plain": f"models: []\n{RAILS_ON}",
    "passthrough": f"models: []\npassthrough: true\n{RAILS_ON}",
    "plain, parallel": f"models: []\n{PARALLEL_ON}",
    "passthrough, parallel": f"models: []\npassthrough: true\n{PARALLEL_ON}",
    "dialog": f"{EMBEDDINGS}\n{RAILS_ON}",
    "dialog, parallel": f"{EMBEDDINGS}\n{PARALLEL_ON}",
}


def scripted(mode: str, *replies: str | tuple[str, str]) -> RecordingModel:
    """Return a model that says what a mode needs before its first reply."""
    return RecordingModel(*([INTENT] if "dialog" in mode else []), *replies)


AppOf = Callable[..., LLMRails]


@pytest.fixture(autouse=True)
def _loop() -> Iterator[None]:
    """One event loop for a test: NeMo makes one where there is none, and never closes it."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.close()
    asyncio.set_event_loop(None)


@pytest.fixture
def own_guard(guard: Guard) -> Guard:
    """The guard of all apps that a test makes: the tiny one."""
    return guard


_apps: dict[tuple[str, str], LLMRails] = {}


@pytest.fixture
def app_of(own_guard: Guard, monkeypatch: pytest.MonkeyPatch) -> AppOf:
    """Return an app by its mode, or by its YAML, and its model.

    An app takes NeMo most of a second to make, so tests share them; each has its own model, guard
    and history.
    """
    shared = copy.copy(own_guard)

    def made(model: Any, mode: str = "plain", colang: str = "") -> LLMRails:
        flows = DIALOG_FLOWS if mode.startswith("dialog") else colang
        if (mode, flows) not in _apps:
            yaml = f"import_paths: [{RAILS}]\n{MODES.get(mode, mode)}"
            config = RailsConfig.from_content(yaml_content=yaml, colang_content=flows)
            monkeypatch.setattr(host, "shared_guard", lambda _: shared)
            _apps[mode, flows] = LLMRails(config, llm=RecordingModel())
            _guards[mode, flows] = shared
        app = _apps[mode, flows]
        _guards[mode, flows].audit = own_guard.audit
        app.update_llm(model)
        app.events_history_cache.clear()
        return app

    return made


_guards: dict[tuple[str, str], Guard] = {}


@pytest.fixture(autouse=True)
def _own_settings() -> Iterator[None]:
    yield
    settings.close_guards()


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run something in the loop of the test."""
    return asyncio.get_event_loop().run_until_complete(coroutine)


def user(text: str) -> Messages:
    return [{"role": "user", "content": text}]


async def streamed(app: LLMRails, messages: Messages, **options: Any) -> list[Any]:
    return [piece async for piece in app.stream_async(messages=messages, **options)]


def records(guard: Guard) -> list[StoredTurn]:
    return list(guard.audit.records())


def actions(guard: Guard) -> list[object]:
    """Return what was done in each turn; a turn that was not closed is None."""
    return [t.closed and t.closed.body["action"] for t in records(guard)]
