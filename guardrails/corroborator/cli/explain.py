"""``corroborator explain``: all that the guard makes of one statement."""

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from corroborator.cli._common import JUDGE, OUT, PolicyOption, note, write_line
from corroborator.errors import InputError

if TYPE_CHECKING:
    from corroborator.explanation import Explanation
    from corroborator.findings import Finding


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=JUDGE)(explain)


def explain(
    policy: PolicyOption = None,
    json_: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Say what is made of one statement, and why.

    The statement or message is read from standard input, so that it does not land in the history
    of your shell. Nothing is recorded.
    """
    from corroborator.cli._guard import open_engine  # noqa: PLC0415 - slow; --help stays quick
    from corroborator.explanation import explain as explained  # noqa: PLC0415 - slow; --help stays quick
    from corroborator.policy import load_policy  # noqa: PLC0415 - slow; --help stays quick

    engine = open_engine(load_policy(policy))
    text = _read()
    explanation = explained(engine, text)
    if json_:
        write_line(json.dumps(explanation.to_json()))
    else:
        _print(explanation, text)


def _read() -> str:
    if sys.stdin.isatty():
        note("Type a statement; end with Ctrl-D on a line of its own.")
    text = sys.stdin.buffer.read().decode("utf-8", "replace").strip()
    if not text:
        raise InputError("there is no text on standard input: pipe in a file with a statement")
    return text


def _print(explanation: "Explanation", text: str) -> None:
    from corroborator.cli._view import marked, rows, width  # noqa: PLC0415 - slow; --help stays quick

    outcome = explanation.outcome
    findings = outcome.detection.findings
    spans = [(f.statement.start, f.statement.end) for f in findings]
    grid = rows()
    grid.add_row("text", marked(text, spans))
    for statement in outcome.not_covered:
        grid.add_row("", f"not covered: {statement.language} is not among the tested languages")
    if outcome.unread:
        grid.add_row("", f"{outcome.unread} characters of it were not read, it is too long")
    for finding in findings:
        grid.add_row("", "")
        grid.add_row("taken for", Group(*_finding(explanation, finding)))
    if not findings:
        grid.add_row("taken for", Group(*_nothing(explanation)))
    grid.add_row("", "")
    grid.add_row("policy", _decision(explanation))
    grid.add_row("steering", Text(outcome.steering.text or "none", style="italic"))
    grid.add_row("review", f"clinical_review: {explanation.engine.taxonomy.clinical_review}")
    OUT.print(Padding(grid, (1, 0)), width=width(OUT))
    if explanation.heads:
        OUT.print(_heads(explanation), width=width(OUT))


def _finding(explanation: "Explanation", finding: "Finding") -> Iterator[RenderableType]:
    from corroborator.cli._view import neighbour, rests_on, title  # noqa: PLC0415 - slow; --help stays quick

    entry = explanation.entry(finding)
    yield title(finding, explanation.engine.taxonomy)
    yield Text(entry.definition)
    yield rests_on(finding.family, explanation.outcome.after, explanation.engine.taxonomy)
    yield Text(f"said with certainty {finding.certainty:.2f}; margin {finding.margin:+.2f}")
    for found in finding.nearest:
        yield neighbour("example", found)
    for found in finding.contrasts:
        yield neighbour("contrast", found)
    for item in entry.evidence:
        place = "no DOI known" if item.doi is None else f"doi {item.doi}"
        checked = "checked" if item.checked else "not yet checked against the paper"
        yield Text.assemble(
            ("evidence  ", "bold"), item.claim, (f" {place}, {item.grade}, {checked}", "dim")
        )
    if not entry.evidence:
        yield Text.assemble(("evidence  ", "bold"), entry.evidence_note or "none")


def _nothing(explanation: "Explanation") -> Iterator[RenderableType]:
    from corroborator.cli._view import neighbour  # noqa: PLC0415 - slow; --help stays quick

    yield Text("nothing that a reply must not lean on")
    for found in explanation.nearest:
        yield neighbour("example", found)
    for found in explanation.contrasts:
        yield neighbour("contrast", found)


def _decision(explanation: "Explanation") -> str:
    decision = explanation.outcome.decision
    policy = explanation.engine.policy
    parts = [f"profile {policy.profile}: verdict {decision.verdict}, action {decision.action}"]
    parts += [f"{name} first" for name in decision.protected]
    parts += [f"{name} ({policy.mode(name)})" for name in decision.domains]
    if decision.hold:
        parts.append("a streamed reply is held until it is checked")
    return "; ".join(parts)


def _heads(explanation: "Explanation") -> Table:
    table = Table(
        title="All heads. The gates decide whether a statement counts, the rest how it is named.",
        title_justify="left",
        title_style="",
        box=None,
        pad_edge=False,
    )
    table.add_column("head")
    for column in ("score", "probability", "threshold", "margin"):
        table.add_column(column, justify="right")
    for head in explanation.heads:
        table.add_row(
            f"{head.head} (gate)" if head.kind == "gate" else head.head,
            f"{head.score:+.2f}",
            f"{head.probability:.3f}",
            f"{head.threshold:.3f}",
            f"{head.margin:+.3f}",
            style="bold" if head.margin >= 0 else "",
        )
    return table
