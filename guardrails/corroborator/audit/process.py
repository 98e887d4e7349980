"""Which process writes, and whether another one still runs."""

import hashlib
import os
import platform
import secrets
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from corroborator.audit.canonical import JSON


@dataclass(frozen=True, slots=True)
class Writer:
    """A run of a process.

    Attributes:
        run: random.
        pid: its number.
        host: 16 hexadecimal digits of the sha256 of the host's name.
        started: boot and clock tick in which it started; None where the system does not say.
    """

    run: str
    pid: int
    host: str
    started: str | None

    def to_json(self) -> dict[str, JSON]:
        """Return it for an `opened` event."""
        return asdict(self)


def this_writer() -> Writer:
    """Return this process; a fork is another one."""
    return _writer(os.getpid())


def is_running(writer: JSON) -> bool:
    """Whether a writer, as an `opened` event names it, may still close its turns.

    This very run does; so does a process of this host with the same number that started at the
    same time. Any other is taken for dead, also where the system does not tell when processes
    started (it has no ``/proc``): a turn closed after all is then recorded as late.
    """
    me = this_writer()
    match writer:
        case {"run": me.run}:
            return True
        case {"pid": int(pid), "host": me.host, "started": str(started)}:
            return _started(pid) == started
    return False


@lru_cache(maxsize=1)
def _writer(pid: int) -> Writer:
    host = hashlib.sha256(platform.node().encode()).hexdigest()[:16]
    return Writer(secrets.token_hex(16), pid, host, _started(pid))


def _started(pid: int) -> str | None:
    """Return when a running process started; None where none runs or it cannot be told."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")[:8]
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *fields = status.rpartition(")")[2].split()  # the name before it may hold anything
    return None if state in "ZX" else f"{boot}:{fields[18]}"
