"""Colang 2: guidance goes into the user's message; drafts are revised and replaced as elsewhere."""

from pathlib import Path

import pytest
from nemoguardrails import LLMRails, RailsConfig
from nemoguardrails.exceptions import LLMCallException
from nemoguardrails.testing import TestChat

from corroborator import Guard
from corroborator.integrations.nemo import host
from integrations.nemo.conftest import (
    ADOPTS,
    CLAIM,
    KIND,
    NEUTRAL,
    RecordingModel,
    actions,
    run,
    streamed,
    user,
)

FLOWS = """
import core
import guardrails
import corroborator.integrations.nemo.rails

flow main
  activate answer user

flow answer user
  global $user_message
  user said something
  $reply = await PassthroughLLMAction(user_message=$user_message)
  bot say $reply

flow input rails $input_text
  corroborator check input

flow output rails $output_text
  corroborator check output
"""


@pytest.fixture
def config(own_guard: Guard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> RailsConfig:
    monkeypatch.chdir(tmp_path)  # NeMo takes a folder named guardrails for its library
    monkeypatch.setattr(host, "shared_guard", lambda _: own_guard)
    return RailsConfig.from_content(
        yaml_content='colang_version: "2.x"\nmodels: []', colang_content=FLOWS
    )


@pytest.mark.parametrize(
    ("script", "reply", "action"),
    [
        ([KIND], KIND, "steered"),
        ([ADOPTS, KIND], KIND, "revised"),
        ([ADOPTS, ADOPTS, ADOPTS], None, "replaced"),
    ],
)
@pytest.mark.parametrize("way", ["generate", "generate_async", "stream_async"])
def test_a_claim(
    config: RailsConfig,
    own_guard: Guard,
    script: list[str],
    reply: str | None,
    action: str,
    way: str,
) -> None:
    model = RecordingModel(*script)
    app = LLMRails(config, llm=model)
    messages = user(CLAIM)
    if way == "stream_async":
        result = "".join(run(streamed(app, messages)))
    elif way == "generate_async":
        result = run(app.generate_async(messages=messages))["content"]
    else:
        result = app.generate(messages=messages)["content"]
    assert result == (reply or own_guard.engine.texts.replacements.text("surveillance_claim"))
    assert all(model.steered)
    assert messages == user(CLAIM)
    assert actions(own_guard) == [action]


def test_a_conversation_by_events(config: RailsConfig, own_guard: Guard) -> None:
    model = RecordingModel(ADOPTS, KIND, "Paris.")
    chat = TestChat(config, llm=model)
    chat.user(CLAIM)
    chat.bot(KIND)
    chat.user(NEUTRAL)
    chat.bot("Paris.")
    assert model.steered == [True, True, False]
    assert actions(own_guard) == ["revised", "none"]


def test_a_model_that_fails_leaves_a_record(config: RailsConfig, own_guard: Guard) -> None:
    app = LLMRails(config, llm=RecordingModel(RuntimeError("out of order")))
    with pytest.raises(LLMCallException):
        app.generate(messages=user(CLAIM))
    assert actions(own_guard) == ["steered"]
