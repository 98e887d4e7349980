"""What apps do with NeMo, with no word of our rails; run three times by tools/peers_nemo.py."""

import asyncio
from typing import Any

import pytest
from nemoguardrails import LLMRails, RailsConfig
from nemoguardrails.actions import action
from nemoguardrails.rails.llm.options import RailStatus
from nemoguardrails.testing import FakeLLMModel, TestChat

GREETING = """
define user express greeting
  "hello"

define user ask for the weather
  "what is the weather?"

define bot express greeting
  "Hello there!"

define bot tell the weather
  "It is {{ weather }}."

define flow greeting
  user express greeting
  bot express greeting
"""
EMBEDDED = "models: [{type: embeddings, engine: hashed, model: any}]"
STREAMING = """
models: []
rails: {output: {streaming: {enabled: true, chunk_size: 4, context_size: 2, stream_first: false}}}
"""


def chat(colang: str, *completions: str, yaml: str = EMBEDDED) -> TestChat:
    config = RailsConfig.from_content(colang_content=colang, yaml_content=yaml)
    return TestChat(config, llm_completions=list(completions))


def plain(*completions: str, yaml: str = "models: []") -> LLMRails:
    config = RailsConfig.from_content(yaml_content=yaml)
    return LLMRails(config, llm=FakeLLMModel(responses=list(completions)))


def user(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def test_a_flow_with_a_text_of_its_own() -> None:
    talk = chat(GREETING, "  express greeting")
    talk >> "hello"
    talk << "Hello there!"


def test_a_text_that_the_model_writes() -> None:
    talk = chat(GREETING, "  ask for the time", "  tell the time", '  "It is noon."')
    talk >> "what time is it?"
    talk << "It is noon."


def test_two_turns() -> None:
    talk = chat(GREETING, "  express greeting", "  express greeting")
    talk >> "hello"
    talk << "Hello there!"
    talk >> "hello again"
    talk << "Hello there!"


def test_two_texts_in_a_turn() -> None:
    more = GREETING.replace("  bot express greeting\n", "  bot express greeting\n  bot say more\n")
    talk = chat(more + '\ndefine bot say more\n  "How are you?"\n', "  express greeting")
    talk >> "hello"
    talk << "Hello there!\nHow are you?"


def test_branches() -> None:
    colang = (
        GREETING
        + """
define flow weather
  user ask for the weather
  $known = True
  if $known
    $weather = "sunny"
    bot tell the weather
  else
    bot express greeting
"""
    )
    talk = chat(colang, "  ask for the weather")
    talk >> "what is the weather?"
    talk << "It is sunny."


def test_an_action_and_its_value() -> None:
    @action(name="fetch_weather")
    async def fetch_weather() -> str:
        return "foggy"

    flow = "\ndefine flow weather\n  user ask for the weather\n  $weather = execute fetch_weather\n"
    talk = chat(f"{GREETING}{flow}  bot tell the weather\n", "  ask for the weather")
    talk.app.register_action(fetch_weather)
    talk >> "what is the weather?"
    talk << "It is foggy."


def test_an_action_that_fails() -> None:
    @action(name="fetch_weather")
    async def fetch_weather() -> str:
        raise RuntimeError

    flow = "\ndefine flow weather\n  user ask for the weather\n  $weather = execute fetch_weather\n"
    talk = chat(f"{GREETING}{flow}  bot tell the weather\n", "  ask for the weather")
    talk.app.register_action(fetch_weather)
    talk >> "what is the weather?"
    talk << "I'm sorry, an internal error has occurred."


def test_a_rail_of_the_app_that_blocks() -> None:
    colang = """
define bot refuse
  "No."

define subflow no shouting
  if "!" in $user_message
    bot refuse
    stop
"""
    yaml = "models: []\nrails: {input: {flows: [no shouting]}}"
    config = RailsConfig.from_content(colang_content=colang, yaml_content=yaml)
    talk = TestChat(config, llm_completions=["Fine."])
    talk >> "Now!"
    talk << "No."


def test_a_rail_of_the_app_that_rewrites_the_reply() -> None:
    colang = """
define subflow in capitals
  $bot_message = $bot_message.upper()
"""
    yaml = "models: []\nrails: {output: {flows: [in capitals]}}"
    config = RailsConfig.from_content(colang_content=colang, yaml_content=yaml)
    talk = TestChat(config, llm_completions=["Fine."])
    talk >> "How is it?"
    talk << "FINE."


@pytest.mark.parametrize("setting", ["", "passthrough: true"])
def test_without_dialog(setting: str) -> None:
    app = plain("Fine.", "Still fine.", yaml=f"models: []\n{setting}")
    first = app.generate(messages=user("How is it?"))
    assert first == {"role": "assistant", "content": "Fine."}
    second = app.generate(messages=[*user("How is it?"), first, *user("And now?")])
    assert second["content"] == "Still fine."


def test_a_prompt() -> None:
    assert plain("Fine.").generate(prompt="How is it?") == "Fine."


def test_options() -> None:
    options = {"output_vars": ["user_message"], "log": {"activated_rails": True}}
    response = plain("Fine.").generate(messages=user("How is it?"), options=options)
    assert response.response == [{"role": "assistant", "content": "Fine."}]
    assert response.output_data == {"user_message": "How is it?"}
    assert response.log.activated_rails


def test_a_state() -> None:
    app = plain("Fine.", "Still fine.")
    first = app.generate(messages=user("How is it?"), state={})
    second = app.generate(messages=user("And now?"), state=first.state)
    assert second.response[0]["content"] == "Still fine."


def test_variables_in_a_context_message() -> None:
    talk = chat(GREETING.replace("Hello there!", "Hello {{ name }}!"), "  express greeting")
    talk.history.append({"role": "context", "content": {"name": "Ada"}})
    talk >> "hello"
    talk << "Hello Ada!"


def test_parts_of_a_message() -> None:
    parts = [{"type": "text", "text": "What is this?"}]
    app = plain("A cat.", yaml="models: []\npassthrough: true")
    assert app.generate(messages=[{"role": "user", "content": parts}])["content"] == "A cat."


def test_a_system_message() -> None:
    app = plain("Fine.", yaml="models: []\npassthrough: true")
    messages = [{"role": "system", "content": "Be brief."}, *user("How is it?")]
    assert app.generate(messages=messages)["content"] == "Fine."


def test_checking_alone() -> None:
    yaml = "models: []\nrails: {input: {flows: [self]}}"
    colang = "define subflow self\n  $nothing = 1\n"
    config = RailsConfig.from_content(colang_content=colang, yaml_content=yaml)
    app = LLMRails(config, llm=FakeLLMModel(responses=[]))
    assert app.check(user("How is it?")).status is RailStatus.PASSED


@pytest.mark.parametrize("setting", ["", "passthrough: true"])
def test_streams(setting: str) -> None:
    async def read() -> str:
        app = plain("one two three four five six seven", yaml=f"{STREAMING}\n{setting}")
        return "".join([piece async for piece in app.stream_async(messages=user("Count."))])

    assert asyncio.run(read()) == "one two three four five six seven"


def test_events() -> None:
    events = [{"type": "UtteranceUserActionFinished", "final_transcript": "How is it?"}]
    output = plain("Fine.").generate_events(events=events)
    assert [e["script"] for e in output if e["type"] == "StartUtteranceBotAction"] == ["Fine."]


def test_many_at_once() -> None:
    async def ask(number: int) -> str:
        app = plain(f"Number {number}.")
        return str((await app.generate_async(messages=user(f"Say {number}.")))["content"])

    async def all_of_them() -> list[str]:
        return await asyncio.gather(*(ask(number) for number in range(8)))

    assert asyncio.run(all_of_them()) == [f"Number {number}." for number in range(8)]
