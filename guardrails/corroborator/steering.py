"""From a decision to the guidance that the model gets for this one turn."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from corroborator.decision import Decision
from corroborator.evidence import Evidence, bearing_on
from corroborator.ledger import Ledger
from corroborator.support_resources import Resource
from corroborator.texts import Texts

RESOURCE = "resource"
"""Stands among the guided ids where a place to turn to was named."""

MAX_WORDS = 120
"""Longer safety text made a reactive simulated user worse (published results of psychosis-guard)."""


@dataclass(frozen=True, slots=True)
class Steering:
    """Guidance for one turn.

    Attributes:
        text: what goes into the model's instructions; empty where nothing is to be said.
        guided: ids on which full guidance was given.
    """

    text: str = field(default="", repr=False)
    guided: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    guides: str | None = None


def compose(
    decision: Decision,
    ledger: Ledger,
    evidence: Iterable[Evidence],
    texts: Texts,
    repeat_after: int,
    place: Resource | None = None,
) -> Steering:
    """Compose the guidance of at most `MAX_WORDS` words.

    A place to turn to is always in it; of the other pieces those that do not fit are left out, the
    last first.

    Args:
        decision: what was decided on this turn.
        ledger: after this turn.
        evidence: what the app passed in this turn.
        texts: the guidance texts.
        repeat_after: turns until full guidance on one id is given again; a reminder in between.
        place: where the reply may point to, if this is the time for it.
    """
    offered = [] if place is None else [_offer(place, texts)]
    kept: list[_Piece] = []
    for piece in (*_acting(decision, ledger, texts, repeat_after), *_known(evidence, texts)):
        if sum(len(p.text.split()) for p in (*offered, *kept, piece)) <= MAX_WORDS:
            kept.append(piece)
    kept += offered
    guided = frozenset(piece.guides for piece in kept if piece.guides)
    return Steering("\n".join(piece.text for piece in kept), guided)


def _acting(decision: Decision, ledger: Ledger, texts: Texts, repeat_after: int) -> list[_Piece]:
    if decision.action == "none":
        return []
    if decision.protected:
        return _protected(decision, ledger, texts, repeat_after)
    pieces = _domains(decision, ledger, texts, repeat_after)
    if decision.risk_hold:
        pieces.insert(1, _Piece(texts.steering.shared.risk_hold))
    return pieces


def _protected(decision: Decision, ledger: Ledger, texts: Texts, repeat_after: int) -> list[_Piece]:
    pieces = []
    for identifier in decision.protected[:1]:
        text = texts.steering.protected[identifier]
        due = _due(ledger.guided_protected.get(identifier), ledger.turn, repeat_after)
        pieces.append(_Piece(text.guidance, identifier) if due else _Piece(text.brief))
        if decision.domains:
            pieces.append(_Piece(texts.steering.shared.mixed_lead))
    return pieces


def _domains(decision: Decision, ledger: Ledger, texts: Texts, repeat_after: int) -> list[_Piece]:
    pieces = []
    for position, domain in enumerate(decision.domains[:2]):
        text = texts.steering.domains[domain]
        thread = ledger.thread(domain)
        last = thread.guided_turn if thread else None
        due = position == 0 and _due(last, ledger.turn, repeat_after)
        pieces.append(_Piece(text.guidance, domain) if due else _Piece(text.brief))
    return pieces


def _due(last: int | None, turn: int, repeat_after: int) -> bool:
    """Whether full guidance is due; a turn that is judged once more gets it once more."""
    return last is None or last >= turn or turn - last >= repeat_after


def _offer(place: Resource, texts: Texts) -> _Piece:
    text = texts.steering.shared.resource.format(name=place.name, contact=place.contact)
    return _Piece(text, RESOURCE)


def _known(evidence: Iterable[Evidence], texts: Texts) -> list[_Piece]:
    """Say what is known and from whom: that is what a grounded reply can stand on."""
    pieces = []
    items = tuple(evidence)
    for domain in dict.fromkeys(item.domain for item in items):
        deciding = bearing_on(items, domain)
        if deciding is None:
            continue
        shared = texts.steering.shared
        supports = deciding.bearing == "supports"
        template = shared.corroborated if supports else shared.contradicted
        pieces.append(_Piece(template.format(source=deciding.source, text=deciding.text)))
    return pieces
