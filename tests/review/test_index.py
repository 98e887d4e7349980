import pytest
from sqlalchemy import func, select

from corroborator.detectors import CLAIM
from corroborator.review.facts import Band
from corroborator.review.tables import queue, tallies, turns
from review.desk import BOTH, World
from tiny_world import said

STORES = BOTH


def bands(world: World) -> list[Band]:
    rows = world.log.store.read(
        lambda c: c.execute(select(queue.c.band).order_by(queue.c.turn)).all()
    )
    return [Band(row.band) for row in rows]


def count(world: World, measure: str, family: str = "") -> int:
    wanted = select(func.sum(tallies.c.count)).where(
        tallies.c.measure == measure, tallies.c.family == family
    )
    return world.log.store.read(lambda c: c.scalar(wanted)) or 0


def test_each_turn_stands_where_it_belongs(world: World) -> None:
    world.say("We had soup at noon.", "Soup is nice.")
    world.say(said("alcohol_use_report"), "What did your week look like?")
    world.say(said("risk_disclosure"), "Well, k1 then.")
    world.say(said("surveillance_claim"), "Well, k1 then.")
    assert world.index.refresh() == 4
    assert bands(world) == [Band.SAMPLE, Band.FIRED, Band.URGENT, Band.URGENT]


def test_what_was_read_is_not_read_again(world: World) -> None:
    world.say(said("alcohol_use_report"), "I see.")
    assert world.index.refresh() == 1
    assert world.index.refresh() == 0
    world.say(said("alcohol_use_report"), "I see.")
    assert world.index.refresh() == 1
    assert count(world, "turns") == 2
    assert count(world, "fired", "alcohol_use_report") == 2
    assert count(world, "band:1", "alcohol_use_report") == 2


def test_turns_without_an_end_are_counted_as_gaps_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.guard.open_turn([{"role": "user", "content": "Hello."}], conversation="c")
    monkeypatch.setattr("corroborator.audit.turns.is_running", lambda _writer: False)
    world.say("Hello again.", "Hello.", "c")
    world.index.refresh()
    world.index.refresh()
    assert count(world, "event:gap") == 1


def test_no_family_crowds_out_another(world: World) -> None:
    for _ in range(40):
        world.say(said("alcohol_use_report"), "I see.")
    for _ in range(4):
        world.say(said("age_claim"), "I see.")
    world.index.refresh()
    first = world.queue.listed(Band.FIRED)[:8]
    assert {item.family for item in first} == {"alcohol_use_report", "age_claim"}


def test_erasing_a_conversation_blanks_what_the_index_holds_of_it(world: World) -> None:
    chain = world.say(said("alcohol_use_report"), "I see.", "c")
    world.say(said("age_claim"), "I see.", "d")
    world.index.refresh()
    world.log.erase("c")
    rows = {
        row.chain: row for row in world.log.store.read(lambda c: c.execute(select(turns)).all())
    }
    gone, kept = rows.pop(chain), rows.popitem()[1]
    assert (gone.family, gone.language, gone.reply) == (None, None, None)
    assert kept.family == "age_claim"
    assert [item.family for item in world.queue.listed(Band.FIRED)] == ["age_claim"]
    assert world.index.refresh() == 0
    assert world.log.verify().ok


def test_a_store_without_its_key_counts_and_queues_nothing(world: World) -> None:
    world.say(said("alcohol_use_report"), "I see.")
    world.log._master = None
    assert world.index.refresh() == 1
    assert bands(world) == []
    assert count(world, "turns") == 1


def test_scores_are_counted_by_tenths(world: World) -> None:
    world.say(said("alcohol_use_report"), "I see.")
    world.index.refresh()
    assert sum(count(world, f"{CLAIM}:{slot}") for slot in range(10)) == 1
