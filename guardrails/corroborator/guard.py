"""The guard: the whole way of a turn, with no framework in it."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from corroborator.audit import AuditLog, IndexRow, MasterKey, Record, TurnHandle
from corroborator.decision import Decision
from corroborator.drafts import ReplyVerdict, judge_draft, replacement
from corroborator.encoders import CachedEncoder, Encoder, load_encoder
from corroborator.engine import Engine, Outcome, TurnInput
from corroborator.errors import AuditError, CorroboratorError, InputError, TurnError
from corroborator.evidence import Evidence, read_evidence
from corroborator.findings import Finding
from corroborator.ledger import Ledger
from corroborator.messages import read_messages
from corroborator.observing import TurnReport, load_observer
from corroborator.policy import Policy, load_policy, refuse_fixed
from corroborator.record import (
    Draft,
    Released,
    TurnFacts,
    body_of,
    configuration_of,
    detail_of,
    index_of,
    opened_of,
    sealed_of,
    versions_of,
)
from corroborator.reply_check import Assessment
from corroborator.streaming import ReplyStream
from corroborator.support_resources import Need

_T = TypeVar("_T")
_LOG = logging.getLogger("corroborator")


@dataclass(frozen=True, slots=True)
class ClosedTurn:
    """What is left of a turn.

    Attributes:
        record: id of its audit record (chain and sequence number); None where the log failed.
        state: the ledger, as JSON-ready data; pass it to the next `Guard.open_turn`.
    """

    record: str | None
    state: Mapping[str, object]


class Guard:
    """Checks user messages, steers, checks drafts, and keeps the record; share it freely.

    Safe to share between threads and tasks. What judges (`engine`) is immutable, and `reload` puts
    another one in its place.

    Args:
        policy: what is wanted; the ``general`` profile by default.
        encoder: in place of the one that the policy names.
        audit: in place of the store that the policy names; it is not closed by `close`.
        master_key: for sealed content; by default from the environment or the key file.

    Raises:
        ConfigError, DataError, EncoderError, AuditError: something the policy names cannot be used.
    """

    def __init__(
        self,
        policy: Policy | None = None,
        *,
        encoder: Encoder | None = None,
        audit: AuditLog | None = None,
        master_key: MasterKey | None = None,
    ) -> None:
        chosen = policy or load_policy()
        self.observer = load_observer(chosen.telemetry)
        inner = encoder or load_encoder(chosen.encoder)
        self.engine = Engine.load(chosen, CachedEncoder(inner))
        self._fixed_encoder = encoder is not None
        self._file: Path | None = None
        self._reloading = threading.Lock()
        self._owns_audit = audit is None
        self.audit = audit or _open_audit(chosen, master_key)
        try:
            self._announce(self.engine)
        except AuditError:
            self.close()
            raise

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """Build a guard from a policy file; see `corroborator.load_policy`."""
        guard = cls(load_policy(path))
        guard._file = Path(path)
        return guard

    @property
    def policy(self) -> Policy:
        """The policy by which turns are opened now."""
        return self.engine.policy

    def reload(self, path: str | Path | None = None) -> bool:
        """Take the policy file, and the texts, exemplars and model that it names, as they are now.

        A turn in progress ends by what it was opened with; one that is opened after this returns
        goes by the new, and none by some of both. The log has an event of the change before the
        first turn that goes by it. Retention is applied when a guard starts, not here.

        Args:
            path: the policy file; by default the one that `from_yaml` was given.

        Returns:
            Whether anything is other than before.

        Raises:
            InputError: there is no file to read.
            ConfigError, DataError, EncoderError: something is not right; all stays as it was. That
                is so also where the file names another store, or keeps other content in it.
            AuditError: the log failed, and the policy says ``on_error: block``; all stays too.
        """
        with self._reloading:
            file = self._file if path is None else Path(path)
            if file is None:
                raise InputError("this guard was not made from a file; give the path of the policy")
            policy, before = load_policy(file), self.engine
            refuse_fixed(before.policy, policy, file)
            encoder = before.encoder
            if policy.encoder != before.policy.encoder and not self._fixed_encoder:
                encoder = CachedEncoder(load_encoder(policy.encoder))
            after = Engine.load(policy, encoder)
            self._announce(after)
            self.engine = after
            return configuration_of(after) != configuration_of(before)

    def open_turn(
        self,
        messages: Iterable[object],
        *,
        state: Mapping[str, object] | None = None,
        conversation: str | None = None,
        subject: str | None = None,
        evidence: Iterable[Evidence] = (),
        retrospective: bool = False,
        host_id: str | None = None,
    ) -> "Turn":
        """Read what the user wrote since the last turn, and decide how to meet it.

        Args:
            messages: the conversation so far, ``{"role", "content"}`` mappings, oldest first.
            state: what the last turn's `Turn.close` returned; without it the ledger is rebuilt
                from the messages.
            conversation: the host's id of the conversation; its records form one chain.
            subject: the host's own id of the person, so that all their records can be erased.
            evidence: what the app knows that bears on the user's claims.
            retrospective: whether the turn lies in the past, so that nothing can be done about it:
                verdicts are recorded, and no action.
            host_id: the host's own id of the turn, as it stands in the host's log; kept for good.

        Raises:
            InputError: the messages, the state or the evidence are not what they should be.
            AuditError: the log failed and the policy says ``on_error: block``.
            TurnError: the turn could not be judged; nothing of its text is in the error. Its record
                says so, and that the `fallback` is shown where the policy says ``on_error: block``.
        """
        began, started = time.time_ns(), time.perf_counter()
        read = read_messages(messages)
        ledger = None if state is None else Ledger.from_state(state)
        given = TurnInput(read, ledger, read_evidence(evidence), retrospective)
        errors: list[str] = []
        engine = self.engine  # once: a turn is judged by one engine, whatever is reloaded meanwhile
        handle = None
        try:
            handle = _audited(
                engine.policy,
                lambda: self.audit.open_turn(conversation, opened_of(engine, host_id), subject),
                errors,
            )
            outcome = guarded("turn", lambda: engine.open(given))
        except CorroboratorError as error:
            try:
                self._close_unjudged(engine, handle, [*errors, type(error).__name__], started)
            finally:
                self.tell(_failed(began, handle, errors, error))
            raise
        return Turn(self, engine, given, outcome, handle, errors, began, started)

    async def aopen_turn(
        self,
        messages: Iterable[object],
        *,
        state: Mapping[str, object] | None = None,
        conversation: str | None = None,
        subject: str | None = None,
        evidence: Iterable[Evidence] = (),
        retrospective: bool = False,
        host_id: str | None = None,
    ) -> "Turn":
        """Do what `open_turn` does, off the event loop."""
        return await asyncio.to_thread(
            self.open_turn,
            messages,
            state=state,
            conversation=conversation,
            subject=subject,
            evidence=evidence,
            retrospective=retrospective,
            host_id=host_id,
        )

    @property
    def fallback(self) -> str:
        """What a host shows where nothing could be judged and the policy says ``on_error: block``.

        It helps in any case, and names a place to turn to, for nobody knows what was said.
        """
        engine, today = self.engine, datetime.now(UTC).date()
        place = engine.texts.resources.find(Need.CRISIS, engine.policy.region, today)
        return replacement(None, place, engine.texts)

    def close(self) -> None:
        """Close the audit store, where this guard opened it."""
        if self._owns_audit:
            self.audit.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _close_unjudged(
        self, engine: Engine, handle: TurnHandle | None, errors: list[str], started: float
    ) -> None:
        """Write the record of a turn that could not be judged; it has no detail."""
        if handle is None:
            return
        action = "replaced" if engine.policy.audit.on_error == "block" else "none"
        body = {
            "action": action,
            "milliseconds": round(_since(started), 1),
            "errors": errors,
            "versions": versions_of(engine),
        }
        row = IndexRow(None, action, fired=False)
        close = partial(self.audit.close_turn, handle, body, {}, index=[row])
        _audited(engine.policy, close, errors)

    def _announce(self, engine: Engine) -> None:
        """Have the log say by what turns are judged from now on, where it is not what it said last."""
        _audited(
            engine.policy,
            lambda: self.audit.note_configuration(configuration_of(engine)),
            [],
        )

    def tell(self, report: TurnReport) -> None:
        """Tell the observer that a turn is over; one that fails changes nothing."""
        if self.observer is None:
            return
        try:
            self.observer(report)
        except Exception as error:  # noqa: BLE001 - whatever an exporter raises
            _LOG.warning("the observer failed, and the turn goes on: %s", type(error).__name__)


class Turn:
    """One turn in progress; for one caller at a time.

    Attributes:
        engine: what judges it from its opening to its end; a reload changes nothing in it.
        outcome: everything that was judged when it was opened.
        errors: names of the errors of a failing log.
    """

    def __init__(
        self,
        guard: Guard,
        engine: Engine,
        given: TurnInput,
        outcome: Outcome,
        handle: TurnHandle | None,
        errors: list[str],
        began: int,
        started: float,
    ) -> None:
        self.outcome = outcome
        self.errors = errors
        self.engine, self._guard = engine, guard
        self._began, self._given, self._handle = began, given, handle
        self._drafts: list[Draft] = []
        self._milliseconds = _since(started)
        self._closed: ClosedTurn | None = None

    @property
    def opened(self) -> str | None:
        """Id of the event that opened the record: chain and sequence number; None without a log."""
        return _id_of(self._handle)

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
        self._milliseconds += _since(started)

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
        self._milliseconds += _since(started)
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
                self._guard.tell(_failed(self._began, self._handle, self.errors, error))
                raise
        return self._closed

    async def aclose(self, reply: str | None = None) -> ClosedTurn:
        """Do what `close` does, off the event loop."""
        return await asyncio.to_thread(self.close, reply)

    def _read(self, text: str) -> None:
        started = time.perf_counter()
        with suppress(CorroboratorError):  # `close` tries again and records what went wrong
            guarded("reply", lambda: self.engine.read_reply(text))
        self._milliseconds += _since(started)

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
        body, detail = body_of(facts), detail_of(facts)
        stored = None
        if (handle := self._handle) is not None:
            sealed = sealed_of(facts) if self.engine.policy.audit.content == "sealed" else None
            stored = _audited(
                self.engine.policy,
                lambda: self._guard.audit.close_turn(handle, body, detail, sealed, index_of(facts)),
                self.errors,
            )
        record = _id_of(stored)
        self._guard.tell(TurnReport(self._began, record, body, detail, tuple(self.errors)))
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


def _audited(policy: Policy, write: Callable[[], _T], errors: list[str]) -> _T | None:
    """Write to the log; a log that fails changes nothing unless the policy says so."""
    try:
        return write()
    except AuditError as error:
        if policy.audit.on_error == "block":
            raise
        errors.append(type(error).__name__)
        _LOG.warning("the audit log failed, and the turn goes on: %s", error)
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


def _failed(
    began: int, handle: TurnHandle | None, errors: list[str], error: CorroboratorError
) -> TurnReport:
    return TurnReport(began, _id_of(handle), None, None, (*errors, type(error).__name__))


def _id_of(event: TurnHandle | Record | None) -> str | None:
    return None if event is None else f"{event.chain}/{event.seq}"


def _require_text(value: object, what: str) -> None:
    if not isinstance(value, str):
        raise InputError(f"{what} is text, not {type(value).__name__}")


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000


def _open_audit(policy: Policy, master_key: MasterKey | None) -> AuditLog:
    """Open the policy's store and erase what is past its retention."""
    settings = policy.audit
    log = AuditLog.open(
        settings.store or "sqlite://", content=settings.content, master_key=master_key
    )
    if settings.retention is not None:
        log.erase_before(datetime.now(UTC) - settings.retention)
    return log
