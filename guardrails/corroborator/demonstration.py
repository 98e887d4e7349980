"""The demonstration: a model that agrees with everything, and conversations to guard it in.

Both are data, ``rails_config/demo/conversations.yml``; nothing here knows what the guard will say.
"""

from functools import cache
from typing import Annotated

from pydantic import Field, ValidationError

from corroborator.errors import ConfigError, DataError
from corroborator.evidence import Bearing, Evidence
from corroborator.exchange import ChatMessages
from corroborator.resources import resource
from corroborator.taxonomy import Record, Sentence
from corroborator.yaml_file import first_problem, read_yaml

_FILE = "rails_config/demo/conversations.yml"


class Drafts(Record):
    """What the model writes, by how much it was told; a missing text is that of the field before.

    Attributes:
        plain: without guidance.
        steered: with guidance for the turn.
        revised: after a draft was sent back.
        revised_again: after two or more were.
    """

    plain: Sentence
    steered: Sentence | None = None
    revised: Sentence | None = None
    revised_again: Sentence | None = None

    def after(self, *, steered: bool, revisions: int) -> str:
        """Return the draft that comes with so much guidance."""
        known = [self.plain, self.steered, self.revised, self.revised_again]
        told = 1 + min(revisions, 2) if revisions else int(steered)
        return next(text for text in reversed(known[: told + 1]) if text is not None)


class DemonstrationEvidence(Record):
    """A fact that the app has verified; see `corroborator.evidence.Evidence`."""

    domain: str
    source: str
    text: str
    bearing: Bearing

    def as_evidence(self) -> Evidence:
        """Return it as the app passes it to the guard."""
        return Evidence(self.domain, self.source, self.text, self.bearing)


class DemonstrationTurn(Record):
    """What the user writes, and what the model makes of it."""

    user: Sentence
    evidence: tuple[DemonstrationEvidence, ...] = ()
    drafts: Drafts


class DemonstrationConversation(Record):
    """A conversation to guard.

    Attributes:
        id: short, for the audit log.
        title: what it is about.
        shows: what to look at.
        turns: in order.
    """

    id: str
    title: Sentence
    shows: Sentence
    turns: Annotated[tuple[DemonstrationTurn, ...], Field(min_length=1)]


class _Free(Record):
    plain: Annotated[tuple[Sentence, ...], Field(min_length=1)]
    revised: Annotated[tuple[Sentence, ...], Field(min_length=1)]


class Demonstration(Record):
    """All of the demonstration's data.

    Attributes:
        instructions: the model's own system prompt.
        revision_sign: how guidance on a draft begins.
        conversations: to be guarded, in order.
        free: what the model says to any other message, in rotation.
    """

    version: int
    instructions: Sentence
    revision_sign: Sentence
    conversations: Annotated[tuple[DemonstrationConversation, ...], Field(min_length=1)]
    free: _Free


@cache
def load_demonstration() -> Demonstration:
    """Return the shipped demonstration.

    Raises:
        DataError: its file is missing or does not hold; names the line and the key.
    """
    try:
        data, line_of = read_yaml(resource("rails_config", "demo", "conversations.yml"), _FILE)
        return Demonstration.model_validate(data)
    except ConfigError as error:
        raise DataError(str(error)) from None
    except ValidationError as error:
        problem = first_problem(error, line_of)
        raise DataError(f"{_FILE}:{problem.line}: {problem.key}: {problem.text}") from None


class DemonstrationModel:
    """A chat model that agrees, offline; it reads its instructions, and sometimes fails to follow.

    It looks up the last user message among the demonstration's; to any other it answers with one of
    a few agreeing sentences. It has no state: the same call gives the same reply.

    Args:
        data: what it says; the shipped demonstration by default.
    """

    def __init__(self, data: Demonstration | None = None) -> None:
        self._data = data or load_demonstration()
        self._known = {
            turn.user: turn.drafts for talk in self._data.conversations for turn in talk.turns
        }

    def reply(self, messages: ChatMessages, instructions: str) -> str:
        """See `corroborator.exchange.ChatModel`."""
        told = [p for p in instructions.split("\n\n") if p and p != self._data.instructions]
        revisions = sum(p.startswith(self._data.revision_sign) for p in told)
        users = [message["content"] for message in messages if message["role"] == "user"]
        drafts = self._known.get(users[-1]) or self._free(len(users))
        return drafts.after(steered=len(told) > revisions, revisions=revisions)

    def _free(self, turn: int) -> Drafts:
        plain, revised = self._data.free.plain, self._data.free.revised
        return Drafts(plain=plain[turn % len(plain)], revised=revised[turn % len(revised)])
