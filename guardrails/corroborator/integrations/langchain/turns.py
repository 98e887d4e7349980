"""A turn of the guard, followed over the model calls that it takes to answer it."""

import logging
import uuid
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from threading import Lock
from typing import Any

from corroborator.drafts import ReplyVerdict
from corroborator.errors import AuditError, CorroboratorError, EncoderError, TurnError
from corroborator.evidence import Evidence
from corroborator.guard import Guard
from corroborator.messages import Message
from corroborator.reply_check import Assessment
from corroborator.streaming import ReplyStream
from corroborator.turn import Turn

_LOG = logging.getLogger("corroborator")

RELEASE = ReplyVerdict("release", Assessment())


class RefusedReplyError(CorroboratorError):
    """No draft of a structured reply could be released, and a text cannot stand in its place.

    Attributes:
        text: what may be shown to the user instead.
    """

    def __init__(self, text: str) -> None:
        super().__init__("each draft of the structured reply was at fault; see the record")
        self.text = text


class GuardedTurn:
    """Opens a turn and judges its drafts; where something fails, ``on_error`` says what is done.

    For one caller at a time. Once made, it raises nothing.

    Args:
        guard: opens the turn.
        given: see `Guard.open_turn`.

    Raises:
        InputError: the app gave evidence, ids or a state that are none.
    """

    def __init__(self, guard: Guard, **given: Any) -> None:
        self._guard, self._given = guard, given
        self._known: Collection[Evidence] = given.get("evidence", ())
        self.state: Mapping[str, object] | None = None
        self.record: str | None = None
        self.judged = False
        self._open()

    @property
    def hold(self) -> bool:
        """Whether nothing may be shown before it is judged."""
        return self._blocks if self._turn is None else self._turn.hold

    @property
    def steering(self) -> str:
        """Guidance for each model call of the turn."""
        return "" if self._turn is None else self._turn.steering

    def ground(self, evidence: Collection[Evidence]) -> None:
        """Take up what the app has learnt since the turn was opened."""
        new = [item for item in evidence if item not in self._known]
        self._known = evidence
        if self._turn is None or not new:
            return
        try:
            self._turn.ground(new)
        except (TurnError, EncoderError) as error:
            _LOG.warning("new evidence could not be weighed: %s", error)
            self._turn.errors.append(type(error).__name__)
        self.state = self._turn.outcome.after.to_state()

    def judge(self, text: str, *, final: bool) -> ReplyVerdict:
        """Judge a draft; the reply that ends the turn is on record before it is shown.

        Args:
            text: what the draft says; a call of tools may say nothing.
            final: whether the turn ends with this reply.
        """
        self.judged = True
        verdict = self._checked(text)
        if verdict.kind == "replace" or (final and verdict.kind == "release"):
            shown = text if verdict.kind == "release" else verdict.text
            return verdict if self._close(shown) else self._fallback()
        return verdict

    def stream(self) -> ReplyStream:
        """Return what takes a draft that is not held as it comes."""
        if self._turn is None:
            return ReplyStream(hold=False, check=lambda _: RELEASE, read=lambda _: None)
        return self._turn.stream()

    def streamed(self, text: str, *, final: bool) -> None:
        """Note what was shown as it came; it is judged with the reply that ends the turn."""
        self.judged = True
        self._streamed += filter(None, [text])
        if final:
            self._close("")

    def answered(self, text: str) -> bool:
        """End a turn with a reply that was judged; return whether it may be shown."""
        return self._close(text)

    def end(self, error: BaseException | None = None) -> None:
        """End a turn that got no reply; nothing happens to one that has ended.

        Args:
            error: why; the record holds the name of its type.
        """
        if error is not None and self._turn is not None:
            self._turn.errors.append(type(error).__name__)
        self._close(None)

    def again(self) -> None:
        """Open a turn that has ended once more, where another reply to it is asked for.

        The record of that reply says that the turn is repeated; nothing is counted twice.
        """
        if self._turn is not None and self.ended:
            self._given |= {"state": self.state, "evidence": self._known}
            self._open()

    def _open(self) -> None:
        self._streamed: list[str] = []
        self._turn: Turn | None = None
        try:
            self._turn = self._guard.open_turn(**self._given)
        except (AuditError, TurnError, EncoderError) as error:
            _LOG.warning("a turn could not be opened: %s", error)
        engine = self._guard.engine if self._turn is None else self._turn.engine
        self._blocks = engine.policy.audit.on_error == "block"
        self.ended = self._turn is None
        self.state = None if self._turn is None else self._turn.outcome.after.to_state()

    def _checked(self, text: str) -> ReplyVerdict:
        if self._turn is None:
            return self._fallback() if self._blocks else RELEASE
        if not text:
            return RELEASE
        try:
            return self._turn.check(text)
        except (TurnError, EncoderError) as error:
            _LOG.warning("a draft could not be judged: %s", error)
            self._turn.errors.append(type(error).__name__)
        return self._fallback() if self._blocks else RELEASE

    def _close(self, reply: str | None) -> bool:
        """Write the record; return whether the reply may be shown."""
        if self._turn is None or self.ended:
            return True
        self.ended = True
        if self._streamed:
            reply = "\n\n".join([*self._streamed, *filter(None, [reply])])
        try:
            closed = self._turn.close(reply)
        except AuditError as error:  # raised only where the policy blocks
            _LOG.warning("a turn could not be recorded: %s", error)
            return False
        self.state, self.record = dict(closed.state), closed.record
        return True

    def _fallback(self) -> ReplyVerdict:
        return ReplyVerdict("replace", Assessment(), text=self._guard.fallback)


class OpenTurns:
    """The turns of a process that wait for their tools; safe to share between threads.

    A graph's state holds the key of a turn alone, for text and vectors stay in memory. Whoever
    does not find a turn here, after a restart or on another machine, opens it again.

    Args:
        capacity: the oldest of more turns is closed without a reply.
    """

    def __init__(self, capacity: int = 1024) -> None:
        self._capacity = capacity
        self._turns: OrderedDict[str, tuple[Sequence[Message], GuardedTurn]] = OrderedDict()
        self._lock = Lock()

    def take(self, key: str | None, about: Sequence[Message]) -> GuardedTurn | None:
        """Return a turn and forget it; one about something else ends without a reply.

        Args:
            key: what `keep` returned.
            about: the last message of the user; none where a summary has taken its place.
        """
        with self._lock:
            found = self._turns.pop(key, None) if key else None
        if found is None:
            return None
        then, turn = found
        if not about or then == about:
            return turn
        turn.end()
        return None

    def keep(self, turn: GuardedTurn, about: Sequence[Message]) -> str:
        """Keep a turn for the next model call and return its key."""
        key = uuid.uuid4().hex
        with self._lock:
            self._turns[key] = (about, turn)
            over = self._turns.popitem(last=False) if len(self._turns) > self._capacity else None
        if over is not None:
            over[1][1].end()
        return key
