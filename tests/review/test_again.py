"""Past decisions made again; the refit itself is driven with the real bank in test_browser."""

from dataclasses import replace

import pytest

from corroborator.detectors import Detector
from corroborator.engine import Engine
from corroborator.errors import InputError
from corroborator.exemplars import Exemplar
from corroborator.heads import Gate
from corroborator.policy import DomainPolicy
from corroborator.review import again
from corroborator.review.again import latest, preview, shadow, steering_engine
from corroborator.review.jobs import Jobs, Tell
from review.desk import World
from tiny_world import CANARY, said

NEW = Exemplar("age_claim-r0001", "age_claim", "I am of age.", True, "assertion")


def heard(_words: str) -> None:
    """Take what a job tells."""


def deaf(engine: Engine, _new: Exemplar) -> Engine:
    """Return an engine that finds no claim."""
    heads = engine.detector.heads
    gates = {
        name: Gate(
            gate.families, gate.slope, gate.offset - (20 if name == "claim" else 0), gate.threshold
        )
        for name, gate in heads.gates.items()
    }
    detector: Detector = replace(engine.detector, heads=replace(heads, gates=gates))
    return replace(engine, detector=detector)


def test_a_preview_lists_the_decisions_that_would_change(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.say(said("age_claim"), "I see.", "a")
    world.say("We had soup.", "Nice.", "b")
    world.say(said("risk_disclosure"), "I see.", "c")
    world.index.refresh()
    monkeypatch.setattr(again, "refitted", deaf)
    found = preview(world.log, world.guard.engine, NEW, 10, heard)
    assert found.decided == 3
    assert [(c.turn, c.found, c.lost) for c in found.changes] == [(1, (), ("age_claim",))]
    assert (found.changes[0].before, found.changes[0].after) == ("steer", "clear")


def test_no_change_is_a_preview_without_changes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.say(said("age_claim"), "I see.")
    world.index.refresh()
    monkeypatch.setattr(again, "refitted", lambda engine, _new: engine)
    found = preview(world.log, world.guard.engine, NEW, 10, heard)
    assert (found.decided, found.changes) == (1, ())


def test_the_latest_turns_are_read_and_no_more(world: World) -> None:
    for _ in range(3):
        world.say("We had soup.", "Nice.", "c")
    world.say("We had bread.", "Nice.", "d")
    world.index.refresh()
    assert sorted(number for number, _ in latest(world.log, 2)) == [3, 4]


def test_the_shadow_counts_what_steering_would_have_done(world: World) -> None:
    policy = world.guard.policy
    watched = {name: DomainPolicy(mode="observe") for name in policy.domains}
    observing = policy.model_copy(update={"domains": watched})
    engine = replace(world.guard.engine, policy=observing)
    world.guard.engine = engine
    world.say(said("alcohol_use_report"), "Well, k1 then.")
    world.say(said("alcohol_use_report"), "What did your week look like?")
    world.say("We had soup.", "Nice.")
    world.index.refresh()
    found = shadow(world.log, engine, 10, heard)
    assert (found.decided, found.idle, found.steered, found.sent_back) == (3, 3, 2, 1)
    assert found.by_family == {"alcohol_use_report": 2}
    assert engine.policy.mode("age_claim") == "observe"
    assert steering_engine(engine).policy.mode("age_claim") == "steer"


def test_a_job_runs_once_and_is_found_by_its_name() -> None:
    jobs: Jobs[int] = Jobs()

    def work(tell: Tell) -> int:
        tell("working")
        return 7

    first = jobs.start("a", work)
    assert jobs.start("a", lambda _tell: 8) is first
    jobs._worker.shutdown()
    assert (first.result, first.runs, first.says) == (7, False, "working")
    assert jobs.find("b") is None


def test_a_job_that_fails_says_why_without_text() -> None:
    jobs: Jobs[int] = Jobs()

    def ours(_tell: object) -> int:
        raise InputError("the store is empty")

    def theirs(_tell: object) -> int:
        raise ValueError(CANARY)

    one, other = jobs.start("a", ours), jobs.start("b", theirs)
    jobs._worker.shutdown()
    assert one.problem == "the store is empty"
    assert other.problem == "it failed (ValueError)"
