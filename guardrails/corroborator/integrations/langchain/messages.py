"""Between LangChain's messages and what the guard reads and writes."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    SystemMessage,
)
from langchain_core.messages.ai import UsageMetadata, add_usage
from langchain_core.outputs import ChatGenerationChunk

from corroborator.messages import Message, Role

_ROLES: Mapping[str, Role] = {"human": "user", "user": "user", "ai": "assistant"}
_TEXTS = (None, "text", "input_text")
_KEPT = ("model_name", "model_provider")
"""What a replacement keeps of a draft's metadata; the rest, such as log probabilities, holds text."""


def conversation_of(messages: Sequence[BaseMessage], *, known: bool = False) -> list[Message]:
    """Return the conversation as the guard reads it.

    Args:
        messages: all of them.
        known: whether a ledger holds what was said before. Then a summary in place of that is not
            read. Its mark can be set by whoever sends messages, so it counts nowhere else.
    """
    read = [_message(message) for message in messages]
    if known and len(read) > 1 and "lc_source" in messages[0].additional_kwargs:
        read[0] = replace(read[0], role="other")
    return read


def _message(message: BaseMessage) -> Message:
    kind = message.role if isinstance(message, ChatMessage) else message.type.lower()
    role = _ROLES.get(kind.removesuffix("messagechunk"), "other")
    blocks = message.content if isinstance(message.content, list) else [message.content]
    texts = [_block_text(block) for block in blocks]
    text = "\n".join(text for text in texts if text is not None)
    return Message(role, text, message.id, texts.count(None))


def _block_text(block: str | dict[str, Any]) -> str | None:
    """Return the text of a block, as LangChain or one of the providers writes it."""
    if isinstance(block, str):
        return block
    text = block.get("text")
    return text if isinstance(text, str) and block.get("type") in _TEXTS else None


def draft_text(message: AIMessage, actions: Collection[str] | None = None) -> str:
    """Return what a user would read of a draft.

    Args:
        message: the draft. Images, reasoning and thinking are no text of the reply.
        actions: names of the tools that act; the arguments of a call of another one are structured
            output, and read. By default no arguments are read.
    """
    text = str(message.text)
    parsed = _parsed(text) if text.lstrip()[:1] in ("{", "[") else text
    texts = list(_strings(parsed)) or [text]
    if actions is not None:
        for call in message.tool_calls:
            if call["name"] not in actions:
                texts += _strings(call["args"])
    return "\n".join(filter(None, texts))


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # nested as deep as no app's output is
        return text


def _strings(value: object) -> Iterator[str]:
    """Yield the strings in a value, in order, however deep."""
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, Mapping):
            left += reversed(list(item.values()))
        elif isinstance(item, list | tuple):
            left += reversed(item)


def instructed(messages: Sequence[BaseMessage], *paragraphs: str) -> list[BaseMessage]:
    """Return messages whose system message ends with more paragraphs; nothing is changed in place.

    Text stays text: some servers take no list of blocks in a system message. What marks of a prompt
    cache there are keep their place.
    """
    added = "\n\n".join(filter(None, paragraphs))
    if not added:
        return list(messages)
    if not messages or not isinstance(messages[0], SystemMessage):
        return [SystemMessage(added), *messages]
    system, *others = messages
    content = system.content
    more: Any = (
        f"{content}\n\n{added}"
        if isinstance(content, str)
        else [*content, {"type": "text", "text": added}]
    )
    return [system.model_copy(update={"content": more}), *others]


def spent(earlier: UsageMetadata | None, later: UsageMetadata | None) -> UsageMetadata | None:
    """Return the tokens of two drafts together."""
    return add_usage(earlier, later) if earlier or later else None


def replaced(draft: AIMessage, text: str) -> AIMessage:
    """Return a text of ours in place of a draft; nothing that the draft said is in it."""
    kept = {key: draft.response_metadata[key] for key in _KEPT if key in draft.response_metadata}
    return AIMessage(
        text,
        id=draft.id,
        name=draft.name,
        response_metadata=kept,
        usage_metadata=draft.usage_metadata,
    )


def as_chunk(message: AIMessage) -> ChatGenerationChunk:
    """Return a whole message as the only chunk of a stream."""
    calls = [
        {
            "name": call["name"],
            "args": call["args"] if isinstance(call["args"], str) else json.dumps(call["args"]),
            "id": call["id"],
            "index": index,
            "type": "tool_call_chunk",
        }
        for index, call in enumerate([*message.tool_calls, *message.invalid_tool_calls])
    ]
    fields = {
        name: getattr(message, name)
        for name in ("content", "id", "name", "additional_kwargs", "response_metadata")
    }
    return ChatGenerationChunk(
        message=AIMessageChunk(
            **fields,
            usage_metadata=message.usage_metadata,
            tool_call_chunks=calls,
            chunk_position="last",
        )
    )


def with_usage(
    chunks: Sequence[ChatGenerationChunk], earlier: UsageMetadata | None
) -> list[ChatGenerationChunk]:
    """Return the chunks of a draft with the tokens of the drafts before it added to the last."""
    if earlier is None or not chunks:
        return list(chunks)
    *first, last = chunks
    message = last.message
    usage = spent(earlier, getattr(message, "usage_metadata", None))
    counted = message.model_copy(update={"usage_metadata": usage})
    return [*first, ChatGenerationChunk(message=counted, generation_info=last.generation_info)]
