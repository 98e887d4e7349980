from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

import corroborator.audit
from audit.helpers import CANARY, MASTER, VERSIONS
from corroborator.audit import AuditLog, MasterKey
from corroborator.audit.keys import key_file
from corroborator.errors import AuditError, InputError, IntegrityError, MasterKeyError
from tiny_world import everything_told


def test_notes_go_to_their_conversation_or_to_the_store(open_log: Any, write_turn: Any) -> None:
    log = open_log()
    chain = write_turn(log).chain
    first = log.append(None, "config_changed", {"policy": "a" * 64})
    second = log.append(None, "exported", {"turns": 1})
    assert (second.chain, second.seq, second.prev) == (first.chain, 1, first.hash)
    assert first.chain != chain
    assert log.append("c-1", "accessed", {"by": "r-1"}).chain == chain
    assert log.append(chain, "accessed", {"by": "r-1"}).chain == chain
    for name in ("unknown", first.chain):
        with pytest.raises(InputError, match="no such conversation"):
            log.append(name, "accessed", {})
    with pytest.raises(InputError, match="exported, accessed, config_changed"):
        log.append(None, "closed", {})
    assert log.verify().ok


def test_times_are_utc(open_log: Any) -> None:
    east = timezone(timedelta(hours=5, minutes=30))
    log = open_log(clock=lambda: datetime(2026, 3, 1, 2, 0, 0, 7, tzinfo=east))
    assert log.append(None, "exported", {}).time == "2026-02-28T20:30:00.000007Z"


def test_a_log_in_a_block_is_closed_behind_it(path: Path) -> None:
    with AuditLog.open(f"sqlite:///{path}") as log:
        log.open_turn(None, {})
    with pytest.raises(AuditError, match="was closed"):
        log.verify()
    assert [file.name for file in path.parent.iterdir()] == ["log.db"]


def test_a_master_key_is_made_when_it_is_first_needed(path: Path, write_turn: Any) -> None:
    url = f"sqlite:///{path}"
    AuditLog.open(url).close()
    assert not key_file().exists()
    with AuditLog.open(url, content="sealed") as log:
        write_turn(log)
    with AuditLog.open(url, content="sealed") as log:
        assert (next(log.records()).text or {})["reply"] == CANARY


def test_a_missing_master_key_is_never_made_anew(path: Path) -> None:
    AuditLog.open(f"sqlite:///{path}", content="sealed").close()
    key_file().unlink()
    with pytest.raises(MasterKeyError, match="put the key file back"):
        AuditLog.open(f"sqlite:///{path}", content="sealed")
    assert not key_file().exists()


@pytest.mark.parametrize("content", ["none", "sealed"])
def test_another_master_key_is_refused(
    open_log: Any, path: Path, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_log("sealed").close()
    other = MasterKey(b"o" * 32)
    with pytest.raises(MasterKeyError, match=f"{MASTER.id}.*{other.id}"):
        open_log(content, master_key=other)
    monkeypatch.setenv("CORROBORATOR_MASTER_KEY", "bw==" * 11)
    with pytest.raises(MasterKeyError, match="32 bytes"):
        AuditLog.open(f"sqlite:///{path}", content="sealed")


def test_a_key_beside_the_database_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(path.parent))
    (path.parent / "corroborator").mkdir()
    with pytest.raises(MasterKeyError, match="beside the database"):
        AuditLog.open(f"sqlite:///{path.parent}/corroborator/log.db", content="sealed")


def test_a_store_can_begin_to_seal_and_stop(open_log: Any, write_turn: Any) -> None:
    plain, sealed = open_log("none"), open_log("sealed")
    for log in (plain, sealed, plain, sealed):
        write_turn(log)
    assert [t.text is not None for t in sealed.records("c-1")] == [False, True, False, True]
    assert sealed.verify().ok


def test_a_changed_key_stops_sealing_and_tells_nothing(
    open_log: Any, write_turn: Any, sql: Any
) -> None:
    log = open_log("sealed")
    write_turn(log)
    sql("UPDATE keys SET wrapped = zeroblob(60)")
    handle = log.open_turn("c-1", VERSIONS)
    with pytest.raises(IntegrityError) as caught:
        log.close_turn(handle, {"action": "none"}, {"n": CANARY}, {"reply": CANARY}, [])
    assert CANARY not in everything_told(caught.value)
    assert caught.value.__context__ is None


def test_public_names_are_sorted_and_there() -> None:
    names = corroborator.audit.__all__
    assert len(set(names)) == len(names)
    assert all(hasattr(corroborator.audit, name) for name in names)
