"""What the guard made of a turn, in words: what it found, why, and what it did."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from corroborator.audit import StoredTurn
from corroborator.exemplars import Exemplar
from corroborator.ledger import Ledger, Thread
from corroborator.review.passages import Passage, mark_faults, name_of, title_of
from corroborator.stored_record import Detail, SealedText, StoredFinding, StoredNeighbour
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
class Near:
    """An exemplar that was near."""

    id: str
    text: str | None
    similarity: float


@dataclass(frozen=True, slots=True)
class Why:
    """Why something was found, in words and numbers.

    Attributes:
        title, family: what was found.
        protected: whether it is a disclosure.
        reliance: what a reply would take for granted; empty for a disclosure.
        probability, threshold: it counts from the threshold on.
        sure: whether it was said with certainty; of no concern for a disclosure.
        example, contrast: the nearest that counts, and the nearest that does not.
        said: the words it was found in; empty where no text is kept.
    """

    title: str
    family: str
    protected: bool
    reliance: str
    probability: float
    threshold: float
    sure: bool
    example: Near | None
    contrast: Near | None
    said: str = field(repr=False)


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


@dataclass(frozen=True)
class Explainer:
    """Tells what the guard made of turns.

    Attributes:
        taxonomy: titles.
        exemplars: by id, of the bank as it is now.
    """

    taxonomy: Taxonomy
    exemplars: Mapping[str, Exemplar]

    def tell(self, turn: StoredTurn, detail: Detail, text: SealedText | None) -> Inside:
        """Return it."""
        action = str(turn.closed.body.get("action")) if turn.closed else "none"
        first = detail.drafts[0] if detail.drafts else None
        would = None
        if text is not None and text.drafts and text.drafts[0].text != text.reply and first:
            would = mark_faults(text.drafts[0].text, first.marked, self.taxonomy)
        before = Ledger.from_state(detail.ledger_before)
        after = Ledger.from_state(detail.ledger_after)
        judged = first or detail.reply
        codes = [] if judged is None else [mark.code for mark in judged.marked]
        return Inside(
            _VERDICTS.get(detail.decision.verdict, detail.decision.verdict),
            _ACTIONS.get(action, action),
            tuple(self._why(finding, text) for finding in detail.findings),
            would,
            len(detail.drafts),
            tuple(dict.fromkeys(name_of(self.taxonomy, code) for code in codes)),
            "" if text is None else text.steering,
            detail.decision.action == "steer",
            tuple(self._followed(before, after)),
            _hold(before, after),
        )

    def _why(self, finding: StoredFinding, text: SealedText | None) -> Why:
        domain = self.taxonomy.domains.get(finding.id)
        return Why(
            title_of(self.taxonomy, finding.id),
            finding.id,
            finding.protected,
            "" if domain is None else domain.reliance,
            finding.probability,
            finding.threshold,
            finding.certainty >= _SURE,
            self._near(finding.nearest),
            self._near(finding.contrasts),
            _said(finding, text),
        )

    def _near(self, found: Sequence[StoredNeighbour]) -> Near | None:
        if not found:
            return None
        exemplar = self.exemplars.get(found[0].id)
        text = None if exemplar is None else exemplar.text
        return Near(found[0].id, text, found[0].similarity)

    def _followed(self, before: Ledger, after: Ledger) -> Iterator[Followed]:
        for thread in after.threads:
            title = title_of(self.taxonomy, thread.domain)
            yield Followed(title, _thread(before.thread(thread.domain)), _thread(thread))


def _said(finding: StoredFinding, text: SealedText | None) -> str:
    """Return the words that something was found in."""
    messages = () if text is None else text.messages
    found = (m.text for m in messages if m.position == finding.message)
    return next(found, "")[finding.start : finding.end]


def _thread(thread: Thread | None) -> str:
    if thread is None or not thread.recurrences:
        return "not yet said" if thread is None else thread.status
    times = "once" if thread.recurrences == 1 else f"{thread.recurrences} times"
    sure = "with certainty" if thread.certainty >= _SURE else "without certainty"
    adopted = ""
    if thread.adopted:
        adopted = f"; taken over by {thread.adopted} of the replies"
    return f"{thread.status}; said {times}, {sure}{adopted}"


def _hold(before: Ledger, after: Ledger) -> str:
    if after.holds_risk() and after.risk_hold is not None:
        since = "" if before.holds_risk() else "from this turn on, "
        return f"{since}safety stays first until turn {after.risk_hold.until_turn}".strip()
    return "off"
