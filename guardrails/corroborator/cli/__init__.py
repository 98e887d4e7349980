"""The command line; one module a command or group of commands."""

from typing import Annotated

import typer

from corroborator import __version__
from corroborator.cli import (
    audit,
    chat,
    check,
    demo,
    doctor,
    evaluate,
    explain,
    fit,
    init,
    nemo,
    report,
    review,
    scan,
    score,
)
from corroborator.cli._common import CommandLine, write_line

app = typer.Typer(
    name="corroborator",
    cls=CommandLine,
    help="Non-collusion guardrails for conversational AI.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        write_line(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass


for _command in (
    demo,
    chat,
    scan,
    explain,
    score,
    evaluate,
    audit,
    review,
    report,
    init,
    nemo,
    check,
    doctor,
    fit,
):
    _command.register(app)


def main() -> None:
    """Run the command line."""
    app()
