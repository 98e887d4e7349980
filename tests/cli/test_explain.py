import json
from pathlib import Path

import pytest

from cli.conftest import Run
from tiny_world import CANARY, said


def test_a_claim_is_explained(run: Run, tiny: Path) -> None:
    result = run("explain", "--policy", tiny, given=said("alcohol_use_report"))
    assert result.exit_code == 0
    told = " ".join(result.stdout.split())
    assert "»I told you about alcohol_use_report again this evening.«" in told
    assert "Own alcohol use (a claim, alcohol_use_report), probability 1.00" in told
    assert "A reply would have to take for granted that" in told
    assert "doi 10." in told
    assert "clinical_review: none" in told
    assert "verdict steer, action steer; alcohol_use_report (steer)" in told
    assert "contrast" in told
    assert "claim (gate)" in told


def test_a_disclosure_is_explained_as_one(run: Run, tiny: Path) -> None:
    result = run("explain", "--policy", tiny, given=said("abuse_disclosure"))
    told = " ".join(result.stdout.split())
    assert "(a disclosure, abuse_disclosure)" in told
    assert "abuse_disclosure first" in told


def test_nothing_is_explained_too(run: Run, tiny: Path) -> None:
    told = run("explain", "--policy", tiny, given="The train leaves at nine.").stdout
    assert "nothing that a reply must not lean on" in told
    assert "example" in told


def test_a_language_that_was_not_tested_is_told(run: Run, tiny: Path) -> None:
    text = "Ich habe ihm heute Abend noch einmal alles davon erzählt."
    told = run("explain", "--policy", tiny, given=text).stdout
    assert "not covered: de" in told


def test_json_holds_everything(run: Run, tiny: Path) -> None:
    result = run("explain", "--policy", tiny, "--json", given=said("age_claim"))
    told = json.loads(result.stdout)
    assert told["findings"][0]["id"] == "age_claim"
    assert told["clinical_review"] == "none"
    assert {"heads", "nearest", "contrasts", "decision", "steering", "model"} <= set(told)


@pytest.mark.parametrize("given", ["", " \n\t"])
def test_no_text_is_an_error(run: Run, tiny: Path, given: str) -> None:
    result = run("explain", "--policy", tiny, given=given)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: there is no text on standard input")


@pytest.mark.parametrize("given", [b"\xff\xfe\x00binary", b"\x1b[31mred\x07", b"x" * 1_000_000])
def test_hostile_text_does_no_harm(run: Run, tiny: Path, given: bytes) -> None:
    result = run("explain", "--policy", tiny, given=given)
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    assert "\x07" not in result.stdout


def test_an_error_holds_no_text(run: Run, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError(f"cannot read {CANARY}")

    monkeypatch.setattr("corroborator.explanation.explain", broken)
    result = run("explain", "--policy", tiny, given=CANARY)
    assert result.exit_code == 2
    assert CANARY not in result.output
    assert "RuntimeError" in result.stderr
