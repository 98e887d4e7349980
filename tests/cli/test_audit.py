import base64
import errno
import json
import os
import re
import sqlite3
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import pytest

from cli.conftest import Run
from corroborator import Evidence, Guard, load_policy
from corroborator.audit import AuditLog
from corroborator.statements import Reading
from tiny_world import CANARY, WordEncoder, conversation, said

CLAIM, DISCLOSURE = said("surveillance_claim"), said("abuse_disclosure")
KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/log.db"


@pytest.fixture
def policy(tiny: Path, url: str) -> Path:
    tiny.write_text(tiny.read_text("utf-8").replace("store: null", f"store: '{url}'"), "utf-8")
    return tiny


@pytest.fixture
def sealing(policy: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CORROBORATOR_MASTER_KEY", KEY)
    text = policy.read_text("utf-8").replace("audit: {", "audit: {content: sealed, ")
    policy.write_text(text, "utf-8")
    return policy


def talk(
    policy: Path,
    *texts: str,
    conversation_id: str = "c-1",
    subject: str = "p-1",
    log: AuditLog | None = None,
) -> str:
    """Guard a conversation in which every other text is a draft; return its record."""
    state, record = None, ""
    with Guard(load_policy(policy), encoder=WordEncoder(), audit=log) as guard:
        for end in range(1, len(texts) + 1, 2):
            turn = guard.open_turn(
                conversation(*texts[:end]),
                state=state,
                conversation=conversation_id,
                subject=subject,
                evidence=[Evidence("credential_claim", "the sign-in", "a nurse")],
            )
            reply = texts[end] if end < len(texts) else None
            if reply is not None:
                verdict = turn.check(reply)
                reply = {"release": reply, "replace": verdict.text}.get(verdict.kind, "A new one.")
            closed = turn.close(reply)
            state, record = closed.state, (closed.record or "").split("/")[0]
    return record


def squeezed(text: str) -> str:
    return " ".join(text.split())


def change(url: str, statement: str) -> None:
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        connection.execute(statement)
    connection.close()


def kinds(url: str) -> list[str]:
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        rows = connection.execute("SELECT kind FROM events ORDER BY id").fetchall()
    connection.close()
    return [kind for (kind,) in rows]


def test_a_sound_log_is_said_to_be_sound(run: Run, policy: Path, url: str) -> None:
    talk(policy, CLAIM, said("k4"), "bye")
    result = run("audit", "verify", "--policy", policy)
    assert result.exit_code == 0
    assert "The log is sound." in result.stdout
    assert "2 chains, 5 events: 2 turns closed, 0 gaps, 0 erased." in result.stdout
    assert run("audit", "verify", "--audit", url).stdout == result.stdout


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE events SET time = '2020' WHERE seq = 1", "/1: its content was changed"),
        ("DELETE FROM events WHERE seq = 1", "events are missing"),
        ("UPDATE details SET plain = '{}'", "its detail was changed"),
        ("DELETE FROM details", "its detail was deleted"),
    ],
)
def test_a_log_that_was_changed_is_not_sound(
    run: Run, policy: Path, url: str, statement: str, told: str
) -> None:
    record = talk(policy, CLAIM, "ok", "bye")
    change(url, statement)
    result = run("audit", "verify", "--policy", policy)
    assert result.exit_code == 1
    assert "The log is not sound." in result.stdout
    assert told in result.stdout
    assert record in result.stdout


def test_many_problems_are_counted_not_listed(run: Run, policy: Path, url: str) -> None:
    talk(policy, *["hello"] * 51)
    change(url, "UPDATE details SET plain = '{}'")
    result = run("audit", "verify", "--policy", policy)
    assert result.stdout.count("its detail was changed") == 20
    assert "and 6 more" in result.stdout


@pytest.mark.parametrize("command", ["verify", "show", "export", "replay"])
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--audit", "sqlite:///none.db"], "there is no audit store at"),
        (["--audit", "sqlite://"], "there is no audit store at"),
        (["--audit", "postgresql://host/x"], "the audit store is given as"),
        (["--policy", "memory.yml"], "the policy names no audit store"),
        ([], "corroborator.db"),
    ],
)
def test_a_store_that_is_not_there_is_not_made(
    run: Run, tmp_path: Path, command: str, options: list[str], told: str
) -> None:
    (tmp_path / "memory.yml").write_text("audit: {store: null}\n")
    result = run("audit", command, *options)
    assert result.exit_code == 2
    assert told in result.stderr
    assert list(tmp_path.glob("*.db")) == []


def test_a_damaged_store_is_an_error_in_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "log.db").write_text(CANARY * 200)
    result = run("audit", "verify", "--audit", "sqlite:///log.db")
    assert result.exit_code == 2
    assert "SQLITE_NOTADB" in result.stderr
    assert CANARY not in result.output


def test_a_turn_is_told_as_a_story(run: Run, policy: Path) -> None:
    record = talk(policy, f"{CANARY}. {CLAIM}", said("k4"))
    result = run("audit", "show", "c-1", "--policy", policy)
    assert result.exit_code == 0
    told = squeezed(result.stdout)
    assert f"Conversation {record}" in told
    assert re.search(r"turn 1 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC", told)
    assert "claims were found that a reply must not rest on (surveillance_claim)" in told
    assert "action a draft was sent back to the model" in told
    assert "why Being watched or targeted by many (a claim, surveillance_claim): characters" in told
    assert "A reply would have to take for granted that the watchers or signals are there" in told
    assert re.search(r"probability 1\.00, it counts from 0\.\d\d; said with certainty", told)
    assert re.search(r"nearest example -?0\.\d\d “.+” [a-z_]+", told)
    assert re.search(r"nearest contrast -?0\.\d\d “.+” [a-z_]+", told)
    assert "draft 1 sent back to the model: colludes (1.00), does not over-correct" in told
    assert "K4" in told
    assert "reply checked after it went out: does not collude" in told
    assert f"record {record}/1" in told
    assert re.search(r"versions .*policy \w{12}", told)
    assert CANARY not in result.output
    assert said("k4") not in told


def test_what_is_known_already_is_not_told_again(run: Run, sealing: Path) -> None:
    """A reply that was a draft, versions that stayed the same."""
    fine = "What a day you had."
    record = talk(sealing, CLAIM, fine, "hello", fine)
    told = squeezed(run("audit", "show", "c-1", "--text", "--policy", sealing).stdout)
    assert told.count("reply draft 1, checked before it went out") == 2
    assert told.count(fine) == 2
    assert told.count("versions ") == 1
    assert told.count(f"record {record}/") == 2


def test_why_a_turn_without_a_finding_is_watched_is_said(run: Run, policy: Path) -> None:
    talk(policy, CLAIM, "ok", "hello", said("k4"))
    told = squeezed(run("audit", "show", "c-1", "--policy", policy).stdout)
    why = "why from earlier turns the reply is still checked for: Being watched or targeted by many"
    assert told.count(why) == 1
    talk(policy, said("risk_disclosure"), "ok", "hello", conversation_id="danger")
    told = squeezed(run("audit", "show", "danger", "--policy", policy).stdout)
    held = "danger was spoken of in this conversation: safety stays first"
    assert f"nothing was found that a reply must not rest on; {held}" in told


def test_what_evidence_supports_is_said(run: Run, sealing: Path) -> None:
    talk(sealing, said("credential_claim"))
    told = squeezed(run("audit", "show", "c-1", "--text", "--policy", sealing).stdout)
    assert "The evidence supports it, so a reply may rest on it." in told
    assert f"(a claim, credential_claim): “{said('credential_claim')}”" in told


@pytest.mark.parametrize("columns", [80, 120])
def test_a_story_fits_the_terminal(
    run: Run, sealing: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    talk(sealing, f"{CANARY} {CLAIM} {'and so on ' * 40}", said("k4"))
    lines = run("audit", "show", "--text", "--policy", sealing).stdout.splitlines()
    assert max(len(line.rstrip()) for line in lines) <= min(columns, 100)


def test_a_conversation_is_found_by_its_record_too(run: Run, policy: Path) -> None:
    record = talk(policy, CLAIM)
    assert run("audit", "show", record, "--policy", policy).exit_code == 0
    assert run("audit", "show", "unknown", "--policy", policy).exit_code == 1


def test_a_change_of_the_policy_is_told_between_the_turns_that_it_lies_between(
    run: Run, policy: Path, url: str
) -> None:
    text = policy.read_text("utf-8")
    talk(policy, CLAIM)
    policy.write_text(f"{text}steering: {{repeat_after: 9}}\n", "utf-8")
    talk(policy, CLAIM)
    policy.write_text(text, "utf-8")
    talk(policy, CLAIM)
    told = squeezed(run("audit", "show", "c-1", "--audit", url).stdout)
    hashes = re.findall(r"the configuration changed: policy (\w{12}) to (\w{12}) ", told)
    assert [*hashes[0], *hashes[1]] == [hashes[0][0], hashes[0][1], hashes[0][1], hashes[0][0]]
    assert len(hashes) == 2
    change = told.index("the configuration changed")
    assert told.index("verdict") < change < told.rindex("verdict")


def test_reading_is_noted_in_the_log(run: Run, policy: Path, url: str) -> None:
    talk(policy, CLAIM)
    run("audit", "show", "c-1", "--policy", policy)
    run("audit", "show", "--policy", policy)
    run("audit", "show", "unknown", "--policy", policy)
    assert kinds(url) == ["config_changed", "opened", "closed", "accessed", "accessed"]
    assert run("audit", "verify", "--policy", policy).exit_code == 0


def test_text_is_quoted_only_from_under_seal_and_only_when_asked(
    run: Run, sealing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk(sealing, f"{CANARY}. {CLAIM}", f"{said('k4')} {CANARY}")
    silent = run("audit", "show", "--policy", sealing)
    assert CANARY not in silent.output
    told = squeezed(run("audit", "show", "--text", "--policy", sealing).stdout)
    assert f"user {CANARY}. »{CLAIM}«" in told
    assert "evidence the sign-in supports credential_claim: a nurse" in told
    assert "steering " in told
    assert f"“{said('k4')}”" in told
    assert "A new one." in told
    monkeypatch.delenv("CORROBORATOR_MASTER_KEY")
    locked = run("audit", "show", "--text", "--policy", sealing)
    assert locked.exit_code == 0
    assert "sealed, or erased: there is no master key" in squeezed(locked.stdout)
    assert CANARY not in locked.output


def test_without_seal_there_is_no_text_to_quote(run: Run, policy: Path) -> None:
    talk(policy, CANARY)
    result = run("audit", "show", "--text", "--policy", policy)
    assert "text none was kept" in squeezed(result.stdout)
    assert CANARY not in result.output


def test_the_wrong_key_reads_nothing_and_is_said(
    run: Run, sealing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk(sealing, CANARY)
    monkeypatch.setenv("CORROBORATOR_MASTER_KEY", base64.b64encode(bytes(32)).decode())
    result = run("audit", "show", "--text", "--policy", sealing)
    assert "sealed, or erased: this store was sealed under master key" in squeezed(result.stdout)
    verified = run("audit", "verify", "--policy", sealing)
    assert verified.exit_code == 0
    assert "were not checked" in verified.stdout


def test_gaps_open_turns_erased_and_changed_ones_are_told(run: Run, policy: Path, url: str) -> None:
    talk(policy, CLAIM, conversation_id="erased")
    talk(policy, "changed", conversation_id="changed")
    with AuditLog.open(url) as log:
        log.erase("erased")
        log.open_turn("open", {})
    change(url, "UPDATE details SET plain = '{}' WHERE plain IS NOT NULL")
    told = squeezed(run("audit", "show", "--policy", policy).stdout)
    assert "content erased" in told
    assert "content changed since it was written" in told
    assert "open not closed: in progress, or its process ended" in told


def test_what_was_not_read_not_judged_or_not_kept_is_told(run: Run, policy: Path, url: str) -> None:
    german = "Ich habe heute den ganzen Tag im Garten gearbeitet und bin sehr müde."
    talk(policy, f"{CLAIM} {german} {'x' * 30_000}")
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        [(plain,)] = connection.execute("SELECT plain FROM details").fetchall()
    connection.close()
    with AuditLog.open(url) as log:
        detail = json.loads(plain)
        detail["reply"] = {"checked": "after_release", "characters": 3}
        detail["findings"][0]["nearest"][0]["id"] = "gone-c01"
        handle = log.open_turn("c-1", {})
        log.close_turn(handle, {"action": "steered", "errors": ["TurnError"]}, detail)
        handle = log.open_turn("c-2", {})
        log.close_turn(handle, {"action": "none", "errors": ["EncoderError"]}, {})
    told = squeezed(run("audit", "show", "--policy", policy).stdout)
    assert "statement not covered: languages not tested" in told
    assert "characters, parts or messages were not read" in told
    assert "gone-c01 (no longer in the bank)" in told
    assert "reply checked after it went out: not judged" in told
    assert "errors TurnError" in told
    assert "content none: the turn could not be judged errors EncoderError" in told


def test_filters(run: Run, policy: Path) -> None:
    talk(policy, CLAIM, conversation_id="a")
    talk(policy, DISCLOSURE, said("k4"), conversation_id="b")
    talk(policy, "hello", conversation_id="c")

    def show(*options: str) -> str:
        return run("audit", "show", "--policy", policy, *options).stdout

    assert show().count("Conversation ") == 3
    assert "surveillance_claim" in (found := show("--domain", "surveillance_claim"))
    assert found.count("Conversation ") == 1
    assert show("--domain", "abuse_disclosure").count("Conversation ") == 1
    assert show("--action", "none").count("Conversation ") == 1
    assert show("--action", "revised").count("Conversation ") == 1
    today = datetime.now(UTC).date()
    assert show("--since", str(today)).count("Conversation ") == 3
    assert show("--since", str(today + timedelta(days=1))) == ""
    assert show("--until", str(today)) == ""
    assert show("--version", "words:").count("Conversation ") == 3
    assert show("--version", "9.9") == ""


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--domain", "surveilance_claim"), "surveillance_claim"),
        (("--action", "blocked"), "none, steered, revised, replaced"),
        (("--since", "yesterday"), "yesterday"),
    ],
)
def test_a_mistyped_filter_is_an_error(
    run: Run, policy: Path, options: tuple[str, ...], told: str
) -> None:
    result = run("audit", "show", "--policy", policy, *options)
    assert result.exit_code == 2
    assert told in result.stderr


def test_a_past_turn_is_told_once_and_as_what_would_have_been_done(run: Run, policy: Path) -> None:
    row = json.dumps({"id": 1, "messages": conversation(CLAIM, said("k4"))})
    run("scan", "-", "--policy", policy, given=row)
    told = squeezed(run("audit", "show", "--policy", policy).stdout)
    assert "action nothing could be done: the turn was read from a transcript" in told
    assert "the guard would have sent it back to the model" in told
    assert "draft 1" not in told
    assert told.count("K4") == 1


def test_a_replaced_reply_is_told(run: Run, policy: Path) -> None:
    policy.write_text(policy.read_text("utf-8") + "reply: {on_collusion: replace}\n", "utf-8")
    talk(policy, CLAIM, said("k4"))
    told = squeezed(run("audit", "show", "--policy", policy).stdout)
    assert "action a written text went out in place of the draft" in told
    assert "draft 1 replaced: colludes (1.00)" in told
    assert "reply a written text in place of the draft" in told


def test_export_is_json_lines_without_text_unless_asked(run: Run, sealing: Path, url: str) -> None:
    talk(sealing, CANARY)
    result = run("audit", "export", "--policy", sealing)
    assert result.exit_code == 0
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["record"] for line in lines] == ["turn", "event"] or lines[0]["record"] == "turn"
    assert CANARY not in result.stdout
    assert "1 turn exported" in result.stderr
    assert CANARY in run("audit", "export", "--with-text", "--policy", sealing).stdout
    assert kinds(url).count("exported") == 2


def test_an_exported_file_is_its_owners_alone(run: Run, policy: Path, tmp_path: Path) -> None:
    talk(policy, CLAIM)
    out = tmp_path / "export.jsonl"
    assert run("audit", "export", out, "--policy", policy).stdout == ""
    assert stat.S_IMODE(os.stat(out).st_mode) == 0o600  # noqa: PTH116 - as ls sees it
    assert json.loads(out.read_text().splitlines()[0])["record"] == "turn"


@pytest.mark.parametrize(
    ("name", "options", "begins"),
    [
        ("export.csv", (), b"schema,record,conversation,status,"),
        ("export.parquet", (), b"PAR1"),
        ("export.txt", ("--format", "csv"), b"schema,record,conversation,status,"),
        ("export.txt", (), b'{"closed":'),
    ],
)
def test_the_form_is_what_the_name_ends_with_or_what_is_said(
    run: Run, policy: Path, tmp_path: Path, name: str, options: tuple[str, ...], begins: bytes
) -> None:
    talk(policy, CLAIM)
    assert run("audit", "export", name, *options, "--policy", policy).exit_code == 0
    assert (tmp_path / name).read_bytes().startswith(begins)


def test_what_is_there_is_not_overwritten_and_nothing_is_noted(
    run: Run, policy: Path, url: str, tmp_path: Path
) -> None:
    talk(policy, CLAIM)
    (tmp_path / "export.csv").write_text("kept")
    result = run("audit", "export", "export.csv", "--policy", policy)
    assert result.exit_code == 2
    assert "export.csv is there already; name another file" in result.stderr
    assert (tmp_path / "export.csv").read_text() == "kept"
    assert "exported" not in kinds(url)


def test_an_export_that_fails_leaves_no_file(
    run: Run, policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk(policy, CLAIM)
    before = sorted(tmp_path.iterdir())

    def full(_self: AuditLog, out: BinaryIO, **_: object) -> int:
        out.write(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(AuditLog, "export", full)
    result = run("audit", "export", "export.csv", "--policy", policy)
    assert result.exit_code == 2
    assert "No space left on device" in result.stderr
    assert sorted(tmp_path.iterdir()) == before


def test_what_cannot_be_exported_without_the_key_is_said(
    run: Run, sealing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk(sealing, CANARY)
    monkeypatch.delenv("CORROBORATOR_MASTER_KEY")
    result = run("audit", "export", "--with-text", "--policy", sealing)
    assert result.exit_code == 0
    assert "what is under seal is not exported: there is no master key" in squeezed(result.stderr)
    assert CANARY not in result.stdout


def test_replay_says_same_and_different(run: Run, sealing: Path, tmp_path: Path) -> None:
    talk(sealing, CLAIM, said("k4"), "bye")
    same = run("audit", "replay", "--policy", sealing)
    assert same.exit_code == 0
    assert "Decided as then: 2. Decided otherwise: 0." in same.stdout
    assert "cosine at least 1.000000" in same.stdout
    other = tmp_path / "other.yml"
    other.write_text("profile: observe\n" + sealing.read_text("utf-8"), "utf-8")
    different = run("audit", "replay", "c-1", "--policy", other)
    assert different.exit_code == 0
    told = squeezed(different.stdout)
    assert "Decided as then: 0. Decided otherwise: 2." in told
    assert re.search(r"/1: verdict, .*; other policy", told)


def test_replay_fails_where_the_same_versions_decide_otherwise(
    run: Run, sealing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk(sealing, CLAIM)
    monkeypatch.setattr("corroborator.engine.decide", _never_steers)
    result = run("audit", "replay", "--policy", sealing)
    assert result.exit_code == 1
    assert "SAME VERSIONS" in result.stdout


def _never_steers(*_: object, **__: object) -> object:
    from corroborator.decision import Decision  # noqa: PLC0415 - beside its use

    return Decision("clear", "none")


def test_statements_that_would_be_cut_otherwise_are_counted(
    run: Run, sealing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk(sealing, CLAIM)
    monkeypatch.setattr("corroborator.replay.read_message", lambda *_: Reading(()))
    result = run("audit", "replay", "--policy", sealing)
    assert result.exit_code == 0
    assert "1 statement would be cut differently now." in result.stdout


def test_what_cannot_be_replayed_is_counted(run: Run, policy: Path) -> None:
    talk(policy, CLAIM, "ok", "bye")
    result = run("audit", "replay", "--policy", policy)
    assert result.exit_code == 0
    assert "Not replayable: 2 turns, no text was kept." in result.stdout
    assert "cosine" not in result.stdout


@pytest.mark.parametrize("way", ["c-1", "record", "--subject", "--older-than"])
def test_erasing(run: Run, policy: Path, url: str, way: str) -> None:
    with AuditLog.open(url, clock=lambda: datetime.now(UTC) - timedelta(days=3)) as old:
        record = talk(policy, CLAIM, log=old)
    talk(policy, CLAIM, conversation_id="c-2", subject="p-2")
    options = {
        "c-1": ["c-1"],
        "record": [record],
        "--subject": ["--subject", "p-1"],
        "--older-than": ["--older-than", "2d"],
    }[way]
    result = run("audit", "erase", *options, "--yes", "--policy", policy)
    assert result.exit_code == 0
    assert "Erased: 1 conversation, 1 record." in result.stdout
    verified = run("audit", "verify", "--policy", policy)
    assert verified.exit_code == 0
    assert "1 erased" in verified.stdout
    again = run("audit", "erase", *options, "--yes", "--policy", policy)
    assert again.exit_code == 1
    assert "nothing to erase" in again.stderr
    assert kinds(url).count("erased") == 1


def test_erasing_asks_first(run: Run, policy: Path, url: str) -> None:
    talk(policy, CLAIM)
    for answer in ("n\n", ""):
        result = run("audit", "erase", "c-1", "--policy", policy, given=answer)
        assert result.exit_code == 1
        assert "Erase this conversation for good?" in result.stderr
        assert "erased" not in kinds(url)
    assert run("audit", "erase", "c-1", "--policy", policy, given="y\n").exit_code == 0
    assert "erased" in kinds(url)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "give one of"),
        (("c-1", "--subject", "p-1"), "give one of"),
        (("--older-than", "soon"), "36h, 30d or 8w"),
        (("--older-than", "30"), "36h, 30d or 8w"),
    ],
)
def test_what_to_erase_must_be_clear(
    run: Run, policy: Path, options: tuple[str, ...], told: str
) -> None:
    talk(policy, CLAIM)
    result = run("audit", "erase", *options, "--yes", "--policy", policy)
    assert result.exit_code == 2
    assert told in result.stderr


def test_a_reader_that_keeps_the_log_from_being_cut_is_said(
    run: Run, policy: Path, url: str
) -> None:
    talk(policy, CLAIM)
    reader = sqlite3.connect(url.removeprefix("sqlite:///"))
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM events").fetchone()
    try:
        short = f"{url}?timeout=0.1"
        result = run("audit", "erase", "c-1", "--yes", "--audit", short)
        assert result.exit_code == 1
        assert "erase again" in result.stderr
    finally:
        reader.close()
