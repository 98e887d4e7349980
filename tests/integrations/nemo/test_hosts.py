"""The other ways in: NeMo's test chat, its events, its facade over engines, its manifests."""

from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from nemoguardrails import Guardrails, LLMRails, RailsConfig
from nemoguardrails.guardrails.iorails import IORails
from nemoguardrails.manifests import RailManifest, iter_manifest_import_refs, resolve_import_ref
from nemoguardrails.testing import TestChat

from corroborator import Guard
from corroborator.integrations.nemo import actions as rail_actions
from corroborator.integrations.nemo import embedding, host, settings
from corroborator.observing import TurnReport
from integrations.nemo.conftest import (
    ADOPTS,
    CLAIM,
    DIALOG_FLOWS,
    KIND,
    MODES,
    NEUTRAL,
    RAILS,
    AppOf,
    RecordingModel,
    actions,
    run,
    user,
)
from tiny_world import said


@pytest.fixture
def config(own_guard: Guard, monkeypatch: pytest.MonkeyPatch) -> RailsConfig:
    monkeypatch.setattr(host, "shared_guard", lambda _: own_guard)
    return RailsConfig.from_content(yaml_content=f"import_paths: [{RAILS}]\n{MODES['plain']}")


def test_nemo_s_own_test_chat(config: RailsConfig, own_guard: Guard) -> None:
    chat = TestChat(config, llm_completions=["Paris.", ADOPTS, KIND])
    chat.user(NEUTRAL)
    chat.bot("Paris.")
    chat.user(CLAIM)
    chat.bot(KIND)
    assert actions(own_guard) == ["none", "revised"]


def test_each_turn_is_told_to_the_observer_once(config: RailsConfig, own_guard: Guard) -> None:
    told: list[TurnReport] = []
    own_guard.observer = told.append
    chat = TestChat(config, llm_completions=["Paris.", ADOPTS, KIND])
    chat.user(NEUTRAL)
    chat.bot("Paris.")
    chat.user(CLAIM)
    chat.bot(KIND)
    assert [(report.body or {}).get("action") for report in told] == ["none", "revised"]


def test_telemetry_is_switched_on_in_the_settings_and_off_in_a_trial() -> None:
    settled = {"corroborator": {"telemetry": "opentelemetry", "audit": {"store": None}}}
    policy = settings.read_settings(settled, Path())
    assert policy.telemetry == "opentelemetry"
    assert settings.unrecorded(policy).telemetry == "none"


def test_events(app_of: AppOf, own_guard: Guard) -> None:
    model = RecordingModel(ADOPTS, KIND)
    events = [{"type": "UtteranceUserActionFinished", "final_transcript": CLAIM}]
    output = run(app_of(model).generate_events_async(events=events))
    said = [e["script"] for e in output if e["type"] == "StartUtteranceBotAction"]
    assert said == [KIND]
    assert model.steered == [True, True]
    assert actions(own_guard) == ["revised"]


def test_the_next_engine_says_that_it_cannot_and_the_facade_falls_back(
    config: RailsConfig, own_guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    assert "corroborator check input" in str(IORails.unsupported_reason(config))
    with pytest.raises(ValueError, match="corroborator check input"):
        Guardrails(config, require_iorails=True)
    app = Guardrails(config, llm=RecordingModel(ADOPTS, KIND))
    assert isinstance(app.rails_engine, LLMRails)
    assert "Falling back to LLMRails" in caplog.text
    assert app.generate(messages=user(CLAIM))["content"] == KIND
    assert actions(own_guard) == ["revised"]


@pytest.mark.parametrize("draft", [KIND, ADOPTS])
def test_a_runnable_in_place_of_the_model_is_checked_and_not_steered(
    own_guard: Guard, monkeypatch: pytest.MonkeyPatch, draft: str
) -> None:
    monkeypatch.setattr(host, "shared_guard", lambda _: own_guard)
    asked: list[dict[str, Any]] = []

    async def runnable(context: dict[str, Any], **_: Any) -> str:
        asked.append(context)
        return draft

    yaml = f"import_paths: [{RAILS}]\n{MODES['passthrough']}"
    app = LLMRails(RailsConfig.from_content(yaml_content=yaml))
    app.passthrough_fn = runnable
    reply = app.generate(messages=user(CLAIM))["content"]
    replacement = own_guard.engine.texts.replacements.text("surveillance_claim")
    assert reply == (KIND if draft == KIND else replacement)
    assert asked[0]["user_message"] == CLAIM
    assert len(actions(own_guard)) == 1


def test_the_manifest_is_one_and_an_entry_point_leads_to_it() -> None:
    (found,) = entry_points(group="nemoguardrails.rails", name="corroborator")
    manifest = found.load()
    assert isinstance(manifest, RailManifest)
    refs = [resolve_import_ref(ref) for ref in iter_manifest_import_refs(manifest)]
    assert rail_actions.check_input in refs
    assert rail_actions.check_output in refs


@pytest.mark.parametrize("action", [rail_actions.check_input, rail_actions.check_output])
def test_an_action_that_runs_outside_a_guarded_call_refuses(action: Any) -> None:
    outcome = run(action(text=CLAIM))
    assert outcome.is_blocked
    assert "outside a guarded call" in outcome.reason


def test_one_encoder_serves_both() -> None:
    unrecorded = {"corroborator": {"audit": {"store": None}}}
    guard = settings.shared_guard(settings.read_settings(unrecorded, Path()))
    model = embedding.CorroboratorEmbedding()
    cached: Any = guard.engine.encoder
    assert cached._encoder is model._encoder
    (vector,) = run(model.encode_async(["the same"]))
    assert vector == model.encode(["the same"])[0]
    assert len(vector) == model.embedding_size == 384


def test_registering_the_engine_again_is_no_error() -> None:
    embedding.register()
    embedding.register()


KNOWLEDGE = """```yaml
corroborator: {domain: credential_claim, source: the staff register, bearing: supports}
```
# Nurses

The registration of this user as a nurse was verified today.
"""


@pytest.mark.parametrize("marked", [True, False])
def test_what_is_retrieved_becomes_evidence_where_its_document_says_so(
    own_guard: Guard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, marked: bool
) -> None:
    monkeypatch.setattr(host, "shared_guard", lambda _: own_guard)
    ground = "  retrieval: {flows: [corroborator ground]}"
    (tmp_path / "kb").mkdir()
    document = KNOWLEDGE if marked else KNOWLEDGE.partition("```\n")[2]
    (tmp_path / "kb" / "staff.md").write_text(document, "utf-8")
    (tmp_path / "flows.co").write_text(DIALOG_FLOWS, "utf-8")
    yaml = f"import_paths: [{RAILS}]\n{MODES['dialog']}{ground}\n"
    (tmp_path / "config.yml").write_text(yaml, "utf-8")
    model = RecordingModel("  tell about self", f'  "{KIND}"')
    app = LLMRails(RailsConfig.from_path(str(tmp_path)), llm=model)
    app.generate(messages=user(said("credential_claim")))
    assert ("verified today" in model.prompts[-1].partition("# ")[0]) is marked
    (turn,) = own_guard.audit.records()
    assert turn.detail is not None
    assert bool(turn.detail["evidence"]) is marked
