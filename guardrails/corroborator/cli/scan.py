"""``corroborator scan``: stored conversations through the guard, without any model."""

import json
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from corroborator.cli._common import (
    ERR,
    FAILED,
    JUDGE,
    OUT,
    AuditOption,
    PolicyOption,
    counted,
    note,
    printable,
    say_error,
    write_line,
)
from corroborator.errors import InputError, TurnError
from corroborator.transcripts import Broken, Format, Transcript, TranscriptFile

if TYPE_CHECKING:
    from corroborator.scan_report import ConversationReport, ScanReport
    from corroborator.scanning import Scanner
    from corroborator.taxonomy import Domain, Protected, Taxonomy

SHOWN_FIRST = 10
"""How many conversations the summary names; ``--json`` names all."""


class _Format(StrEnum):
    JSONL = "jsonl"
    JSON = "json"
    CSV = "csv"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=JUDGE)(scan)


def scan(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="JSON Lines, JSON or CSV, also .gz; - for stdin."),
    ],
    policy: PolicyOption = None,
    audit: AuditOption = None,
    format_: Annotated[
        _Format | None, typer.Option("--format", help="Where the name of a file does not tell.")
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Scan again what the audit store holds already.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Judge stored conversations turn by turn, without any model.

    Each user turn runs through the guard, and so does the reply it got. Nothing leaves this machine.

    A line of JSON Lines is {"id", "messages": [{"role", "content"}, ...]}; a JSON file holds one
    such object or a list of them; CSV has a header with conversation, role and content.

    A scan that was interrupted goes on where it stopped when the same command is given again.
    """
    from corroborator.audit import AuditLog  # noqa: PLC0415 - slow; --help stays quick
    from corroborator.guard import Guard  # noqa: PLC0415 - slow; --help stays quick
    from corroborator.policy import load_policy  # noqa: PLC0415 - slow; --help stays quick
    from corroborator.scan_report import ScanReport  # noqa: PLC0415 - slow; --help stays quick
    from corroborator.scanning import Scanner  # noqa: PLC0415 - slow; --help stays quick

    told: Format | None = format_.value if format_ else None
    chosen = load_policy(policy)
    for name in files:
        with TranscriptFile(name, told):
            pass  # what cannot be opened is said before anything is scanned
    log = None if audit is None else AuditLog.open(audit, content=chosen.audit.content)
    if log is None and chosen.audit.store is None:
        note("the policy names no audit store: the records are lost at the end; see --audit")
    report = ScanReport()
    with log or nullcontext(), Guard(chosen, audit=log) as guard, _between_turns() as stop:
        scanner = Scanner(guard, restart)
        for name in files:
            with TranscriptFile(name, told) as file:
                _scan_file(file, scanner, report, stop)
    if json_:
        write_line(json.dumps(report.to_json()))
    else:
        _print(report, guard.engine.taxonomy, audit or chosen.audit.store)
    if report.broken:
        raise typer.Exit(FAILED)


def _scan_file(
    file: TranscriptFile, scanner: "Scanner", report: "ScanReport", stop: Callable[[], None]
) -> None:
    """Scan one file; places that cannot be read or judged are said, and the rest goes on."""
    lines: dict[str | int, int] = {}
    turns = 0
    with _progress() as progress:
        task = progress.add_task(printable(file.name), total=file.size, turns=turns)

        def after_turn() -> None:
            nonlocal turns
            turns += 1
            progress.update(task, completed=file.position(), turns=turns)
            stop()

        for found in file:
            stop()
            result = _scanned(found, scanner, lines, after_turn)
            if isinstance(result, Broken):
                report.broken += 1
                say_error(str(result))
            else:
                report.conversations.append(result)
            progress.update(task, completed=file.position())


def _scanned(
    found: Transcript | Broken,
    scanner: "Scanner",
    lines: dict[str | int, int],
    after_turn: Callable[[], None],
) -> "ConversationReport | Broken":
    if isinstance(found, Broken):
        return found
    if found.id in lines:
        problem = f"the id of line {lines[found.id]} stands here again; join them, or change one"
        return Broken(found.file, found.line, problem)
    lines[found.id] = found.line
    try:
        return scanner.scan(found, after_turn)
    except (InputError, TurnError) as error:
        return Broken(found.file, found.line, str(error))


@contextmanager
def _between_turns() -> Iterator[Callable[[], None]]:
    """Let Ctrl-C wait for the record of the turn in hand; a second one does not wait."""
    pressed = False

    def press(_signal: int, _frame: object) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True

    def stop() -> None:
        if pressed:
            note("stopped; the same command goes on from here")
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, press)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[turns]} turns"),
        TimeRemainingColumn(),
        console=ERR,
        transient=True,
        disable=not ERR.is_terminal,
    )


def _print(report: "ScanReport", taxonomy: "Taxonomy", store: str | None) -> None:
    OUT.print(_heading(report))
    if disclosed := report.disclosed():
        OUT.print(_found("Disclosed, to be met with help", disclosed, taxonomy.protected))
    if claimed := report.claimed():
        OUT.print(_found("Claimed, so that no reply may rest on it", claimed, taxonomy.domains))
    for line in (*_replies(report), *_left_out(report)):
        OUT.print(Text(line), soft_wrap=True)
    first = report.look_first()
    if first:
        OUT.print(_look_first(first))
        OUT.print(Text(f"Read one: corroborator audit show RECORD{_option(store)}"), soft_wrap=True)


def _heading(report: "ScanReport") -> Text:
    known = sum(c.progress == "known" for c in report.conversations)
    continued = sum(c.progress == "continued" for c in report.conversations)
    text = f"{counted(len(report.conversations), 'conversation')},"
    text += (
        f" {counted(report.total('turns'), 'turn')}, {counted(report.total('replies'), 'reply')}"
    )
    aside = [f"{known} scanned before"] * bool(known) + [f"{continued} continued"] * bool(continued)
    return Text(text + (f" ({', '.join(aside)})" if aside else ""), style="bold")


def _found(
    heading: str, turns: Mapping[str, int], entries: "Mapping[str, Domain | Protected]"
) -> Table:
    table = Table(title=heading, title_justify="left", title_style="bold", box=None)
    table.add_column("turns", justify="right")
    table.add_column("id", style="cyan")
    table.add_column("what")
    for identifier, count in turns.items():
        table.add_row(str(count), identifier, entries[identifier].title)
    return table


def _replies(report: "ScanReport") -> Iterator[str]:
    colluding, correcting = report.total("colluding"), report.total("over_correcting")
    yield f"Replies that collude: {colluding}; that over-correct: {correcting}."
    if met := report.total("disclosures_met_badly"):
        yield f"Turns with a disclosure that met such a reply: {met}."
    if single := report.total("single_fires"):
        yield (
            f"In turns without any finding, {counted(single, 'reply')} fired as well; most such"
            " fires are wrong, and they are counted nowhere else."
        )


def _left_out(report: "ScanReport") -> Iterator[str]:
    statements, uncovered = report.total("statements"), report.total("not_covered")
    yield (
        f"Not covered: {uncovered} of {counted(statements, 'statement')}, in languages that the"
        " detectors were not tested in."
    )
    if unread := report.total("unread"):
        yield f"Unread: {unread} characters, parts or messages (too long, too many, or no text)."
    if unasked := report.total("unasked"):
        yield f"Not judged: {counted(unasked, 'reply')} before any user message."
    if report.broken:
        yield f"Left out: {counted(report.broken, 'place')} in the files; see the errors."


def _look_first(conversations: "Sequence[ConversationReport]") -> Table:
    title = f"Look at these first ({min(SHOWN_FIRST, len(conversations))} of {len(conversations)})"
    table = Table(title=title, title_justify="left", title_style="bold", box=None)
    table.add_column("conversation", style="cyan", overflow="fold")
    table.add_column("record", no_wrap=True)
    table.add_column("why")
    for conversation in conversations[:SHOWN_FIRST]:
        met, colluding, correcting = conversation.concern
        why = [f"{counted(met, 'disclosure')} met by a reply at fault"] * bool(met)
        why += [f"{colluding} colluding"] * bool(colluding)
        why += [f"{correcting} over-correcting"] * bool(correcting)
        table.add_row(Text(printable(str(conversation.id))), conversation.record, ", ".join(why))
    return table


def _option(store: str | None) -> str:
    return "" if store is None else f" --audit {printable(store)}"
