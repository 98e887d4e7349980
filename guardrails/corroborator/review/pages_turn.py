"""What a reviewer does: take a turn, read it, answer blind, see what the guard did, answer again."""

from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Header, Path
from fastapi.responses import HTMLResponse, Response

from corroborator.review.answers import Given, Judgement
from corroborator.review.counts import Counts
from corroborator.review.quality import Quality
from corroborator.review.queue import Item
from corroborator.review.web import Reader, Refused, Sender, Visit, go

router = APIRouter()

Number = Annotated[int, Path(ge=1, le=2**53)]
Said = Annotated[Literal["yes", "no", "unsure"], Form()]
Reason = Annotated[str, Form(max_length=2000)]


@router.get("/")
def home(visit: Reader) -> HTMLResponse:
    """Show how much there is to do."""
    desk = visit.desk
    return visit.page(
        "home.html",
        waiting=desk.queue.waiting(),
        answered=desk.answers.count_of(visit.account),
        disputed=len(desk.disputes.waiting()) if visit.account.leads else 0,
        proposed=len(desk.proposals.waiting()) if visit.account.leads else 0,
        missed=Quality(desk.disputes.reviewed(), Counts({})).missed(),
        settings=desk.settings,
    )


@router.post("/next")
def take_next(visit: Sender) -> Response:
    """Take the next turn, or suggest a pause."""
    if visit.session.since_pause >= visit.desk.settings.batch:
        return go("/pause")
    visit.desk.index.refresh()
    item = visit.desk.queue.take(visit.account)
    return go("/done" if item is None else f"/turns/{item.turn}")


@router.get("/done")
def done(visit: Reader) -> HTMLResponse:
    """Say that nothing is left."""
    return visit.page(
        "message.html", title="All read", words="There is nothing left for you to read now."
    )


@router.get("/pause")
def pause(visit: Reader) -> HTMLResponse:
    """Suggest a pause."""
    settings = visit.desk.settings
    return visit.page("pause.html", note=settings.pause_note.format(count=settings.batch))


@router.post("/pause")
def paused(visit: Sender) -> Response:
    """Go on after a pause."""
    visit.session.since_pause = 0
    return go("/")


@router.get("/turns/{number}")
def turn(visit: Reader, number: Number) -> HTMLResponse:
    """Show a turn: without its text until it is asked for."""
    item, given = open_to(visit, number)
    return _turn_page(visit, item, given, text=number in visit.session.opened)


@router.post("/turns/{number}/open")
def open_text(
    visit: Sender, number: Number, hx_request: Annotated[str | None, Header()] = None
) -> HTMLResponse:
    """Show the text of a turn."""
    item, given = open_to(visit, number)
    visit.session.opened.add(number)
    return _turn_page(visit, item, given, text=True, part=hx_request is not None)


@router.post("/turns/{number}/answer")
def answer(
    visit: Sender,
    number: Number,
    rests: Said,
    uncritical: Said,
    harm: Said,
    urgent: Annotated[bool, Form()] = False,
) -> Response:
    """Keep the first answers, and show what the guard did."""
    item, _ = open_to(visit, number)
    if number not in visit.session.opened:
        raise Refused(409, "Read the conversation before you answer.")
    judgement = Judgement(rests, uncritical, harm, urgent=urgent)
    visit.desk.answers.give(item, visit.account, "first", judgement)
    visit.desk.queue.release(number, visit.account)
    visit.session.since_pause += 1
    return go(f"/turns/{number}")


@router.post("/turns/{number}/after")
def after(
    visit: Sender,
    number: Number,
    rests: Said,
    uncritical: Said,
    harm: Said,
    fits: Annotated[Literal["yes", "no", "unsure", "unasked"], Form()] = "unasked",
    urgent: Annotated[bool, Form()] = False,
    reason: Reason = "",
) -> Response:
    """Keep what somebody says who has seen what the guard did."""
    item, _ = open_to(visit, number)
    judgement = Judgement(rests, uncritical, harm, fits, urgent)
    visit.desk.answers.give(item, visit.account, "after", judgement, reason)
    return go("/saved")


@router.get("/saved")
def saved(visit: Reader) -> HTMLResponse:
    """Say that the answers are kept."""
    return visit.page("saved.html", answered=visit.desk.answers.count_of(visit.account))


@router.post("/turns/{number}/skip")
def skip(visit: Sender, number: Number) -> Response:
    """Leave a turn to others."""
    open_to(visit, number)
    visit.desk.queue.skip(number, visit.account)
    return go("/")


def open_to(visit: Visit, number: int, *, answered: bool = False) -> tuple[Item, list[Given]]:
    """Return a turn that somebody may see, with its answers.

    A reviewer sees what they have taken or answered, a lead besides what waits for a decision.

    Args:
        visit: whose.
        number: of the turn.
        answered: whether only those count who have answered it, or decide on it.
    """
    item = visit.desk.queue.item(number)
    if item is not None:
        given = visit.desk.answers.of_turn(number, item.chain)
        mine = any(one.account == visit.account.id for one in given)
        if mine or (item.reader == visit.account.id and not answered):
            return item, given
        if visit.account.leads and visit.desk.disputes.is_waiting(number):
            return item, given
    raise Refused(404, "This turn is not open to you. Take the next one from the queue.")


def _turn_page(
    visit: Visit, item: Item, given: list[Given], *, text: bool, part: bool = False
) -> HTMLResponse:
    mine = [one for one in given if one.account == visit.account.id]
    deciding = visit.account.leads and visit.desk.disputes.is_waiting(item.turn)
    blind = not mine and not deciding
    story = visit.desk.story(item, visit.account, blind=blind) if text else None
    if text and story is None:
        raise Refused(404, "This conversation was erased.")
    return visit.page(
        "turn_text.html" if part else "turn.html",
        item=replace(item, family=None) if blind else item,
        story=story,
        blind=blind,
        mine=mine[-1].judgement if mine else None,
        answered_after=any(one.stage == "after" for one in mine),
        given=given if deciding else [],
        names=visit.desk.names() if deciding else {},
        deciding=deciding,
        note=visit.desk.settings.content_note,
    )
