"""A conversation as a reviewer reads it: who said what, and what the guard made of one turn."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from corroborator.audit import StoredTurn
from corroborator.exemplars import Exemplar
from corroborator.review.inside import Explainer, Inside
from corroborator.review.passages import Passage, mark_faults, mark_findings, title_of
from corroborator.stored_record import Detail, SealedText, read_detail, read_text
from corroborator.taxonomy import Taxonomy


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
            inside = Explainer(self.taxonomy, self.exemplars).tell(turn, detail, text)
        return Story(
            tuple(_exchange(one) for one in told[:place] if not _repeated(one)),
            self._marked(turn, detail, text) if inside is not None else _exchange(turn),
            tuple(_exchange(one) for one in told[place + 1 :] if not _repeated(one)),
            text is not None,
            inside,
        )

    def title(self, family: str) -> str:
        """Return what a family is called."""
        return title_of(self.taxonomy, family)

    def _marked(self, turn: StoredTurn, detail: Detail | None, text: SealedText | None) -> Exchange:
        if detail is None or text is None:
            return _exchange(turn)
        messages = tuple(
            mark_findings(
                m.text, [f for f in detail.findings if f.message == m.position], self.taxonomy
            )
            for m in sorted(text.messages, key=lambda message: message.position)
        )
        faults = () if detail.reply is None else detail.reply.marked
        reply = None if text.reply is None else mark_faults(text.reply, faults, self.taxonomy)
        return Exchange(turn.opened.seq, _when(turn), messages, reply)


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


def _when(turn: StoredTurn) -> str:
    return turn.opened.time[:16].replace("T", " ") + " UTC"
