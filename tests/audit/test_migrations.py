"""A log that an earlier version wrote, opened by this one."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from audit.helpers import CANARY
from corroborator.audit import AuditLog
from corroborator.audit.migrations import NEWEST, migrate
from corroborator.errors import StoreError

OLD = Path(__file__).parents[1] / "data" / "audit_v1.sqlite"


@pytest.fixture
def old(path: Path) -> Path:
    shutil.copy(OLD, path)
    return path


@pytest.mark.usefixtures("old")
def test_an_old_log_stays_verifiable_readable_and_writable(
    open_log: Any, write_turn: Any, sql: Any
) -> None:
    hashes = sql("SELECT chain, seq, hash FROM events ORDER BY id")
    log = open_log("sealed")
    report = log.verify()
    assert (report.ok, report.chains, report.events) == (True, 4, 10)
    assert (report.closed, report.gaps, report.erased) == (3, 1, 1)
    texts = [turn.text for turn in log.records("kept")]
    assert [text["reply"] for text in texts] == [CANARY, CANARY]
    write_turn(log, "kept")
    assert log.verify().ok
    assert sql("SELECT chain, seq, hash FROM events ORDER BY id")[: len(hashes)] == hashes
    assert sql("SELECT schema FROM meta") == [(NEWEST,)]


def test_an_old_log_gets_the_tables_of_a_new_one(old: Path, sql: Any, tmp_path: Path) -> None:
    AuditLog.open(f"sqlite:///{old}").close()
    AuditLog.open(f"sqlite:///{tmp_path}/new.db").close()
    tables = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"
    migrated = sql(tables)
    shutil.copy(tmp_path / "new.db", old)
    assert migrated == sql(tables)


def test_only_the_steps_that_lack_are_run() -> None:
    ran: list[int] = []

    def step(number: int) -> Any:
        def run(_: Connection) -> None:
            ran.append(number)

        return run

    steps = [step(2), step(3), step(4)]
    nowhere: Any = None
    assert migrate(nowhere, 2, steps) == 4
    assert ran == [3, 4]


def test_a_store_that_is_not_there_is_not_made(path: Path) -> None:
    with pytest.raises(StoreError, match="there is no audit store at"):
        AuditLog.open(f"sqlite:///{path}", create=False)
    assert not path.exists()
