"""LangChain's standard tests for chat models: the fake itself, and guarded, idle and forced on."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests
from pydantic import model_validator

from conftest import GuardOf
from corroborator import Guard
from corroborator.integrations.langchain import GuardedChatModel, guarded_model
from corroborator.integrations.langchain.messages import conversation_of
from corroborator.messages import Message
from smart_chat import ChatSmart, smart_after_a_fault
from tiny_world import said

REFUSED: list[object] = []


class ChatGuarded(GuardedChatModel):
    """Takes the parameters of the fake, for the tests make the model by its class."""

    shared: ClassVar[Guard]

    @model_validator(mode="before")
    @classmethod
    def _around(cls, given: Any) -> Any:
        if not isinstance(given, dict) or "inner" in given:
            return given
        return {"inner": cls.made(given), "guard": cls.shared}

    @classmethod
    def made(cls, given: dict[str, Any]) -> ChatSmart:
        return ChatSmart(**given)


class ChatForced(ChatGuarded):
    """Its first draft of each reply is refused."""

    @classmethod
    def made(cls, given: dict[str, Any]) -> ChatSmart:
        return ChatSmart(script=smart_after_a_fault, **given)


class _Parameters:
    @property
    def chat_model_params(self) -> dict[str, str]:
        return {"model": "smart-1"}

    @property
    def model_override_value(self) -> str:
        return "smart-2"


class _Idle(_Parameters):
    @pytest.fixture(autouse=True)
    def _guard(self, guard: Guard) -> None:
        ChatGuarded.shared = guard


class _Forced(_Parameters):
    @pytest.fixture(autouse=True)
    def _guard(self, guard_of: GuardOf, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Let each message of the user hold a claim, and hold each reply."""

        def claiming(messages: Any) -> list[Message]:
            claim = said("age_claim")
            return [
                replace(m, text=f"{m.text}\n{claim}") if m.role == "user" else m
                for m in conversation_of(messages)
            ]

        monkeypatch.setattr(guarded_model, "conversation_of", claiming)
        ChatGuarded.shared = guard_of("reply: {stream: hold_always}\naudit: {store: null}")
        yield
        for turn in ChatGuarded.shared.audit.records():
            assert turn.detail is not None
            drafts: Any = turn.detail["drafts"]
            REFUSED.extend(draft for draft in drafts if draft["kind"] == "revise")


class TestBareUnit(_Parameters, ChatModelUnitTests):
    chat_model_class: type[BaseChatModel] = ChatSmart


class TestBare(_Parameters, ChatModelIntegrationTests):
    chat_model_class: type[BaseChatModel] = ChatSmart


class TestIdleUnit(_Idle, ChatModelUnitTests):
    chat_model_class: type[BaseChatModel] = ChatGuarded


class TestIdle(_Idle, ChatModelIntegrationTests):
    chat_model_class: type[BaseChatModel] = ChatGuarded


class TestForcedUnit(_Forced, ChatModelUnitTests):
    chat_model_class: type[BaseChatModel] = ChatForced


class TestForced(_Forced, ChatModelIntegrationTests):
    chat_model_class: type[BaseChatModel] = ChatForced


def test_drafts_were_refused_where_that_was_forced() -> None:
    assert len(REFUSED) > 20
