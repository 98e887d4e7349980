import json
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import GuardOf
from corroborator import Guard
from corroborator.audit import AuditLog
from corroborator.errors import StoreError
from corroborator.messages import Message, read_messages
from corroborator.scan_report import COUNTS, ConversationReport, ScanReport
from corroborator.scanning import PastTurn, Scanner, past_turns
from corroborator.stored_record import read_detail
from corroborator.transcripts import Transcript
from tiny_world import CANARY, conversation, said

CLAIM, DISCLOSURE = said("surveillance_claim"), said("abuse_disclosure")
COLLUDING, CORRECTING, FINE = said("k4"), said("o2"), "Let us cook pasta."


def messages(*turns: tuple[str, str]) -> tuple[Message, ...]:
    return tuple(Message(role, text) for role, text in turns)  # type: ignore[arg-type] # roles are literals


def transcript(*texts: str, identifier: str | int = "a") -> Transcript:
    return Transcript(identifier, read_messages(conversation(*texts)), "file.jsonl", 3)


def stop_after(turns: int) -> Iterable[None]:
    """Return what ends a scan from outside after some turns."""
    yield from [None] * (turns - 1)
    raise KeyboardInterrupt


def test_a_turn_is_a_run_of_user_messages_with_the_replies_to_it() -> None:
    read = messages(
        ("other", "system"),
        ("assistant", "welcome"),
        ("user", "one"),
        ("user", "two"),
        ("assistant", ""),
        ("other", "tool"),
        ("assistant", "three"),
        ("assistant", "four"),
        ("user", "five"),
        ("assistant", " "),
        ("user", "six"),
    )
    assert past_turns(read) == [PastTurn(4, "three\n\nfour"), PastTurn(9, None), PastTurn(11, None)]
    assert "three" not in repr(past_turns(read))


@given(st.lists(st.sampled_from(["user", "assistant", "other"])))
def test_every_user_message_and_every_reply_to_one_is_in_one_turn(roles: list[str]) -> None:
    read = messages(*((role, f"{role} {number}") for number, role in enumerate(roles)))
    turns = past_turns(read)
    first = roles.index("user") if "user" in roles else len(roles)
    replies = [message.text for message in read[first:] if message.role == "assistant"]
    assert "\n\n".join(turn.reply for turn in turns if turn.reply) == "\n\n".join(replies)
    starts = [0, *(turn.end for turn in turns)]
    for start, end in pairwise(starts):
        assert roles[end - 1] == "user"
        asked = roles[start:end].index("user")
        assert "assistant" not in roles[start:end][asked:]
    assert "user" not in roles[starts[-1] :]


def test_conversations_without_user_messages_have_no_turns(guard: Guard) -> None:
    assert past_turns([]) == past_turns(messages(("assistant", "hello"))) == []
    empty = Transcript("a", messages(("assistant", "hello")), "f", 1)
    report = Scanner(guard).scan(empty)
    assert (report.turns, report.unasked, report.record) == (0, 1, None)
    assert guard.audit.verify().events == 0


def test_every_turn_is_recorded_as_one_that_nothing_was_done_about(guard: Guard) -> None:
    Scanner(guard).scan(transcript(CLAIM, COLLUDING, "thanks", FINE))
    first, second = guard.audit.records()
    assert [turn.closed and turn.closed.body["action"] for turn in (first, second)] == ["none"] * 2
    detail = read_detail(first)
    assert detail is not None
    assert detail.reply is not None
    assert detail.retrospective
    assert [draft.kind for draft in detail.drafts] == ["revise"]
    assert (detail.reply.checked, detail.reply.colludes) == ("after_release", True)


def test_the_ledger_goes_from_turn_to_turn(guard: Guard) -> None:
    Scanner(guard).scan(transcript(CLAIM, FINE, CLAIM, FINE))
    last = [read_detail(turn) for turn in guard.audit.records()][-1]
    assert last is not None
    assert last.ledger_after["threads"][0]["recurrences"] == 2  # type: ignore[index] # JSON


def test_counts(guard: Guard) -> None:
    texts = (CLAIM, COLLUDING, DISCLOSURE, CORRECTING, DISCLOSURE, FINE, CLAIM)
    report = Scanner(guard).scan(transcript(*texts))
    assert (report.id, report.file, report.line) == ("a", "file.jsonl", 3)
    assert (report.turns, report.replies, report.progress) == (4, 3, "new")
    assert report.findings == {"surveillance_claim": 2}
    assert report.disclosures == {"abuse_disclosure": 2}
    assert (report.colluding, report.over_correcting) == (1, 1)
    assert report.disclosures_met_badly == 1
    assert report.concern == (1, 1, 1)


def test_replies_that_fire_in_turns_about_nothing_are_counted_apart(guard: Guard) -> None:
    report = Scanner(guard).scan(transcript("hello there", COLLUDING))
    assert (report.colluding, report.single_fires) == (0, 1)
    assert not any(report.concern)


def test_languages_and_length_are_counted(guard: Guard) -> None:
    text = "Ich habe heute den ganzen Tag im Garten gearbeitet und bin sehr müde."
    report = Scanner(guard).scan(transcript(text + "\n" + "x" * 30_000))
    assert report.not_covered >= 1
    assert report.statements > report.not_covered
    assert report.unread >= 10_000


def test_a_known_conversation_is_not_scanned_again_and_says_the_same(guard: Guard) -> None:
    conversation_ = transcript(CLAIM, COLLUDING, "bye", FINE)
    first = Scanner(guard).scan(conversation_)
    events = guard.audit.verify().events
    again = Scanner(guard).scan(conversation_)
    assert again == replace(first, progress="known")
    assert guard.audit.verify().events == events


@pytest.mark.parametrize(
    "other",
    [
        transcript(CLAIM, FINE, "bye now"),
        transcript(CLAIM, COLLUDING, "bye"),
        transcript(CLAIM, FINE, "bye", identifier="b"),
        transcript(CLAIM, FINE, "bye", "", "more"),
    ],
)
def test_other_content_or_another_id_is_another_conversation(
    guard: Guard, other: Transcript
) -> None:
    first = Scanner(guard).scan(transcript(CLAIM, FINE, "bye"))
    second = Scanner(guard).scan(other)
    assert second.progress == "new"
    assert second.record != first.record


def test_other_versions_scan_again(guard_of: GuardOf) -> None:
    with AuditLog.open("sqlite://") as log:
        Scanner(guard_of(audit=log)).scan(transcript(CLAIM))
        other = guard_of("profile: clinical\naudit: {store: null, content: none}", audit=log)
        assert Scanner(other).scan(transcript(CLAIM)).progress == "new"


def test_an_interrupted_scan_goes_on_where_it_stopped(guard: Guard) -> None:
    whole = transcript(CLAIM, COLLUDING, "and then", FINE, CLAIM, FINE)
    stopping = iter(stop_after(2))
    with pytest.raises(KeyboardInterrupt):
        Scanner(guard).scan(whole, lambda: next(stopping))
    turns: list[None] = []
    report = Scanner(guard).scan(whole, lambda: turns.append(None))
    assert (len(turns), report.progress, report.turns) == (1, "continued", 3)
    assert guard.audit.verify().closed == 3
    straight = Scanner(guard).scan(replace(whole, id="b"))
    assert replace(straight, id="a", record=report.record, progress="continued") == report


def test_an_open_turn_is_a_gap_and_is_scanned_again(guard: Guard) -> None:
    whole = transcript(CLAIM, FINE)
    name = Scanner(guard)._name("a", whole.messages)
    guard.open_turn(whole.messages[:1], conversation=name)
    assert Scanner(guard).scan(whole).turns == 1
    report = guard.audit.verify()
    assert (report.ok, report.closed, report.gaps) == (True, 1, 1)


def test_restart_scans_again_and_reports_the_last_scan(guard: Guard) -> None:
    whole = transcript(CLAIM, FINE, "bye")
    first = Scanner(guard).scan(whole)
    assert Scanner(guard, restart=True).scan(whole) == first
    assert guard.audit.verify().closed == 4
    stopping = iter(stop_after(1))
    with pytest.raises(KeyboardInterrupt):
        Scanner(guard, restart=True).scan(whole, lambda: next(stopping))
    assert Scanner(guard).scan(whole).progress == "continued"
    assert guard.audit.verify().closed == 6


def test_records_are_erased_by_the_id_of_the_conversation(guard: Guard) -> None:
    Scanner(guard).scan(transcript(CLAIM, identifier=7))
    assert len(guard.audit.erase_subject("7").chains) == 1
    assert Scanner(guard).scan(transcript(CLAIM, identifier=7)).progress == "new"


def test_message_ids_that_occur_twice_lose_no_turn(guard: Guard) -> None:
    same = [{**message, "id": "m"} for message in conversation(CLAIM, FINE, CLAIM)]
    report = Scanner(guard).scan(Transcript("a", read_messages(same), "f", 1))
    assert report.findings == {"surveillance_claim": 2}


def test_text_that_no_encoding_holds_is_scanned(guard: Guard) -> None:
    report = Scanner(guard).scan(transcript("\ud800 \x00 hello", "\udfff", identifier="\ud800"))
    assert report.turns == 1
    assert Scanner(guard).scan(transcript("x", identifier="\ud800")).progress == "new"


def test_a_log_that_fails_ends_the_scan(guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    guard.audit.close()
    with pytest.raises(StoreError):
        Scanner(guard).scan(transcript(CANARY))
    assert CANARY not in caplog.text


def test_the_worst_conversations_are_looked_at_first(guard: Guard) -> None:
    scanner = Scanner(guard)
    cases = {
        "fine": (CLAIM, FINE),
        "corrected": (CLAIM, CORRECTING),
        "adopted": (CLAIM, COLLUDING),
        "disclosed": (DISCLOSURE, CORRECTING),
        "adopted twice": (CLAIM, COLLUDING, CLAIM, COLLUDING),
    }
    report = ScanReport(
        [scanner.scan(transcript(*texts, identifier=name)) for name, texts in cases.items()]
    )
    order = [conversation_.id for conversation_ in report.look_first()]
    assert order == ["disclosed", "adopted twice", "adopted", "corrected"]


def test_the_report_is_json_and_holds_no_text(guard: Guard) -> None:
    scanned = [
        Scanner(guard).scan(transcript(CLAIM + CANARY, COLLUDING + CANARY)),
        Scanner(guard).scan(transcript(DISCLOSURE, FINE, identifier="b")),
    ]
    report = ScanReport(scanned, broken=2)
    told = json.dumps(report.to_json())
    assert CANARY not in told
    read = json.loads(told)
    assert set(COUNTS) <= set(read)
    assert (read["turns"], read["broken"], read["findings"]) == (2, 2, {"surveillance_claim": 1})
    assert read["look_first"] == [{"id": "a", "record": scanned[0].record}]
    assert [c["id"] for c in read["conversations"]] == ["a", "b"]
    assert all(hasattr(ConversationReport, count) for count in COUNTS)


def test_a_scan_survives_a_new_process(tmp_path: Path, guard_of: GuardOf) -> None:
    url = f"sqlite:///{tmp_path}/log.db"
    with AuditLog.open(url) as log:
        first = Scanner(guard_of(audit=log)).scan(transcript(CLAIM, FINE))
    with AuditLog.open(url) as log:
        again = Scanner(guard_of(audit=log)).scan(transcript(CLAIM, FINE))
    assert again == replace(first, progress="known")
