"""An audit log that is there, opened for a command."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from corroborator.errors import InputError, MasterKeyError

if TYPE_CHECKING:
    from corroborator.audit import AuditLog


@dataclass(frozen=True)
class OpenedLog:
    """An audit log, and why its sealed content cannot be read; None where it can."""

    log: "AuditLog"
    no_key: str | None


@contextmanager
def opened_log(audit: str | None, policy: Path | None) -> Iterator[OpenedLog]:
    """Open a log that exists; a mistyped path must not become a new log that is sound."""
    from corroborator.audit import AuditLog, MasterKey  # noqa: PLC0415 - slow; --help stays quick
    from corroborator.audit.store import database_file, read_url  # noqa: PLC0415 - slow; --help stays quick
    from corroborator.policy import load_policy  # noqa: PLC0415 - slow; --help stays quick

    url = audit or load_policy(policy).audit.store
    if url is None:
        raise InputError("the policy names no audit store; give one with --audit sqlite:///PATH")
    path = database_file(read_url(url))
    no_key = None
    try:
        log = AuditLog.open(url, master_key=MasterKey.load(database=path), create=False)
    except MasterKeyError as error:
        no_key = str(error)
    if no_key is not None:
        log = AuditLog.open(url, create=False)
    with log:
        yield OpenedLog(log, no_key)
