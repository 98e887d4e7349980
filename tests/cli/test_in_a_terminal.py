"""Commands that talk with somebody, in a terminal of their own."""

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pty = pytest.importorskip("pty", reason="there are no pseudo-terminals on this system")

MAIN = "from corroborator.cli import main; main()"
SECONDS = 60


class Terminal:
    """A command in a pseudo-terminal."""

    def __init__(self, *arguments: str) -> None:
        self._screen, other = pty.openpty()
        command = [sys.executable, "-c", MAIN, *arguments]
        self._process = subprocess.Popen(command, stdin=other, stdout=other, stderr=other)  # noqa: S603 - ours
        os.close(other)
        self.shown = ""

    def wait_for(self, text: str) -> None:
        until = time.monotonic() + SECONDS
        while text not in self.shown:
            assert time.monotonic() < until, self.shown
            if select.select([self._screen], [], [], 0.2)[0]:
                self.shown += os.read(self._screen, 65536).decode("utf-8", "replace")

    def type(self, text: str) -> None:
        os.write(self._screen, text.encode())

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def end(self) -> int:
        """Read to the end and return the exit status."""
        try:
            while data := os.read(self._screen, 65536):
                self.shown += data.decode("utf-8", "replace")
        except OSError:  # how Linux says that the other side is gone
            pass
        os.close(self._screen)
        return self._process.wait(SECONDS)


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("TERM", "xterm")
    return tmp_path


@pytest.mark.usefixtures("in_folder")
def test_a_conversation_ends_with_quit() -> None:
    terminal = Terminal("chat")
    terminal.wait_for("you > ")
    terminal.type("hello\n")
    terminal.wait_for("guard")
    terminal.type("/quit\n")
    assert terminal.end() == 0


@pytest.mark.usefixtures("in_folder")
def test_ctrl_c_ends_a_conversation_without_a_traceback() -> None:
    terminal = Terminal("chat")
    terminal.wait_for("you > ")
    terminal.interrupt()
    assert terminal.end() == 130
    assert "Traceback" not in terminal.shown


@pytest.mark.usefixtures("in_folder")
def test_the_demo_waits_between_turns() -> None:
    terminal = Terminal("demo")
    terminal.wait_for("Enter for the next turn")
    assert "2 of 5" not in terminal.shown
    terminal.type("\n")
    terminal.interrupt()
    assert terminal.end() == 130
