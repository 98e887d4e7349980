"""Another master key: what is sealed stays readable, and wrong keys are told apart."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from audit.helpers import CANARY, MASTER
from corroborator.audit import AuditLog, MasterKey
from corroborator.errors import InputError, IntegrityError, MasterKeyError

NEW, OTHER = MasterKey(bytes(range(1, 33))), MasterKey(bytes(range(2, 34)))


def replies(log: AuditLog) -> list[object]:
    return [(turn.text or {}).get("reply") for turn in log.records()]


def files_of(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.iterdir())


def test_what_was_sealed_and_what_will_be_is_read_with_the_new_key(
    open_log: Any, write_turn: Any
) -> None:
    log = open_log("sealed")
    chain = write_turn(log, "before").chain
    report = log.rekey(NEW)
    assert (report.before, report.after) == (MASTER.id, NEW.id)
    assert (report.keys, report.complete) == (1, True)
    write_turn(log, "before")
    write_turn(log, "after")
    log.close()
    again = open_log("sealed", master_key=NEW)
    assert replies(again) == [CANARY] * 3
    assert [turn.chain for turn in again.records("before")] == [chain, chain]
    assert again.verify().ok
    assert again.erase("before").details == 2
    assert again.verify().ok


def test_nothing_that_the_old_key_unwraps_is_left_in_the_files(
    open_log: Any, write_turn: Any, path: Path, sql: Any
) -> None:
    log = open_log("sealed")
    for number in range(50):
        write_turn(log, f"c-{number}")
    log.erase("c-0")
    wrapped = [key for (key,) in sql("SELECT wrapped FROM keys WHERE wrapped IS NOT NULL")]
    assert all(key in files_of(path) for key in wrapped)
    assert log.rekey(NEW).keys == len(wrapped) == 49
    left = files_of(path)
    assert not any(key[place : place + 8] in left for key in wrapped for place in range(0, 56, 8))
    assert log.verify().ok


def test_lost_wrong_and_replaced_keys_are_told_apart(
    open_log: Any, write_turn: Any, path: Path
) -> None:
    log = open_log("sealed")
    write_turn(log)
    log.rekey(NEW)
    log.close()
    url = f"sqlite:///{path}"
    with pytest.raises(MasterKeyError, match="there is no master key: set CORROBORATOR_MASTER_KEY"):
        AuditLog.open(url, content="sealed")
    with pytest.raises(MasterKeyError, match=f"under master key {NEW.id}, and the key given is"):
        AuditLog.open(url, content="sealed", master_key=OTHER)
    replaced = f"{MASTER.id} was replaced by another on 20.*under {NEW.id} now: give that one"
    with pytest.raises(MasterKeyError, match=replaced):
        AuditLog.open(url, content="sealed", master_key=MASTER)
    assert replies(open_log("sealed", master_key=NEW)) == [CANARY]


def test_a_process_that_still_has_the_old_key_is_told_and_harms_nothing(
    open_log: Any, write_turn: Any
) -> None:
    log, other = open_log("sealed"), open_log("sealed")
    write_turn(log)
    other.rekey(NEW)
    tries: list[Callable[[], object]] = [
        lambda: write_turn(log),
        lambda: write_turn(log, "c-2"),
        lambda: list(log.records()),
        log.verify,
    ]
    for work in tries:
        with pytest.raises(MasterKeyError, match=r"was changed to \w+ while this process ran"):
            work()
    write_turn(other, "c-3")
    assert replies(other) == [CANARY, None, None, CANARY]
    report = other.verify()
    assert (report.ok, report.closed, report.gaps) == (True, 2, 2)


def test_a_key_that_was_changed_stops_it_and_nothing_is_done(
    open_log: Any, write_turn: Any, sql: Any
) -> None:
    log = open_log("sealed")
    write_turn(log, "c-1")
    write_turn(log, "c-2")
    before = sql("SELECT wrapped FROM keys WHERE id = 1")
    sql("UPDATE keys SET wrapped = zeroblob(60) WHERE id = 2")
    with pytest.raises(IntegrityError):
        log.rekey(NEW)
    assert sql("SELECT wrapped FROM keys WHERE id = 1") == before
    assert [problem.what for problem in log.verify().problems] == ["its key was changed"]


def test_what_cannot_be_done_is_refused(open_log: Any, write_turn: Any) -> None:
    plain = open_log()
    write_turn(plain)
    with pytest.raises(MasterKeyError, match="open the log with the master key"):
        plain.rekey(NEW)
    with pytest.raises(InputError, match="nothing was ever sealed"):
        open_log(master_key=MASTER).rekey(NEW)
    log = open_log("sealed")
    write_turn(log)
    with pytest.raises(InputError, match="has already"):
        log.rekey(MASTER)


def test_threads_go_on_sealing_while_the_key_is_replaced(open_log: Any, write_turn: Any) -> None:
    log = open_log("sealed")
    new = [MasterKey(bytes([number] * 32)) for number in range(1, 5)]

    def talk(number: int) -> int:
        taken = 0
        for turn in range(10):
            try:
                write_turn(log, f"c-{number}-{turn}")
            except MasterKeyError:  # it was replaced between this turn's first and last look
                continue
            taken += 1
        return taken

    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(talk, number) for number in range(8)]
        for key in new:
            log.rekey(key)
        taken = sum(one.result() for one in running)
    assert log.verify().ok
    assert replies(log).count(CANARY) == taken
