"""The guard: the whole way of a turn, with no framework in it."""

import asyncio
import logging
import threading
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from corroborator.audit import AuditLog, IndexRow, MasterKey
from corroborator.drafts import replacement
from corroborator.encoders import CachedEncoder, Encoder, load_encoder
from corroborator.engine import Engine, TurnInput
from corroborator.errors import AuditError, CorroboratorError, InputError
from corroborator.evidence import Evidence, read_evidence
from corroborator.ledger import Ledger
from corroborator.messages import read_messages
from corroborator.observing import TurnReport, load_observer
from corroborator.policy import Policy, load_policy, refuse_fixed
from corroborator.record import configuration_of, opened_of, versions_of
from corroborator.support_resources import Need
from corroborator.turn import Turn, guarded, milliseconds_since
from corroborator.turn_log import TurnLog, audited

_LOG = logging.getLogger("corroborator")


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
    ) -> Turn:
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
        started = time.perf_counter()
        read = read_messages(messages)
        ledger = None if state is None else Ledger.from_state(state)
        given = TurnInput(read, ledger, read_evidence(evidence), retrospective)
        engine = self.engine  # once: a turn is judged by one engine, whatever is reloaded meanwhile
        log = TurnLog(self.audit, self.tell, engine.policy.audit.on_error)
        try:
            log.open(conversation, opened_of(engine, host_id), subject)
            outcome = guarded("turn", lambda: engine.open(given))
        except CorroboratorError as error:
            try:
                _close_unjudged(engine, log, error, started)
            finally:
                log.failed(error)
            raise
        return Turn(log, engine, given, outcome, started)

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
    ) -> Turn:
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

    def _announce(self, engine: Engine) -> None:
        """Have the log say by what turns are judged from now on, where it is not what it said last."""
        audited(
            engine.policy.audit.on_error,
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


def _close_unjudged(engine: Engine, log: TurnLog, error: CorroboratorError, started: float) -> None:
    """Write the record of a turn that could not be judged; it has no detail."""
    action = "replaced" if engine.policy.audit.on_error == "block" else "none"
    body = {
        "action": action,
        "milliseconds": round(milliseconds_since(started), 1),
        "errors": [*log.errors, type(error).__name__],
        "versions": versions_of(engine),
    }
    log.write(body, {}, None, [IndexRow(None, action, fired=False)])


def _open_audit(policy: Policy, master_key: MasterKey | None) -> AuditLog:
    """Open the policy's store and erase what is past its retention."""
    settings = policy.audit
    log = AuditLog.open(
        settings.store or "sqlite://", content=settings.content, master_key=master_key
    )
    if settings.retention is not None:
        log.erase_before(datetime.now(UTC) - settings.retention)
    return log
