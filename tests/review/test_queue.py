from datetime import timedelta

import pytest

from corroborator.review.answers import Judgement
from corroborator.review.facts import Band
from corroborator.review.queue import Item
from review.desk import BOTH, World
from tiny_world import said

STORES = BOTH

NO = Judgement("no", "no", "no")


@pytest.fixture
def filled(world: World) -> World:
    for _ in range(6):
        world.say("We had soup at noon.", "Soup is nice.")
        world.say(said("alcohol_use_report"), "What did your week look like?")
    world.say(said("risk_disclosure"), "Well, k1 then.")
    world.index.refresh()
    return world


def take(world: World, name: str) -> Item:
    item = world.queue.take(world.account(name))
    assert item is not None
    return item


def test_the_urgent_comes_first(filled: World) -> None:
    assert take(filled, "ann").band is Band.URGENT


def test_two_reviewers_do_not_get_the_same_turn(filled: World) -> None:
    assert take(filled, "ann").turn != take(filled, "ben").turn


def test_what_somebody_has_open_comes_again_to_them(filled: World) -> None:
    first = take(filled, "ann")
    assert take(filled, "ann").turn == first.turn
    assert filled.queue.item(first.turn) is not None


def test_a_lock_ends_by_itself(filled: World) -> None:
    first = take(filled, "ann")
    filled.clock.move(minutes=filled.settings.lock_minutes + 1)
    assert take(filled, "ben").turn == first.turn


def test_a_turn_that_was_left_does_not_come_back(filled: World) -> None:
    ann = filled.account("ann")
    first = take(filled, "ann")
    filled.queue.skip(first.turn, ann)
    assert take(filled, "ann").turn != first.turn
    assert take(filled, "ben").turn == first.turn


def test_urgent_turns_are_read_by_two_and_never_twice_by_one(filled: World) -> None:
    ann = filled.account("ann")
    first = take(filled, "ann")
    filled.answers.give(first, ann, "first", NO)
    filled.queue.release(first.turn, ann)
    assert take(filled, "ann").turn != first.turn
    assert take(filled, "ben").turn == first.turn


def test_parts_of_the_queue_take_turns_once_nothing_is_urgent(filled: World) -> None:
    ann = filled.account("ann")
    seen: list[Band] = []
    while (item := filled.queue.take(ann)) is not None and len(seen) < 7:
        filled.answers.give(item, ann, "first", NO)
        seen.append(item.band)
    assert seen[0] is Band.URGENT
    assert {Band.FIRED, Band.SAMPLE} <= set(seen[1:4])


def test_the_part_a_turn_was_taken_from_is_kept_with_the_answer(filled: World) -> None:
    ann = filled.account("ann")
    while (item := filled.queue.take(ann)) is not None and item.band is not Band.SAMPLE:
        filled.answers.give(item, ann, "first", NO)
    assert item is not None
    again = filled.queue.item(item.turn)
    assert again is not None
    assert again.band is Band.SAMPLE


def test_what_waits_is_counted(filled: World) -> None:
    waiting = filled.queue.waiting()
    assert waiting[Band.URGENT] == 1
    assert waiting[Band.FIRED] == 6
    assert waiting[Band.NEAR] + waiting[Band.SAMPLE] == 6


def test_an_empty_queue_gives_nothing(world: World) -> None:
    assert world.queue.take(world.account("ann")) is None


def test_a_lock_of_long_ago_shows_no_reader(filled: World) -> None:
    item = take(filled, "ann")
    filled.clock.time += timedelta(days=1)
    found = filled.queue.item(item.turn)
    assert found is not None
    assert found.reader is None
