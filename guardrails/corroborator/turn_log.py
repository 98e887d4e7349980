"""The record of one turn in the making: what the log and the observer are told of it."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeVar

from corroborator.audit import AuditLog, IndexRow, Record, TurnHandle
from corroborator.errors import AuditError, CorroboratorError
from corroborator.observing import TurnReport

_T = TypeVar("_T")
_LOG = logging.getLogger("corroborator")

OnError = Literal["release", "block"]


class TurnLog:
    """For one turn and one caller at a time.

    Args:
        audit: where the record goes.
        tell: what is told when the turn is over.
        on_error: what becomes of a turn whose record cannot be written; see `audited`.

    Attributes:
        errors: names of the errors of a failing log, and of what could not be judged late.
    """

    def __init__(
        self, audit: AuditLog, tell: Callable[[TurnReport], None], on_error: OnError
    ) -> None:
        self.errors: list[str] = []
        self._audit, self._tell, self._on_error = audit, tell, on_error
        self._began = time.time_ns()
        self._handle: TurnHandle | None = None

    @property
    def opened(self) -> str | None:
        """Id of the event that opened the record; None where there is none."""
        return _id_of(self._handle)

    def open(
        self, conversation: str | None, opened: Mapping[str, object], subject: str | None
    ) -> None:
        """Open the record; see `corroborator.audit.AuditLog.open_turn`."""
        self._handle = audited(
            self._on_error,
            lambda: self._audit.open_turn(conversation, opened, subject),
            self.errors,
        )

    def write(
        self,
        body: Mapping[str, object],
        detail: Mapping[str, object],
        sealed: Mapping[str, object] | None,
        index: Sequence[IndexRow],
    ) -> str | None:
        """Write the end of an opened record; returns its id, None where the log failed."""
        if (handle := self._handle) is None:
            return None
        stored = audited(
            self._on_error,
            lambda: self._audit.close_turn(handle, body, detail, sealed, index),
            self.errors,
        )
        return _id_of(stored)

    def over(
        self, record: str | None, body: Mapping[str, object], detail: Mapping[str, object]
    ) -> None:
        """Tell that the turn is over, with what `write` was given and returned."""
        self._tell(TurnReport(self._began, record, body, detail, tuple(self.errors)))

    def failed(self, error: CorroboratorError) -> None:
        """Tell that the turn is over because of an error."""
        errors = (*self.errors, type(error).__name__)
        self._tell(TurnReport(self._began, self.opened, None, None, errors))


def audited(on_error: OnError, write: Callable[[], _T], errors: list[str]) -> _T | None:
    """Write to the log; a log that fails changes nothing unless the policy says ``block``."""
    try:
        return write()
    except AuditError as error:
        if on_error == "block":
            raise
        errors.append(type(error).__name__)
        _LOG.warning("the audit log failed, and the turn goes on: %s", error)
        return None


def _id_of(event: TurnHandle | Record | None) -> str | None:
    return None if event is None else f"{event.chain}/{event.seq}"
