"""Two desks over one PostgreSQL store, both at work at once."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import pytest
from sqlalchemy import Connection, func, select

from corroborator.audit import AuditLog, MasterKey
from corroborator.review.answers import Answers, Judgement
from corroborator.review.index import Index
from corroborator.review.queue import Queue
from corroborator.review.tables import NEWEST, desk, prepare, queue, tallies, turns
from postgres_server import needs_server
from review.desk import World
from tiny_world import said

_T = TypeVar("_T")

STORES = ["postgresql"]
TURNS = 24

pytestmark = needs_server


@pytest.fixture
def other(store_url: str) -> Iterator[AuditLog]:
    """The log as another process has it open."""
    with AuditLog.open(store_url, content="sealed", master_key=MasterKey(bytes(32))) as log:
        yield log


def at_once(*works: Callable[[], _T]) -> Sequence[_T]:
    barrier = Barrier(len(works))

    def start(work: Callable[[], _T]) -> _T:
        barrier.wait(30)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(start, works))


def count(world: World, measure: str) -> int:
    wanted = select(func.sum(tallies.c.count)).where(tallies.c.measure == measure)
    return int(world.log.store.read(lambda c: c.scalar(wanted)) or 0)


def test_both_make_the_tables(world: World, other: AuditLog) -> None:
    def drop(connection: Connection) -> None:
        for table in reversed(desk.metadata.sorted_tables):
            table.drop(connection)

    world.log.store.write(drop)
    at_once(lambda: prepare(world.log.store), lambda: prepare(other.store))
    rows = world.log.store.read(lambda c: c.execute(select(desk)).all())
    assert [(row.schema, row.read_to) for row in rows] == [(NEWEST, 0)]


def test_each_turn_is_indexed_and_counted_once(world: World, other: AuditLog) -> None:
    second = Index(other, world.index.reader)
    for number in range(TURNS):
        world.say(said("alcohol_use_report"), "I see.", f"c-{number % 5}")
        if number % 6 == 0:
            at_once(world.index.refresh, second.refresh)
    at_once(world.index.refresh, second.refresh)
    numbers = world.log.store.read(lambda c: c.scalars(select(turns.c.id)).all())
    places = world.log.store.read(lambda c: c.scalars(select(queue.c.turn)).all())
    assert sorted(numbers) == sorted(places) == list(range(1, TURNS + 1))
    assert count(world, "turns") == TURNS


def test_the_index_loses_no_turn_that_is_written_beside_it(world: World, other: AuditLog) -> None:
    second = Index(other, world.index.reader)

    def write() -> int:
        for number in range(TURNS):
            world.say(said("age_claim"), "I see.", f"c-{number}")
        return 0

    def follow() -> int:
        return sum(second.refresh() for _ in range(TURNS))

    _, seen = at_once(write, follow)
    assert seen + second.refresh() == TURNS
    assert count(world, "turns") == TURNS


def test_nobody_gets_the_turn_of_another(world: World, other: AuditLog) -> None:
    for number in range(4):
        world.say(said("alcohol_use_report"), "I see.", f"c-{number}")
    world.index.refresh()
    ann, ben = world.account("ann"), world.account("ben")
    there = Queue(other, world.settings, world.clock)
    for _ in range(2):
        mine, theirs = at_once(lambda: world.queue.take(ann), lambda: there.take(ben))
        assert mine is not None
        assert theirs is not None
        assert mine.turn != theirs.turn
        world.queue.skip(mine.turn, ann)
        there.skip(theirs.turn, ben)


def test_both_first_answers_count(world: World, other: AuditLog) -> None:
    world.say(said("risk_disclosure"), "Well, k1 then.", "c")
    world.index.refresh()
    ann, ben = world.account("ann"), world.account("ben")
    item = world.queue.take(ann)
    assert item is not None
    there, no = Answers(other, world.clock), Judgement("no", "no", "no")
    at_once(
        lambda: world.answers.give(item, ann, "first", no),
        lambda: there.give(item, ben, "first", no),
    )
    row = world.log.store.read(lambda c: c.execute(select(queue)).one())
    assert (row.done, row.waiting) == (2, False)
    assert world.log.verify().ok


def test_a_turn_that_is_erased_while_it_is_read_leaves_nothing(
    world: World, other: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = world.say(said("alcohol_use_report"), "I see.", "c")
    read = world.log.ended

    def erased_meanwhile(rows: Sequence[int]) -> object:
        found = read(rows)
        other.erase("c")
        return found

    monkeypatch.setattr(world.log, "ended", erased_meanwhile)
    assert world.index.refresh() == 1
    row = world.log.store.read(lambda c: c.execute(select(turns)).one())
    assert (row.chain, row.family, row.reply) == (chain, None, None)
    assert world.queue.take(world.account("ann")) is None
