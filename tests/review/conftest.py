"""What the tests of the desk share."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from corroborator import Guard
from corroborator.audit import AuditLog, MasterKey
from corroborator.review.accounts import Account
from corroborator.review.queue import Item
from corroborator.review.settings import load_settings
from review.desk import Hands, World
from tiny_world import said

settings.register_profile("desk", deadline=None)  # a browser may run beside
settings.load_profile("desk")

GuardOf = Callable[..., Guard]


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def world(guard_of: GuardOf, tmp_path: Path, clock: Hands) -> Iterator[World]:
    """A store whose content is sealed."""
    with AuditLog.open(
        f"sqlite:///{tmp_path / 'log.db'}",
        content="sealed",
        master_key=MasterKey(bytes(32)),
        clock=clock,
    ) as log:
        policy = "audit: {store: 'sqlite:///unused.db', content: sealed, retention: null}"
        yield World(guard_of(policy, log), log, clock, load_settings())


@pytest.fixture
def ann(world: World) -> Account:
    return world.account("ann")


@pytest.fixture
def item(world: World, ann: Account) -> Item:
    """A turn that ann has taken from the queue."""
    world.say(said("alcohol_use_report"), "I see.", "c")
    world.index.refresh()
    found = world.queue.take(ann)
    assert found is not None
    return found
