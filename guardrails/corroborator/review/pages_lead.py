"""Proposals, which anyone makes and a lead decides; disputes and the queue, which a lead sees."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Path
from fastapi.responses import HTMLResponse, Response

from corroborator.errors import InputError
from corroborator.review.answers import Judgement
from corroborator.review.facts import Band
from corroborator.review.pages_turn import Number, Reason, Said, open_to
from corroborator.review.proposals import CARRIERS, KINDS, Draft, Proposal
from corroborator.review.web import LeadReader, LeadSender, Reader, Refused, Sender, Visit, go

router = APIRouter()

BANDS = {"urgent": Band.URGENT, "fired": Band.FIRED, "near": Band.NEAR, "sample": Band.SAMPLE}
BandName = Annotated[Literal["urgent", "fired", "near", "sample"], Path()]


@router.get("/queue/{name}")
def queue(visit: LeadReader, name: BandName) -> HTMLResponse:
    """List the first turns of a band."""
    return visit.page(
        "queue.html",
        band=name,
        items=visit.desk.queue.listed(BANDS[name]),
        waiting=visit.desk.queue.waiting(),
        title_of=visit.desk.teller.title,
        names=visit.desk.names(),
    )


@router.get("/disputes")
def disputes(visit: LeadReader) -> HTMLResponse:
    """List the turns on which reviewers contradict each other."""
    waiting = visit.desk.disputes.waiting()
    return visit.page("disputes.html", disputes=waiting, title_of=visit.desk.teller.title)


@router.post("/turns/{number}/decide")
def decide(
    visit: LeadSender,
    number: Number,
    rests: Said,
    uncritical: Said,
    harm: Said,
    reason: Reason,
    fits: Annotated[Literal["yes", "no", "unsure", "unasked"], Form()] = "unasked",
    urgent: Annotated[bool, Form()] = False,
) -> Response:
    """Keep the lead's answers."""
    item, _ = open_to(visit, number)
    if not visit.desk.disputes.is_waiting(number):
        raise Refused(409, "Nobody disagrees on this turn any more.")
    judgement = Judgement(rests, uncritical, harm, fits, urgent)
    visit.desk.answers.give(item, visit.account, "lead", judgement, reason)
    return go("/disputes")


@router.get("/turns/{number}/propose")
def propose_form(visit: Reader, number: Number) -> HTMLResponse:
    """Ask for a sentence."""
    open_to(visit, number, answered=True)
    return _form(visit, number, Draft("", True, "", ""), "")


@router.post("/turns/{number}/propose")
def propose(
    visit: Sender,
    number: Number,
    family: Annotated[str, Form(max_length=60)],
    side: Annotated[Literal["exemplar", "contrast"], Form()],
    carrier: Annotated[str, Form(max_length=60)] = "",
    kind: Annotated[str, Form(max_length=60)] = "",
    text: Annotated[str, Form(max_length=1000)] = "",
    own: Annotated[bool, Form()] = False,
) -> Response:
    """Keep a proposal."""
    item, _ = open_to(visit, number, answered=True)
    positive = side == "exemplar"
    draft = Draft(family, positive, carrier if positive else kind, " ".join(text.split()))
    if not own:
        problem = "say that the sentence is your own and is about nobody"
        return _form(visit, number, draft, problem, 400)
    try:
        proposal = visit.desk.propose(item, visit.account, draft)
    except InputError as error:
        return _form(visit, number, draft, str(error), 400)
    return go(f"/proposals/{proposal}")


@router.get("/proposals")
def proposals(visit: Reader) -> HTMLResponse:
    """List proposals: a lead sees all, a reviewer their own."""
    everything = visit.desk.proposals.all()
    mine = [one for one in everything if visit.account.leads or one.account == visit.account.id]
    return visit.page(
        "proposals.html",
        proposals=mine,
        title_of=visit.desk.teller.title,
        names=visit.desk.names(),
    )


@router.get("/proposals/{number}")
def proposal(visit: Reader, number: Number) -> HTMLResponse:
    """Show a proposal and, for a lead, what it would change."""
    return _proposal_page(visit, _proposal(visit, number))


@router.post("/proposals/{number}/preview")
def start_preview(visit: LeadSender, number: Number) -> Response:
    """Start to find out what it would change."""
    visit.desk.preview(_proposal(visit, number))
    return go(f"/proposals/{number}")


@router.get("/proposals/{number}/preview")
def preview(visit: LeadReader, number: Number) -> HTMLResponse:
    """Show how far that is; the page asks every second."""
    return _proposal_page(visit, _proposal(visit, number), part=True)


@router.post("/proposals/{number}/decide")
def decide_proposal(
    visit: LeadSender, number: Number, verdict: Annotated[Literal["accept", "decline"], Form()]
) -> Response:
    """Accept or decline."""
    found = _proposal(visit, number)
    job = visit.desk.previews.find(str(number))
    result = None if job is None else job.result
    if verdict == "accept" and result is None:
        raise Refused(409, "Look at what it would change before you accept it.")
    visit.desk.proposals.decide(
        found,
        visit.account,
        accepted=verdict == "accept",
        changed=0 if result is None else len(result.changes),
        decided=0 if result is None else result.decided,
    )
    return go(f"/proposals/{number}")


def _form(visit: Visit, number: int, draft: Draft, problem: str, status: int = 200) -> HTMLResponse:
    taxonomy = visit.desk.taxonomy
    return visit.page(
        "propose.html",
        status,
        number=number,
        draft=draft,
        problem=problem,
        domains=taxonomy.domains.values(),
        disclosures=taxonomy.protected.values(),
        carriers=CARRIERS,
        kinds=KINDS,
    )


def _proposal(visit: Visit, number: int) -> Proposal:
    found = visit.desk.proposals.find(number)
    if found is None or not (visit.account.leads or found.account == visit.account.id):
        raise Refused(404, "There is no such proposal.")
    return found


def _proposal_page(visit: Visit, found: Proposal, *, part: bool = False) -> HTMLResponse:
    job = visit.desk.previews.find(str(found.id)) if visit.account.leads else None
    return visit.page(
        "preview.html" if part else "proposal.html",
        proposal=found,
        job=job,
        title_of=visit.desk.teller.title,
        names=visit.desk.names(),
        folder=visit.desk.proposals.folder,
    )
