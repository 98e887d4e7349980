import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from audit.helpers import CANARY, VERSIONS
from corroborator.audit import IndexRow, TurnHandle
from corroborator.audit.process import is_running, this_writer
from corroborator.errors import InputError
from tiny_world import everything_told

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="tells processes apart by /proc")

OPEN_AND_WAIT = """
import sys
from corroborator.audit import AuditLog
log = AuditLog.open(sys.argv[1])
handle = log.open_turn("c-1", {})
print(handle.chain, handle.seq, flush=True)
sys.stdin.readline()
print(log.close_turn(handle, {"action": "none"}, {}, None, []).body.get("late"))
log.close()
"""


def test_a_turn_is_two_events_in_a_chain(open_log: Any, sql: Any) -> None:
    log = open_log()
    handle = log.open_turn("c-1", VERSIONS)
    assert sql("SELECT kind FROM events") == [("opened",)], "it is there before this returns"
    record = log.close_turn(handle, {"action": "none", "milliseconds": 3}, {"a": 1}, None, [])
    assert (record.chain, record.seq, record.kind) == (handle.chain, 1, "closed")
    assert record.is_whole()
    assert record.body["opened"] == 0
    assert record.body["content"] == "none"
    assert (record.body["action"], record.body["milliseconds"]) == ("none", 3)
    again = log.open_turn("c-1", VERSIONS)
    assert again == TurnHandle(handle.chain, 2)


def test_without_a_conversation_every_turn_has_a_chain_of_its_own(open_log: Any, sql: Any) -> None:
    log = open_log()
    chains = {log.open_turn(None, {}).chain for _ in range(3)}
    assert len(chains) == 3
    assert sql("SELECT count(*) FROM lookup") == [(0,)]


def test_ids_of_the_host_are_kept_as_keyed_hashes(open_log: Any, sql: Any, path: Any) -> None:
    log = open_log()
    first = log.open_turn(CANARY, {}, subject=f"person {CANARY}")
    log.open_turn(None, {}, subject=f"person {CANARY}")
    (key,) = sql("SELECT lookup_key FROM meta")[0]
    rows = sql("SELECT chain, length(conversation), length(subject), subject FROM lookup")
    assert [row[1:3] for row in rows] == [(32, 32), (None, 32)]
    assert rows[0][0] == first.chain
    assert rows[0][3] == rows[1][3], "all conversations of a person are found by one hash"
    assert len(key) == 32
    log.close()
    assert CANARY.encode() not in path.read_bytes()


@pytest.mark.parametrize("name", ["\ud800", "", "ü" * 300])
def test_any_string_names_a_conversation(open_log: Any, name: str) -> None:
    log = open_log()
    assert log.open_turn(name, {}).chain == log.open_turn(name, {}).chain


def test_a_turn_is_closed_once(open_log: Any) -> None:
    log = open_log()
    handle = log.open_turn("c-1", {})
    log.close_turn(handle, {"action": "none"}, {}, None, [])
    with pytest.raises(InputError, match="closed already"):
        log.close_turn(handle, {"action": "none"}, {}, None, [])
    for wrong in (
        TurnHandle("0" * 32, 0),
        TurnHandle(handle.chain, 1),
        TurnHandle(handle.chain, 9),
    ):
        with pytest.raises(InputError, match="not opened in this audit store"):
            log.close_turn(wrong, {"action": "none"}, {}, None, [])
    assert log.verify().ok


def test_a_turn_that_cannot_be_kept_stays_open(open_log: Any) -> None:
    log = open_log()
    handle = log.open_turn("c-1", {})
    for detail, index in (({"x": object()}, []), ({"x": b"" + CANARY.encode()}, [])):
        with pytest.raises(InputError) as caught:
            log.close_turn(handle, {"action": "none"}, detail, None, index)
        assert CANARY not in everything_told(caught.value)
    assert log.verify().gaps == 1
    log.close_turn(handle, {"action": "none"}, {}, None, [IndexRow(None, "none", fired=False)])
    assert (log.verify().ok, log.verify().gaps) == (True, 0)


@needs_proc
def test_a_killed_writer_leaves_a_gap(open_log: Any, write_turn: Any, start: Any) -> None:
    process = start(OPEN_AND_WAIT)
    chain, seq = process.stdout.readline().split()
    log = open_log()
    log.open_turn("c-1", {})
    log.append("c-1", "accessed", {})
    assert [t.status for t in log.records("c-1")] == ["open", "open"], "both writers still run"
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    report = log.verify()
    assert (report.ok, report.gaps) == (True, 2)

    write_turn(log)
    assert [t.status for t in log.records("c-1")] == ["gap", "open", "closed"]
    report = log.verify()
    assert (report.ok, report.gaps, report.closed) == (True, 2, 1)
    write_turn(log)
    assert log.verify().gaps == 2, "a gap is recorded once"

    late = log.close_turn(TurnHandle(chain, int(seq)), {"action": "none"}, {}, None, [])
    assert late.body["late"] is True
    assert next(log.records("c-1")).status == "closed"
    assert log.verify().ok


@needs_proc
def test_a_note_on_a_conversation_records_its_gaps(open_log: Any, start: Any) -> None:
    process = start(OPEN_AND_WAIT)
    process.stdout.readline()
    process.kill()
    process.wait(10)
    log = open_log()
    log.append("c-1", "accessed", {})
    assert next(log.records("c-1")).status == "gap"


@needs_proc
def test_a_running_writer_closes_in_time(open_log: Any, write_turn: Any, start: Any) -> None:
    process = start(OPEN_AND_WAIT)
    process.stdout.readline()
    log = open_log()
    write_turn(log)
    out, _ = process.communicate("\n", timeout=20)
    assert out.strip() == "None", "not late"
    assert [t.status for t in log.records("c-1")] == ["closed", "closed"]


@needs_proc
def test_which_writers_still_run() -> None:
    me = this_writer()
    writer = me.to_json()
    assert is_running(writer)
    other = {**writer, "run": "0" * 32}
    assert is_running(other), "another run of the same process, seen by start and number"
    assert not is_running({**other, "started": "00000000:1"})
    assert not is_running({**other, "started": None})
    assert not is_running({**other, "host": "0" * 16})
    assert not is_running({**other, "pid": 2**22 + 1})
    assert not is_running({**other, "pid": True, "host": None})
    assert not is_running(None)


@needs_proc
def test_a_dead_process_that_nobody_buried_does_not_run(start: Any) -> None:
    process = start("import sys; sys.stdin.readline()")
    writer = {**this_writer().to_json(), "run": "other", "pid": process.pid}
    tick = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19]
    writer["started"] = f"{str(writer['started']).split(':')[0]}:{tick}"
    assert is_running(writer)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not is_running(writer)
