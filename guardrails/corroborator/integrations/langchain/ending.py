"""A turn ends, whatever becomes of the work in it and of whoever waits for it.

What blocks runs off the event loop. A cancelled task leaves what it awaits: the turn would stay open
for ever, and its record be a gap.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

from corroborator.integrations.langchain.turns import GuardedTurn

_P = ParamSpec("_P")
_T = TypeVar("_T")


async def off_loop(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Return what the work returns; once begun it ends, even if the caller is cancelled."""
    return await asyncio.shield(asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs)))


class EndsItsTurn:
    """As a context, what ends a turn without a reply where the work in it fails."""

    turn: GuardedTurn
    ends = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and self.ends:
            self.turn.end(error)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and self.ends:
            await off_loop(self.turn.end, error)


_Opened = TypeVar("_Opened", bound=EndsItsTurn)


async def opened_off_loop(opening: Callable[[], _Opened]) -> _Opened:
    """Return what opens a turn; where the caller is cancelled meanwhile, the turn ends."""
    work = asyncio.ensure_future(asyncio.to_thread(opening))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError as error:
        cancelled = error

        def end(done: asyncio.Task[_Opened]) -> None:
            if not done.cancelled() and done.exception() is None:
                turn = done.result().turn
                done.get_loop().run_in_executor(None, turn.end, cancelled)

        work.add_done_callback(end)
        raise
