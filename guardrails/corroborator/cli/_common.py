"""What all commands share: consoles, options, and how errors are shown."""

import sys
import traceback
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

from corroborator.errors import CorroboratorError, InputError

TRY, JUDGE, LOG, SET_UP = "See it work", "Judge conversations", "The audit log", "Set up"
PANELS = (TRY, JUDGE, LOG, SET_UP)
"""The panels of ``corroborator --help``, in order."""

FAILED = 1
"""Exit status: something was found wrong, and said."""
USAGE = 2
"""Exit status: the command could not run."""
INTERRUPTED = 130

OUT = Console(highlight=False)
ERR = Console(stderr=True, highlight=False)

PolicyOption = Annotated[
    Path | None,
    typer.Option("--policy", metavar="FILE", help="Policy file; without it, the general profile."),
]
AuditOption = Annotated[
    str | None,
    typer.Option(
        "--audit", metavar="URL", help="Audit store (sqlite:///log.db); without it, the policy's."
    ),
]


class CommandLine(TyperGroup):
    """All commands, by panel; every error ends as one line on standard error, not as a traceback."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer passes it
        """Return the commands in the order of their panels; else groups would come last."""
        panels = {name: getattr(one, "rich_help_panel", "") for name, one in self.commands.items()}
        return sorted(panels, key=lambda name: PANELS.index(panels[name]))

    def invoke(self, ctx: Any) -> Any:
        """Run the command; `ctx` is of the context class that this version of typer uses."""
        try:
            return super().invoke(ctx)
        except CorroboratorError as error:
            fail(str(error))
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except (typer.Abort, BrokenPipeError):
            raise
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            fail(place + (error.strerror or type(error).__name__))
        except Exception as error:  # the outermost edge: those of other libraries may hold text
            if hasattr(error, "exit_code"):
                raise  # typer's own, which it shows well
            fail(f"{type(error).__name__} at {_place(error)}; this is a mistake in corroborator")


def fail(problem: str, status: int = USAGE) -> NoReturn:
    """Say what is wrong and end the command."""
    say_error(problem)
    raise typer.Exit(status)


def say_error(problem: str) -> None:
    """Say on standard error what is wrong, in one line."""
    ERR.print(Text.assemble(("error: ", "bold red"), (printable(problem), "red")), soft_wrap=True)


def note(text: str) -> None:
    """Say something on standard error, where it does not mix with what a command prints."""
    ERR.print(Text(printable(text)), soft_wrap=True)


def printable(text: str) -> str:
    """Return a text that cannot steer the terminal: control and invisible characters as marks."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural where it is not one."""
    if number == 1:
        return f"1 {noun}"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{number} {noun[:-1]}ies"
    return f"{number} {noun}s"


def age_of(text: str) -> timedelta:
    """Read ``36h``, ``30d`` or ``8w``."""
    from corroborator.policy import parse_duration  # noqa: PLC0415 - slow; --help stays quick

    try:
        age = parse_duration(text)
    except ValueError:
        age = None
    if not isinstance(age, timedelta):
        raise InputError("write an age as 36h, 30d or 8w")
    return age


def write_line(text: str) -> None:
    """Write a line for machines to standard output, past all styling."""
    sys.stdout.write(text + "\n")


def _place(error: BaseException) -> str:
    own = [f for f in traceback.extract_tb(error.__traceback__) if "corroborator" in f.filename]
    frame = own[-1] if own else traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"
