"""A chat model that is known, traced, counted and bound like the one inside it."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable, RunnableBinding, RunnableParallel, RunnableSequence
from langchain_core.tools import BaseTool
from pydantic import BaseModel, Field, SerializeAsAny, model_validator

_CARRIED = (
    *("name", "verbose", "callbacks", "tags", "metadata"),
    *("custom_get_token_ids", "disable_streaming", "output_version"),
)


class ModelProxy(BaseChatModel):
    """Everything that LangChain asks of a model but the reply itself.

    Attributes:
        inner: the app's own model.
        cache: off; the inner model's cache holds drafts, which are judged again when they are used.
        structured: whether the reply is structured output.
    """

    inner: SerializeAsAny[BaseChatModel]
    cache: Any = Field(default=False, exclude=True)
    structured: bool = False

    @model_validator(mode="before")
    @classmethod
    def _carry(cls, given: Any) -> Any:
        """Take over what the inner model was told of callbacks, tags and output."""
        if not isinstance(given, Mapping) or not isinstance(given.get("inner"), BaseChatModel):
            return given
        inner = given["inner"]
        return {**{name: getattr(inner, name) for name in _CARRIED}, **given}

    @property
    def _llm_type(self) -> str:
        return self.inner._llm_type

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return self.inner._identifying_params

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return self.inner._get_ls_params(stop=stop, **kwargs)

    def _get_invocation_params(
        self, stop: list[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        return self.inner._get_invocation_params(stop=stop, **kwargs)

    def _resolve_model_profile(self) -> Any:
        return self.inner.profile

    def _should_stream(self, **kwargs: Any) -> bool:
        return self.inner._should_stream(**kwargs)

    def _should_use_protocol_streaming(self, **kwargs: Any) -> bool:
        return self.inner._should_use_protocol_streaming(**kwargs)

    def get_token_ids(self, text: str) -> list[int]:
        """See `BaseChatModel.get_token_ids`."""
        return self.inner.get_token_ids(text)

    def get_num_tokens_from_messages(
        self, messages: list[BaseMessage], tools: Sequence[Any] | None = None
    ) -> int:
        """See `BaseChatModel.get_num_tokens_from_messages`."""
        return self.inner.get_num_tokens_from_messages(messages, tools)

    def __getattr__(self, name: str) -> Any:
        """Return what the inner model has and this one has not, such as ``model_name``."""
        with contextlib.suppress(AttributeError):
            return super().__getattr__(name)  # type: ignore[misc] # pydantic's, for private names
        if name.startswith("_") or name == "inner":
            raise AttributeError(name)
        return getattr(self.inner, name)

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: Any = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """See `BaseChatModel.bind_tools`."""
        bound: Runnable[LanguageModelInput, AIMessage]
        if tool_choice is not None:  # not every model knows it
            kwargs["tool_choice"] = tool_choice
        bound = _around(self.inner.bind_tools(tools, **kwargs), self)
        return bound

    def with_structured_output(
        self, schema: dict[str, Any] | type, **kwargs: Any
    ) -> Runnable[LanguageModelInput, dict[str, Any] | BaseModel]:
        """See `BaseChatModel.with_structured_output`; the inner model's own way is taken.

        Raises:
            RefusedReplyError: when it runs, and no draft could be released.
        """
        told = self.model_copy(update={"structured": True})
        chain: Runnable[LanguageModelInput, dict[str, Any] | BaseModel]
        chain = _around(self.inner.with_structured_output(schema, **kwargs), told)
        return chain


def _around(runnable: Any, proxy: ModelProxy) -> Any:
    """Return a runnable with the proxy in place of the model in it.

    Raises:
        TypeError: there is no chat model where LangChain's own models have one.
    """
    if isinstance(runnable, BaseChatModel):
        return proxy.model_copy(update={"inner": runnable})
    if isinstance(runnable, RunnableBinding):
        return runnable.model_copy(update={"bound": _around(runnable.bound, proxy)})
    if isinstance(runnable, RunnableSequence):
        return RunnableSequence(_around(runnable.first, proxy), *runnable.steps[1:])
    if isinstance(runnable, RunnableParallel):
        return RunnableParallel({k: _around(v, proxy) for k, v in runnable.steps__.items()})
    raise TypeError(f"there is no chat model in a {type(runnable).__name__} to be guarded")
