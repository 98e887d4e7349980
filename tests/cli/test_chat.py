import sqlite3
from pathlib import Path

import pytest

from cli.conftest import Run
from corroborator.errors import ConfigError
from corroborator.exchange import ChatMessages
from tiny_world import CANARY, said


class Scripted:
    """A language model that says one thing."""

    def __init__(self, text: str) -> None:
        self.text = text

    def reply(self, messages: ChatMessages, instructions: str) -> str:
        assert len(messages) % 2 == 1
        assert not instructions.startswith("\n")
        return self.text


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    scripted = Scripted("I hear you.")
    monkeypatch.setattr("corroborator.chat_model.load_chat_model", lambda *_: scripted)
    return scripted


@pytest.mark.usefixtures("model")
def test_each_turn_is_told_in_one_line(run: Run, tiny: Path) -> None:
    result = run("chat", "--policy", tiny, given=f"hello\n\n{said('age_claim')}\n/quit\nmore\n")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1:] == [
        "you > hello",
        "guard  nothing found",
        "I hear you.",
        f"you > {said('age_claim')}",
        "guard  Own age 1.00; steered",
        "I hear you.",
    ]


@pytest.mark.usefixtures("model")
def test_the_end_of_the_input_ends_it(run: Run, tiny: Path) -> None:
    assert run("chat", "--policy", tiny, given="hello\n").exit_code == 0


def test_a_colluding_model_is_replaced_and_it_is_told(
    run: Run, tiny: Path, model: Scripted
) -> None:
    model.text = said("k4")
    result = run("chat", "--policy", tiny, given=said("surveillance_claim"))
    assert "a draft sent back (K4); a draft sent back (K4); a draft replaced (K4)" in " ".join(
        result.stdout.split()
    )
    assert model.text not in result.stdout


def test_explain_shows_all_of_a_turn(run: Run, tiny: Path, model: Scripted) -> None:
    model.text = said("k4")
    told = run("chat", "--policy", tiny, "--explain", given=said("surveillance_claim")).stdout
    for label in ("user", "taken for", "steering", "draft 1", "draft 3", "reply"):
        assert label in told


@pytest.mark.usefixtures("model")
def test_turns_are_recorded_in_the_store_that_is_given(
    run: Run, tiny: Path, tmp_path: Path
) -> None:
    run("chat", "--policy", tiny, "--audit", "sqlite:///log.db", given="hello\nagain\n")
    with sqlite3.connect(tmp_path / "log.db") as database:
        (closed,) = database.execute("select count(*) from events where kind = 'closed'").fetchone()
    database.close()
    assert closed == 2


def test_a_model_that_fails_once_can_be_asked_again(
    run: Run, tiny: Path, model: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[ChatMessages] = []

    def reply(messages: ChatMessages, _: str) -> str:
        asked.append(tuple(messages))
        if len(asked) == 1:
            raise ConfigError("the model did not answer (TimeoutError)")
        return "Hello again."

    monkeypatch.setattr(model, "reply", reply)
    result = run("chat", "--policy", tiny, given=f"{CANARY}\nhello\n")
    assert result.exit_code == 0
    assert "error: the model did not answer (TimeoutError)" in result.stderr
    assert CANARY not in result.stderr
    assert "Hello again." in result.stdout
    assert asked[1] == ({"role": "user", "content": "hello"},)


def test_a_model_without_its_package_is_one_line(run: Run, tiny: Path) -> None:
    result = run("chat", "--policy", tiny, "--model", "nobody:knows")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert "Traceback" not in result.output


@pytest.mark.usefixtures("model")
def test_explain_shows_what_was_not_covered(run: Run, tiny: Path) -> None:
    text = "Ich habe ihm heute Abend noch einmal alles davon erzählt."
    told = run("chat", "--policy", tiny, "--explain", given=text).stdout
    assert "not covered: a statement in de" in told


@pytest.mark.usefixtures("model")
def test_explain_names_the_strongest_findings_and_counts_the_rest(run: Run, tiny: Path) -> None:
    claims = ("age_claim", "sleep_report", "self_diagnosis", "proxy_report", "risk_disclosure")
    told = run("chat", "--policy", tiny, "--explain", given=" ".join(map(said, claims))).stdout
    assert "and 2 more" in told
    assert "safety stays first" in told
