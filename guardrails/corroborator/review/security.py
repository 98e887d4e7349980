"""What every request and response goes through, before any page."""

from collections.abc import Sequence
from ipaddress import ip_address

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "corroborator_review"
MOST_BYTES = 64 * 1024
"""The longest form that is read."""

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "same-origin",  # with less, browsers hide the origin of our own forms
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_CHANGES = ("POST", "PUT", "PATCH", "DELETE")


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine alone."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class Gate:
    """Turns away what no browser at this desk would send; adds `HEADERS` to every response.

    Args:
        app: what is behind it.
        hosts: the names under which the desk is reached; any other is refused, so that no page
            elsewhere can reach it under a name of its own.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        self._app, self._hosts = app, frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                if scope["path"].startswith("/static/"):
                    headers["cache-control"] = "max-age=3600"
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            status, words = refusal
            await PlainTextResponse(words, status)(scope, receive, guarded)
            return
        await self._app(scope, receive, guarded)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        if _name(headers.get("host", "")) not in self._hosts:
            return 421, "The desk is not reached under this name."
        if scope["method"] not in _CHANGES:
            return None
        if self._is_foreign(headers):
            return 403, "This form was not sent by the desk."
        length = headers.get("content-length", "")
        if not length.isdecimal():
            return 411, "The length of the form is missing."
        return (413, "The form is too long.") if int(length) > MOST_BYTES else None

    def _is_foreign(self, headers: Headers) -> bool:
        """Whether a browser says that a page elsewhere sent a form."""
        origin = headers.get("origin")
        if origin is not None and _name(origin.partition("://")[2]) not in self._hosts:
            return True
        return headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")


def _name(host: str) -> str:
    """Return a host without its port."""
    name, _, port = host.rpartition(":")
    return name if name and port.isdecimal() else host
