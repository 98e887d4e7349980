import logging

import pytest

from corroborator.audit import AuditLog, IndexRow
from corroborator.errors import AuditError, TurnError
from corroborator.observing import TurnReport
from corroborator.turn_log import OnError, TurnLog, audited

OPENED: dict[str, object] = {"turn": "t1", "versions": {}}
BODY: dict[str, object] = {"action": "none", "errors": [], "versions": {}}
ROWS = [IndexRow(None, "none", fired=False)]


def failing() -> None:
    raise AuditError("the disk is full")


def test_a_log_that_fails_is_noted_and_told(caplog: pytest.LogCaptureFixture) -> None:
    errors: list[str] = []
    with caplog.at_level(logging.WARNING, "corroborator"):
        assert audited("release", failing, errors) is None
    assert errors == ["AuditError"]
    assert "the turn goes on: the disk is full" in caplog.text


def test_a_log_that_fails_ends_the_turn_where_the_policy_says_so() -> None:
    with pytest.raises(AuditError):
        audited("block", failing, [])


@pytest.mark.parametrize("on_error", ["release", "block"])
def test_a_turn_is_opened_written_and_told_once(on_error: OnError) -> None:
    told: list[TurnReport] = []
    with AuditLog.open("sqlite://") as audit:
        log = TurnLog(audit, told.append, on_error)
        assert log.opened is None
        log.open("c", OPENED, None)
        record = log.write(BODY, {}, None, ROWS)
        log.over(record, BODY, {})
        assert [turn.status for turn in audit.records("c")] == ["closed"]
    assert log.opened is not None
    assert record is not None
    assert record != log.opened
    assert [(report.record, report.errors) for report in told] == [(record, ())]


def test_nothing_is_written_of_a_turn_that_was_never_opened_and_it_is_told() -> None:
    told: list[TurnReport] = []
    with AuditLog.open("sqlite://") as audit:
        log = TurnLog(audit, told.append, "release")
        record = log.write(BODY, {}, None, ROWS)
        log.over(record, BODY, {})
        assert record is None
        assert list(audit.records()) == []
    assert [report.record for report in told] == [None]


def test_a_turn_that_failed_is_told_by_the_name_of_the_error_alone() -> None:
    told: list[TurnReport] = []
    with AuditLog.open("sqlite://") as audit:
        TurnLog(audit, told.append, "release").failed(TurnError("what was said"))
    assert [(report.body, report.errors) for report in told] == [(None, ("TurnError",))]
