"""Logs in files of their own, closed after the test, and helpers to write and to tamper."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from audit.helpers import MASTER, write
from corroborator.audit import AuditLog, Record


class OpenLog(Protocol):
    def __call__(self, content: str = "none", **options: object) -> AuditLog: ...


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data" / "log.db"


@pytest.fixture
def open_log(path: Path) -> Iterator[OpenLog]:
    logs: list[AuditLog] = []

    def opened(content: str = "none", **options: Any) -> AuditLog:
        if content == "sealed":
            options.setdefault("master_key", MASTER)
        timeout = options.pop("timeout", 5)
        url = options.pop("url", f"sqlite:///{path}?timeout={timeout}")
        logs.append(AuditLog.open(url, content=content, **options))  # type: ignore[arg-type]
        return logs[-1]

    yield opened
    for log in logs:
        log.close()


@pytest.fixture
def write_turn() -> Callable[..., Record]:
    """Return `audit.helpers.write`."""
    return write


@pytest.fixture
def sql(path: Path) -> Callable[..., list[Any]]:
    """Run a statement behind the log's back."""

    def run(statement: str, *values: object) -> list[Any]:
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            return connection.execute(statement, values).fetchall()
        finally:
            connection.close()

    return run


@pytest.fixture
def start(path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a Python program that gets the store's URL and its other arguments in `sys.argv`."""
    running: list[subprocess.Popen[str]] = []

    def started(program: str, *arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", program, f"sqlite:///{path}", *map(str, arguments)]
        running.append(
            subprocess.Popen(  # noqa: S603 - the program is part of the test
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        )
        return running[-1]

    yield started
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()
