import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import corroborator
from cli.conftest import Run
from corroborator.cli import app
from corroborator.cli._common import PANELS, CommandLine, counted, printable
from corroborator.errors import ConfigError, InputError
from tiny_world import CANARY


def failing(error: BaseException) -> typer.Typer:
    """Return a command line with one command, which fails."""
    small = typer.Typer(cls=CommandLine, pretty_exceptions_enable=False)

    @small.callback()
    def _options() -> None:
        pass

    @small.command(rich_help_panel=PANELS[0])
    def fail() -> None:
        raise error

    return small


def test_help_shows_all_commands_by_panel_with_a_line_each(run: Run) -> None:
    result = run("--help")
    assert result.exit_code == 0
    places = [result.stdout.index(panel) for panel in PANELS]
    assert places == sorted(places)
    names = ("demo", "chat", "scan", "explain", "score", "audit", "init", "check", "doctor", "fit")
    assert all(f"│ {name} " in result.stdout for name in names)


def test_every_command_explains_itself(run: Run) -> None:
    for command in typer.main.get_command(app).commands:  # type: ignore[attr-defined] # a group
        result = run(command, "--help")
        assert result.exit_code == 0
        assert "Usage: corroborator" in result.stdout or "Usage: root" in result.stdout


def test_no_command_is_an_invitation(run: Run) -> None:
    assert "Usage" in run().output


def test_the_version_is_printed(run: Run) -> None:
    assert run("--version").stdout == f"{corroborator.__version__}\n"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (InputError("this is wrong"), "error: this is wrong"),
        (ConfigError("this is wrong", "rails.yml", 3), "error: rails.yml:3: this is wrong"),
        (OSError(13, "Permission denied", "out.jsonl"), "error: out.jsonl: Permission denied"),
        (OSError("odd"), "error: OSError"),
    ],
)
def test_an_error_is_one_line_on_standard_error(error: Exception, told: str) -> None:
    result = CliRunner().invoke(failing(error), ["fail"])
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"{told}\n")


@pytest.mark.parametrize("error", [ValueError, sqlite3.OperationalError, RuntimeError, KeyError])
def test_an_unexpected_error_names_its_place_and_no_text(error: type[Exception]) -> None:
    result = CliRunner().invoke(failing(error(CANARY)), ["fail"])
    assert result.exit_code == 2
    assert CANARY not in result.output
    assert f"error: {error.__name__} at " in result.stderr
    assert result.stderr.count("\n") == 1


def test_ctrl_c_ends_cleanly() -> None:
    result = CliRunner().invoke(failing(KeyboardInterrupt()), ["fail"])
    assert (result.exit_code, result.output) == (130, "")


def test_wrong_usage_is_explained(run: Run) -> None:
    result = run("audit", "verify", "--no-such-option")
    assert result.exit_code == 2
    assert "No such option" in result.stderr
    assert run("no-such-command").exit_code == 2


def test_terminals_cannot_be_steered_by_text() -> None:
    told = printable("a\x1b[31mb\u202ec\ud800d\ne\x07")
    assert told == "a�[31mb�c�d\ne�"


@pytest.mark.parametrize(
    ("number", "noun", "told"),
    [
        (1, "turn", "1 turn"),
        (0, "turn", "0 turns"),
        (2, "reply", "2 replies"),
        (3, "day", "3 days"),
    ],
)
def test_nouns_agree_with_their_number(number: int, noun: str, told: str) -> None:
    assert counted(number, noun) == told


def test_the_command_is_installed_and_help_is_quick(tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("corroborator")
    started = time.perf_counter()
    done = subprocess.run(  # noqa: S603 - our own command
        [command, "--help"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "Judge conversations" in done.stdout
    assert time.perf_counter() - started < 10
    assert list(tmp_path.iterdir()) == []
