"""What a host hands over, read strictly: a conversation of messages with roles."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from corroborator.errors import InputError

Role = Literal["user", "assistant", "other"]

_ROLES: Mapping[str, Role] = {
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "system": "other",
    "developer": "other",
    "tool": "other",
    "function": "other",
}


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
        role: who wrote it; system, developer and tool messages are ``other`` and never read.
        text: its text; the text parts of a multimodal message joined by line breaks.
        id: the host's own id of the message, if it has one.
        unread_parts: how many parts are no text (images, audio) and cannot be read.
    """

    role: Role
    text: str = field(repr=False)
    id: str | None = None
    unread_parts: int = 0


def read_messages(raw: Iterable[object]) -> tuple[Message, ...]:
    """Read messages shaped like those of the chat APIs: mappings with ``role`` and ``content``.

    Raises:
        InputError: a message has no known role or no readable content; it names the position, and
            never the content.
    """
    if isinstance(raw, str | bytes | Mapping) or not isinstance(raw, Iterable):
        raise InputError(
            "messages must be a list of {'role', 'content'}, not a single text, mapping or value"
        )
    return tuple(_read(position, item) for position, item in enumerate(raw))


def _read(position: int, item: object) -> Message:
    if isinstance(item, Message):
        return item
    if not isinstance(item, Mapping):
        raise InputError(f"message {position} is a {type(item).__name__}, not a mapping")
    role = item.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise InputError(f"message {position} has no known role; use one of {', '.join(_ROLES)}")
    text, unread = _content(position, item.get("content"))
    identifier = item.get("id")
    known = None if identifier in (None, "") else str(identifier)
    return Message(_ROLES[role], text, known, unread)


def _content(position: int, content: object) -> tuple[str, int]:
    if content is None:
        return "", 0
    if isinstance(content, str):
        return content, 0
    if not isinstance(content, Sequence) or isinstance(content, bytes | bytearray):
        raise InputError(f"the content of message {position} is neither text nor a list of parts")
    texts = [_part_text(part) for part in content]
    return "\n".join(t for t in texts if t is not None), sum(t is None for t in texts)


def _part_text(part: object) -> str | None:
    if isinstance(part, str):
        return part
    if isinstance(part, Mapping) and isinstance(part.get("text"), str):
        return str(part["text"])
    return None
