import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from audit.helpers import CANARY, MASTER
from corroborator.audit import reading
from corroborator.audit.canonical import canonical
from corroborator.audit.contents import Content
from corroborator.audit.sealing import new_data_key, seal
from corroborator.errors import IntegrityError


def test_a_turn_comes_back_as_it_was_written(open_log: Any, write_turn: Any) -> None:
    log = open_log()
    record = write_turn(log, detail={"findings": [{"score": 0.25}], "places": (1, 2)})
    (turn,) = log.records("c-1")
    assert turn.closed == record
    assert (turn.chain, turn.status, turn.intact) == (record.chain, "closed", True)
    assert turn.detail == {"findings": [{"score": 0.25}], "places": [1, 2]}
    assert turn.text is None, "content: none keeps no text, whatever is passed"
    assert len(turn.salt or b"") == 32


def test_sealed_text_needs_the_master_key(open_log: Any, write_turn: Any) -> None:
    log = open_log("sealed")
    write_turn(log, text="half a \ud800 pair")
    (turn,) = log.records()
    assert turn.text["reply"] == "half a \ufffd pair"
    assert turn.detail == {"statements": 1}
    assert turn.salt is None
    with_key = open_log("none", master_key=MASTER)
    assert next(with_key.records()).text == turn.text
    (without,) = open_log("none").records()
    assert (without.detail, without.text, without.intact) == (None, None, True)


def test_the_canary_is_nowhere_in_the_files(open_log: Any, write_turn: Any, path: Path) -> None:
    log = open_log("sealed")
    write_turn(log, CANARY, detail={"note": CANARY})
    write_turn(open_log("none"), CANARY)
    files = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert len(files) > 4096
    assert CANARY.encode() not in files
    assert MASTER.secret not in files


def test_debug_logs_of_the_database_hold_no_text(
    open_log: Any, write_turn: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "sqlalchemy")
    log = open_log("sealed")
    write_turn(log, CANARY, detail={"note": CANARY})
    assert log.verify().ok
    assert [turn.text["reply"] for turn in log.records()] == [CANARY]
    assert "INSERT INTO details" in caplog.text
    assert CANARY not in caplog.text


def test_representations_hold_no_text(open_log: Any, write_turn: Any) -> None:
    log = open_log("sealed")
    record = write_turn(log, CANARY, detail={"note": CANARY})
    (turn,) = log.records(CANARY)
    assert turn.text["reply"] == CANARY
    assert CANARY not in repr(
        [record, turn, log.verify(), log, log._store, log.open_turn(CANARY, {})]
    )


def test_filters(open_log: Any, write_turn: Any) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    minutes = iter(range(100))
    log = open_log(clock=lambda: start + timedelta(minutes=next(minutes)))
    write_turn(log, "a", domain="age_claim", action="steered")  # minutes 0 and 1
    write_turn(log, "b", domain="age_claim", action="revised")  # 2 and 3
    write_turn(log, "a", domain=None, action="none")  # 4 and 5
    log.open_turn("b", {})  # 6

    def seqs(*names: str, **wanted: Any) -> list[str]:
        return [f"{t.opened.time[14:16]}" for t in log.records(*names, **wanted)]

    assert seqs() == ["00", "02", "04", "06"]
    assert seqs("a") == ["00", "04"]
    assert seqs(next(log.records("b")).chain) == ["02", "06"]
    assert seqs("unknown") == []
    assert seqs(domain="age_claim") == ["00", "02"]
    assert seqs("b", domain="age_claim") == ["02"]
    assert seqs(action="none") == ["04"]
    assert seqs(domain="age_claim", action="none") == []
    assert seqs(since=start + timedelta(minutes=2), until=start + timedelta(minutes=6)) == [
        "02",
        "04",
    ]


def test_long_logs_are_read_page_by_page_without_a_lock(
    open_log: Any, write_turn: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_PAGE", 3)
    log = open_log(url="sqlite://")  # its one connection would be taken
    for _ in range(6):
        write_turn(log)
    seen = 0
    for _ in log.records():
        seen += 1
        if seen < 5:
            write_turn(log)
    assert seen == 10


TAMPERING = [
    "UPDATE events SET body = replace(body, 'steered', 'none')",
    "UPDATE events SET body = 'x'",
    "UPDATE events SET time = x'ff'",
    "UPDATE details SET plain = 'x', sealed = x'00'",
    "UPDATE details SET plain = x'00', sealed = 'x'",
    "UPDATE details SET plain = CAST(x'ff' AS TEXT)",
    "DELETE FROM details",
    "UPDATE keys SET wrapped = x'00'",
    "UPDATE keys SET wrapped = 'text'",
]


@pytest.mark.parametrize("statement", TAMPERING)
def test_a_turn_that_was_changed_is_not_taken_for_whole(
    open_log: Any, write_turn: Any, sql: Any, statement: str
) -> None:
    log = open_log("sealed")
    write_turn(log)
    sql(statement)
    (turn,) = log.records()
    if "plain = CAST" in statement:
        assert turn.intact, "a sealed turn has no plain detail to change"
        return
    assert not turn.intact
    assert not log.verify().ok
    if "events" not in statement:
        assert (turn.detail, turn.text) == (None, None)


@pytest.mark.parametrize("plain", ["'[1]'", "'x'", "CAST(x'ff' AS TEXT)", "NULL"])
def test_a_plain_detail_that_was_changed_is_not_taken_for_whole(
    open_log: Any, write_turn: Any, sql: Any, plain: str
) -> None:
    log = open_log()
    write_turn(log)
    sql(f"UPDATE details SET plain = {plain}")  # noqa: S608 - our own values
    (turn,) = log.records()
    assert (turn.intact, turn.detail) == (False, None)
    assert not log.verify().ok


def test_sealed_content_of_another_form_is_refused() -> None:
    key = new_data_key()
    forms: list[object] = [[], {"detail": 1, "text": None}, {"text": {}}]
    for form in forms:
        sealed = Content(sealed=seal(key, canonical(form), "p"))
        with pytest.raises(IntegrityError, match="another form"):
            sealed.read(key, "p")
