"""What verification finds, one kind of tampering at a time, and what it says it cannot."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from audit.helpers import CANARY, MASTER, VERSIONS, write
from corroborator.audit import JSON, AuditLog, MasterKey
from corroborator.audit.chain import append, head_of
from corroborator.errors import MasterKeyError

CLOSED = "SELECT id FROM events WHERE kind = 'closed' ORDER BY id"


@pytest.fixture(scope="module", params=["none", "sealed"])
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Three turns of each of two conversations, one event of the system, one open turn."""
    path = tmp_path_factory.mktemp("written") / "log.db"
    with AuditLog.open(f"sqlite:///{path}", content=request.param, master_key=MASTER) as log:
        for number in range(6):
            write(log, f"c-{number % 2}", detail={"number": number})
        log.append(None, "config_changed", {"policy": "a" * 64})
        log.open_turn("c-1", VERSIONS)
    return path, request.param


@pytest.fixture
def log(written: Any, open_log: Any, path: Path) -> Any:
    original, content = written
    shutil.copy(original, path)
    return open_log(content)


def test_what_was_not_touched_is_whole(log: Any) -> None:
    report = log.verify()
    assert report.ok
    assert report.problems == ()
    assert (report.chains, report.events, report.closed, report.gaps, report.erased) == (
        3,
        14,
        6,
        1,
        0,
    )


TAMPERING = {
    "a body": (
        "UPDATE events SET body = replace(body, 'steered', 'none') WHERE id = 2",
        "its content was changed",
    ),
    "a body, by spaces": (
        "UPDATE events SET body = replace(body, ':', ': ') WHERE id = 2",
        "its content was changed",
    ),
    "a body that is no JSON": (
        "UPDATE events SET body = x'00' WHERE id = 2",
        "its content was changed",
    ),
    "a time": ("UPDATE events SET time = '2020' WHERE id = 2", "its content was changed"),
    "a time of another type": (
        "UPDATE events SET time = x'ff' WHERE id = 2",
        "its content was changed",
    ),
    "a kind": ("UPDATE events SET kind = 'opened' WHERE id = 4", "its content was changed"),
    "an unknown kind": ("UPDATE events SET kind = 'x' WHERE id = 13", "kind or schema"),
    "a schema": ("UPDATE events SET schema = 2 WHERE id = 4", "kind or schema"),
    "a hash": ("UPDATE events SET hash = prev WHERE id = 2", "its content was changed"),
    "a link": ("UPDATE events SET prev = hash WHERE id = 4", "does not follow"),
    "a place": ("UPDATE events SET seq = 'x' WHERE id = 12", "its place is no number"),
    "a place, by far": (
        "UPDATE events SET seq = 9007199254740993 WHERE id = 12",
        "its place is no number",
    ),
    "the turn that was ended": (
        "UPDATE events SET opened = 17 WHERE id = 2",
        "column `opened` was changed",
    ),
    "an event in the middle": (
        "DELETE FROM events WHERE id = 6",
        "events are missing",
    ),
    "the first event": (
        "DELETE FROM events WHERE chain = (SELECT chain FROM events WHERE id = 1) AND seq = 0",
        "events are missing",
    ),
    "the last event": (
        "DELETE FROM events WHERE id = (SELECT max(id) FROM events)",
        "not the one noted as last",
    ),
    "two events in their order": (
        """UPDATE events SET seq = CASE seq WHEN 1 THEN -3 WHEN 3 THEN -1 END
        WHERE chain = (SELECT chain FROM events WHERE id = 1) AND seq IN (1, 3)""",
        "does not follow",
    ),
    "two events between chains": (
        """UPDATE events SET seq = seq + 1000, chain = CASE id WHEN 1 THEN
        (SELECT chain FROM events WHERE id = 4) ELSE (SELECT chain FROM events WHERE id = 2) END
        WHERE id IN (1, 3)""",
        "its content was changed",
    ),
    "all events of a chain": (
        "DELETE FROM events WHERE chain = (SELECT system_chain FROM meta)",
        "all its events were deleted",
    ),
    "the row of a chain": (
        "DELETE FROM conversations WHERE chain = (SELECT chain FROM events WHERE id = 1)",
        "row in `conversations` is missing",
    ),
    "the head": ("UPDATE conversations SET head_seq = head_seq - 1", "not the one noted as last"),
    "the hash of the head": ("UPDATE conversations SET head_hash = 'x'", "noted as last"),
    "the count of open turns": (
        "UPDATE conversations SET open_turns = 4 WHERE id = 1",
        "number of its open turns",
    ),
    "a mark of erasure": (
        "UPDATE conversations SET erased = 1 WHERE id = 1",
        "without a tombstone",
    ),
    "a detail": (
        "UPDATE details SET plain = replace(plain, '0', '7'), sealed = x'00' || sealed WHERE id = 1",
        "its detail was changed",
    ),
    "a detail of another type": (
        "UPDATE details SET plain = x'00', sealed = 'x' WHERE id = 1",
        "its detail was changed",
    ),
    "a salt": (
        "UPDATE details SET salt = zeroblob(32), sealed = zeroblob(40) WHERE id = 1",
        "its detail was changed",
    ),
    "a detail, deleted": ("DELETE FROM details WHERE id = 1", "its detail was deleted"),
    "a detail, blanked": (
        "UPDATE details SET event = NULL, salt = NULL, plain = NULL, sealed = NULL WHERE id = 1",
        "its detail was deleted",
    ),
    "two details": (
        "UPDATE details SET event = CASE event WHEN 2 THEN -4 ELSE -2 END WHERE event IN (2, 4)",
        "its detail was changed",
    ),
    "a detail of nothing": (
        "INSERT INTO details (plain) VALUES ('{}')",
        "1 rows of details belong to nothing",
    ),
    "a detail of an event without one": (
        "INSERT INTO details (event, plain) VALUES (1, '{}')",
        "attached to an event that has none",
    ),
    "an index row of nothing": (
        "INSERT INTO findings_index (event, domain) VALUES (99, 'x')",
        "1 rows of findings_index belong to nothing",
    ),
    "an index row of another event": (
        "UPDATE findings_index SET event = 1 WHERE id = 1",
        "1 rows of findings_index belong to nothing",
    ),
    "a name of nothing": (
        "UPDATE lookup SET chain = 'x' WHERE id = 1",
        "1 rows of lookup belong to nothing",
    ),
}
SECOND_STEP = {
    "two events in their order": "UPDATE events SET seq = -seq WHERE seq < 0",
    "two events between chains": "UPDATE events SET seq = seq - 1000 WHERE seq > 999",
    "two details": "UPDATE details SET event = -event WHERE event < 0",
}


@pytest.mark.parametrize("what", TAMPERING)
def test_tampering_is_found(log: Any, sql: Callable[..., Any], what: str) -> None:
    statement, message = TAMPERING[what]
    for step in (statement, SECOND_STEP.get(what)):
        assert step is None or sql(f"{step} RETURNING 1"), "the test changes nothing"
    report = log.verify()
    assert not report.ok
    assert any(message in problem.what for problem in report.problems), report.problems
    assert CANARY not in repr(report)


def test_a_problem_names_its_place(log: Any, sql: Any) -> None:
    sql("UPDATE events SET body = '{}' WHERE id = 4")
    ((chain, seq),) = sql("SELECT chain, seq FROM events WHERE id = 4")
    first = log.verify().problems[0]
    assert (first.chain, first.seq, first.what) == (chain, seq, "its content was changed")


def test_a_key_that_was_deleted_or_changed_is_found(
    open_log: Any, write_turn: Any, sql: Any
) -> None:
    log = open_log("sealed")
    write_turn(log, "c-1")
    write_turn(log, "c-2")
    sql("UPDATE keys SET wrapped = zeroblob(60) WHERE id = 1")
    assert [p.what for p in log.verify().problems] == ["its key was changed"]
    sql("UPDATE keys SET wrapped = NULL WHERE id = 1")
    assert [p.what for p in log.verify().problems] == ["the key of its detail is missing"]
    assert [p.what for p in open_log("none").verify().problems] == [
        "the key of its detail is missing"
    ]


def test_keys_are_only_tried_with_the_master_key(open_log: Any, write_turn: Any, sql: Any) -> None:
    write_turn(open_log("sealed"))
    sql("UPDATE keys SET wrapped = zeroblob(60)")
    assert open_log("none").verify().ok
    assert not open_log("none", master_key=MASTER).verify().ok


def test_a_turn_ended_twice_or_never_opened_is_found(log: Any, sql: Any) -> None:
    copy = (
        "INSERT INTO events (chain, seq, schema, kind, time, body, opened, prev, hash) "
        "SELECT chain, 6, schema, kind, time, body, {}, prev, hash FROM events WHERE id = 2"
    )
    sql(copy.format("6"))
    assert any("ended before" in p.what for p in log.verify().problems)
    sql("UPDATE events SET body = replace(body, '\"opened\":0', '\"opened\":77') WHERE id = 15")
    assert any("not opened before" in p.what for p in log.verify().problems)
    assert any("its content was changed" in p.what for p in log.verify().problems)


def test_a_gap_without_a_late_mark_is_found(open_log: Any) -> None:
    log = open_log()
    handle = log.open_turn("c-1", {})
    gap: dict[str, JSON] = {"opened": 0}
    closed: dict[str, JSON] = {**gap, "content": "erased", "action": "none", "commitment": None}

    def forge(connection: Connection) -> None:
        head = head_of(connection, handle.chain)
        append(connection, head, "gap", "t", gap, opened=0, open_turns=-1)
        append(connection, head_of(connection, head.chain), "closed", "t", closed, opened=0)

    log._store.write(forge)
    assert [p.what for p in log.verify().problems] == ["it is not marked as late, or wrongly so"]


def test_what_should_be_erased_and_is_not_is_found(
    open_log: Any, write_turn: Any, sql: Any
) -> None:
    log = open_log("sealed")
    write_turn(log)
    kept = sql("SELECT plain, sealed, event FROM details")[0]
    (wrapped,) = sql("SELECT chain, wrapped FROM keys")
    log.erase("c-1")
    assert log.verify().ok
    sql("UPDATE details SET plain = ?, sealed = ?, event = ?", *kept)
    sql("UPDATE keys SET chain = ?, wrapped = ?", *wrapped)
    sql("UPDATE findings_index SET event = 2, domain = 'age_claim'")
    whats = [p.what for p in log.verify().problems]
    assert whats == [
        "its detail is there though the chain was erased",
        "1 rows of findings_index belong to nothing that is kept",
        "1 rows of keys belong to nothing that is kept",
    ]
    sql("UPDATE conversations SET erased = 0")
    assert any("the mark was removed" in p.what for p in log.verify().problems)


def test_the_wrong_master_key_is_told_at_once(open_log: Any, write_turn: Any) -> None:
    write_turn(open_log("sealed"))
    with pytest.raises(MasterKeyError):
        open_log("none", master_key=MasterKey(b"w" * 32))


def test_a_cut_with_a_head_set_back_is_not_found_as_the_docs_say(
    open_log: Any, write_turn: Any, sql: Any
) -> None:
    log = open_log()
    write_turn(log)
    ((seq, head),) = sql("SELECT head_seq, head_hash FROM conversations")
    write_turn(log)
    sql("DELETE FROM findings_index WHERE event > 2")
    sql("DELETE FROM details WHERE event > 2")
    sql("DELETE FROM events WHERE id > 2")
    sql("UPDATE conversations SET head_seq = ?, head_hash = ?", seq, head)
    assert log.verify().ok
