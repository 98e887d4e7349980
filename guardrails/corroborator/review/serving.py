"""Where the desk listens, and what must hold before it does."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from corroborator.audit import AuditLog
from corroborator.encoders import load_encoder
from corroborator.engine import Engine
from corroborator.errors import ConfigError, InputError
from corroborator.policy import load_policy
from corroborator.review.accounts import anyone, invite
from corroborator.review.clock import now
from corroborator.review.desk import Desk
from corroborator.review.security import is_loopback

FIRST = "lead"
"""Who is invited where nobody can sign in yet."""

_HERE = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the desk listens.

    Attributes:
        host, port: of the socket; port 0 takes any that is free.
        address: where reviewers reach it; None where that is the socket itself.
        cert, key: for TLS.
        behind_proxy: whether a proxy on the way does TLS.
    """

    host: str = "127.0.0.1"
    port: int = 0
    address: str | None = None
    cert: Path | None = None
    key: Path | None = None
    behind_proxy: bool = False

    def require_safe(self) -> None:
        """Make sure that nothing travels in the open.

        Raises:
            InputError: it would.
        """
        if (self.cert is None) != (self.key is None):
            raise InputError("give both --tls-cert and --tls-key, or neither")
        tls = self.cert is not None or self.behind_proxy
        if not is_loopback(self.host) and not tls:
            raise InputError(
                f"others could read along on {self.host}: give --tls-cert and --tls-key, or say"
                " --behind-proxy where a proxy does TLS"
            )
        if tls and (self.address is None or not self.address.startswith("https://")):
            raise InputError("say where reviewers reach it: --address https://review.example.org")

    @property
    def secure(self) -> bool:
        """Whether it is reached by TLS."""
        return self.cert is not None or self.behind_proxy

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names under which it is reached."""
        if self.address is None:
            return _HERE
        return (urlsplit(self.address).hostname or "",)

    def url(self, port: int) -> str:
        """Return where reviewers reach it."""
        return self.address or f"http://{'localhost' if self.host == '::1' else self.host}:{port}"


def serve(log: AuditLog, policy: Path | None, place: Place, say: Callable[[str], None]) -> None:
    """Serve the desk until it is interrupted.

    Raises:
        InputError: the place is not safe, its certificate cannot be used, or its port is taken.
        ConfigError: the extra is missing.
    """
    place.require_safe()
    _require_certificate(place)
    try:
        import uvicorn  # noqa: PLC0415 - an extra

        from corroborator.review.app import create_app  # noqa: PLC0415 - the same
    except ImportError as error:
        problem = f"the desk needs {error.name}: pip install 'corroborator[review]'"
        raise ConfigError(problem) from None
    read = load_policy(policy)
    desk = Desk.open(log, Engine.load(read, load_encoder(read.encoder)))
    new = desk.index.refresh()
    if new:
        say(f"{new} new turns in the queue.")
    listening = _listen(place)
    if not anyone(log):
        say(f"Token of the first account, {FIRST} (shown once): {invite(log, FIRST, 'lead', now)}")
    say(f"The desk is open at {place.url(listening.getsockname()[1])}; Ctrl-C closes it.")
    config = uvicorn.Config(
        create_app(desk, place.hosts, secure=place.secure),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ssl_certfile=place.cert,
        ssl_keyfile=place.key,
    )
    try:
        asyncio.run(uvicorn.Server(config).serve([listening]))
    finally:
        desk.close()


def _require_certificate(place: Place) -> None:
    """Find out before anything is opened that there is no such certificate, or not its key."""
    if place.cert is None:
        return
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(place.cert, place.key, password=lambda: "")
    except OSError as error:  # what the files hold is not said: one of them is secret
        problem = getattr(error, "reason", None) or error.strerror or type(error).__name__
    else:
        return
    raise InputError(
        f"the certificate {place.cert} and the key {place.key} cannot be used ({problem}); both are"
        " PEM, belong together, and need no password"
    )


def _listen(place: Place) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
        return socket.create_server((place.host, place.port), family=family)
    except OSError as error:
        problem = f"cannot listen on {place.host} port {place.port} ({error.strerror})"
    raise InputError(problem)
