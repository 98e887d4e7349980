"""A conversation as a reviewer reads it: who said what, why the guard did what it did, in words."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from corroborator.audit import StoredTurn
from corroborator.exemplars import Exemplar
from corroborator.ledger import Ledger, Thread
from corroborator.stored_record import (
    Detail,
    SealedText,
    StoredFinding,
    StoredMark,
    StoredNeighbour,
    read_detail,
    read_text,
)
from corroborator.taxonomy import Taxonomy

_VERDICTS = {
    "clear": "Nothing was found that a reply must not rest on.",
    "note": "Claims were found and noted.",
    "steer": "Claims were found that a reply must not rest on.",
    "protect": "A disclosure was found, to be met with help first.",
}
_ACTIONS = {
    "none": "Nothing was done.",
    "steered": "The model was steered.",
    "revised": "A draft was sent back to the model.",
    "replaced": "A written text went out in place of the draft.",
}
_SURE = 0.5


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of text, marked where something is about it.

    Attributes:
        text: as it was written.
        mark: ``claim``, ``help`` for a disclosure, ``fault`` in a reply, or None.
        title: what the mark is about.
    """

    text: str = field(repr=False)
    mark: str | None = None
    title: str = ""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One turn of the conversation.

    Attributes:
        seq: of the event that opened it.
        time: when, as people write it.
        user: the messages that were new; none where no text is kept.
        reply: what the user saw; None where there was none, or no text is kept.
    """

    seq: int
    time: str
    user: tuple[tuple[Passage, ...], ...]
    reply: tuple[Passage, ...] | None


@dataclass(frozen=True, slots=True)
class Near:
    """An exemplar that was near."""

    id: str
    text: str | None
    similarity: float


@dataclass(frozen=True, slots=True)
class Why:
    """Why something was found, in words and numbers."""

    title: str
    family: str
    protected: bool
    reliance: str
    probability: float
    threshold: float
    sure: bool
    example: Near | None
    contrast: Near | None


@dataclass(frozen=True, slots=True)
class Followed:
    """A claim in the ledger, before and after the turn."""

    title: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Inside:
    """What the guard made of a turn; hidden in the first pass.

    Attributes:
        verdict, action: in words.
        why: for each finding, strongest first.
        would: what the model would have said; None where the user saw the same.
        drafts: how many drafts there were.
        faults: the names of what was found at fault in the first draft.
        steering: what was added to the model's instructions; empty if nothing was.
        steered: whether it was really used: an observing guard only writes it down.
        ledger: the claims that are followed.
        hold: what is said of a risk hold, before and after.
    """

    verdict: str
    action: str
    why: tuple[Why, ...]
    would: tuple[Passage, ...] | None
    drafts: int
    faults: tuple[str, ...]
    steering: str
    steered: bool
    ledger: tuple[Followed, ...]
    hold: str


@dataclass(frozen=True, slots=True)
class Story:
    """A turn within its conversation.

    Attributes:
        before, after: the other turns.
        turn: the one to judge.
        has_text: whether the words of it are there.
        inside: None in the first pass, and where nothing is left of it.
    """

    before: tuple[Exchange, ...]
    turn: Exchange
    after: tuple[Exchange, ...]
    has_text: bool
    inside: Inside | None


@dataclass(frozen=True)
class Teller:
    """Tells turns.

    Attributes:
        taxonomy: titles.
        exemplars: by id, of the bank as it is now.
    """

    taxonomy: Taxonomy
    exemplars: Mapping[str, Exemplar]

    def tell(self, turns: Iterable[StoredTurn], seq: int, *, blind: bool) -> Story | None:
        """Return the story of a turn; None where it is not in the conversation any more.

        Args:
            turns: of the conversation, in order.
            seq: of the event that opened the turn.
            blind: whether scores, marks and actions stay hidden.
        """
        told = [turn for turn in turns if turn.closed is not None]
        place = next((n for n, turn in enumerate(told) if turn.opened.seq == seq), None)
        if place is None:
            return None
        turn = told[place]
        detail, text = read_detail(turn), read_text(turn)
        inside = None
        if detail is not None and not blind:
            inside = self._inside(turn, detail, text)
        return Story(
            tuple(_exchange(one) for one in told[:place] if not _repeated(one)),
            self._marked(turn, detail, text) if inside is not None else _exchange(turn),
            tuple(_exchange(one) for one in told[place + 1 :] if not _repeated(one)),
            text is not None,
            inside,
        )

    def title(self, family: str) -> str:
        """Return what a family is called."""
        entry = self.taxonomy.protected.get(family) or self.taxonomy.domains.get(family)
        return family if entry is None else entry.title

    def _marked(self, turn: StoredTurn, detail: Detail | None, text: SealedText | None) -> Exchange:
        if detail is None or text is None:
            return _exchange(turn)
        messages = tuple(
            tuple(self._found(m.text, [f for f in detail.findings if f.message == m.position]))
            for m in sorted(text.messages, key=lambda message: message.position)
        )
        faults = () if detail.reply is None else detail.reply.marked
        reply = None if text.reply is None else tuple(self._faulted(text.reply, faults))
        return Exchange(turn.opened.seq, _when(turn), messages, reply)

    def _found(self, text: str, findings: Sequence[StoredFinding]) -> Iterator[Passage]:
        marks = [
            (f.start, f.end, "help" if f.protected else "claim", self.title(f.id)) for f in findings
        ]
        return _cut(text, marks)

    def _faulted(self, text: str, faults: Sequence[StoredMark]) -> Iterator[Passage]:
        return _cut(text, [(m.start, m.end, "fault", self._fault(m.code)) for m in faults])

    def _fault(self, code: str) -> str:
        entry = self.taxonomy.codes.get(code)
        return code if entry is None else entry.name

    def _inside(self, turn: StoredTurn, detail: Detail, text: SealedText | None) -> Inside:
        action = str(turn.closed.body.get("action")) if turn.closed else "none"
        first = detail.drafts[0] if detail.drafts else None
        would = None
        if text is not None and text.drafts and text.drafts[0].text != text.reply and first:
            would = tuple(self._faulted(text.drafts[0].text, first.marked))
        before = Ledger.from_state(detail.ledger_before)
        after = Ledger.from_state(detail.ledger_after)
        judged = first or detail.reply
        codes = [] if judged is None else [mark.code for mark in judged.marked]
        return Inside(
            _VERDICTS.get(detail.decision.verdict, detail.decision.verdict),
            _ACTIONS.get(action, action),
            tuple(self._why(finding) for finding in detail.findings),
            would,
            len(detail.drafts),
            tuple(dict.fromkeys(self._fault(code) for code in codes)),
            "" if text is None else text.steering,
            detail.decision.action == "steer",
            tuple(self._followed(before, after)),
            _hold(before, after),
        )

    def _why(self, finding: StoredFinding) -> Why:
        domain = self.taxonomy.domains.get(finding.id)
        return Why(
            self.title(finding.id),
            finding.id,
            finding.protected,
            "" if domain is None else domain.reliance,
            finding.probability,
            finding.threshold,
            finding.certainty >= _SURE,
            self._near(finding.nearest),
            self._near(finding.contrasts),
        )

    def _near(self, found: Sequence[StoredNeighbour]) -> Near | None:
        if not found:
            return None
        exemplar = self.exemplars.get(found[0].id)
        text = None if exemplar is None else exemplar.text
        return Near(found[0].id, text, found[0].similarity)

    def _followed(self, before: Ledger, after: Ledger) -> Iterator[Followed]:
        for thread in after.threads:
            yield Followed(
                self.title(thread.domain), _thread(before.thread(thread.domain)), _thread(thread)
            )


def spoken_in(turn: StoredTurn) -> list[str]:
    """Return all that was said in a turn."""
    text = read_text(turn)
    if text is None:
        return []
    replies = [text.reply or "", *(draft.text for draft in text.drafts)]
    return [*(message.text for message in text.messages), *replies]


def _exchange(turn: StoredTurn) -> Exchange:
    text = read_text(turn)
    if text is None:
        return Exchange(turn.opened.seq, _when(turn), (), None)
    messages = sorted(text.messages, key=lambda message: message.position)
    return Exchange(
        turn.opened.seq,
        _when(turn),
        tuple((Passage(message.text),) for message in messages),
        None if text.reply is None else (Passage(text.reply),),
    )


def _repeated(turn: StoredTurn) -> bool:
    """Whether a turn only judged again what an earlier one had read."""
    detail = read_detail(turn)
    return detail is not None and detail.repeated


def _cut(text: str, marks: Sequence[tuple[int, int, str, str]]) -> Iterator[Passage]:
    """Cut a text where marks begin and end; of marks that overlap the first is kept."""
    place = 0
    for start, end, mark, title in sorted(marks):
        if start < place:
            continue
        if start > place:
            yield Passage(text[place:start])
        yield Passage(text[start:end], mark, title)
        place = end
    if place < len(text):
        yield Passage(text[place:])


def _thread(thread: Thread | None) -> str:
    if thread is None or not thread.recurrences:
        return "not yet said" if thread is None else thread.status
    times = "once" if thread.recurrences == 1 else f"{thread.recurrences} times"
    sure = "surely" if thread.certainty >= _SURE else "not surely"
    adopted = ""
    if thread.adopted:
        adopted = f"; replies took it over: {thread.adopted}"
    return f"{thread.status}; said {times}, {sure}{adopted}"


def _hold(before: Ledger, after: Ledger) -> str:
    if after.holds_risk() and after.risk_hold is not None:
        since = "" if before.holds_risk() else "from this turn on, "
        return f"{since}safety stays first until turn {after.risk_hold.until_turn}".strip()
    return "off"


def _when(turn: StoredTurn) -> str:
    return turn.opened.time[:16].replace("T", " ") + " UTC"
