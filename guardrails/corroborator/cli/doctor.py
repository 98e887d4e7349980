"""``corroborator doctor``: whether this installation works."""

import typer
from rich.table import Table
from rich.text import Text

from corroborator.cli._common import (
    FAILED,
    OUT,
    SET_UP,
    AuditOption,
    PolicyOption,
    counted,
    printable,
    say_error,
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=SET_UP)(doctor)


def doctor(policy: PolicyOption = None, audit: AuditOption = None) -> None:
    """Look whether this installation works.

    Versions, policy, texts, encoder, detectors, key and audit store; each problem with its remedy.
    Nothing is made or changed.
    """
    from corroborator.diagnosis import diagnose  # noqa: PLC0415 - slow; --help stays quick

    problems = 0
    for check in diagnose(policy, audit):
        problems += not check.ok
        grid = Table.grid(padding=(0, 2))
        grid.add_column(width=7)
        grid.add_column(width=12, style="bold")
        grid.add_column(overflow="fold")
        mark = Text("ok", "green") if check.ok else Text("problem", "bold red")
        grid.add_row(mark, check.name, printable(check.detail))
        OUT.print(grid)
    if problems:
        say_error(f"{counted(problems, 'problem')}; see above")
        raise typer.Exit(FAILED)
