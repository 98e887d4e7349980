"""One turn in progress: what was judged of it, the drafts that are checked, and its end."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

from corroborator.decision import Decision
from corroborator.drafts import ReplyVerdict, judge_draft
from corroborator.engine import Engine, Outcome, TurnInput
from corroborator.errors import CorroboratorError, InputError, TurnError
from corroborator.evidence import Evidence, read_evidence
from corroborator.findings import Finding
from corroborator.record import (
    Draft,
    Released,
    TurnFacts,
    body_of,
    detail_of,
    index_of,
    sealed_of,
)
from corroborator.reply_check import Assessment
from corroborator.streaming import ReplyStream
from corroborator.turn_log import TurnLog

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ClosedTurn:
    """What is left of a turn.

    Attributes:
        record: id of its audit record (chain and sequence number); None where the log failed.
        state: the ledger, as JSON-ready data; pass it to the next `Guard.open_turn`.
    """

    record: str | None
    state: Mapping[str, object]


class Turn:
    """One turn in progress; for one caller at a time.

    Attributes:
        engine: what judges it from its opening to its end; a reload changes nothing in it.
        outcome: everything that was judged when it was opened.
        errors: names of the errors of a failing log.
    """

    def __init__(
        self,
        log: TurnLog,
        engine: Engine,
        given: TurnInput,
        outcome: Outcome,
        started: float,
    ) -> None:
        self.engine, self.outcome, self.errors = engine, outcome, log.errors
        self._log, self._given = log, given
        self._drafts: list[Draft] = []
        self._milliseconds = milliseconds_since(started)
        self._closed: ClosedTurn | None = None

    @property
    def opened(self) -> str | None:
        """Id of the event that opened the record: chain and sequence number; None without a log."""
        return self._log.opened

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found in the new user messages, strongest first."""
        return self.outcome.detection.findings

    @property
    def decision(self) -> Decision:
        """What is done about the turn."""
        return self.outcome.decision

    @property
    def steering(self) -> str:
        """Guidance for the model's instructions of this one turn; empty if there is none."""
        return self.outcome.steering.text

    @property
    def hold(self) -> bool:
        """Whether a streaming host holds the reply back until it is checked."""
        return self.outcome.decision.hold

    def ground(self, evidence: Iterable[Evidence]) -> None:
        """Judge the turn again with evidence that was found after it was opened.

        Raises:
            InputError: it is no series of `Evidence`.
            TurnError: the turn could not be judged; it stays as it was.
        """
        found = (*self._given.evidence, *read_evidence(evidence))
        given = replace(self._given, evidence=found)
        started = time.perf_counter()
        self.outcome = guarded("turn", lambda: self.engine.open(given))
        self._given = given
        self._milliseconds += milliseconds_since(started)

    def check(self, draft: str) -> ReplyVerdict:
        """Judge a reply that the user has not seen; call it again for each revised draft.

        Raises:
            InputError: the draft is no text.
            TurnError: the draft could not be judged.
        """
        _require_text(draft, "a draft")
        started = time.perf_counter()
        verdict = judge_draft(
            self._assess(draft),
            self.outcome.decision,
            self.outcome.after,
            self.engine.policy,
            self.engine.texts,
            revisions=sum(d.verdict.kind == "revise" for d in self._drafts),
            place=self.engine.place(self.outcome.decision, self.outcome.after, self._given.day),
        )
        self._drafts.append(Draft(draft, verdict))
        self._milliseconds += milliseconds_since(started)
        return verdict

    async def acheck(self, draft: str) -> ReplyVerdict:
        """Do what `check` does, off the event loop."""
        return await asyncio.to_thread(self.check, draft)

    def stream(self) -> ReplyStream:
        """Return what takes a draft as the model writes it; use a new one for each draft."""
        return ReplyStream(hold=self.hold, check=self.check, read=self._read)

    def close(self, reply: str | None = None) -> ClosedTurn:
        """Write the record and return the state for the next turn; a second call changes nothing.

        Args:
            reply: what the user saw; None where there was no reply. A reply that was not checked
                as a draft is assessed now and recorded as checked after release; where it cannot
                be assessed, the record says so.

        Raises:
            InputError: the reply is no text.
            AuditError: the log failed and the policy says ``on_error: block``.
        """
        if reply is not None:
            _require_text(reply, "a reply")
        if self._closed is None:
            try:
                self._closed = self._close(reply)
            except CorroboratorError as error:
                self._log.failed(error)
                raise
        return self._closed

    async def aclose(self, reply: str | None = None) -> ClosedTurn:
        """Do what `close` does, off the event loop."""
        return await asyncio.to_thread(self.close, reply)

    def _read(self, text: str) -> None:
        started = time.perf_counter()
        with suppress(CorroboratorError):  # `close` tries again and records what went wrong
            guarded("reply", lambda: self.engine.read_reply(text))
        self._milliseconds += milliseconds_since(started)

    def _assess(self, draft: str) -> Assessment:
        return guarded("draft", lambda: self.engine.assess(self.outcome, draft))

    def _close(self, reply: str | None) -> ClosedTurn:
        facts = TurnFacts(
            self.engine,
            self._given,
            self.outcome,
            tuple(self._drafts),
            self._released(reply),
            round(self._milliseconds, 1),
            tuple(self.errors),
        )
        sealed = sealed_of(facts) if self.engine.policy.audit.content == "sealed" else None
        body, detail = body_of(facts), detail_of(facts)
        record = self._log.write(body, detail, sealed, index_of(facts))
        self._log.over(record, body, detail)
        return ClosedTurn(record, facts.ledger.to_state())

    def _released(self, reply: str | None) -> Released | None:
        if reply is None:
            return None
        retrospective = self._given.retrospective
        for draft in self._drafts:
            if draft.verdict.kind == "replace" and draft.verdict.text == reply:
                return Released(reply, "replacement", None)
            if draft.text == reply:
                return Released(
                    reply,
                    "after_release" if retrospective else "checked",
                    draft.verdict.assessment,
                )
        return Released(reply, "after_release", self._assessed_late(reply))

    def _assessed_late(self, reply: str) -> Assessment | None:
        """Judge a reply that is out already: where that fails, the turn has a record all the same."""
        try:
            return self._assess(reply)
        except CorroboratorError as error:
            self.errors.append(type(error).__name__)
            return None


def guarded(what: str, judge: Callable[[], _T]) -> _T:
    """Judge; what goes wrong is named by its type alone, for it may quote the text.

    Args:
        what: what is judged, for the error.
        judge: does it.

    Raises:
        TurnError: it could not be judged; an error of our own comes through as it is.
    """
    try:
        return judge()
    except CorroboratorError:
        raise
    except Exception as error:  # noqa: BLE001 - the outermost edge
        problem = type(error).__name__
    # outside the handler: the error would travel with this one as its context
    raise TurnError(f"the {what} could not be judged ({problem})")


def _require_text(value: object, what: str) -> None:
    if not isinstance(value, str):
        raise InputError(f"{what} is text, not {type(value).__name__}")


def milliseconds_since(started: float) -> float:
    """Return the time since a reading of `time.perf_counter`."""
    return (time.perf_counter() - started) * 1000
