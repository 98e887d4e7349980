"""How a guarded turn is shown in a terminal, light or dark, with or without colour.

What matters is said in words and marks as well as in colour.
"""

import textwrap
from collections.abc import Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from corroborator.cli._common import printable
from corroborator.engine import Outcome
from corroborator.evidence import Evidence
from corroborator.exchange import ChatMessages, Exchange
from corroborator.exemplars import Neighbour
from corroborator.findings import Finding
from corroborator.ledger import Ledger
from corroborator.record import Draft
from corroborator.taxonomy import Taxonomy

WIDTH = 100
"""Wider terminals get no longer lines than this."""

QUOTED = 110
"""Examples are cut to so many characters."""

SHOWN = 3
"""So many findings of a turn are shown."""


def width(console: Console) -> int:
    """Return how wide to print."""
    return min(console.width, WIDTH)


def rows() -> Table:
    """Return a table of labels and what they label."""
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(width=9, justify="right", style="bold")
    grid.add_column(ratio=1)
    return grid


def quoted(text: str) -> str:
    """Return a text on one line, shortened, in quotation marks."""
    return f"“{textwrap.shorten(printable(text), QUOTED, placeholder=' …')}”"


def marked(text: str, spans: Sequence[tuple[int, int]]) -> Text:
    """Return a text with some of it marked; spans are in characters and do not overlap."""
    shown, done = Text(), 0
    for start, end in sorted(set(spans)):
        shown.append(printable(text[done:start]))
        shown.append(f"»{printable(text[start:end])}«", style="bold underline")
        done = end
    return shown.append(printable(text[done:]))


def user_text(messages: ChatMessages, outcome: Outcome) -> Text:
    """Return the last message of a conversation with the statements that fired marked."""
    last = len(messages) - 1
    found = [finding.statement for finding in outcome.detection.findings]
    return marked(messages[last]["content"], [(s.start, s.end) for s in found if s.message == last])


def title(finding: Finding, taxonomy: Taxonomy) -> Text:
    """Return what a statement was taken for, and how sure the gate is."""
    table = taxonomy.protected if finding.protected else taxonomy.domains
    kind = "a disclosure" if finding.protected else "a claim"
    return Text.assemble(
        (table[finding.family].title, "bold"),
        f" ({kind}, {finding.family}), probability {finding.probability:.2f};",
        f" it counts from {finding.threshold:.2f}",
    )


def neighbour(label: str, found: Neighbour) -> Text:
    """Return a line about an exemplar and how similar it is."""
    exemplar = found.exemplar
    tag = "" if exemplar.tag is None else f", {exemplar.tag.replace('_', ' ')}"
    return Text.assemble(
        f"{label} {found.similarity:.2f} ",
        (quoted(exemplar.text), "italic"),
        (f" {exemplar.family}{tag}", "dim"),
    )


def rests_on(family: str, ledger: Ledger, taxonomy: Taxonomy) -> Text:
    """Return what a reply would have to take for granted, or what a disclosure asks for."""
    if ledger.status(family) == "corroborated":
        return Text("The evidence supports it, so a reply may rest on it.")
    if family in taxonomy.protected:
        return Text(taxonomy.protected[family].default_reply)
    return Text(taxonomy.domains[family].reliance)


def from_earlier(ledger: Ledger, taxonomy: Taxonomy) -> Iterator[Text]:
    """Yield what a reply is checked for although nothing was found in this turn."""
    if open_threads := ledger.open_threads():
        names = ", ".join(taxonomy.domains[thread.domain].title for thread in open_threads)
        yield Text(f"from earlier turns the reply is still checked for: {names}")


def faults(draft: Draft, taxonomy: Taxonomy) -> Iterator[Text]:
    """Yield what is wrong with a draft, sentence by sentence."""
    for sentence in draft.verdict.assessment.marked:
        code = taxonomy.codes[sentence.code]
        yield Text.assemble(
            ("✗ ", "red"),
            (quoted(draft.text[sentence.start : sentence.end]), "italic"),
            (f" {sentence.code} {code.name}", "red"),
            f" ({sentence.probability:.2f}): {code.description}",
        )


def show(
    console: Console,
    done: Exchange,
    messages: ChatMessages,
    evidence: Sequence[Evidence],
    taxonomy: Taxonomy,
) -> None:
    """Print one guarded turn.

    Args:
        console: where to.
        done: the turn.
        messages: the conversation up to the user's message.
        evidence: what the app passed.
        taxonomy: titles and codes.
    """
    outcome = done.turn.outcome
    grid = rows()
    grid.add_row("user", user_text(messages, outcome))
    for item in evidence:
        grid.add_row("evidence", f"{item.source} {item.bearing} {item.domain}: {item.text}")
    grid.add_row("taken for", Group(*_taken_for(outcome, taxonomy)))
    if done.turn.steering:
        grid.add_row("steering", Text(done.turn.steering, style="italic"))
    for number, draft in enumerate(done.drafts, start=1):
        if draft.verdict.kind != "release":
            grid.add_row(f"draft {number}", _refused(draft, taxonomy))
    grid.add_row(Text("reply", style="bold green"), _reply(done))
    console.print(Padding(grid, (0, 0, 1, 0)), width=width(console))


def _taken_for(outcome: Outcome, taxonomy: Taxonomy) -> Iterator[RenderableType]:
    findings = outcome.detection.findings
    if not findings:
        yield Text("nothing that a reply must not lean on")
    for finding in findings[:SHOWN]:
        yield title(finding, taxonomy)
        yield rests_on(finding.family, outcome.after, taxonomy)
        for label, near in (("example", finding.nearest), ("contrast", finding.contrasts)):
            if near:
                yield neighbour(f"nearest {label}", near[0])
    if len(findings) > SHOWN:
        yield Text(f"and {len(findings) - SHOWN} more")
    for statement in outcome.not_covered:
        yield Text(f"not covered: a statement in {statement.language}, which was not tested")
    if not findings:
        yield from from_earlier(outcome.after, taxonomy)
    if outcome.decision.risk_hold:
        yield Text("danger was spoken of in this conversation: safety stays first", style="bold")


def _refused(draft: Draft, taxonomy: Taxonomy) -> RenderableType:
    then = "replaced" if draft.verdict.kind == "replace" else "the model was asked again"
    return Group(
        Text(f"not sent, {then}", style="red"),
        Text(printable(draft.text)),
        *faults(draft, taxonomy),
    )


def _reply(done: Exchange) -> Text:
    replaced = done.drafts[-1].verdict.kind == "replace"
    origin = "(a written text, in place of the drafts) " if replaced else ""
    return Text.assemble((origin, "dim"), printable(done.reply))
