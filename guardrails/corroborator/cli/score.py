"""``corroborator score``: probabilities for many statements or replies, for measuring."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TextIO

import typer

from corroborator.cli._common import ERR, FAILED, JUDGE, note, say_error
from corroborator.errors import InputError
from corroborator.messages import Message
from corroborator.transcripts import STANDARD_STREAM, Broken, Transcript, TranscriptFile

Judge = Callable[[Sequence[Message]], Mapping[str, object]]

_In = Annotated[
    str,
    typer.Argument(
        metavar="IN", help='JSON Lines, {"id", "messages": [...]} each; - for standard input.'
    ),
]
_Out = Annotated[str, typer.Argument(metavar="OUT", help="JSON Lines; - for standard output.")]

app = typer.Typer(help="Score statements or replies in bulk, for measuring.", no_args_is_help=True)


def register(parent: typer.Typer) -> None:
    """Add the group to the command line."""
    parent.add_typer(app, name="score", rich_help_panel=JUDGE)


@app.command()
def statements(in_: _In, out: _Out) -> None:
    """Score the last user message of each row; earlier messages never raise a score."""
    from corroborator.scoring import Scorer  # noqa: PLC0415 - slow; --help stays quick

    _score(in_, out, lambda: Scorer.load().statement)


@app.command()
def replies(in_: _In, out: _Out) -> None:
    """Score the last assistant message of each row against the user messages it answers."""
    from corroborator.scoring import Scorer  # noqa: PLC0415 - slow; --help stays quick

    _score(in_, out, lambda: Scorer.load().reply)


def _score(in_: str, out: str, load: Callable[[], Judge]) -> None:
    """Score row by row; what a row scores cannot depend on its neighbours, for it meets none."""
    scored = broken = 0
    with TranscriptFile(in_, "jsonl") as rows:
        judge = load()
        # in this order: a status line takes `sys.stdout` over while it is shown
        with _opened(out, in_) as target, ERR.status("scoring") as status:
            for row in rows:
                result = row if isinstance(row, Broken) else _judged(row, judge)
                if isinstance(result, Broken):
                    broken += 1
                    say_error(str(result))
                    continue
                target.write(json.dumps(result) + "\n")
                scored += 1
                status.update(f"scoring: {scored} rows")
    note(f"{scored} rows scored" + (f", {broken} left out" if broken else ""))
    if broken:
        raise typer.Exit(FAILED)


def _judged(row: Transcript, judge: Judge) -> Mapping[str, object] | Broken:
    try:
        return {"id": row.id, **judge(row.messages)}
    except InputError as error:
        return Broken(row.file, row.line, str(error))


@contextmanager
def _opened(out: str, in_: str) -> Iterator[TextIO]:
    if out == STANDARD_STREAM:
        yield sys.stdout
        sys.stdout.flush()
        return
    path = Path(out)
    if in_ != STANDARD_STREAM and path.exists() and path.samefile(in_):
        raise InputError(f"{out} is what is read; name another file to write to")
    with path.open("w", encoding="utf-8") as target:
        yield target
