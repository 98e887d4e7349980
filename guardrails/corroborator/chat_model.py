"""Chat models for the terminal: the demonstration, or any that LangChain knows by name."""

from importlib import import_module
from typing import Any

from corroborator.demonstration import DemonstrationModel
from corroborator.errors import ConfigError
from corroborator.exchange import ChatMessages, ChatModel

DEMO = "demo"


def load_chat_model(name: str, base_url: str | None = None) -> ChatModel:
    """Return a chat model by name.

    Args:
        name: ``demo``, or what LangChain's ``init_chat_model`` takes, such as ``ollama:llama3.2``.
        base_url: of the server, such as a local Ollama or vLLM.

    Raises:
        ConfigError: the name is not known, or a package for it is not installed.
    """
    if name == DEMO:
        return DemonstrationModel()
    try:
        init_chat_model = import_module("langchain.chat_models").init_chat_model
    except ImportError:
        problem = "models other than demo need LangChain: pip install 'corroborator[langchain]'"
        raise ConfigError(problem) from None
    options = {} if base_url is None else {"base_url": base_url}
    try:
        return LangChainModel(init_chat_model(name, **options))
    except Exception as error:  # noqa: BLE001 - each provider has its own; no text was given yet
        reason = str(error).partition("\n")[0] or type(error).__name__
        problem = f"the model {name} (provider:name) cannot be used: {reason}"
        raise ConfigError(problem) from None


class LangChainModel:
    """A LangChain chat model that answers under guard.

    Args:
        model: a ``BaseChatModel``.
    """

    def __init__(self, model: Any) -> None:
        self._model = model

    def reply(self, messages: ChatMessages, instructions: str) -> str:
        """See `corroborator.exchange.ChatModel`.

        Raises:
            ConfigError: the model did not answer; its own error may quote the conversation, so
                only the kind of it is told.
        """
        system = [{"role": "system", "content": instructions}] if instructions else []
        try:
            return str(self._model.invoke([*system, *messages]).text)
        except Exception as error:  # noqa: BLE001 - each provider has its own
            problem = (
                f"the model did not answer ({type(error).__name__}); check that its server runs,"
                " its name, --base-url and its key"
            )
            raise ConfigError(problem) from None
