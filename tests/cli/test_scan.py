import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.conftest import Run
from corroborator.audit import AuditLog
from tiny_world import CANARY, conversation, said

CLAIM, DISCLOSURE = said("surveillance_claim"), said("abuse_disclosure")
BLOCK = "blockblock"

_SCANNING = f"""
import sys, time, pathlib
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
import corroborator.guard
from tiny_world import WordEncoder

class Blocking(WordEncoder):
    def encode(self, texts):
        if any({BLOCK!r} in text for text in texts) and not pathlib.Path("go").exists():
            pathlib.Path("reached").touch()
            while not pathlib.Path("go").exists():
                time.sleep(0.01)
        return super().encode(texts)

corroborator.guard.load_encoder = lambda _: Blocking()
from corroborator.cli import main
main()
"""


def rows(*texts_of: tuple[str, ...]) -> str:
    return "".join(
        json.dumps({"id": f"c-{number}", "messages": conversation(*texts)}) + "\n"
        for number, texts in enumerate(texts_of)
    )


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/log.db"


def test_the_summary_says_what_was_found_and_where_to_look(
    run: Run, tiny: Path, url: str, tmp_path: Path
) -> None:
    source = tmp_path / "chats.jsonl"
    source.write_text(
        rows(("hello", "Good morning."), (CLAIM, said("k4")), (DISCLOSURE, said("o2"), "bye"))
    )
    result = run("scan", source, "--policy", tiny, "--audit", url)
    assert result.exit_code == 0
    told = squeezed(result.stdout)
    assert "3 conversations, 4 turns, 3 replies" in told
    assert "1 surveillance_claim Being watched" in told
    assert "1 abuse_disclosure" in told
    assert "Replies that collude: 1; that over-correct: 1." in told
    assert "Look at these first (2 of 2)" in told
    assert told.index("c-2") < told.index("c-1")
    assert "1 disclosure met by a reply at fault" in told
    assert "Not covered: 0 of 4 statements" in told
    with AuditLog.open(url) as log:
        chains = {turn.chain for turn in log.records()}
    assert sum(chain in result.stdout for chain in chains) == 2
    assert result.stderr == ""


def test_what_was_left_out_is_said(run: Run, tiny: Path, url: str) -> None:
    greeting = [{"role": "assistant", "content": "Welcome!"}]
    messages = [*greeting, *conversation("x" * 30_000, said("k4"))]
    given = json.dumps({"id": 1, "messages": messages})
    told = squeezed(run("scan", "-", "--policy", tiny, "--audit", url, given=given).stdout)
    assert "In turns without any finding, 1 reply fired as well" in told
    assert "Unread: 10000 characters, parts or messages" in told
    assert "Not judged: 1 reply before any user message." in told
    assert "Look at these first" not in told


def squeezed(text: str) -> str:
    return " ".join(text.split())


def test_json_has_all_and_nothing_else_is_on_standard_output(
    run: Run, tiny: Path, url: str
) -> None:
    given = rows((CLAIM, said("k4"))) + "{\n"
    result = run("scan", "-", "--policy", tiny, "--audit", url, "--json", given=given)
    assert result.exit_code == 1
    read = json.loads(result.stdout)
    assert (read["turns"], read["broken"], read["colluding"]) == (1, 1, 1)
    assert [c["id"] for c in read["conversations"]] == ["c-0"]
    assert "<stdin>:2: this is not one valid JSON value" in result.stderr


def test_broken_places_are_reported_and_the_rest_goes_on(
    run: Run, tiny: Path, url: str, tmp_path: Path
) -> None:
    source = tmp_path / "chats.csv"
    source.write_text(
        f"conversation,role,content\na,user,{CANARY}\nb,robot,hello\nc,user,hello\na,user,again\n"
    )
    result = run("scan", source, "--policy", tiny, "--audit", url)
    assert result.exit_code == 1
    assert f"{source}:3: message 0 has no known role" in result.stderr
    assert f"{source}:5: the id of line 2 stands here again" in result.stderr
    assert "2 conversations" in result.stdout
    assert "Left out: 2 places in the files" in result.stdout
    assert CANARY not in result.output


def test_a_turn_that_cannot_be_judged_is_reported_and_the_rest_goes_on(
    run: Run, tiny: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tiny_world import FailingEncoder  # noqa: PLC0415 - beside its use

    monkeypatch.setattr("corroborator.guard.load_encoder", lambda _: FailingEncoder())
    given = rows(("hello", "hi", CANARY), ("hello", "hi"))
    result = run("scan", "-", "--policy", tiny, "--audit", url, given=given)
    assert result.exit_code == 1
    assert "<stdin>:1: the turn could not be judged (RuntimeError)" in result.stderr
    assert "1 conversation, 1 turn, 1 reply" in result.stdout
    assert CANARY not in result.output


def test_several_files_with_the_same_ids_do_not_mix(
    run: Run, tiny: Path, url: str, tmp_path: Path
) -> None:
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    first.write_text(json.dumps({"id": "1", "messages": conversation("hello")}))
    second.write_text(json.dumps([{"id": "1", "messages": conversation(CLAIM)}]))
    result = run("scan", first, second, "--policy", tiny, "--audit", url)
    assert "2 conversations, 2 turns, 0 replies" in result.stdout
    with AuditLog.open(url) as log:
        assert log.verify().closed == 2


def test_what_was_scanned_is_not_scanned_again_unless_asked(run: Run, tiny: Path, url: str) -> None:
    command = ("scan", "-", "--policy", tiny, "--audit", url)
    run(*command, given=rows((CLAIM, "ok")))
    again = run(*command, given=rows((CLAIM, "ok"), ("new",)))
    assert "2 conversations, 2 turns, 1 reply (1 scanned before)" in again.stdout
    assert "surveillance_claim" in again.stdout
    with AuditLog.open(url) as log:
        assert log.verify().closed == 2
        run(*command, "--restart", given=rows((CLAIM, "ok")))
        assert log.verify().closed == 3


def test_the_store_comes_from_the_policy_or_the_command(
    run: Run, tiny: Path, tmp_path: Path
) -> None:
    without = run("scan", "-", "--policy", tiny, given=rows((CLAIM, said("k4"))))
    assert "the records are lost at the end" in without.stderr
    assert "audit show RECORD\n" in without.stdout
    tiny.write_text(
        tiny.read_text().replace("store: null", f"store: 'sqlite:///{tmp_path}/own.db'")
    )
    run("scan", "-", "--policy", tiny, given=rows((CLAIM, "ok")))
    with AuditLog.open(f"sqlite:///{tmp_path}/own.db") as log:
        assert log.verify().closed == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("none.jsonl",), "none.jsonl: cannot be opened"),
        (("chats.txt",), "the format cannot be told"),
        (("-", "--policy", "none.yml"), "none.yml"),
        (("-", "--audit", "nonsense"), "sqlite:///path"),
        (("-", "--audit", "sqlite:///no/folder/log.db"), "does not exist"),
    ],
)
def test_what_cannot_run_says_why(
    run: Run, tiny: Path, arguments: tuple[str, ...], told: str
) -> None:
    chosen = () if "--policy" in arguments else ("--policy", tiny)
    result = run("scan", *arguments, *chosen, given="")
    assert result.exit_code == 2
    assert told in result.stderr
    assert result.stderr.startswith("error: ")


def test_ids_cannot_steer_the_terminal(run: Run, tiny: Path, url: str) -> None:
    row = {"id": "\x1b[2J[red]x", "messages": conversation(CLAIM, said("k4"))}
    result = run("scan", "-", "--policy", tiny, "--audit", url, given=json.dumps(row))
    assert "\x1b" not in result.stdout
    assert "�[2J[red]x" in result.stdout


@pytest.fixture
def scanning(tiny: Path, url: str, tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Start a scan of three conversations; the second turn of the second one blocks."""
    (tmp_path / "chats.jsonl").write_text(
        rows((CLAIM, "ok"), ("hello", "hi", BLOCK, "ok", "more"), ("bye",))
    )
    command = [sys.executable, "-c", _SCANNING, "scan", "chats.jsonl"]
    process = subprocess.Popen(  # noqa: S603 - our own command
        [*command, "--policy", str(tiny), "--audit", url],
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(tmp_path / "reached", process)
    yield process
    process.kill()
    process.communicate()


def wait_for(file: Path, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 60
    while not file.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_killed_scan_leaves_a_gap_and_goes_on(
    run: Run, tiny: Path, url: str, scanning: "subprocess.Popen[str]"
) -> None:
    scanning.kill()
    scanning.wait()
    verified = run("audit", "verify", "--audit", url)
    assert verified.exit_code == 0
    assert "2 turns closed, 1 gap" in verified.stdout
    result = run("scan", "chats.jsonl", "--policy", tiny, "--audit", url)
    assert "3 conversations, 5 turns, 3 replies (1 scanned before, 1 continued)" in squeezed(
        result.stdout
    )
    verified = run("audit", "verify", "--audit", url)
    assert verified.exit_code == 0
    assert "5 turns closed, 1 gap" in verified.stdout


def test_ctrl_c_ends_after_the_turn_in_hand_without_a_gap(
    run: Run, tiny: Path, url: str, tmp_path: Path, scanning: "subprocess.Popen[str]"
) -> None:
    scanning.send_signal(signal.SIGINT)
    time.sleep(0.2)
    (tmp_path / "go").touch()
    out, err = scanning.communicate(timeout=60)
    assert (scanning.returncode, out) == (130, "")
    assert err == "stopped; the same command goes on from here\n"
    assert "3 turns closed, 0 gaps" in run("audit", "verify", "--audit", url).stdout
    again = run("scan", "chats.jsonl", "--policy", tiny, "--audit", url)
    assert "(1 scanned before, 1 continued)" in again.stdout


def test_a_second_ctrl_c_does_not_wait(
    run: Run, url: str, scanning: "subprocess.Popen[str]"
) -> None:
    for _ in range(2):
        scanning.send_signal(signal.SIGINT)
        time.sleep(0.3)
    _, err = scanning.communicate(timeout=60)
    assert scanning.returncode == 130
    assert "Traceback" not in err
    verified = run("audit", "verify", "--audit", url)
    assert verified.exit_code == 0
    assert "1 gap" in verified.stdout
