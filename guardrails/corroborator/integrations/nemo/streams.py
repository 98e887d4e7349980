"""A streamed reply: kept back until it is judged, or passed on as it comes.

NeMo checks a stream in pieces, and can only cut it off. So a reply that is to be held is held here,
until the rails behind the stream have judged the whole of it and had it revised.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from corroborator.integrations.nemo.call import CURRENT, GuardedCall
from corroborator.integrations.nemo.revision import settled

_END = object()


class GuardedStream(AsyncIterator[Any]):
    """What an app's stream gives, as far as it may be shown; the turn is closed with exactly that.

    Args:
        call: opened by the input rail before the first piece comes.
        pieces: NeMo's stream of texts, or of mappings with ``text``.
        checks: whether our output rail is among those of the app.
    """

    def __init__(self, call: GuardedCall, pieces: AsyncIterator[Any], *, checks: bool) -> None:
        self._call = call
        self._shown = _guarded(call, pieces, checks=checks)

    async def __anext__(self) -> Any:
        return await anext(self._shown)

    async def aclose(self) -> None:
        """End the stream and its turn, even before anything was read."""
        await self._shown.aclose()
        self._call.close(None)


async def _guarded(
    call: GuardedCall, pieces: AsyncIterator[Any], *, checks: bool
) -> AsyncGenerator[Any, None]:
    shown: list[str] = []
    held: list[Any] = []
    try:
        async for piece in _within(call, pieces):
            if _is_error(piece):
                held.clear()
                yield piece
                break
            if checks and await _holds(call):
                held.append(piece)
                continue
            shown.append(_text(piece))
            yield piece
        if held:
            reply = await _judged(call, "".join(map(_text, held)))
            shown.append(reply)
            yield reply if isinstance(held[-1], str) else {**held[-1], "text": reply}
        elif not shown and call.final:  # an input rail has answered, and NeMo streams no such text
            shown.append(call.final)
            yield call.final
    finally:
        call.close("".join(shown))  # before NeMo waits for its model to finish
        if isinstance(pieces, AsyncGenerator):
            await pieces.aclose()


async def _holds(call: GuardedCall) -> bool:
    """Return whether the reply is kept back; also where the guard cannot say what to do."""
    turn = await call.open()  # open already, unless no input rail of ours has run
    return turn is None or turn.hold


async def _judged(call: GuardedCall, text: str) -> str:
    """Return what is sent in place of a held text."""
    if call.judged and call.final is not None:
        return call.final
    if text in {u for utterances in call.app.config.bot_messages.values() for u in utterances}:
        return text  # the author's own words, which NeMo does not check either
    token = CURRENT.set(call)
    try:
        return await settled(call, text) or call.replacement()
    finally:
        CURRENT.reset(token)


async def _within(call: GuardedCall, pieces: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Yield the pieces; whoever asks for them, the rails that check them see this call."""
    while True:
        token = CURRENT.set(call)
        try:
            piece = await anext(pieces, _END)
        finally:
            CURRENT.reset(token)
        if piece is _END:
            return
        yield piece


def _text(piece: Any) -> str:
    return piece if isinstance(piece, str) else str(piece.get("text") or "")


def _is_error(piece: Any) -> bool:
    """Return whether a piece is how NeMo ends a stream that goes wrong or is blocked."""
    text = _text(piece)
    if not text.startswith('{"error"'):
        return False
    try:
        return isinstance(json.loads(text)["error"], dict)
    except (ValueError, TypeError, KeyError):
        return False
