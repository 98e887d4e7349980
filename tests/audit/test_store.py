import os
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from audit.helpers import CANARY
from corroborator.audit import AuditLog
from corroborator.audit.store import Store, read_url
from corroborator.errors import AuditError, IntegrityError, StoreError
from tiny_world import everything_told


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:secret@host",
        "postgresql://host/db",
        "postgresql://user:secret@host/db?sslmode=prefer",
        "mysql://user:secret@host/db",
        "sqlite+aiosqlite:///log.db",
        "sqlite://host/log.db",
        "sqlite:///log.db?mode=ro",
        "log.db",
        "",
    ],
)
def test_other_urls_are_refused_without_telling_them(url: str) -> None:
    with pytest.raises(StoreError, match="the audit store is given as") as caught:
        AuditLog.open(url)
    assert "secret" not in everything_told(caught.value)


def test_the_timeout_is_a_number(path: Path) -> None:
    with pytest.raises(StoreError, match="number of seconds"):
        AuditLog.open(f"sqlite:///{path}?timeout=soon")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"missing, does not exist; make it"):
        AuditLog.open(f"sqlite:///{tmp_path}/missing/log.db")


def test_a_path_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        AuditLog.open(f"sqlite:///{tmp_path}")


@pytest.mark.skipif(os.name != "posix", reason="access rights of POSIX")
def test_its_files_are_its_owners_alone(open_log: Any, write_turn: Any, path: Path) -> None:
    earlier = os.umask(0)
    try:
        write_turn(open_log())
    finally:
        os.umask(earlier)
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == ["log.db", "log.db-shm", "log.db-wal"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_every_connection_is_durable_and_erases_what_it_frees(path: Path) -> None:
    store = Store.open(f"sqlite:///{path}?timeout=1.5")
    pragmas = {
        "journal_mode": "wal",
        "synchronous": 2,
        "secure_delete": 1,
        "foreign_keys": 1,
        "temp_store": 2,
        "busy_timeout": 1500,
    }
    for name, value in pragmas.items():
        assert store.read(lambda c, name=name: c.scalar(text(f"PRAGMA {name}"))) == value, name  # type: ignore[misc]
    store.close()


def test_other_databases_and_versions_are_left_alone(path: Path, sql: Any) -> None:
    sql("CREATE TABLE events (mine)")
    with pytest.raises(StoreError, match="holds other data"):
        AuditLog.open(f"sqlite:///{path}")
    assert sql("SELECT name FROM sqlite_master") == [("events",)]


def test_a_newer_version_is_refused(open_log: Any, sql: Any) -> None:
    open_log().close()
    sql("UPDATE meta SET schema = 3")
    with pytest.raises(StoreError, match="is of version 3"):
        open_log()
    sql("DELETE FROM meta")
    with pytest.raises(IntegrityError, match="first row"):
        open_log()


def test_a_locked_store_is_reported_in_time(open_log: Any, write_turn: Any, path: Path) -> None:
    log = open_log(timeout=0.2)
    write_turn(log)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match=r"locked for too long.*SQLITE_BUSY"):
        write_turn(log)
    assert len(list(log.records())) == 1, "readers do not wait for writers"
    other.execute("ROLLBACK")
    other.close()
    write_turn(log)
    assert log.verify().closed == 2


def test_threads_do_not_wait_longer_than_processes(open_log: Any, write_turn: Any) -> None:
    log = open_log(timeout=0.1)
    log._store._own().write_lock.acquire()
    with pytest.raises(StoreError, match="busy"):
        write_turn(log)
    log._store._own().write_lock.release()
    write_turn(log)


def test_a_store_in_memory_has_one_connection(open_log: Any) -> None:
    log = open_log(url="sqlite://?timeout=0.1")
    with log._store._own().engine.connect(), pytest.raises(StoreError, match="locked for too long"):
        log.verify()
    assert log.verify().ok


def test_what_sqlite_says_of_a_statement_is_not_repeated(open_log: Any) -> None:
    with pytest.raises(StoreError, match=r"failed \(SQLITE_ERROR\)") as caught:
        open_log()._store._pragma(f"PRAGMA [{CANARY}")
    assert CANARY not in everything_told(caught.value)


def test_a_full_disk_loses_nothing_that_was_written(open_log: Any, write_turn: Any) -> None:
    log = open_log()
    write_turn(log)
    store = log._store
    pages = store._pragma("PRAGMA page_count")[0]
    store._pragma(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match=r"no room left.*SQLITE_FULL") as caught:
        write_turn(log, detail={"note": CANARY * 1000})
    assert CANARY not in everything_told(caught.value)
    store._pragma("PRAGMA max_page_count = 100000")
    report = log.verify()
    assert (report.ok, report.closed, report.gaps) == (True, 1, 1)
    write_turn(log)


@pytest.fixture
def without_rights(path: Path) -> Any:
    """Take away the right to write; root gives up its own rights for the test."""
    root = os.geteuid() == 0
    folders = [path.parent, *path.parents]
    modes = {folder: folder.stat().st_mode for folder in folders}

    def take(*files: Path) -> None:
        if root:
            for folder in folders:
                folder.chmod(stat.S_IMODE(modes[folder]) | 0o055)
        for file in files:
            file.chmod(0o555 if file.is_dir() else 0o444)
        if root:
            os.seteuid(65534)

    yield take
    if root:
        os.seteuid(0)
    for folder, mode in modes.items():
        folder.chmod(stat.S_IMODE(mode))


@pytest.mark.skipif(os.name != "posix", reason="access rights of POSIX")
def test_a_read_only_store_is_reported(
    open_log: Any, write_turn: Any, path: Path, without_rights: Any
) -> None:
    log = open_log()
    write_turn(log)
    log.close()
    without_rights(path, path.parent)
    with pytest.raises(StoreError, match=r"cannot be (opened|written)") as caught:
        write_turn(open_log())
    assert caught.value.__context__ is None


@pytest.mark.skipif(os.name != "posix", reason="access rights of POSIX")
def test_a_folder_without_rights_is_reported(path: Path, without_rights: Any) -> None:
    without_rights(path.parent)
    with pytest.raises(StoreError, match=r"cannot be opened \(Permission denied\)"):
        AuditLog.open(f"sqlite:///{path}")


def test_a_store_that_became_read_only_is_reported(open_log: Any, write_turn: Any) -> None:
    log = open_log()
    write_turn(log)
    with log._store._own().engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")
    with pytest.raises(StoreError, match=r"cannot be written.*SQLITE_READONLY"):
        write_turn(log)


def test_a_file_that_is_no_database_is_reported(path: Path) -> None:
    path.write_text(f"{CANARY}\n" * 1000)
    with pytest.raises(StoreError, match=r"damaged, or no SQLite.*SQLITE_NOTADB") as caught:
        AuditLog.open(f"sqlite:///{path}")
    assert CANARY not in everything_told(caught.value)


def test_a_damaged_file_is_reported(open_log: Any, write_turn: Any, path: Path) -> None:
    log = open_log()
    for _ in range(20):
        write_turn(log)
    log.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xa5" * (len(whole) - 8192) + whole[-4096:])
    with pytest.raises(StoreError, match=r"damaged|failed") as caught:
        open_log().verify()
    assert CANARY not in everything_told(caught.value)


def test_a_chain_set_back_from_outside_does_not_fork(
    open_log: Any, write_turn: Any, sql: Any
) -> None:
    log = open_log()
    write_turn(log)
    sql("UPDATE conversations SET head_seq = 0")
    with pytest.raises(IntegrityError, match="changed from outside") as caught:
        write_turn(log)
    assert isinstance(caught.value, AuditError)
    assert caught.value.__context__ is None


def test_a_chain_without_its_row_is_not_written_to(
    open_log: Any, write_turn: Any, sql: Any
) -> None:
    log = open_log()
    write_turn(log)
    sql("DELETE FROM conversations")
    with pytest.raises(IntegrityError, match="has lost its row"):
        write_turn(log)


def test_a_closed_log_says_so(open_log: Any, write_turn: Any) -> None:
    log = open_log()
    log.close()
    log.close()
    with pytest.raises(StoreError, match="was closed"):
        write_turn(log)


@pytest.mark.parametrize("url", [None, "sqlite://"])
def test_threads_share_a_log(open_log: Any, write_turn: Any, url: str | None) -> None:
    log = open_log(**({} if url is None else {"url": url}))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: write_turn(log, f"c-{n % 3}"), range(48)))
        counts = list(pool.map(lambda _: len(list(log.records())), range(8)))
    assert counts == [48] * 8
    report = log.verify()
    assert (report.ok, report.chains, report.closed) == (True, 3, 48)


FORK = """
import os, sys
from corroborator.audit import AuditLog
log = AuditLog.open(sys.argv[1])
def turns(count):
    for _ in range(count):
        log.close_turn(log.open_turn("c", {}), {"action": "none"}, {}, None, [])
turns(5)
children = []
for _ in range(3):
    pid = os.fork()
    if not pid:
        turns(5)
        log.close()
        os._exit(0)
    children.append(pid)
turns(5)
codes = [os.waitpid(pid, 0)[1] for pid in children]
turns(5)
print(codes, log.verify())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_log_is_used_on_both_sides_of_a_fork(start: Any, open_log: Any) -> None:
    out, _ = start(FORK).communicate(timeout=50)
    assert out.startswith("[0, 0, 0] VerifyReport(chains=1, events=60, closed=30, gaps=0")
    assert out.rstrip().endswith("problems=())")
    assert open_log().verify().ok


def test_memory_outlives_a_connection_that_is_dropped(open_log: Any, write_turn: Any) -> None:
    log = open_log(url="sqlite://")
    write_turn(log)

    def interrupted(_connection: Any) -> None:
        raise KeyboardInterrupt

    for work in (log.store.read, log.store.write):
        with pytest.raises(KeyboardInterrupt):
            work(interrupted)
    with pytest.raises(StoreError):
        log.store.read(lambda connection: connection.invalidate())
    write_turn(log)
    assert (log.verify().ok, log.verify().closed) == (True, 2)


def test_memory_is_forgotten(open_log: Any, write_turn: Any) -> None:
    log = open_log(url="sqlite://")
    write_turn(log)
    assert log.verify().closed == 1
    assert open_log(url="sqlite:///:memory:").verify().closed == 0


def test_a_relative_path_is_meant_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store(read_url("sqlite:///log.db"))
    assert store.path == tmp_path / "log.db"
    store.close()
