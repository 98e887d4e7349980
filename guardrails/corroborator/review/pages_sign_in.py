"""Signing in and out, and the page about the keyboard."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response

from corroborator.review.accounts import by_token
from corroborator.review.security import COOKIE
from corroborator.review.web import Reader, Sender, go, render, web_of

router = APIRouter()


@router.get("/sign-in")
def sign_in() -> HTMLResponse:
    """Ask for the token."""
    return HTMLResponse(render("sign_in.html", problem=""))


@router.post("/sign-in")
def signed_in(request: Request, token: Annotated[str, Form(max_length=200)] = "") -> Response:
    """Begin a session; the gate has made sure that our own page sent the form."""
    web = web_of(request)
    account = by_token(web.desk.log, token.strip())
    if account is None:
        problem = "This token is not known. Ask your lead for a new one."
        return HTMLResponse(render("sign_in.html", problem=problem), 403)
    web.sessions.end(request.cookies.get(COOKIE))
    response = go("/")
    response.set_cookie(
        COOKIE,
        web.sessions.begin(account.id),
        httponly=True,
        secure=web.secure,
        samesite="strict",
    )
    return response


@router.post("/sign-out")
def sign_out(request: Request, visit: Sender) -> Response:
    """End the session."""
    visit.web.sessions.end(request.cookies.get(COOKIE))
    response = go("/sign-in")
    response.delete_cookie(COOKIE)
    return response


@router.get("/keys")
def keys(visit: Reader) -> HTMLResponse:
    """Tell the keys."""
    return visit.page("keys.html")
