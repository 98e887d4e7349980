import base64
import io
import json
from dataclasses import replace
from itertools import groupby
from typing import Any

import jsonschema
import pytest

from audit.helpers import CANARY, MASTER
from corroborator.audit.canonical import canonical, digest
from corroborator.audit.chain import GENESIS
from corroborator.resources import resource

VALIDATOR = jsonschema.Draft202012Validator(
    json.loads(resource("rails_config", "schema", "record.schema.json").read_text("utf-8"))
)
DETAIL = {
    "turn": 1,
    "repeated": False,
    "languages": {"en": 2},
    "statements": 2,
    "scores": {"age_claim": 0.91},
    "findings": [
        {
            "id": "age_claim",
            "protected": False,
            "message": 0,
            "start": 0,
            "end": 9,
            "language": "en",
            "score": 2.3,
            "probability": 0.91,
            "threshold": 0.7,
            "margin": 0.21,
            "nearest": [{"id": "AGE-014", "similarity": 0.83}],
            "contrasts": [],
        }
    ],
    "decision": {"verdict": "steer", "action": "steer", "domains": ["age_claim"]},
    "evidence": [{"domain": "age_claim", "bearing": "contradicts"}],
    "drafts": [{"kind": "release", "collusion": 0.1, "codes": {"K1": 0.1}}],
    "reply": {"checked": "checked", "characters": 12},
    "ledger_before": {"schema": 1, "turn": 0},
    "ledger_after": {"schema": 1, "turn": 1},
}


def lines_of(log: Any, **options: bool) -> list[dict[str, Any]]:
    out = io.BytesIO()
    count = log.export(out, **options)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert sum(line["record"] == "turn" for line in lines) == count
    return lines


@pytest.fixture
def log(open_log: Any, write_turn: Any) -> Any:
    """Plain and sealed turns, an open one, an erased conversation, and notes."""
    plain = open_log("none")
    write_turn(plain, "c-1", detail=DETAIL)
    log = open_log("sealed")
    write_turn(log, "c-1", detail=DETAIL)
    write_turn(log, "c-2", domain=None, action="none")
    log.append("c-1", "accessed", {"by": "reviewer:3"})
    log.erase("c-2")
    log.open_turn("c-3", {})
    return log


@pytest.mark.parametrize("with_text", [False, True])
def test_every_line_is_of_the_published_form(log: Any, with_text: bool) -> None:
    lines = lines_of(log, with_text=with_text)
    for line in lines:
        VALIDATOR.validate(line)
    assert [line["record"] for line in lines] == ["turn"] * 4 + ["event"] * 2
    for wrong in (
        {**lines[0], "status": "gap"},
        {**lines[0], "diagnosis": "x"},
        {**lines[0], "closed": {**lines[0]["closed"], "hash": ""}},
        {**lines[0], "detail": {"scores": {"age_claim": 7}}},
        {"schema": 1, "record": "event", "intact": True, "event": lines[0]["opened"]},
    ):
        assert not VALIDATOR.is_valid(wrong)


def test_text_leaves_only_when_asked_for(log: Any, open_log: Any) -> None:
    without, with_text = lines_of(log), lines_of(log, with_text=True)
    assert CANARY not in json.dumps(without)
    assert [line.get("text") for line in without[:4]] == [None] * 4
    assert [bool(line["text"]) for line in with_text[:4]] == [False, True, False, False]
    assert without[1]["detail"] == DETAIL
    assert [line["detail"] for line in lines_of(open_log("none"))[:2]] == [DETAIL, None]
    assert CANARY in json.dumps(lines_of(open_log("none", master_key=MASTER), with_text=True))


def test_an_export_is_in_the_log_before_it_begins(log: Any, sql: Any) -> None:
    class Broken(io.RawIOBase):
        def write(self, _: object) -> int:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        log.export(Broken(), with_text=True)
    (body,) = sql("SELECT body FROM events WHERE kind = 'exported'")
    assert json.loads(body[0]) == {"turns": 4, "with_text": True, "form": "jsonl"}
    assert lines_of(log)[-1]["event"]["kind"] == "exported"
    assert log.verify().ok


def test_the_chains_can_be_checked_from_an_export_alone(log: Any) -> None:
    events = []
    for line in lines_of(log):
        assert line["intact"]
        for event in (line.get("opened"), line.get("closed"), line.get("event")):
            if event is not None:
                events.append(event)
                hashed = {name: value for name, value in event.items() if name != "hash"}
                assert digest(canonical(hashed)) == event["hash"]
        if line.get("salt"):
            whole = base64.b64decode(line["salt"]) + canonical(line["detail"])
            assert digest(whole) == line["closed"]["body"]["commitment"]
    events.sort(key=lambda event: (event["chain"], event["seq"]))
    for _, chain in groupby(events, key=lambda event: event["chain"]):
        links = [(event["prev"], event["hash"]) for event in chain]
        assert [prev for prev, _ in links] == [GENESIS, *(link for _, link in links[:-1])]


def test_an_empty_log_is_exported(open_log: Any) -> None:
    assert lines_of(open_log()) == []


def test_what_is_written_during_an_export_is_left_out(open_log: Any, write_turn: Any) -> None:
    log = open_log()
    handles = [log.open_turn("c-1", {}) for _ in range(2)]
    log.close_turn(handles[0], {"action": "none"}, {}, None, [])

    class Busy(io.RawIOBase):
        written = b""

        def write(self, data: Any) -> int:
            if not self.written:
                log.append("c-1", "accessed", {})
                log.close_turn(handles[1], {"action": "none"}, {}, None, [])
                write_turn(log, "c-1")
            self.written += data
            return len(data)

    out = Busy()
    assert log.export(out) == 2
    assert [json.loads(line)["status"] for line in out.written.splitlines()] == [
        "closed",
        "open",
    ]
    assert [line.get("status") for line in lines_of(log)][:3] == ["closed"] * 3


def test_a_log_that_was_changed_can_still_be_exported(
    open_log: Any, write_turn: Any, sql: Any
) -> None:
    log = open_log()
    write_turn(log)
    log.append(None, "accessed", {})
    sql("UPDATE events SET time = x'ff', body = 'x', seq = seq + 9007199254740993")
    turn, event = lines_of(log)
    assert (turn["intact"], event["intact"]) == (False, False)
    assert turn["opened"]["body"] == {}


def test_what_a_guard_writes_is_of_the_published_form(open_log: Any, guard_of: Any) -> None:
    log = open_log("sealed")
    guard = guard_of(audit=log)
    kept = guard.policy.audit.model_copy(update={"content": "sealed"})
    guard.engine = replace(guard.engine, policy=guard.policy.model_copy(update={"audit": kept}))
    said = f"alcohol_use_report surely. {CANARY}"
    turn = guard.open_turn([{"role": "user", "content": said, "id": "m-1"}], conversation="c-1")
    turn.check(f"alcohol_use_report {CANARY}")
    turn.close("an ordinary reply")
    guard.open_turn([{"role": "user", "content": "hello"}], conversation="c-2").close()
    for line in lines_of(log, with_text=True):
        VALIDATOR.validate(line)
    (first, second) = lines_of(log)[:2]
    assert first["detail"]["findings"][0]["id"] == "alcohol_use_report"
    assert second["detail"]["findings"] == []
    assert CANARY not in json.dumps([first, second])
    assert log.verify().ok
