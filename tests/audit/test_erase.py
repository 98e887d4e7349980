"""Erasure: what goes, what stays, and that nothing is left in the files."""

import random
import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import LargeBinary, Text

from audit.helpers import CANARY, VERSIONS
from corroborator.audit import tables
from corroborator.audit.tables import details, findings_index, keys, lookup
from corroborator.errors import InputError

WINDOW = 8


def files_of(path: Path) -> bytes:
    """Return the bytes of the database and of its `-wal` and `-shm` files."""
    found = [file.read_bytes() for file in sorted(path.parent.glob(f"{path.name}*"))]
    assert len(found) == 3
    return b"|".join(found)


def traces(secrets: Iterable[bytes], files: bytes) -> int:
    """Count the places in the files that hold 8 bytes of a secret."""
    parts = [s[i : i + WINDOW] for s in secrets for i in range(len(s) - WINDOW + 1)]
    wanted = np.frombuffer(b"".join(parts), "<u8")
    found = 0
    for shift in range(WINDOW):
        length = (len(files) - shift) // WINDOW
        found += int(np.isin(np.frombuffer(files, "<u8", length, shift), wanted).sum())
    return found


@pytest.mark.parametrize("content", ["none", "sealed"])
def test_what_goes_and_what_stays(open_log: Any, write_turn: Any, sql: Any, content: str) -> None:
    log = open_log(content)
    first = write_turn(log, "c-1")
    write_turn(log, "c-1")
    write_turn(log, "c-2")
    report = log.erase("c-1")
    assert (report.chains, report.details, report.complete) == ((first.chain,), 2, True)

    assert log.verify().ok
    assert log.verify().erased == 1
    for table, rows in (("keys", content == "sealed"), ("lookup", 1), ("details", 1)):
        column = "event" if table == "details" else "chain"
        found = sql(f"SELECT count(*) FROM {table} WHERE {column} IS NOT NULL")  # noqa: S608
        assert found == [(rows,)]
    assert sql("SELECT count(*) FROM findings_index WHERE event IS NOT NULL") == [(1,)]
    assert list(log.records("c-1")) == []
    stubs = list(log.records(first.chain))
    assert [(t.status, t.intact, t.detail, t.text) for t in stubs] == [
        ("closed", True, None, None)
    ] * 2
    (tombstone,) = sql("SELECT kind, body FROM events WHERE chain = ? AND seq = 4", first.chain)
    assert tombstone == ("erased", '{"details":2}')
    assert next(log.records("c-2")).detail == {"statements": 1}


def test_erasing_again_erases_nothing(open_log: Any, write_turn: Any) -> None:
    log = open_log()
    chain = write_turn(log).chain
    log.erase("c-1")
    for name in ("c-1", chain, "unknown", log._meta.system_chain):
        report = log.erase(name)
        assert (report.chains, report.details, report.complete) == ((), 0, True)
    assert log.verify().erased == 1


def test_a_chain_that_no_id_leads_to_is_erased_by_its_pseudonym(
    open_log: Any, write_turn: Any
) -> None:
    log = open_log()
    chain = write_turn(log, None).chain
    assert log.erase(chain).chains == (chain,)
    assert log.verify().ok


def test_the_conversation_begins_anew(open_log: Any, write_turn: Any) -> None:
    log = open_log("sealed")
    before = write_turn(log).chain
    log.erase("c-1")
    assert write_turn(log).chain != before
    assert [t.text["reply"] for t in log.records("c-1")] == [CANARY]
    assert log.verify().ok


@pytest.mark.parametrize("content", ["none", "sealed"])
def test_a_turn_in_progress_keeps_nothing(
    open_log: Any, sql: Any, content: str, path: Path
) -> None:
    log = open_log(content)
    handle = log.open_turn("c-1", {})
    log.erase("c-1")
    record = log.close_turn(handle, {"action": "none"}, {"note": CANARY}, {"reply": CANARY}, [])
    assert record.body["content"] == "erased"
    assert record.body["commitment"] is None
    assert sql("SELECT count(*) FROM details") == [(0,)]
    assert CANARY.encode() not in files_of(path)
    assert (log.verify().ok, log.verify().gaps) == (True, 0)
    assert next(log.records(handle.chain)).intact


def test_nothing_is_left_in_the_files(open_log: Any, path: Path, sql: Any) -> None:
    """Erase most of many conversations in a random order, with turns in between."""
    chance = random.Random(7)  # noqa: S311 - no secret
    log = open_log("sealed")
    plain = open_log("none")
    for one in (log, plain):  # the test writes a lot
        one._store._own().engine.raw_connection().cursor().execute("PRAGMA synchronous = OFF")
    canaries: dict[str, list[bytes]] = {}
    secrets: list[bytes] = []
    gone: list[bytes] = []
    for number in range(110):
        name = f"conversation {number} {CANARY}"
        canaries[name] = []
        for _ in range(chance.randint(1, 3)):
            canary = f"{CANARY} {chance.getrandbits(96):024x}"
            canaries[name].append(canary.encode())
            one = chance.choice((log, plain))
            handle = one.open_turn(name, VERSIONS, subject=f"person {number}")
            detail = {"note": [canary] * chance.choice((1, 3, 40, 200))}
            one.close_turn(handle, {"action": "none"}, detail, {"reply": canary}, [])
        if number % 3:
            name = chance.choice(list(canaries))
            chain = next(t.chain for t in log.records(name))
            secrets += [row[0] for row in sql("SELECT wrapped FROM keys WHERE chain = ?", chain)]
            secrets += [
                value
                for row in sql("SELECT conversation, subject FROM lookup WHERE chain = ?", chain)
                for value in row
            ]
            assert log.erase(name).complete
            gone += canaries.pop(name)
    files = files_of(path)
    live = [row[0] for row in sql("SELECT wrapped FROM keys WHERE wrapped IS NOT NULL")]
    assert traces(live, files) == 53 * len(live), "the search finds what is there"
    assert len(secrets) > 150
    assert traces(secrets, files) == 0
    assert not [canary for canary in gone if canary in files]
    assert b"conversation 1" not in files
    assert log.verify().ok


def test_no_row_is_deleted_and_no_index_holds_what_is_erased(
    open_log: Any, write_turn: Any, sql: Any
) -> None:
    log = open_log("sealed")
    write_turn(log)
    log.erase("c-1")
    for table in (keys, lookup, details, findings_index):
        row = sql(f"SELECT * FROM {table.name}")  # noqa: S608 - our own names
        assert row == [(1, *[None] * (len(table.columns) - 1))], table.name
        indexed = {c.name for index in table.indexes for c in index.columns}
        indexed |= {c.name for c in table.columns if c.unique}
        assert indexed <= {"chain", "event", "bucket"}
    personal = {c.name for t in tables.metadata.sorted_tables for c in t.columns} - {"bucket"}
    assert {"wrapped", "conversation", "subject", "plain", "sealed"} <= personal
    assert isinstance(keys.c.wrapped.type, LargeBinary)
    assert isinstance(details.c.plain.type, Text)


def test_a_reader_that_holds_the_log_is_reported(
    open_log: Any, write_turn: Any, sql: Any, path: Path
) -> None:
    log = open_log("sealed", timeout=0.2)
    write_turn(log)
    (wrapped,) = sql("SELECT wrapped FROM keys")[0]
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM events").fetchall()
    assert not log.erase("c-1").complete
    assert wrapped in files_of(path)
    reader.execute("ROLLBACK")
    reader.close()
    assert log.erase("c-1").complete
    assert traces([wrapped], files_of(path)) == 0


def test_all_conversations_of_a_person_are_erased(open_log: Any, sql: Any) -> None:
    log = open_log("sealed")
    ours = {
        log.open_turn("a", {}, subject="person 1").chain,
        log.open_turn(None, {}, subject="person 1").chain,
        log.open_turn("b", {}).chain,
        log.open_turn("b", {}, subject="person 1").chain,  # known from its second turn
        log.open_turn("b", {}, subject="person 1").chain,
    }
    log.open_turn("c", {}, subject="person 2")
    log.open_turn("person 1", {})
    assert sql("SELECT count(*) FROM lookup") == [(6,)]
    report = log.erase_subject("person 1")
    assert (set(report.chains), len(ours)) == (ours, 3)
    assert log.erase_subject("person 1").chains == ()
    assert log.verify().erased == 3
    assert log.verify().ok
    assert [len(list(log.records(name))) for name in ("a", "b", "c", "person 1")] == [0, 0, 1, 1]


def test_retention_erases_what_had_no_turn_for_long(open_log: Any, write_turn: Any) -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    days = iter(range(100))
    log = open_log("sealed", clock=lambda: now + timedelta(days=next(days)))
    old = write_turn(log, "old").chain  # days 0 and 1
    anonymous = write_turn(log, None).chain
    write_turn(log, "new")
    log.append("old", "accessed", {})  # reading keeps nothing alive
    report = log.erase_before(now + timedelta(days=4))
    assert set(report.chains) == {old, anonymous}
    assert log.erase_before(now + timedelta(days=4)).chains == ()
    assert len(list(log.records("new"))) == 1
    assert log.verify().ok


def test_a_legal_hold_outlasts_every_erasure(open_log: Any, write_turn: Any) -> None:
    log = open_log("sealed")
    chain = write_turn(log, "held").chain
    write_turn(log, "other")
    log.hold("held")
    log.hold("held")
    report = log.erase_before(datetime.now(UTC) + timedelta(days=1))
    assert (len(report.chains), report.held) == (1, (chain,))
    assert log.erase("held").held == (chain,)
    assert next(log.records("held")).text is not None
    log.hold(chain, held=False)
    assert log.erase("held").chains == (chain,)
    assert log.verify().ok
    with pytest.raises(InputError, match="no such conversation"):
        log.hold("unknown")
