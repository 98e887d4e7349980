"""What all pages share: who is there, what they may do, and how a page is made."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Form, Header, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from corroborator.review.accounts import Account, by_number
from corroborator.review.desk import Desk
from corroborator.review.security import COOKIE
from corroborator.review.sessions import Session, Sessions

_PAGES = Environment(
    loader=PackageLoader("corroborator.review"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class NotSignedIn(Exception):  # noqa: N818 - no error: it leads to the sign-in page
    """Nobody is signed in."""


class Refused(Exception):  # noqa: N818 - no error of ours: it becomes a page
    """Something that cannot be had, with what to say about it.

    Args:
        status: of the response.
        words: what to say; no text of anybody.
    """

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status, self.words = status, words


@dataclass(frozen=True)
class Web:
    """What the pages run on.

    Attributes:
        desk, sessions: behind them.
        secure: whether the desk is reached by TLS, so that the cookie never travels without.
    """

    desk: Desk
    sessions: Sessions
    secure: bool


@dataclass(frozen=True)
class Visit:
    """Somebody who is signed in, and asks for a page."""

    web: Web
    session: Session
    account: Account

    @property
    def desk(self) -> Desk:
        """The desk."""
        return self.web.desk

    def page(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """Return a page or a part of one."""
        common = {"account": self.account, "csrf": self.session.csrf}
        return HTMLResponse(render(template, **common, **values), status)


def render(template: str, **values: Any) -> str:
    """Return a template, filled."""
    base: Mapping[str, Any] = {"account": None, "csrf": ""}
    return _PAGES.get_template(template).render({**base, **values})


def go(place: str) -> RedirectResponse:
    """Send the browser on to another page."""
    return RedirectResponse(place, 303)


def web_of(request: Request) -> Web:
    """Return what the pages run on."""
    web: Web = request.app.state.web
    return web


def _visit(request: Request) -> Visit:
    web = web_of(request)
    session = web.sessions.find(request.cookies.get(COOKIE))
    account = None if session is None else by_number(web.desk.log, session.account)
    if session is None or account is None:
        raise NotSignedIn
    return Visit(web, session, account)


Reader = Annotated[Visit, Depends(_visit)]
"""Somebody who is signed in and only looks."""


def _lead(visit: Reader) -> Visit:
    if not visit.account.leads:
        raise Refused(403, "This page is for leads.")
    return visit


LeadReader = Annotated[Visit, Depends(_lead)]
"""A lead who only looks."""


def _sender(
    visit: Reader,
    csrf: Annotated[str, Form()] = "",
    x_csrf: Annotated[str | None, Header()] = None,
) -> Visit:
    if (x_csrf or csrf) != visit.session.csrf:
        raise Refused(403, "This form is no longer valid. Go back, reload the page and try again.")
    return visit


Sender = Annotated[Visit, Depends(_sender)]
"""Somebody who is signed in and sent a form of ours."""


def _lead_sender(visit: Sender) -> Visit:
    return _lead(visit)


LeadSender = Annotated[Visit, Depends(_lead_sender)]
"""A lead who sent a form of ours."""
