"""The command that serves the desk, run as its user runs it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_PROGRAM = "from corroborator.cli import main; main()"


@contextmanager
def serving(store: str, port: int, *options: str) -> Iterator[str]:
    """Run ``corroborator review`` until it is open; gives what it said, and interrupts it."""
    with subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-c", _PROGRAM, "review", "--audit", store, "--port", str(port), *options],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200", "PYTHONUNBUFFERED": "1"},
    ) as started:
        told = ""
        assert started.stdout is not None
        while "Ctrl-C" not in told and (line := started.stdout.readline()):
            told += line
        try:
            yield told
        finally:
            started.send_signal(signal.SIGINT)
            assert started.wait(30) in (0, 130)


def token_of(told: str) -> str:
    """Return the token of the first account from what the command said."""
    found = re.search(r"shown once\): (\S+)", told)
    assert found is not None, told
    return found[1]
