"""``corroborator init``: a policy and texts of one's own."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from corroborator.cli._common import OUT, SET_UP, printable


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=SET_UP)(init)


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Made where it is not there yet.")],
) -> None:
    """Write a policy and texts of your own to start from.

    A commented rails.yml, copies of our texts to edit, and a folder for examples. No file that is
    there is ever overwritten.
    """
    from corroborator.starter import write_starter  # noqa: PLC0415 - keeps --help quick

    for file in write_starter(folder):
        mark = Text("written ", "green") if file.new else Text("kept    ", "magenta")
        OUT.print(mark + Text(printable(str(file.path))), soft_wrap=True)
    rails = printable(str(folder / "rails.yml"))
    OUT.print(
        Text(
            "\nNext\n"
            f"  edit {rails}, then: corroborator check {rails}\n"
            f"  try it:  corroborator chat --policy {rails}\n"
            f"  use it:  guard = Guard.from_yaml({str(folder / 'rails.yml')!r})"
        ),
        soft_wrap=True,
    )
