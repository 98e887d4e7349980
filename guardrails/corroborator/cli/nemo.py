"""``corroborator nemo``: a NeMo Guardrails configuration to start from, and where our rails are."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from corroborator.cli._common import FAILED, OUT, SET_UP, counted, printable, write_line

STYLES = {"error": "bold red", "warning": "magenta", "note": "dim"}

app = typer.Typer(no_args_is_help=True, help="Set up NeMo Guardrails.")


def register(parent: typer.Typer) -> None:
    """Add the commands."""
    parent.add_typer(app, name="nemo", rich_help_panel=SET_UP)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Made where it is not there yet.")],
) -> None:
    """Write a NeMo Guardrails configuration that runs; no file that is there is overwritten."""
    from corroborator.starter import write_nemo_starter  # noqa: PLC0415 - keeps --help quick

    for file in write_nemo_starter(folder):
        mark = Text("written ", "green") if file.new else Text("kept    ", "magenta")
        OUT.print(mark + Text(printable(str(file.path))), soft_wrap=True)
    shown = printable(str(folder))
    OUT.print(
        Text(
            "\nNext\n"
            "  pip install 'corroborator[nemo]'\n"
            f"  corroborator check {shown}\n"
            f"  NEMO_GUARDRAILS_NO_USAGE_STATS=1 nemoguardrails chat --config {shown}\n"
            "  then put your own model in place of corroborator-demo"
        ),
        soft_wrap=True,
    )


@app.command()
def path() -> None:
    """Print the folder for COLANGPATH, by which NeMo finds our rails in an editable installation."""
    from corroborator.integrations.nemo.check import source_root  # noqa: PLC0415 - slow; --help stays quick

    write_line(str(source_root()))


def check_folder(folder: Path) -> None:
    """Say what is wrong with a NeMo configuration, and whether our rails run in it.

    Raises:
        typer.Exit: something is wrong.
    """
    from importlib.util import find_spec  # noqa: PLC0415 - slow; --help stays quick

    from corroborator.integrations.nemo.check import Remark, remarks  # noqa: PLC0415 - slow; --help stays quick
    from corroborator.integrations.nemo.folder import read_folder  # noqa: PLC0415 - slow; --help stays quick

    read = read_folder(folder)
    found = remarks(read)
    if find_spec("nemoguardrails") is None:
        text = "not tried: NeMo is not installed; pip install 'corroborator[nemo]' and check again"
        found.append(Remark("note", text))
    elif not any(remark.level == "error" for remark in found):
        from corroborator.integrations.nemo.trial import trial  # noqa: PLC0415 - needs NeMo

        found += trial(folder)
    for remark in found:
        where = f"{printable(remark.place)}: " if remark.place else ""
        OUT.print(
            Text.assemble(
                (f"{remark.level:<8}", STYLES[remark.level]), where + printable(remark.text)
            ),
            soft_wrap=True,
        )
    errors = sum(remark.level == "error" for remark in found)
    if errors:
        OUT.print(Text(f"{counted(errors, 'error')}; NeMo would not say so", "bold red"))
        raise typer.Exit(FAILED)
    OUT.print(Text("ok", "bold green"))
