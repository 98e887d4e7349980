"""One guarded turn with any chat model: ask it, check the draft, ask again within bounds, close."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from corroborator.evidence import Evidence
from corroborator.guard import Guard
from corroborator.record import Draft
from corroborator.turn import ClosedTurn, Turn

ChatMessages = Sequence[Mapping[str, str]]


class ChatModel(Protocol):
    """What writes the replies."""

    def reply(self, messages: ChatMessages, instructions: str) -> str:
        """Return the next reply.

        Args:
            messages: ``{"role", "content"}``, oldest first, the last one from the user.
            instructions: the system prompt for this one call.
        """
        ...


@dataclass(frozen=True, slots=True)
class Exchange:
    """A turn that is over.

    Attributes:
        turn: what was found and decided.
        drafts: what the model wrote and what was done about it, in order.
        reply: what the user got.
        closed: its record, and the state for the next turn.
    """

    turn: Turn
    drafts: tuple[Draft, ...]
    reply: str = field(repr=False)
    closed: ClosedTurn


def exchange(
    guard: Guard,
    model: ChatModel,
    messages: ChatMessages,
    *,
    instructions: str = "",
    state: Mapping[str, object] | None = None,
    conversation: str | None = None,
    evidence: Iterable[Evidence] = (),
) -> Exchange:
    """Answer the last user message under guard.

    The model gets its instructions, then the steering, then the guidance on each draft of this turn
    that was sent back, as paragraphs of their own.

    Args:
        guard: checks and keeps the record.
        model: what writes the drafts.
        messages: the conversation so far, ending with the user's message.
        instructions: the model's own system prompt.
        state: see `Guard.open_turn`.
        conversation: the same.
        evidence: the same.

    Raises:
        InputError, AuditError, TurnError: see `Guard.open_turn`. What the model raises comes
            through; the turn is closed without a reply.
    """
    turn = guard.open_turn(messages, state=state, conversation=conversation, evidence=evidence)
    try:
        drafts = _drafts(turn, model, messages, [instructions, turn.steering])
    except BaseException:
        turn.close()
        raise
    last = drafts[-1]
    reply = last.verdict.text if last.verdict.kind == "replace" else last.text
    return Exchange(turn, tuple(drafts), reply, turn.close(reply))


def _drafts(
    turn: Turn, model: ChatModel, messages: ChatMessages, paragraphs: list[str]
) -> list[Draft]:
    drafts: list[Draft] = []
    while not drafts or drafts[-1].verdict.kind == "revise":
        text = model.reply(messages, "\n\n".join(filter(None, paragraphs)))
        drafts.append(Draft(text, turn.check(text)))
        paragraphs = [*paragraphs, drafts[-1].verdict.guidance]
    return drafts
