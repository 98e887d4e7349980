"""A reply as it is written: what may be shown of it, and when.

Nothing is encoded twice: the vectors of the sentences that are read on the way stay in the
encoder's cache (`corroborator.encoders.CachedEncoder`), where the assessment of the whole reply
finds them.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from corroborator.drafts import ReplyVerdict
from corroborator.errors import InputError
from corroborator.statements import whole_sentences


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """What is to be done when the model has finished.

    Attributes:
        rest: what may still be shown; for a held reply all of it, or what stands in its place.
        verdict: on a held reply. None where it was released as it came: it is assessed, and
            recorded as checked after release, when the turn is closed.
    """

    rest: str = field(repr=False)
    verdict: ReplyVerdict | None = None

    @property
    def revise(self) -> bool:
        """Whether the model is to be asked again, with the verdict's guidance; nothing was shown."""
        return self.verdict is not None and self.verdict.kind == "revise"


class ReplyStream:
    """Takes the chunks of one draft and gives back what may be shown; for one caller at a time.

    A held reply is given back only when all of it was judged. Another is given back sentence by
    sentence: what `feed` and `end` return, joined, is what was fed, however it was cut into chunks.

    Args:
        hold: whether the reply is held, see `Turn.hold`.
        check: judges a whole draft.
        read: encodes the sentences of a text, so that they are known when the whole is assessed;
            it raises nothing.
    """

    def __init__(
        self,
        *,
        hold: bool,
        check: Callable[[str], ReplyVerdict],
        read: Callable[[str], None],
    ) -> None:
        self.hold = hold
        self._check, self._read = check, read
        self._pending = ""

    def feed(self, chunk: str) -> str:
        """Take the next chunk and return what may be shown by now; often nothing.

        Raises:
            InputError: the chunk is no text.
        """
        if ready := self._taken(chunk):
            self._read(ready)
        return ready

    async def afeed(self, chunk: str) -> str:
        """Do what `feed` does; sentences are encoded off the event loop."""
        if ready := self._taken(chunk):
            await asyncio.to_thread(self._read, ready)
        return ready

    def end(self) -> StreamEnd:
        """Return the rest, after the last chunk; a held reply is judged now.

        Raises:
            TurnError: a held reply could not be judged.
        """
        text, self._pending = self._pending, ""
        if not self.hold:
            return StreamEnd(text)
        verdict = self._check(text)
        shown = {"release": text, "revise": "", "replace": verdict.text}
        return StreamEnd(shown[verdict.kind], verdict)

    async def aend(self) -> StreamEnd:
        """Do what `end` does, off the event loop."""
        return await asyncio.to_thread(self.end)

    def _taken(self, chunk: str) -> str:
        if not isinstance(chunk, str):
            raise InputError(f"a chunk is text, not {type(chunk).__name__}")
        self._pending += chunk
        if self.hold:
            return ""
        end = whole_sentences(self._pending)
        ready, self._pending = self._pending[:end], self._pending[end:]
        return ready
