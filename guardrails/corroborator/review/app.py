"""The web application; `create_app` puts it together."""

import logging
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from corroborator.errors import AuditError, CorroboratorError
from corroborator.review import pages_lead, pages_sign_in, pages_turn, pages_watch
from corroborator.review.desk import Desk
from corroborator.review.security import Gate
from corroborator.review.sessions import Sessions
from corroborator.review.web import NotSignedIn, Refused, Web, go, render

_STATIC = Path(__file__).parent / "static"
_REFRESH_SECONDS = 20
_NO_TELEMETRY: Any = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""Newer releases of FastAPI send spans where a provider is set; errors in them could hold text."""

_LOG = logging.getLogger("corroborator.review")

_SAID = {
    403: "This page is not open to you.",
    404: "There is no such page.",
    405: "This cannot be asked for like that.",
}


def create_app(desk: Desk, hosts: Sequence[str], *, secure: bool = False) -> FastAPI:
    """Return the application.

    Args:
        desk: behind the pages.
        hosts: the names under which it is reached.
        secure: whether it is reached by TLS.
    """
    stop = threading.Event()

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        follower = threading.Thread(target=_follow, args=(desk, stop), daemon=True)
        follower.start()
        yield
        stop.set()
        follower.join()

    app = FastAPI(
        telemetry=_NO_TELEMETRY,
        title="Review desk",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=life,
    )
    app.state.web = Web(desk, Sessions(desk.clock, desk.settings.session_hours), secure)
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    for pages in (pages_sign_in, pages_turn, pages_lead, pages_watch):
        app.include_router(pages.router)
    app.add_middleware(Gate, hosts=hosts)
    app.add_exception_handler(NotSignedIn, _to_sign_in)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(CorroboratorError, _failed)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)
    return app


def _follow(desk: Desk, stop: threading.Event) -> None:
    """Keep the desk level with the log until it closes."""
    while not stop.is_set():
        try:
            desk.index.refresh()
            desk.disputes.reviewed()  # in memory before somebody asks for it
        except CorroboratorError as error:  # a locked store; the next time may do
            _LOG.warning("the index could not follow the log: %s", type(error).__name__)
        stop.wait(_REFRESH_SECONDS)


def _page(status: int, words: str) -> HTMLResponse:
    return HTMLResponse(render("message.html", title="That did not work", words=words), status)


def _to_sign_in(request: Request, _error: Exception) -> Response:
    if request.headers.get("hx-request"):
        return Response(status_code=204, headers={"hx-redirect": "/sign-in"})
    return go("/sign-in")


def _refused(_request: Request, error: Exception) -> Response:
    status, words = (error.status, error.words) if isinstance(error, Refused) else (500, "")
    return _page(status, words)


def _failed(_request: Request, error: Exception) -> Response:
    """Say what our own code says is wrong; it never holds text."""
    status = 503 if isinstance(error, AuditError) else 400
    return _page(status, f"{str(error)[:1].upper()}{str(error)[1:]}.")


def _unreadable(_request: Request, _error: Exception) -> Response:
    """Say so without a word of what was sent."""
    return _page(400, "Something in this form or address is missing or cannot be read.")


def _http(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return _page(status, _SAID.get(status, "This could not be done."))


def _unexpected(_request: Request, error: Exception) -> Response:
    """Log the kind of error and nothing of what it says."""
    _LOG.error("a page failed: %s", type(error).__name__)
    return _page(500, "Something went wrong on our side. What you had written is lost; try again.")
