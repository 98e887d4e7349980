"""What is done about a draft: release it, ask for another, or replace it."""

from dataclasses import dataclass
from typing import Literal

from corroborator.decision import Decision
from corroborator.ledger import Ledger
from corroborator.policy import Policy
from corroborator.reply_check import Assessment
from corroborator.support_resources import Resource
from corroborator.texts import Texts

Kind = Literal["release", "revise", "replace"]

REVISION_WORDS = 80
"""What is sent back to the model names the fault and the way out, in at most so many words."""


@dataclass(frozen=True, slots=True)
class ReplyVerdict:
    """What is to be done with a draft.

    Attributes:
        kind: ``release`` shows it; ``revise`` asks the model again with `guidance` added to its
            instructions of this call; ``replace`` shows `text` instead.
        assessment: what was judged, whatever is done.
        guidance: for ``revise``.
        text: for ``replace``.
    """

    kind: Kind
    assessment: Assessment
    guidance: str = ""
    text: str = ""


def judge_draft(
    assessment: Assessment,
    decision: Decision,
    ledger: Ledger,
    policy: Policy,
    texts: Texts,
    revisions: int,
    place: Resource | None,
) -> ReplyVerdict:
    """Decide about a draft; a pure function.

    A fault counts only where the turn gives it something to be about: a finding that is acted on,
    an open thread or a risk hold. Elsewhere it is recorded and the draft released: most single
    fires on ordinary replies are wrong.

    Args:
        assessment: of the draft.
        decision: on the turn.
        ledger: after the turn was opened.
        policy: what is wanted.
        texts: revision guidance and replacements.
        revisions: how many drafts of this turn were sent back already.
        place: where a replacement points to, if safety is at stake.
    """
    concerned = decision.action == "steer" or _open_acting(ledger, policy)
    wanted = _wanted(assessment, policy) if concerned else "release"
    if wanted == "revise" and revisions >= policy.reply.attempts:
        adopts = assessment.colludes and policy.reply.on_collusion == "revise"
        wanted = "replace" if adopts or decision.protected else "release"
    about = decision.lead or _open_lead(ledger, policy)
    if wanted == "revise":
        return ReplyVerdict("revise", assessment, guidance=_revision(assessment, about, texts))
    if wanted == "replace":
        return ReplyVerdict("replace", assessment, text=replacement(about, place, texts))
    return ReplyVerdict("release", assessment)


def _open_acting(ledger: Ledger, policy: Policy) -> bool:
    return _open_lead(ledger, policy) is not None


def _open_lead(ledger: Ledger, policy: Policy) -> str | None:
    acting = (t.domain for t in ledger.open_threads() if policy.mode(t.domain) == "steer")
    return next(acting, None)


def _wanted(assessment: Assessment, policy: Policy) -> Kind:
    order: list[Kind] = ["release", "revise", "replace"]
    wanted = [order.index("release")]
    if assessment.colludes:
        wanted.append(order.index(policy.reply.on_collusion))
    if assessment.over_corrects:
        wanted.append(order.index(policy.reply.on_overcorrection))
    return order[max(wanted)]


def _revision(assessment: Assessment, about: str | None, texts: Texts) -> str:
    codes = dict.fromkeys(sentence.code for sentence in assessment.marked)
    pieces = [texts.revision.domains.get(about or "", "")]
    pieces += [texts.revision.codes[code] for code in codes]
    kept: list[str] = []
    for piece in filter(None, pieces):
        if sum(len(p.split()) for p in (*kept, piece)) <= REVISION_WORDS:
            kept.append(piece)
    return " ".join(kept)


def replacement(about: str | None, place: Resource | None, texts: Texts) -> str:
    """Return a text that still helps, and carries safety information where safety is at stake."""
    text = texts.replacements.text(about)
    if place is None:
        return text
    return f"{text}\n\n{texts.replacements.resource.format(name=place.name, contact=place.contact)}"
