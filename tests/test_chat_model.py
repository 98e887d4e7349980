import sys
from collections.abc import Sequence
from types import ModuleType, SimpleNamespace

import pytest

from corroborator.chat_model import LangChainModel, load_chat_model
from corroborator.demonstration import DemonstrationModel
from corroborator.errors import ConfigError
from tiny_world import CANARY

ASKED = [{"role": "user", "content": CANARY}]


class Echo:
    """A chat model as LangChain has them."""

    def __init__(self) -> None:
        self.given: Sequence[object] = ()

    def invoke(self, messages: Sequence[object]) -> SimpleNamespace:
        self.given = messages
        return SimpleNamespace(text="hello")


class Quoting:
    def invoke(self, messages: Sequence[object]) -> None:
        raise ValueError(f"cannot send {messages}")


def installed(monkeypatch: pytest.MonkeyPatch, init: object) -> None:
    module = ModuleType("langchain.chat_models")
    module.init_chat_model = init  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "langchain", ModuleType("langchain"))
    monkeypatch.setitem(sys.modules, "langchain.chat_models", module)


def test_demo_is_the_demonstration() -> None:
    assert isinstance(load_chat_model("demo"), DemonstrationModel)


def test_without_langchain_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "langchain", None)
    monkeypatch.setitem(sys.modules, "langchain.chat_models", None)
    with pytest.raises(ConfigError, match=r"pip install 'corroborator\[langchain\]'"):
        load_chat_model("openai:gpt-x")


def test_instructions_go_as_the_system_message(monkeypatch: pytest.MonkeyPatch) -> None:
    echo = Echo()
    options: dict[str, str] = {}

    def init(name: str, **more: str) -> Echo:
        options.update(more, name=name)
        return echo

    installed(monkeypatch, init)
    model = load_chat_model("ollama:llama3.2", "http://localhost:11434")
    assert options == {"name": "ollama:llama3.2", "base_url": "http://localhost:11434"}
    assert model.reply(ASKED, "Be kind.") == "hello"
    assert echo.given == [{"role": "system", "content": "Be kind."}, *ASKED]
    model.reply(ASKED, "")
    assert echo.given == ASKED


def test_what_a_provider_lacks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def init(name: str) -> Echo:
        raise ImportError(f"Please install langchain-{name}\nand more")

    installed(monkeypatch, init)
    with pytest.raises(ConfigError, match=r"cannot be used: Please install langchain-x$"):
        load_chat_model("x")


def test_an_error_of_the_model_tells_nothing_of_the_conversation() -> None:
    with pytest.raises(ConfigError, match=r"did not answer \(ValueError\)") as caught:
        LangChainModel(Quoting()).reply(ASKED, "Be kind.")
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None
