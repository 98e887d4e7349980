"""What a caller of NeMo hands over, read as a conversation and as what is meant for us."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from corroborator.errors import InputError
from corroborator.evidence import Bearing, Evidence
from corroborator.integrations.nemo.settings import KEY
from corroborator.yaml_file import first_problem

Messages = list[dict[str, Any]]

_ROLES = frozenset({"user", "assistant", "system", "developer", "tool", "function"})
_ONLY_NEMO = frozenset({"context", "event"})


class GivenEvidence(BaseModel):
    """A piece of evidence as JSON or YAML; see `corroborator.Evidence`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    domain: str
    source: str
    text: str = Field(repr=False)
    bearing: Bearing = "supports"
    time: datetime | None = None

    def evidence(self) -> Evidence:
        """Return it as the guard takes it.

        Raises:
            InputError: the domain does not exist, or a text is empty or too long.
        """
        return Evidence(**self.model_dump())


class HostContext(BaseModel):
    """What an app says of a turn: ``{"role": "context", "content": {"corroborator": {...}}}``.

    Attributes:
        conversation: the app's id of the conversation; its records form one chain.
        subject: the app's id of the person, so that all their records can be erased.
        evidence: what the app knows that bears on the user's claims.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    conversation: str | None = None
    subject: str | None = None
    evidence: tuple[GivenEvidence, ...] = ()

    @classmethod
    def of(cls, messages: Iterable[Mapping[str, Any]]) -> "HostContext":
        """Read it from the context messages; a later one goes before an earlier one.

        Raises:
            InputError: it is not what it should be; names the key, never the value.
        """
        given: dict[str, Any] = {}
        for message in messages:
            content = message.get("content")
            if message.get("role") == "context" and isinstance(content, Mapping):
                given |= _mapping(content.get(KEY))
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            problem = first_problem(error, lambda _: 0)
        # outside the handler: the error would travel with this one as its context
        raise InputError(f"context {KEY}.{problem.key}: {problem.text}")


def _mapping(said: object) -> Mapping[str, Any]:
    if said is None or isinstance(said, Mapping):
        return said or {}
    raise InputError(f"context {KEY}: write a mapping with conversation, subject or evidence")


def copied(messages: Sequence[Mapping[str, Any]]) -> Messages:
    """Return messages that NeMo may write to; the caller's stay as they are."""
    return [dict(message) for message in messages]


def spoken(messages: Iterable[Mapping[str, Any]]) -> Messages:
    """Return the messages that are part of a conversation, without what is for NeMo alone."""
    return [dict(message) for message in messages if message.get("role") in _ROLES]


def without_contexts(messages: Iterable[dict[str, Any]]) -> Messages:
    """Return what a model may be sent; NeMo's own roles are an error to it."""
    return [message for message in messages if message.get("role") not in _ONLY_NEMO]


def from_events(events: Iterable[Mapping[str, Any]]) -> Messages:
    """Return the conversation that a list of events tells."""
    messages: Messages = []
    for event in events:
        match event:
            case {"type": "UtteranceUserActionFinished", "final_transcript": text}:
                messages.append({"role": "user", "content": text})
            case {"type": "StartUtteranceBotAction", "script": text}:
                messages.append({"role": "assistant", "content": text})
            case {"type": "ContextUpdate", "data": data}:
                messages.append({"role": "context", "content": data})
    return messages


def as_events(messages: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the events of which NeMo's prompts tell a conversation."""
    forms = {
        "user": ("UserMessage", "text"),
        "assistant": ("StartUtteranceBotAction", "script"),
    }
    return [
        {"type": forms[m["role"]][0], forms[m["role"]][1]: m["content"]}
        for m in messages
        if m["role"] in forms and m.get("content")
    ]


def told(messages: Messages, state: object) -> Messages:
    """Return the whole conversation: what an earlier call left in `state`, and the messages."""
    if isinstance(state, Mapping):
        return from_events(state.get("events") or ()) + messages
    return messages


def has_tools(messages: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether tools were used; NeMo 0.24 then runs no input rails."""
    return any(m.get("role") == "tool" or m.get("tool_calls") for m in messages)


def steered(messages: Messages, guidance: str) -> Messages:
    """Return the messages with guidance in their instructions."""
    first = messages[0] if messages else {}
    if first.get("role") in ("system", "developer") and isinstance(first.get("content"), str):
        return [{**first, "content": f"{first['content']}\n\n{guidance}"}, *messages[1:]]
    return [{"role": "system", "content": guidance}, *messages]
