"""A stored turn as a story: when, what was judged, what was done, and why."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from corroborator.audit import Record, StoredTurn
from corroborator.cli._common import counted, printable
from corroborator.cli._view import from_earlier, marked, neighbour, quoted, rests_on, rows
from corroborator.exemplars import Exemplar, Neighbour
from corroborator.ledger import Ledger
from corroborator.stored_record import (
    Detail,
    SealedText,
    StoredAssessment,
    StoredFinding,
    StoredNeighbour,
    StoredReply,
    read_detail,
    read_text,
    read_versions,
)
from corroborator.taxonomy import Domain, Protected, Taxonomy

_HASH = 40
"""Versions as long as this are hashes, and shown shortened."""

_VERDICTS = {
    "clear": "nothing was found that a reply must not rest on",
    "note": "claims were found and noted",
    "steer": "claims were found that a reply must not rest on",
    "protect": "a disclosure was found, to be met with help first",
}
_ACTIONS = {
    "none": "nothing was done",
    "steered": "the model was steered",
    "revised": "a draft was sent back to the model",
    "replaced": "a written text went out in place of the draft",
}
_KINDS = {
    "release": "let out",
    "revise": "sent back to the model",
    "replace": "replaced",
}
_WOULD = {
    "release": "the guard would have let it go out",
    "revise": "the guard would have sent it back to the model",
    "replace": "the guard would have replaced it",
}
_CHECKED = {
    "checked": "checked before it went out",
    "after_release": "checked after it went out",
    "replacement": "a written text in place of the draft",
}


@dataclass(frozen=True)
class Narrator:
    """Tells stored turns.

    Attributes:
        taxonomy: titles.
        exemplars: id -> exemplar, of the bank as it is now.
        with_text: whether to quote what is under seal.
        no_key: why sealed content cannot be read; None where the master key is there.
    """

    taxonomy: Taxonomy
    exemplars: Mapping[str, Exemplar]
    with_text: bool
    no_key: str | None

    def tell(self, turn: StoredTurn, before: StoredTurn | None = None) -> Table:
        """Return a turn for the terminal; versions where the one told before has others."""
        grid = rows()
        detail, text = read_detail(turn), read_text(turn) if self.with_text else None
        number = "turn" if detail is None else f"turn {detail.turn}"
        grid.add_row(number, Text(_when(turn), style="bold"))
        if turn.closed is None:
            grid.add_row("gap" if turn.status == "gap" else "open", _UNCLOSED[turn.status])
        elif detail is None:
            grid.add_row("content", self._absent(turn))
        else:
            for label, content in self._judged(turn, detail, text):
                grid.add_row(label, content)
        if before is None or read_versions(before) != read_versions(turn):
            grid.add_row("versions", Text(_versions(turn), style="dim"))
        if turn.closed is not None:
            if isinstance(errors := turn.closed.body.get("errors"), Sequence) and errors:
                grid.add_row("errors", ", ".join(map(str, errors)))
            grid.add_row("record", Text(f"{turn.chain}/{turn.closed.seq}", style="dim"))
        return grid

    def _judged(
        self, turn: StoredTurn, detail: Detail, text: SealedText | None
    ) -> Iterator[tuple[str, RenderableType]]:
        if text is not None:
            yield "user", _user(detail, text)
            for item in text.evidence:
                words = f"{item.source} {item.bearing} {item.domain}: {item.text}"
                yield "evidence", Text(printable(words))
        elif self.with_text:
            yield "text", "none was kept"
        yield "verdict", _verdict(detail)
        yield "action", _action(turn, detail)
        ledger = Ledger.from_state(detail.ledger_after)
        for finding in detail.findings:
            yield "why", Group(*self._why(finding, ledger, text))
        if not detail.findings:
            yield from (("why", words) for words in from_earlier(ledger, self.taxonomy))
        if text is not None and text.steering:
            yield "steering", Text(printable(text.steering), style="italic")
        yield from self._written(detail, text)
        for words in _unread(detail):
            yield "", words

    def _written(
        self, detail: Detail, text: SealedText | None
    ) -> Iterator[tuple[str, RenderableType]]:
        """Tell the drafts and the reply; a draft that is the reply of a past turn is told once."""
        drafts = () if detail.retrospective else detail.drafts
        for number, draft in enumerate(drafts):
            words = Text(f"{_KINDS.get(draft.kind, draft.kind)}: {_assessed(draft)}")
            written = text.drafts[number].text if text and number < len(text.drafts) else None
            content = (words, *_quote(written), *self._faults(draft, written))
            yield f"draft {number + 1}", Group(*content)
        if detail.reply is None:
            yield "reply", "none"
        elif (kept := _draft_of(detail)) is not None:
            yield "reply", f"draft {kept}, {_CHECKED['checked']}"
        else:
            yield "reply", Group(*self._reply(detail, detail.reply, text))

    def _reply(self, detail: Detail, reply: StoredReply, text: SealedText | None) -> Iterator[Text]:
        words = Text(_CHECKED.get(reply.checked, reply.checked))
        if reply.checked != "replacement":
            words.append(f": {_assessed(reply)}")
        for draft in detail.drafts[:1] if detail.retrospective else ():
            words.append(f"; {_WOULD.get(draft.kind, draft.kind)}")
        yield words
        written = None if text is None else text.reply
        yield from _quote(written)
        if reply.checked == "after_release":
            yield from self._faults(reply, written)

    def _why(
        self, finding: StoredFinding, ledger: Ledger, text: SealedText | None
    ) -> Iterator[Text]:
        table: Mapping[str, Domain | Protected] = (
            self.taxonomy.protected if finding.protected else self.taxonomy.domains
        )
        entry = table.get(finding.id)
        kind = "a disclosure" if finding.protected else "a claim"
        yield Text.assemble(
            (finding.id if entry is None else entry.title, "bold"),
            f" ({kind}, {finding.id}): {_said(finding, text)}",
        )
        if entry is not None:
            yield rests_on(finding.id, ledger, self.taxonomy)
        yield Text(
            f"probability {finding.probability:.2f}, it counts from {finding.threshold:.2f};"
            f" said with certainty {finding.certainty:.2f}"
        )
        for label, near in (("example", finding.nearest), ("contrast", finding.contrasts)):
            if near:
                yield self._near(f"nearest {label}", near[0])

    def _near(self, label: str, found: StoredNeighbour) -> Text:
        exemplar = self.exemplars.get(found.id)
        if exemplar is None:
            return Text(f"{label} {found.similarity:.2f} {found.id} (no longer in the bank)")
        return neighbour(label, Neighbour(exemplar, found.similarity))

    def _faults(self, judged: StoredAssessment, text: str | None) -> Iterator[Text]:
        for mark in judged.marked:
            code = self.taxonomy.codes.get(mark.code)
            name = "" if code is None else f" {code.name}"
            place = f"characters {mark.start} to {mark.end}"
            where = place if text is None else f"“{printable(text[mark.start : mark.end])}”"
            yield Text.assemble(
                (f"{mark.code}{name}", "red"), f" ({mark.probability:.2f}): {where}"
            )

    def _absent(self, turn: StoredTurn) -> str:
        if not turn.intact:
            return "changed since it was written: see `corroborator audit verify`"
        if turn.detail == {}:
            return "none: the turn could not be judged"
        sealed = turn.closed is not None and turn.closed.body.get("content") == "sealed"
        if sealed and self.no_key is not None:
            return f"sealed, or erased: {self.no_key}"
        return "erased"


_UNCLOSED = {
    "gap": "the turn was never closed: its process ended before the reply went out",
    "open": "not closed: in progress, or its process ended",
}


def changed(change: Record) -> Text:
    """Return a change of the configuration for the terminal: each part, before and after."""
    before, after = (_parts(change.body.get(name)) for name in ("before", "after"))
    parts = [
        f"{name} {_short(before.get(name))} to {_short(value)}"
        for name, value in after.items()
        if before.get(name) != value
    ]
    parts += [
        f"{name} {_short(value)} to none" for name, value in before.items() if name not in after
    ]
    return Text(f"{_moment(change)}: the configuration changed: {', '.join(parts)}", style="yellow")


def _parts(configuration: object) -> Mapping[str, object]:
    return configuration if isinstance(configuration, Mapping) else {}


def _short(value: object) -> str:
    text = "none" if value is None else printable(str(value))
    return text if len(text) < _HASH else text[:12]


def _when(turn: StoredTurn) -> str:
    return _moment(turn.opened)


def _moment(event: Record) -> str:
    return event.time.replace("T", " ")[:19] + " UTC"


def _versions(turn: StoredTurn) -> str:
    return ", ".join(f"{name} {_short(value)}" for name, value in read_versions(turn).items())


def _draft_of(detail: Detail) -> int | None:
    """Return which draft a reply was, from 1: the last that was judged the same; None if none."""
    reply = detail.reply
    if reply is None or reply.checked != "checked":
        return None
    alike = [n for n, draft in enumerate(detail.drafts, start=1) if _same(draft, reply)]
    return alike[-1] if alike else None


def _same(one: StoredAssessment, other: StoredAssessment) -> bool:
    return all(getattr(one, f) == getattr(other, f) for f in StoredAssessment.model_fields)


def _said(finding: StoredFinding, text: SealedText | None) -> str:
    for message in () if text is None else text.messages:
        if message.position == finding.message:
            return quoted(message.text[finding.start : finding.end])
    return f"characters {finding.start} to {finding.end} of message {finding.message}"


def _user(detail: Detail, text: SealedText) -> Group:
    return Group(
        *(
            marked(m.text, [(f.start, f.end) for f in detail.findings if f.message == m.position])
            for m in sorted(text.messages, key=lambda message: message.position)
        )
    )


def _quote(text: str | None) -> Iterator[Text]:
    if text is not None:
        yield Text(printable(text), style="italic")


def _verdict(detail: Detail) -> str:
    decision = detail.decision
    words = _VERDICTS.get(decision.verdict, decision.verdict)
    named = ", ".join((*decision.protected, *decision.domains))
    hold = "; danger was spoken of in this conversation: safety stays first"
    return f"{words}{f' ({named})' if named else ''}{hold if decision.risk_hold else ''}"


def _action(turn: StoredTurn, detail: Detail) -> str:
    if detail.retrospective:
        return "nothing could be done: the turn was read from a transcript"
    action = str(turn.closed.body.get("action")) if turn.closed else ""
    return _ACTIONS.get(action, action)


def _assessed(judged: StoredAssessment) -> str:
    if judged.collusion is None or judged.over_correction is None:
        return "not judged"
    colludes = "colludes" if judged.colludes else "does not collude"
    corrects = "over-corrects" if judged.over_corrects else "does not over-correct"
    return f"{colludes} ({judged.collusion:.2f}), {corrects} ({judged.over_correction:.2f})"


def _unread(detail: Detail) -> Iterator[str]:
    if detail.not_covered:
        yield f"{counted(detail.not_covered, 'statement')} not covered: languages not tested"
    if detail.unread:
        yield f"{detail.unread} characters, parts or messages were not read"
