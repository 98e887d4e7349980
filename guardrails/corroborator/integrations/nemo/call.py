"""One call of a NeMo app under guard: what its rails share, whatever task they run in."""

import asyncio
import logging
import re
from contextvars import ContextVar
from typing import Any

from corroborator.drafts import ReplyVerdict
from corroborator.errors import CorroboratorError
from corroborator.evidence import Evidence
from corroborator.guard import Guard
from corroborator.integrations.nemo.conversation import HostContext, Messages, spoken
from corroborator.turn import Turn

LOG = logging.getLogger("corroborator.nemo")


class GuardedCall:
    """A turn that is opened by the first rail that needs it, and closed once.

    Tasks that NeMo starts for parallel rails see the same object, because a task copies the
    context variable that holds it, not what it refers to.

    Args:
        app: the ``LLMRails`` that is called.
        guard: judges the turn.
        messages: what the caller handed over.
        options: NeMo's for this call.
        streamed: whether the reply is a stream, behind which the app calls itself.

    Attributes:
        messages: what was said so far.
        turn: the turn, once it is open.
        failed: whether the guard cannot vouch for this call.
        judged: whether our output rail has judged a whole draft.
        steered: whether guidance is in the request already.
        final: of a streamed call, what NeMo's rails made of the reply in the end.
        guidance: what each draft that was sent back added to the instructions.
    """

    def __init__(
        self,
        app: Any,
        guard: Guard,
        messages: Messages,
        options: Any = None,
        *,
        streamed: bool = False,
    ) -> None:
        self.app, self.guard, self.options = app, guard, options
        self.messages = spoken(messages)
        self.turn: Turn | None = None
        self.failed = self.judged = self.steered = False
        self._unclaimed, self._over = streamed, False
        self.final: str | None = None
        self.guidance: list[str] = []
        self._context = HostContext.of(messages)
        self._given = [item.evidence() for item in self._context.evidence]
        self._lock = asyncio.Lock()

    def claimed_by(self, app: object) -> bool:
        """Return whether the call that asks is the one behind this stream; true once."""
        if app is not self.app or not self._unclaimed:
            return False
        self._unclaimed = False
        return True

    @property
    def steering(self) -> str:
        """What goes into the model's instructions by now; empty if there is nothing to say."""
        text = self.turn.steering if self.turn is not None else ""
        return "\n\n".join(filter(None, (text, *self.guidance)))

    def runs(self, rails: str) -> bool:
        """Return whether a kind of rails runs under the options of this call."""
        return self.options is None or getattr(self.options.rails, rails) is not False

    async def open(self, said: str = "", host_id: str | None = None) -> Turn | None:
        """Open the turn, where it is not open yet.

        Args:
            said: the user's message as other rails have left it.
            host_id: NeMo's id of the rail that opens it.

        Returns:
            The turn; None where it could not be judged, and where nobody waits for it any more.
        """
        async with self._lock:
            if self.turn is None and not self.failed and not self._over:
                self.messages = self._as_left(said)
                try:
                    self.turn = await self.guard.aopen_turn(
                        self.messages,
                        conversation=self._context.conversation,
                        subject=self._context.subject,
                        evidence=self._given,
                        host_id=host_id,
                    )
                except CorroboratorError as error:
                    self.fail("the turn could not be checked", error)
        return self.turn

    async def check(self, draft: str) -> ReplyVerdict | None:
        """Judge a draft; None where that is not possible."""
        turn = await self.open()
        if turn is None:
            return None
        async with self._lock:
            try:
                verdict = await turn.acheck(draft)
            except CorroboratorError as error:
                self.fail("a draft could not be checked", error)
                return None
        if verdict.kind == "revise":
            self.guidance.append(verdict.guidance)
        return verdict

    async def ground(self, evidence: list[Evidence]) -> None:
        """Judge the open turn again with what was retrieved."""
        if self.turn is not None and evidence:
            await asyncio.to_thread(self.turn.ground, evidence)

    def close(self, reply: str | None) -> None:
        """Write the record.

        Args:
            reply: what the user saw; None where there was nothing.
        """
        self._over = True
        if self.turn is not None:
            self.turn.close(reply or None)

    async def aclose(self, reply: str | None) -> None:
        """Do what `close` does, off the event loop."""
        await asyncio.to_thread(self.close, reply)

    def fail(self, what: str, error: Exception) -> None:
        """Note what went wrong."""
        self.failed = True
        LOG.error("%s: %s", what, error)

    def replacement(self) -> str:
        """Return what is sent where nothing else can be vouched for; it still helps."""
        if self.turn is None:
            return self.guard.engine.texts.replacements.text(None)
        return self.turn.engine.texts.replacements.text(self.turn.decision.lead)

    def _as_left(self, said: str) -> Messages:
        last = self.messages[-1] if self.messages else {}
        if said and last.get("role") == "user":
            return [*self.messages[:-1], {**last, "content": said}]
        return self.messages


_UNSET = re.compile(r"\$[a-z_]+")

CURRENT: ContextVar[GuardedCall | None] = ContextVar("corroborator_call", default=None)


def as_text(value: Any) -> str:
    """Return what a Colang variable holds as text; an unset one arrives as its own name."""
    return value if isinstance(value, str) and not _UNSET.fullmatch(value) else ""
