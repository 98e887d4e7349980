"""Who is signed in. Sessions live in memory: a restart signs everybody out."""

import secrets
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from corroborator.review.clock import Clock

_ID_BYTES = 32


@dataclass
class Session:
    """Somebody at the desk.

    Attributes:
        account: their number.
        csrf: what every form must send back.
        until: when it ends, unless they go on.
        opened: the turns whose text they have asked for.
        since_pause: how many they have answered since the last pause.
    """

    account: int
    csrf: str
    until: datetime
    opened: set[int] = field(default_factory=set)
    since_pause: int = 0


class Sessions:
    """All sessions; safe among threads."""

    def __init__(self, clock: Clock, hours: int) -> None:
        self._clock, self._length = clock, timedelta(hours=hours)
        self._known: dict[str, Session] = {}
        self._lock = threading.Lock()

    def begin(self, account: int) -> str:
        """Begin a session; returns its id, for the cookie."""
        session = Session(account, secrets.token_urlsafe(), self._clock() + self._length)
        name = secrets.token_urlsafe(_ID_BYTES)
        with self._lock:
            self._known = {n: s for n, s in self._known.items() if s.until > self._clock()}
            self._known[name] = session
        return name

    def find(self, name: str | None) -> Session | None:
        """Return a session that has not ended, and let it go on."""
        session = self._known.get(name or "")
        if session is None or session.until <= self._clock():
            return None
        session.until = self._clock() + self._length
        return session

    def end(self, name: str | None) -> None:
        """End a session."""
        with self._lock:
            self._known.pop(name or "", None)
