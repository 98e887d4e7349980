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
from postgres_server import new_database
from review.desk import Hands, World
from tiny_world import said

settings.register_profile("desk", deadline=None)  # a browser may run beside
settings.load_profile("desk")

GuardOf = Callable[..., Guard]


@pytest.fixture
def clock() -> Hands:
    return Hands()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a module that names `STORES` on each of them."""
    stores = getattr(metafunc.module, "STORES", None)
    if stores is not None and "store_url" in metafunc.fixturenames:
        metafunc.parametrize("store_url", stores, indirect=True)


@pytest.fixture
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A store that has nothing in it: a file, or a database on the server."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield f"sqlite:///{tmp_path / 'log.db'}"
        return
    with new_database() as url:
        yield url


@pytest.fixture
def world(guard_of: GuardOf, store_url: str, clock: Hands) -> Iterator[World]:
    """A store whose content is sealed."""
    with AuditLog.open(
        store_url,
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
