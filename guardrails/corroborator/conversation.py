"""Which messages of a conversation are new to the ledger."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from corroborator.ledger import Ledger
from corroborator.messages import Message

REBUILT_MESSAGES = 40
"""Without a state at most so many earlier user messages are read again to rebuild the ledger."""

NEW_MESSAGES = 20
"""At most so many new user messages are read in one turn, the last ones; the rest is counted."""


@dataclass(frozen=True, slots=True)
class NewMessages:
    """The user messages of a turn.

    Attributes:
        positions: of the messages to read, in the conversation.
        repeated: whether they were read before: the host asks for another reply to the same turn.
        unread: how many more were left out.
    """

    positions: tuple[int, ...]
    repeated: bool = False
    unread: int = 0


def new_messages(messages: Sequence[Message], ledger: Ledger) -> NewMessages:
    """Return the user messages that the ledger has not seen.

    By the host's message ids where it gives them, else by counting. Where a host has cut the
    history shorter than what was seen, or taken what was seen last out of it, what follows the last
    reply is new. Where nothing is new,
    the last message is judged once more and the ledger does not advance.
    """
    users = [position for position, message in enumerate(messages) if message.role == "user"]
    if not users:
        return NewMessages(())
    fresh = _unseen(messages, users, ledger)
    if not fresh:
        return NewMessages(tuple(users[-1:]), repeated=True)
    return NewMessages(tuple(fresh[-NEW_MESSAGES:]), unread=max(0, len(fresh) - NEW_MESSAGES))


def _unseen(messages: Sequence[Message], users: list[int], ledger: Ledger) -> list[int]:
    if ledger.last_id is not None:
        known = [p for p in users if messages[p].id == ledger.last_id]
        if len(known) == 1:  # an id that stands twice tells nothing
            return [position for position in users if position > known[0]]
        if not known and all(messages[p].id is not None for p in users):
            return _after_last_reply(messages, users)  # what was seen last is not there any more
    if len(users) >= ledger.seen:
        return users[ledger.seen :]
    return _after_last_reply(messages, users)


def _after_last_reply(messages: Sequence[Message], users: Iterable[int]) -> list[int]:
    replies = [p for p, message in enumerate(messages) if message.role == "assistant"]
    last = replies[-1] if replies else -1
    return [position for position in users if position > last]


def earlier_turns(messages: Sequence[Message]) -> Iterator[list[int]]:
    """Yield, for each turn before the last, the positions of its user messages.

    A turn is a run of user messages that a reply follows; the last `REBUILT_MESSAGES` count.
    """
    users = [p for p, message in enumerate(messages) if message.role == "user"]
    current = set(_after_last_reply(messages, users) or users[-1:])
    past = [p for p in users if p not in current][-REBUILT_MESSAGES:]
    turn: list[int] = []
    for position, following in zip_longest(past, past[1:]):
        turn.append(position)
        between = messages[position + 1 : following]
        if following is None or any(message.role == "assistant" for message in between):
            yield turn
            turn = []
