"""Every mode of NeMo by every way into it: what was steered, what got out, what was recorded."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from nemoguardrails import LLMRails
from nemoguardrails.rails.llm.options import RailStatus, RailType

from corroborator import Guard
from integrations.nemo.conftest import (
    ADOPTS,
    CLAIM,
    KIND,
    MODES,
    NEUTRAL,
    AppOf,
    Messages,
    actions,
    records,
    run,
    scripted,
    streamed,
    user,
)

Way = Callable[[LLMRails, Messages], str]


def generate(app: LLMRails, messages: Messages) -> str:
    return str(app.generate(messages=messages)["content"])


def generate_async(app: LLMRails, messages: Messages) -> str:
    return str(run(app.generate_async(messages=messages))["content"])


def with_options(app: LLMRails, messages: Messages) -> str:
    options = {"log": {"activated_rails": True}}
    return str(app.generate(messages=messages, options=options).response[0]["content"])


def prompt(app: LLMRails, messages: Messages) -> str:
    return str(app.generate(prompt=messages[-1]["content"]))


def with_state(app: LLMRails, messages: Messages) -> str:
    return str(app.generate(messages=messages, state={}).response[0]["content"])


def stream(app: LLMRails, messages: Messages) -> str:
    return "".join(run(streamed(app, messages)))


WAYS = [generate, generate_async, with_options, prompt, with_state, stream]

every_mode = pytest.mark.parametrize("mode", MODES)
every_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)


@every_mode
@every_way
def test_a_claim_is_steered_on_in_the_calls_that_answer_it(
    app_of: AppOf, own_guard: Guard, mode: str, way: Way
) -> None:
    model = scripted(mode, f'  "{KIND}"' if "dialog" in mode else KIND)
    messages = user(CLAIM)
    given = copy.deepcopy(messages)
    assert way(app_of(model, mode), messages) == KIND
    assert model.steered == [True] * (2 if "dialog" in mode else 1)
    assert messages == given
    assert actions(own_guard) == ["steered"]


@every_mode
@every_way
def test_a_neutral_message_is_left_alone(
    app_of: AppOf, own_guard: Guard, mode: str, way: Way
) -> None:
    model = scripted(mode, f'  "{KIND}"' if "dialog" in mode else KIND)
    assert way(app_of(model, mode), user(NEUTRAL)) == KIND
    assert not any(model.steered)
    assert actions(own_guard) == ["none"]


@every_mode
@every_way
def test_a_refused_draft_reaches_no_one_and_is_revised(
    app_of: AppOf, own_guard: Guard, mode: str, way: Way
) -> None:
    model = scripted(mode, f'  "{ADOPTS}"' if "dialog" in mode else ADOPTS, KIND)
    assert way(app_of(model, mode), user(CLAIM)) == KIND
    assert "The draft" in model.prompts[-1]
    assert actions(own_guard) == ["revised"]
    detail: Any = records(own_guard)[0].detail
    assert [draft["kind"] for draft in detail["drafts"]] == ["revise", "release"]
    assert detail["reply"]["checked"] == "checked"


@every_mode
@every_way
def test_drafts_that_stay_refused_are_replaced(
    app_of: AppOf, own_guard: Guard, mode: str, way: Way
) -> None:
    model = scripted(mode, f'  "{ADOPTS}"' if "dialog" in mode else ADOPTS, ADOPTS, ADOPTS)
    reply = way(app_of(model, mode), user(CLAIM))
    assert ADOPTS not in reply
    assert reply == own_guard.engine.texts.replacements.text("surveillance_claim")
    assert len(model.prompts) == (4 if "dialog" in mode else 3)
    assert actions(own_guard) == ["replaced"]


@every_mode
@pytest.mark.parametrize("way", [generate, with_options, with_state, stream])
def test_reasoning_behind_a_refused_draft_is_withheld(app_of: AppOf, mode: str, way: Way) -> None:
    model = scripted(mode, ("they are after him", ADOPTS), KIND)
    assert way(app_of(model, mode), user(CLAIM)) == KIND


@every_mode
def test_no_reasoning_in_what_options_ask_for(app_of: AppOf, mode: str) -> None:
    model = scripted(mode, ("they are after him", ADOPTS), KIND)
    options = {"output_vars": True, "log": {"internal_events": True, "llm_calls": False}}
    response = app_of(model, mode).generate(messages=user(CLAIM), options=options)
    assert response.reasoning_content is None
    assert "after him" not in str(response.output_data.get("bot_thinking"))
    assert not [e for e in response.log.internal_events if "after him" in str(e.get("content"))]


@pytest.mark.parametrize("mode", ["plain", "passthrough"])
def test_reasoning_behind_a_reply_that_is_sent_stays(app_of: AppOf, mode: str) -> None:
    reply = generate(app_of(scripted(mode, ("it is Paris", "Paris.")), mode), user(NEUTRAL))
    assert reply == "<think>it is Paris</think>\nParis."


@every_mode
def test_guidance_does_not_outlive_its_turn(app_of: AppOf, own_guard: Guard, mode: str) -> None:
    model = scripted(mode, "one")
    app = app_of(model, mode)
    first = app.generate(messages=user(CLAIM))
    model.prompts.clear()
    model.script = [*(["  ask for the time"] if "dialog" in mode else [])]
    app.generate(messages=[*user(CLAIM), first, *user(NEUTRAL)])
    assert not any(model.steered)
    assert len(actions(own_guard)) == 2


@pytest.mark.parametrize("mode", [mode for mode in MODES if "dialog" not in mode])
def test_consecutive_user_messages_are_all_read(app_of: AppOf, own_guard: Guard, mode: str) -> None:
    model = scripted(mode)
    app_of(model, mode).generate(messages=[*user(CLAIM), *user("So what do I do?")])
    assert model.steered == [True]
    assert actions(own_guard) == ["steered"]


TOOLS: Messages = [
    *user("What is the weather?"),
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "name": "weather", "content": "sunny"},
    {"role": "assistant", "content": "It is sunny."},
]


@pytest.mark.parametrize("mode", ["passthrough", "passthrough, parallel"])
@pytest.mark.parametrize("way", [generate, with_options, stream])
def test_after_tools_were_used_the_turn_is_steered_and_checked(
    app_of: AppOf, own_guard: Guard, mode: str, way: Way
) -> None:
    model = scripted(mode, ADOPTS, KIND)
    messages = [*TOOLS, *user(CLAIM)]
    given = copy.deepcopy(messages)
    assert way(app_of(model, mode), messages) == KIND
    assert model.steered == [True, True]
    assert messages == given
    assert actions(own_guard) == ["revised"]


def test_a_reply_that_calls_a_tool_ends_the_turn_without_a_text(
    app_of: AppOf, own_guard: Guard
) -> None:
    app = app_of(scripted("plain"), "passthrough")
    app.generate(messages=TOOLS[:3])
    assert len(actions(own_guard)) == 1


@every_mode
def test_checking_alone_calls_no_model_and_leaves_one_record(
    app_of: AppOf, own_guard: Guard, mode: str
) -> None:
    model = scripted(mode)
    app = app_of(model, mode)
    said = app.check(user(CLAIM), rail_types=[RailType.INPUT])
    assert said.status is RailStatus.PASSED
    assert said.content == CLAIM
    assert actions(own_guard) == ["steered"]
    draft = [*user(CLAIM), {"role": "assistant", "content": ADOPTS}]
    refused = app.check(draft)
    assert refused.status is RailStatus.BLOCKED
    assert refused.rail == "corroborator check output"
    assert refused.content == own_guard.engine.texts.replacements.text("surveillance_claim")
    fine = app.check([*user(CLAIM), {"role": "assistant", "content": KIND}])
    assert fine.status is RailStatus.PASSED
    assert model.prompts == []
    assert len(actions(own_guard)) == 3


def test_the_record_and_nemo_s_log_name_each_other(app_of: AppOf, own_guard: Guard) -> None:
    options = {"log": {"activated_rails": True, "internal_events": True}}
    response = app_of(scripted("plain")).generate(messages=user(CLAIM), options=options)
    stored = records(own_guard)[0].opened
    rails = [e for e in response.log.internal_events if e["type"] == "StartInputRail"]
    assert stored.body["turn"] == rails[0]["uid"]
    outcome: Any = response.log.activated_rails[0].executed_actions[0].return_value
    assert outcome.metadata["opened"] == f"{stored.chain}/{stored.seq}"
    assert CLAIM not in str(outcome.metadata)
