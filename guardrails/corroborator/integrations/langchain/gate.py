"""A reply that is not held: its chunks pass when the sentences that they hold are whole."""

from collections import deque
from collections.abc import Iterator

from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

from corroborator.integrations.langchain.turns import GuardedTurn


class StreamGate:
    """Passes chunks on unchanged and in order, each when all of its text may be shown.

    Args:
        turn: judges the text when all of it is out.
        single: whether the turn ends with this reply even if tools are called.
    """

    def __init__(self, turn: GuardedTurn, *, single: bool) -> None:
        self._turn, self._single = turn, single
        self._stream = turn.stream()
        self._waiting: deque[tuple[int, str, ChatGenerationChunk]] = deque()
        self._fed = self._free = 0
        self._shown: list[str] = []
        self._calls = False

    def feed(self, chunk: ChatGenerationChunk) -> Iterator[ChatGenerationChunk]:
        """Take a chunk and yield those that may pass."""
        self._free += len(self._stream.feed(self._taken(chunk)))
        yield from self._passing()

    async def afeed(self, chunk: ChatGenerationChunk) -> list[ChatGenerationChunk]:
        """Do what `feed` does, off the event loop."""
        self._free += len(await self._stream.afeed(self._taken(chunk)))
        return list(self._passing())

    def rest(self) -> Iterator[ChatGenerationChunk]:
        """Yield what still waits, after the last chunk."""
        self._free = self._fed
        yield from self._passing()

    def end(self, *, whole: bool) -> None:
        """Note in the turn what was shown.

        Args:
            whole: whether that is all; else the model failed, or nobody listens any more.
        """
        final = whole and (self._single or not self._calls)
        self._turn.streamed("".join(self._shown), final=final)

    def _taken(self, chunk: ChatGenerationChunk) -> str:
        message = chunk.message
        text = str(message.text)
        self._calls |= isinstance(message, AIMessageChunk) and bool(message.tool_call_chunks)
        self._fed += len(text)
        self._waiting.append((self._fed, text, chunk))
        return text

    def _passing(self) -> Iterator[ChatGenerationChunk]:
        while self._waiting and self._waiting[0][0] <= self._free:
            _, text, chunk = self._waiting.popleft()
            self._shown.append(text)
            yield chunk
