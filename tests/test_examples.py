"""The examples, run as a newcomer runs them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from corroborator.demonstration import load_demonstration

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


def printed(example: Path, folder: Path) -> str:
    done = subprocess.run(  # noqa: S603 - our own files
        [sys.executable, str(example)],
        cwd=folder,
        env={**os.environ, "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_the_short_one_takes_ten_lines() -> None:
    text = (EXAMPLES[0].parent / "any_client.py").read_text("utf-8")
    turn = text[text.index("turn = ") :].partition("\n\n")[0]
    assert len(turn.splitlines()) <= 10


@pytest.mark.parametrize("name", ["any_client", "any_client_async"])
def test_the_colluding_draft_is_not_what_is_printed(name: str, tmp_path: Path) -> None:
    told = printed(EXAMPLES[0].parent / f"{name}.py", tmp_path)
    drafts = load_demonstration().conversations[0].turns[0].drafts
    assert drafts.plain not in told
    assert str(drafts.revised) in told


def test_a_verified_fact_changes_what_is_done(tmp_path: Path) -> None:
    told = printed(EXAMPLES[0].parent / "verified_fact.py", tmp_path)
    assert "claimed:  steer ['credential_claim'" in told
    assert "verified: none []" in told
    assert "staff sign-in" in told


def test_telemetry_tells_of_a_turn_without_its_text(tmp_path: Path) -> None:
    told = printed(EXAMPLES[0].parent / "telemetry.py", tmp_path)
    turn = load_demonstration().conversations[0].turns[0]
    assert told.count("corroborator.turn") == 1
    assert "'corroborator.action': 'revised'" in told
    assert told.count("gen_ai.evaluation.result") == 4
    assert turn.user not in told
    assert turn.drafts.plain not in told


def test_every_example_is_run_here() -> None:
    names = ["any_client", "any_client_async", "telemetry", "verified_fact"]
    assert [file.stem for file in EXAMPLES] == names
