"""Attacks on the store, and proof that they would be seen to succeed on a store without its guards."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from audit.helpers import CANARY, MASTER, VERSIONS
from corroborator.audit import AuditLog, MasterKey
from corroborator.errors import IntegrityError, MasterKeyError

WRITER = """
import sys
from corroborator.audit import AuditLog, MasterKey
log = AuditLog.open(sys.argv[1] + "?timeout=60", content="sealed", master_key=MasterKey(bytes(range(32))))
print("ready", flush=True)
for number in range(10**6):
    handle = log.open_turn(f"c-{number % 3}", {})
    print("opened", handle.chain, handle.seq, flush=True)
    record = log.close_turn(handle, {"action": "none"}, {"n": number}, {"reply": "zebra"}, [])
    print("closed", record.chain, record.seq, record.hash, flush=True)
"""


def kill_at_random(path: Path, times: int, seed: int = 7) -> None:
    """Kill a writer again and again; whatever it was told is written must be there."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    told: set[tuple[str, ...]] = set()
    for _ in range(times):
        process = subprocess.Popen(  # noqa: S603 - the program is part of the test
            [sys.executable, "-c", WRITER, f"sqlite:///{path}"], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(chance.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        lines, _ = process.communicate()
        told |= {tuple(line.split()) for line in lines.splitlines() if line.count(" ") >= 2}
    with AuditLog.open(f"sqlite:///{path}", master_key=MASTER) as log:
        report = log.verify()
        assert report.problems == ()
        for number in range(3):
            log.open_turn(f"c-{number}", {})
        turns = list(log.records())
        ends = {
            (turn.chain, str(turn.closed.seq), turn.closed.hash) for turn in turns if turn.closed
        }
        begins = {(turn.chain, str(turn.opened.seq)) for turn in turns}
        whole = [line for line in told if line[0] == "closed" and len(line) == 4]
        assert {line[1:] for line in whole if len(line[3]) == 64} <= ends
        assert {line[1:] for line in told if line[0] == "opened" and len(line) == 3} <= begins
        assert sum(turn.status == "open" for turn in turns) == 3, "the rest ended or is a gap"
        assert log.verify().ok


def test_kills_lose_nothing(path: Path) -> None:
    kill_at_random(path, 5)


@pytest.mark.exhaustive
def test_two_hundred_kills_lose_nothing(path: Path) -> None:
    kill_at_random(path, 200)


TAMPERING = {
    "edited": ("UPDATE events SET body = '{}' WHERE seq = 1",),
    "time changed": ("UPDATE events SET time = '2020-01-01T00:00:00.000000Z' WHERE seq = 1",),
    "reordered": (
        "UPDATE events SET seq = -1 WHERE seq = 1",
        "UPDATE events SET seq = 1 WHERE seq = 3",
        "UPDATE events SET seq = 3 WHERE seq = -1",
    ),
    "deleted": ("DELETE FROM events WHERE seq = 2",),
    "swapped between conversations": (
        "UPDATE events SET seq = -seq, opened = -opened WHERE chain = '{a}'",
        "UPDATE events SET chain = '{a}' WHERE chain = '{b}' AND seq = 3",
        "UPDATE events SET chain = '{b}', seq = 3, opened = 2 WHERE chain = '{a}' AND seq = -3",
        "UPDATE events SET seq = -seq, opened = -opened WHERE seq < 0 OR opened < 0",
    ),
    "details swapped": (
        "UPDATE details SET event = -event",
        "UPDATE details SET event = CASE event WHEN -2 THEN 4 WHEN -4 THEN 2 ELSE -event END",
    ),
    "keys swapped": ("UPDATE keys SET wrapped = (SELECT wrapped FROM keys WHERE chain = '{b}')",),
    "truncated": ("DELETE FROM events WHERE seq = 3", "DELETE FROM details WHERE event > 5"),
}


def tampered(log: AuditLog, write_turn: Any, sql: Any, attack: str) -> None:
    first, second = write_turn(log, "a").chain, write_turn(log, "b").chain
    for name in ("a", "b"):
        write_turn(log, name)
    assert log.verify().ok
    for statement in TAMPERING[attack]:
        sql(statement.replace("{a}", first).replace("{b}", second))


@pytest.mark.parametrize("attack", TAMPERING)
def test_tampering_is_found(open_log: Any, write_turn: Any, sql: Any, attack: str) -> None:
    log = open_log("sealed")
    tampered(log, write_turn, sql, attack)
    assert not log.verify().ok


def test_a_clock_that_jumps_breaks_nothing(open_log: Any, write_turn: Any) -> None:
    chance = random.Random(3)  # noqa: S311 - no secret
    start = datetime(2026, 3, 1, tzinfo=UTC)
    log = open_log(clock=lambda: start + timedelta(days=chance.uniform(-4000, 4000)))
    for number in range(20):
        write_turn(log, f"c-{number % 2}")
    assert log.verify().ok
    assert [turn.opened.seq for turn in log.records("c-0")] == list(range(0, 20, 2))


def test_a_wrong_key_reads_and_writes_nothing(open_log: Any, write_turn: Any, path: Path) -> None:
    write_turn(open_log("sealed"))
    before = path.read_bytes()
    with pytest.raises(MasterKeyError, match="sealed under master key"):
        open_log("sealed", master_key=MasterKey(bytes(32)))
    assert path.read_bytes() == before


def test_a_lost_key_leaves_the_log_verifiable(open_log: Any, write_turn: Any) -> None:
    write_turn(open_log("sealed"))
    log = open_log()
    assert log.verify().ok
    assert [(turn.intact, turn.text) for turn in log.records()] == [(True, None)]


def test_nothing_of_an_erased_conversation_is_left(
    open_log: Any, write_turn: Any, sql: Any, path: Path
) -> None:
    log = open_log("sealed")
    for number in range(40):
        write_turn(log, f"c-{number}", text=f"{CANARY} {number}")
    chain = next(log.records("c-17")).chain
    wrapped, other = (
        sql(f"SELECT wrapped FROM keys WHERE chain {sign} ?", chain)[0][0]  # noqa: S608
        for sign in ("=", "<>")
    )
    assert log.erase("c-17").complete
    for closed in (False, True):
        if closed:
            log.close()
        left = b"".join(file.read_bytes() for file in path.parent.iterdir())
        assert other in left
        assert CANARY.encode() not in left
        for start in range(len(wrapped) - 15):
            assert wrapped[start : start + 16] not in left
    assert open_log("sealed").verify().ok


# --- mutants: each guard taken away is noticed by the attack that it is there for ---------------


def test_without_the_check_of_the_chain_tampering_would_pass(
    open_log: Any, write_turn: Any, sql: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_log("sealed")
    tampered(log, write_turn, sql, "time changed")
    assert not log.verify().ok
    monkeypatch.setattr("corroborator.audit.chain.Record.is_whole", lambda *_: True)
    assert log.verify().ok


LOCKLESS = """
from corroborator.audit import sqlite
sqlite._begin = lambda connection: connection.exec_driver_sql("BEGIN")
"""


def forked(start: Callable[..., Any], mutant: str) -> bool:
    """Whether processes that write one conversation at once get in each other's way."""
    program = mutant + (
        """
import sys
from corroborator.audit import AuditLog
log = AuditLog.open(sys.argv[1] + "?timeout=60")
print("ready", flush=True)
sys.stdin.readline()
for _ in range(40):
    log.close_turn(log.open_turn("c", {}), {"action": "none"}, {}, None, [])
print("done", flush=True)
"""
    )
    processes = [start(program) for _ in range(8)]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 8
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    return [process.stdout.readline() for process in processes] != ["done\n"] * 8


@pytest.mark.exhaustive
def test_eight_processes_write_one_conversation(start: Any, open_log: Any) -> None:
    open_log().close()
    assert not forked(start, "")
    report = open_log().verify()
    assert (report.ok, report.chains, report.closed) == (True, 1, 320)


@pytest.mark.exhaustive
def test_without_the_lock_eight_processes_would_fail(start: Any, open_log: Any) -> None:
    open_log().close()
    assert forked(start, LOCKLESS)


SYNCED = """
import sys
from corroborator.audit import AuditLog
log = AuditLog.open(sys.argv[1])
for number in range(5):
    log.close_turn(log.open_turn("c", {}), {"action": "none"}, {}, None, [])
"""
NO_SYNC = """
import sqlite3
from corroborator.audit import sqlite
prepare = sqlite._prepare
def mutant(connection, entry):
    prepare(connection, entry)
    connection.execute("PRAGMA synchronous = OFF")
sqlite._prepare = mutant
"""


def syncs(path: Path, program: str) -> int:
    """Return how often a program has the system write a file to the disk."""
    trace = path.with_suffix(".trace")
    command = ["strace", "-f", "-e", "trace=fsync,fdatasync", "-o", str(trace), sys.executable]
    subprocess.run([*command, "-c", program, f"sqlite:///{path}"], check=True)  # noqa: S603
    return trace.read_text("utf-8").count("sync(")


@pytest.mark.skipif(
    not any(os.access(f"{folder}/strace", os.X_OK) for folder in os.environ["PATH"].split(":")),
    reason="needs strace",
)
def test_every_event_reaches_the_disk_and_a_store_that_does_not_sync_is_noticed(
    tmp_path: Path,
) -> None:
    assert syncs(tmp_path / "a.db", SYNCED) >= 10
    assert syncs(tmp_path / "b.db", NO_SYNC + SYNCED) < 10


def test_a_rewrite_of_all_hashes_needs_a_checkpoint_to_be_seen(
    open_log: Any, write_turn: Any, sql: Any
) -> None:
    log = open_log()
    write_turn(log, "a")
    write_turn(log, "b")
    chain = next(log.records("a")).chain
    for table, column in (("details", "event"), ("findings_index", "event")):
        sql(f"DELETE FROM {table} WHERE {column} <= 2")  # noqa: S608
    for table in ("events", "lookup", "conversations"):
        sql(f"DELETE FROM {table} WHERE chain = ?", chain)  # noqa: S608
    assert log.verify().ok, "a conversation removed without a trace leaves a log that is whole"


def test_a_row_set_back_stops_the_writer(open_log: Any, write_turn: Any, sql: Any) -> None:
    log = open_log()
    write_turn(log)
    sql("UPDATE conversations SET head_seq = -1")
    with pytest.raises(IntegrityError):
        log.open_turn("c-1", VERSIONS)
