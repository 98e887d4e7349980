"""The audit log on a real PostgreSQL server; `tools/postgres.sh` starts one."""

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url, text

from audit.helpers import CANARY, MASTER, VERSIONS
from audit.test_processes import WORK
from corroborator.audit import AuditLog
from corroborator.audit.chain import head_of
from corroborator.audit.store import Store
from corroborator.errors import IntegrityError, StoreError
from postgres_server import needs_server, new_database, run
from tiny_world import everything_told

pytestmark = needs_server

Sql = Callable[..., list[Any]]


@pytest.fixture
def url() -> Iterator[str]:
    """A database of its own on the server."""
    with new_database() as made:
        yield made


@pytest.fixture
def log(url: str, open_log: Any) -> AuditLog:
    opened: AuditLog = open_log("sealed", url=url)
    return opened


@pytest.fixture
def sql(url: str) -> Sql:
    """Run a statement behind the log's back."""
    return lambda statement: run(url, statement)


def test_a_log_is_written_read_exported_and_erased(log: AuditLog, write_turn: Any) -> None:
    for number in range(6):
        write_turn(log, f"c-{number % 2}")
    assert len(list(log.records("c-0"))) == 3
    assert len(list(log.records(domain="age_claim", action="steered"))) == 6
    out = io.BytesIO()
    assert log.export(out) == 6
    assert CANARY.encode() not in out.getvalue()
    report = log.erase("c-0")
    assert (len(report.chains), report.details, report.complete) == (1, 3, True)
    assert "write-ahead log" in report.beyond
    verified = log.verify()
    assert (verified.ok, verified.closed, verified.erased) == (True, 6, 1)
    assert [turn.text is None for turn in log.records()] == [True, False] * 3
    write_turn(log, "c-0")
    assert log.verify().ok


@pytest.mark.exhaustive
def test_processes_lose_and_fork_nothing(url: str, log: AuditLog) -> None:
    work = WORK.replace("{url}", "").replace(
        'AuditLog.open(url.removesuffix("log.db") + line.strip() + "?timeout=30")',
        'AuditLog.open(url + "&timeout=30")',
    )
    command = [sys.executable, "-c", work, url]
    processes = [
        subprocess.Popen(  # noqa: S603 - the program is part of the test
            [*command, str(number), "12"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for number in range(8)
    ]
    for process in processes:
        out, _ = process.communicate("log.db\n", timeout=120)
        assert out == "ready\ndone\n"
    report = log.verify()
    assert (report.problems, report.chains, report.closed, report.gaps) == ((), 4, 96, 0)
    written = {(t.detail["process"], t.detail["turn"]) for t in log.records() if t.detail}
    assert len(written) == 96


def test_writers_of_other_conversations_do_not_wait(
    url: str, open_log: Any, write_turn: Any
) -> None:
    log = open_log(url=f"{url}&timeout=0.5")
    first = write_turn(log, "c-1")

    def meanwhile(connection: Any) -> None:
        head_of(connection, first.chain)
        write_turn(log, "c-2")  # had it waited, it would fail as the next does
        with pytest.raises(StoreError, match=r"locked for too long.*55P03"):
            write_turn(log, "c-1")

    log._store.write(meanwhile)
    write_turn(log, "c-1")
    report = log.verify()
    assert (report.ok, report.closed) == (True, 3)


def test_a_conversation_that_many_begin_is_one_chain(log: AuditLog, write_turn: Any) -> None:
    with ThreadPoolExecutor(8) as pool:
        records = list(pool.map(lambda _: write_turn(log, "new"), range(16)))
    assert len({record.chain for record in records}) == 1
    assert log.verify().ok


def test_events_below_the_last_one_are_all_there(log: AuditLog, write_turn: Any) -> None:
    store = log._store
    with ThreadPoolExecutor(8) as pool:
        writing = [pool.submit(write_turn, log, f"c-{n}") for n in range(24)]
        counts, checkpoints = {}, []
        while not all(one.done() for one in writing):
            last = store.last_event()
            counts[last] = _count(store, last)
            checkpoints.append(log.checkpoint())
    assert counts
    assert all(log.verify(checkpoint).ok for checkpoint in checkpoints)
    assert {last: _count(store, last) for last in counts} == counts


def _count(store: Store, last: int) -> int:
    counting = text("SELECT count(*) FROM events WHERE id <= :last")
    return store.read(lambda connection: connection.scalar(counting, {"last": last}) or 0)


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE events SET body = '{}' WHERE seq = 1", "its content was changed"),
        ("DELETE FROM events WHERE seq = 2", "events are missing"),
        ("UPDATE events SET seq = 9 - seq", "events are missing"),
        ("UPDATE details SET sealed = '\\x00'", "its detail was changed"),
        ("DELETE FROM details", "its detail was deleted"),
        ("UPDATE keys SET wrapped = '\\x00'", "its key was changed"),
    ],
)
def test_changes_are_found(
    log: AuditLog, write_turn: Any, sql: Sql, statement: str, what: str
) -> None:
    for _ in range(2):
        write_turn(log)
    sql("ALTER TABLE details DROP CONSTRAINT details_event_fkey")
    sql(statement)
    report = log.verify()
    assert not report.ok
    assert any(what in problem.what for problem in report.problems)


def test_nothing_of_an_erased_key_is_left_in_the_tables(
    log: AuditLog, write_turn: Any, sql: Sql
) -> None:
    write_turn(log, "kept")
    chain = write_turn(log, "c-1").chain
    kept, gone = (
        bytes(sql(f"SELECT wrapped FROM keys WHERE chain {operator} '{chain}'")[0][0])  # noqa: S608
        for operator in ("<>", "=")
    )
    assert log.erase("c-1").complete
    sql("CHECKPOINT")
    folder = Path(sql("SHOW data_directory")[0][0]) / "base"
    if not os.access(folder, os.R_OK):
        pytest.skip("the files of the server cannot be read by this user")
    files = [file.read_bytes() for file in folder.rglob("*") if file.is_file()]
    assert any(kept in file for file in files)
    assert not any(gone in file for file in files)
    assert not any(CANARY.encode() in file for file in files)


def test_a_writer_that_dies_leaves_a_gap(url: str, log: AuditLog) -> None:
    program = (
        "import os, sys; from corroborator.audit import AuditLog;"
        "AuditLog.open(sys.argv[1]).open_turn('c-1', {}); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, url], check=False)  # noqa: S603 - as above
    log.open_turn("c-1", VERSIONS)
    assert [turn.status for turn in log.records()] == ["gap", "open"]
    assert log.verify().ok


def test_a_chain_set_back_does_not_fork(log: AuditLog, write_turn: Any, sql: Sql) -> None:
    write_turn(log)
    sql("UPDATE conversations SET head_seq = 0")
    with pytest.raises(IntegrityError, match="changed from outside") as caught:
        write_turn(log)
    assert CANARY not in everything_told(caught.value)


def test_a_connection_that_was_cut_costs_no_record(
    log: AuditLog, write_turn: Any, sql: Sql
) -> None:
    write_turn(log)
    sql(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    write_turn(log)
    assert log.verify().closed == 2


def test_a_read_only_server_is_reported(
    url: str, log: AuditLog, write_turn: Any, sql: Sql, open_log: Any
) -> None:
    write_turn(log)
    name = make_url(url).database
    sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with pytest.raises(StoreError, match=r"cannot be written.*25006") as caught:
        write_turn(open_log(url=url))
    assert CANARY not in everything_told(caught.value)


def test_what_cannot_be_reached_is_told_without_the_password(url: str) -> None:
    socket = str(make_url(url).query["host"])
    for wrong in (
        f"postgresql://corroborator:secret-word@/nothing?host={socket}",
        f"postgresql://corroborator:secret-word@/postgres?host={socket}-none",
        "postgresql://corroborator:secret-word@127.0.0.1:1/postgres",
    ):
        with pytest.raises(StoreError, match=r"does not exist|cannot be reached") as caught:
            AuditLog.open(wrong)
        assert "secret-word" not in everything_told(caught.value)


def test_another_master_key_is_refused(url: str, log: AuditLog, write_turn: Any) -> None:
    write_turn(log)
    other = type(MASTER)(bytes(32))
    with pytest.raises(Exception, match="sealed under master key"):
        AuditLog.open(url, master_key=other)


def test_the_master_key_is_replaced_while_others_write_and_erase(
    log: AuditLog, write_turn: Any
) -> None:
    for number in range(40):
        write_turn(log, f"c-{number}")
    new = type(MASTER)(bytes(32))

    def erase(number: int) -> None:
        log.erase(f"c-{number}")

    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(erase, number) for number in range(20)]
        report = log.rekey(new)
        for one in running:
            one.result()
    assert 20 <= report.keys <= 40
    write_turn(log, "c-39")
    verified = log.verify()  # a key that came back would belong to an erased conversation
    assert (verified.ok, verified.erased) == (True, 20)
    assert [(turn.text or {}).get("reply") for turn in log.records()].count(CANARY) == 21


def test_the_configuration_is_noted_where_it_changed(log: AuditLog) -> None:
    for policy in ("a", "a", "b"):
        log.note_configuration({"policy": policy * 64})
    assert [change.body["before"] for change in log.configurations()] == [
        None,
        {"policy": "a" * 64},
    ]


def test_a_database_with_other_tables_is_left_alone(url: str, sql: Sql) -> None:
    sql("CREATE TABLE mine (id integer)")
    with pytest.raises(StoreError, match="holds other data"):
        AuditLog.open(url)
