"""Logs in files of their own, closed after the test, and helpers to write and to tamper."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest

from audit.helpers import CANARY, MASTER, VERSIONS
from corroborator.audit import AuditLog, IndexRow, Record

class OpenLog(Protocol):
    def __call__(self, content: str = "none", **options: object) -> AuditLog: ...


@pytest.fixture(autouse=True)
def _own_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    monkeypatch.delenv("CORROBORATOR_MASTER_KEY", raising=False)


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


WriteTurn = Callable[..., Record]


@pytest.fixture
def write_turn() -> WriteTurn:
    """Write a whole turn whose text is the canary."""

    def written(
        log: AuditLog,
        conversation: str | None = "c-1",
        *,
        domain: str | None = "age_claim",
        action: str = "steered",
        text: str = CANARY,
        detail: Mapping[str, object] | None = None,
    ) -> Record:
        handle = log.open_turn(conversation, VERSIONS)
        body = {"action": action, "milliseconds": 1.5, "errors": [], **VERSIONS}
        index = [IndexRow(domain, action, fired=domain is not None)]
        return log.close_turn(
            handle, body, detail or {"statements": 1}, {"messages": [{"text": text}]}, index
        )

    return written


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
