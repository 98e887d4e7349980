"""What goes wrong: nothing is silent, nothing tells what the user wrote, one record is left."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nemoguardrails import LLMRails, RailsConfig
from nemoguardrails.exceptions import LLMCallException

from corroborator import ConfigError, Guard, InputError, StoreError
from corroborator.integrations.nemo import host, settings
from integrations.nemo.conftest import (
    ADOPTS,
    CLAIM,
    KIND,
    MODES,
    RAILS,
    AppOf,
    RecordingModel,
    actions,
    records,
    run,
    streamed,
    user,
)
from tiny_world import CANARY, FailingEncoder, said

AppOn = Callable[..., LLMRails]


@pytest.fixture
def app_on(monkeypatch: pytest.MonkeyPatch) -> AppOn:
    """Return an app with a guard of one's own."""

    def made(guard: Guard, model: RecordingModel, yaml: str = MODES["plain"]) -> LLMRails:
        monkeypatch.setattr(host, "shared_guard", lambda _: guard)
        config = RailsConfig.from_content(yaml_content=f"import_paths: [{RAILS}]\n{yaml}")
        return LLMRails(config, llm=model)

    return made


@pytest.fixture
def failing(tiny_policy: Any) -> Any:
    guard = Guard(tiny_policy(), encoder=FailingEncoder())
    yield guard
    guard.close()


def test_a_model_that_fails_leaves_a_record_without_a_reply(
    app_of: AppOf, own_guard: Guard
) -> None:
    with pytest.raises(LLMCallException):
        app_of(RecordingModel(RuntimeError("out of order"))).generate(messages=user(CLAIM))
    assert actions(own_guard) == ["steered"]
    detail: Any = records(own_guard)[0].detail
    assert detail["reply"] is None


def test_a_model_that_gives_no_other_draft_uses_up_its_attempts(
    app_of: AppOf, own_guard: Guard
) -> None:
    model = RecordingModel(ADOPTS, RuntimeError("busy"), RuntimeError("busy"))
    reply = app_of(model).generate(messages=user(CLAIM))["content"]
    assert reply == own_guard.engine.texts.replacements.text("surveillance_claim")
    assert actions(own_guard) == ["replaced"]


@pytest.mark.parametrize("mode", ["plain", "passthrough"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_turn_that_cannot_be_judged_gets_a_reply_that_helps(
    app_on: AppOn,
    failing: Guard,
    mode: str,
    stream: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = RecordingModel()
    app = app_on(failing, model, MODES[mode])
    messages = user(f"{CANARY} {CLAIM}")
    with caplog.at_level(logging.WARNING):
        reply = (
            "".join(run(streamed(app, messages)))
            if stream
            else app.generate(messages=messages)["content"]
        )
    assert reply == failing.engine.texts.replacements.default.text
    assert model.prompts == []
    assert "could not be judged (RuntimeError)" in caplog.text
    assert CANARY not in caplog.text


def test_a_draft_that_cannot_be_judged_is_not_sent(
    app_on: AppOn, failing: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        reply = app_on(failing, RecordingModel(f"{CANARY} it is.")).generate(messages=user(CLAIM))
    assert CANARY not in reply["content"]
    assert CANARY not in caplog.text
    assert len(actions(failing)) == 1


def test_a_mistake_of_ours_is_contained(
    app_of: AppOf, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: object) -> str:
        raise KeyError(CLAIM)

    monkeypatch.setattr("corroborator.integrations.nemo.actions._rail_id", broken)
    with caplog.at_level(logging.WARNING):
        reply = app_of(RecordingModel()).generate(messages=user(CLAIM))["content"]
    assert "emergency number" in reply
    assert "check_input failed (KeyError)" in caplog.text
    assert CLAIM not in caplog.text


def test_a_log_that_must_not_fail_stops_the_turn(
    app_on: AppOn, tiny_policy: Any, tmp_path: Path
) -> None:
    from tiny_world import WordEncoder  # noqa: PLC0415

    policy = tiny_policy(f"audit: {{store: 'sqlite:///{tmp_path}/log.db', on_error: block}}")
    with Guard(policy, encoder=WordEncoder()) as guard:
        model = RecordingModel()
        app = app_on(guard, model)
        app.generate(messages=user(CLAIM))
        assert len(model.prompts) == 1

        def full(*_: object, **__: object) -> None:
            raise StoreError("the disk is full")

        guard.audit.open_turn = full  # type: ignore[assignment]
        reply = app.generate(messages=user(CLAIM))["content"]
        assert reply == guard.engine.texts.replacements.default.text
        assert len(model.prompts) == 1


def test_exceptions_of_rails_where_they_are_wanted(app_on: AppOn, failing: Guard) -> None:
    app = app_on(failing, RecordingModel(), f"enable_rails_exceptions: true\n{MODES['plain']}")
    reply = app.generate(messages=user(f"{CANARY} {CLAIM}"))
    assert reply["role"] == "exception"
    assert reply["content"]["type"] == "CorroboratorInputRailException"
    assert CANARY not in str(reply["content"]["message"])


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"conversatoin": "c-1"}, "context corroborator.conversatoin: this key is not known"),
        ({"evidence": [{"domain": "credential_claim"}]}, "this key is missing"),
        (
            {"evidence": [{"domain": "credentials", "source": "x", "text": CANARY}]},
            "a domain that there is not",
        ),
        ({"evidence": CANARY}, "context corroborator.evidence"),
        (CANARY, "context corroborator: write a mapping"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_wrong_context_is_refused_by_name_alone(
    app_of: AppOf, own_guard: Guard, given: Any, problem: str, stream: bool
) -> None:
    app = app_of(RecordingModel())
    messages = [{"role": "context", "content": {"corroborator": given}}, *user(CLAIM)]
    with pytest.raises(InputError) as caught:
        run(streamed(app, messages)) if stream else app.generate(messages=messages)
    assert problem in str(caught.value)
    assert CANARY not in repr(caught.value) + repr(caught.value.__context__)
    assert records(own_guard) == []


def test_a_context_in_passthrough_is_not_sent_to_the_model(app_of: AppOf) -> None:
    model = RecordingModel(KIND)
    context = {"role": "context", "content": {"corroborator": {"conversation": "c-1"}}}
    reply = app_of(model, "passthrough").generate(messages=[context, *user("Hello there.")])
    assert reply["content"] == KIND
    assert "context" not in model.prompts[0]


def test_a_person_s_own_conversation_and_erasure(app_of: AppOf, own_guard: Guard) -> None:
    given = {"conversation": "c-17", "subject": "p-3"}
    context = {"role": "context", "content": {"corroborator": given}}
    app_of(RecordingModel()).generate(messages=[context, *user(said("age_claim"))])
    assert records(own_guard)[0].detail is not None
    own_guard.audit.erase_subject("p-3")
    assert [turn.detail for turn in records(own_guard)] == [None]


def test_settings_are_read_strictly(tmp_path: Path) -> None:
    (tmp_path / "rails.yml").write_text("profile: clinical\naudit: {store: null, content: none}\n")
    read = settings.read_settings
    assert read(None, tmp_path).profile == "general"
    assert read({"corroborator": {"policy": "rails.yml"}}, tmp_path).profile == "clinical"
    assert read({"corroborator": {"profile": "observe"}}, tmp_path).profile == "observe"
    off = {"corroborator": {"domains": {"age_claim": {"mode": False}}}}
    assert read(off, tmp_path).mode("age_claim") == "off"
    own = {"corroborator": {"texts": "texts"}}
    assert read(own, tmp_path).texts == tmp_path / "texts"
    for wrong, problem in (
        ({"profil": "clinical"}, "did you mean profile?"),
        ({"policy": "rails.yml", "profile": "clinical"}, "the other settings then stand"),
        ({"policy": 3}, "policy names a file"),
        ("clinical", "write a policy"),
        ({"policy": "not-there.yml"}, "there is no such file"),
    ):
        with pytest.raises(ConfigError, match=problem.replace("?", r"\?")):
            read({"corroborator": wrong}, tmp_path)


def test_a_wrong_policy_stops_the_app_from_starting() -> None:
    yaml = (
        f"import_paths: [{RAILS}]\n{MODES['plain']}\ncustom_data: {{corroborator: {{profil: x}}}}"
    )
    with pytest.raises(RuntimeError) as caught:
        LLMRails(RailsConfig.from_content(yaml_content=yaml), llm=RecordingModel())
    assert "did you mean profile?" in str(caught.value.__cause__)


def test_apps_with_the_same_policy_share_a_guard() -> None:
    one = {"corroborator": {"audit": {"store": None}}}
    other = {"corroborator": {"audit": {"store": None}, "profile": "observe"}}
    guards = [settings.shared_guard(settings.read_settings(d, Path())) for d in (one, one, other)]
    assert guards[0] is guards[1]
    assert guards[0] is not guards[2]
