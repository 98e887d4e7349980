"""``corroborator audit export``: the log in a form that other programs read."""

import sys
from pathlib import Path
from typing import Annotated, Literal, get_args

import typer

from corroborator.cli._common import AuditOption, PolicyOption, counted, fail, note
from corroborator.cli._opened import opened_log
from corroborator.transcripts import STANDARD_STREAM

Format = Literal["jsonl", "csv", "parquet"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(export)


def export(
    out: Annotated[str, typer.Argument(metavar="OUT", help="A file; - for standard output.")] = "-",
    form: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="By default what the name of the file ends with; else jsonl. Parquet needs the"
            " extra parquet.",
        ),
    ] = None,
    with_text: Annotated[
        bool, typer.Option("--with-text", help="With what is kept under seal.")
    ] = False,
    audit: AuditOption = None,
    policy: PolicyOption = None,
) -> None:
    """Write the whole log as JSON Lines, CSV or Parquet, without text unless asked.

    The fields are the same in all three. The log notes the export.
    """
    from corroborator.audit.files import new_file  # noqa: PLC0415 - slow; --help stays quick

    chosen = form or _ending(out)
    with opened_log(audit, policy) as opened:
        if opened.no_key is not None:
            note(f"what is under seal is not exported: {opened.no_key}")
        if out == STANDARD_STREAM:
            turns = opened.log.export(sys.stdout.buffer, form=chosen, with_text=with_text)
            sys.stdout.flush()
        else:
            try:
                with new_file(Path(out)) as file:
                    turns = opened.log.export(file, form=chosen, with_text=with_text)
            except FileExistsError:
                fail(f"{out} is there already; name another file")
    note(f"{counted(turns, 'turn')} exported")


def _ending(out: str) -> Format:
    found: dict[str, Format] = {f".{form}": form for form in get_args(Format)}
    return found.get(Path(out).suffix, "jsonl")
