import pytest
from typer.testing import CliRunner

from corroborator.cli import app
from corroborator.review.answers import Judgement
from corroborator.review.desk import Desk
from corroborator.review.proposals import Draft
from corroborator.review.traces import traces
from review.desk import BOTH, World
from tiny_world import said

STORES = BOTH


def review(world: World) -> None:
    """Answer about the one turn there is, and propose a sentence from it."""
    desk = Desk.open(world.log, world.guard.engine, world.clock)
    desk.index.refresh()
    ann = world.account("ann")
    item = desk.queue.take(ann)
    assert item is not None
    desk.answers.give(item, ann, "first", Judgement("yes", "no", "no"))
    desk.propose(item, ann, Draft("age_claim", True, "assertion", "I turned thirty in May."))
    desk.close()


def test_what_outlives_a_conversation_is_listed(world: World) -> None:
    assert traces(world.log, ["none"]) == []
    chain = world.say(said("age_claim"), "I see.", "c")
    review(world)
    report = world.log.erase("c")
    assert report.chains == (chain,)
    assert traces(world.log, report.chains) == [
        "answers of reviewers, without their reasons: 1",
        "a reviewer's sentence: proposal 1 (age_claim)",
    ]


def test_the_command_that_erases_names_them(
    world: World, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORROBORATOR_MASTER_KEY", "A" * 43 + "=")
    world.say(said("age_claim"), "I see.", "c")
    review(world)
    done = CliRunner().invoke(app, ["audit", "erase", "c", "--yes", "--audit", store_url])
    assert done.exit_code == 0, done.output
    assert "Kept: answers of reviewers, without their reasons: 1" in done.output
    assert "Kept: a reviewer's sentence: proposal 1 (age_claim)" in done.output
    assert "turned thirty" not in done.output
