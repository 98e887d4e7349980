"""The tables of the desk, beside those of the audit store in the same database.

**What is about a person is nullable, and nothing else is**: erasing a conversation blanks every
nullable column of the rows with its ``chain`` (see `corroborator.audit.erase`). Reasons are sealed
under the conversation's key besides. What stays of an erased conversation is which reviews and
proposals came from it, so that they can be listed.

Indexes hold row numbers, a random number and the place in the queue; rows that an erasure reaches
are never made longer.
"""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    inspect,
    select,
)

from corroborator.audit.migrations import Step, migrate
from corroborator.audit.postgres import claim
from corroborator.audit.store import Store
from corroborator.audit.tables import Number
from corroborator.errors import StoreError

_T = TypeVar("_T")

STEPS: tuple[Step, ...] = ()
"""The first brings version 1 to version 2, and so on; see `corroborator.audit.migrations`."""

NEWEST = 1 + len(STEPS)

_WRITERS = b"review desk"

metadata = MetaData()

desk = Table(
    "review_desk",
    metadata,
    Column("id", Number, primary_key=True),  # one row, 1
    Column("schema", Integer, nullable=False),
    Column("read_to", Number, nullable=False),  # the last event that the index has seen
)

accounts = Table(
    "review_accounts",
    metadata,
    Column("id", Number, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("role", Text, nullable=False),
    Column("token", LargeBinary, nullable=False),  # sha256 of it
    Column("created", Text, nullable=False),
    Column("revoked", Boolean, nullable=False),
)

turns = Table(
    "review_turns",
    metadata,
    Column("id", Number, primary_key=True),
    Column("event", Number, nullable=False, unique=True),  # the one that closed the turn
    Column("chain", Text, nullable=False, index=True),
    Column("seq", Integer, nullable=False),  # of the event that opened it
    Column("time", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("family", Text),  # of its strongest finding, or what came nearest
    Column("language", Text),
    Column("reply", Boolean),
)

queue = Table(
    "review_queue",
    metadata,
    Column("id", Number, primary_key=True),
    Column("turn", Number, nullable=False, unique=True),
    Column("chain", Text, nullable=False, index=True),
    Column("wanted", Integer, nullable=False),  # how many first answers
    Column("done", Integer, nullable=False),
    Column("waiting", Boolean, nullable=False),  # done < wanted
    Column("band", Integer),  # see `corroborator.review.facts.Band`
    Column("place", Float),  # in its band
    Column("sample", Float),  # place in the random sample; of turns that did not fire alone
    Index("review_queue_band", "waiting", "band", "place"),
    Index("review_queue_sample", "waiting", "sample"),
)

locks = Table(
    "review_locks",
    metadata,
    Column("id", Number, primary_key=True),
    Column("turn", Number, nullable=False, unique=True),
    Column("account", Number, nullable=False, index=True),
    Column("band", Integer, nullable=False),  # the part of the queue it was taken from
    Column("until", Text, nullable=False),
)

skips = Table(
    "review_skips",
    metadata,
    Column("id", Number, primary_key=True),
    Column("turn", Number, nullable=False, index=True),
    Column("account", Number, nullable=False),
)

answers = Table(
    "review_answers",
    metadata,
    Column("id", Number, primary_key=True),
    Column("turn", Number, nullable=False, index=True),
    Column("chain", Text, nullable=False, index=True),
    Column("account", Number, nullable=False, index=True),
    Column("stage", Text, nullable=False),  # first, after or lead
    Column("time", Text, nullable=False),
    Column("band", Integer, nullable=False),  # the queue it was read from
    Column("rests", Text, nullable=False),
    Column("uncritical", Text, nullable=False),
    Column("fits", Text, nullable=False),
    Column("harm", Text, nullable=False),
    Column("urgent", Boolean, nullable=False),
    Column("reason", LargeBinary),  # sealed
    Column("salt", LargeBinary, nullable=False),  # of the commitment that the chain holds
)

proposals = Table(
    "review_proposals",
    metadata,
    Column("id", Number, primary_key=True),
    Column("turn", Number, nullable=False),
    Column("chain", Text, nullable=False, index=True),
    Column("account", Number, nullable=False),
    Column("time", Text, nullable=False),
    Column("family", Text, nullable=False),
    Column("positive", Boolean, nullable=False),
    Column("tag", Text, nullable=False),
    Column("text", Text, nullable=False),  # written by the reviewer, of nobody
)

decisions = Table(
    "review_decisions",
    metadata,
    Column("id", Number, primary_key=True),
    Column("proposal", Number, nullable=False, index=True),
    Column("account", Number, nullable=False),
    Column("time", Text, nullable=False),
    Column("accepted", Boolean, nullable=False),
    Column("exemplar", Text, nullable=False),  # its id in the bank; empty where it was declined
    Column("changed", Integer, nullable=False),  # past decisions, of `decided` that were made again
    Column("decided", Integer, nullable=False),
)

tallies = Table(
    "review_tallies",
    metadata,
    Column("id", Number, primary_key=True),
    Column("day", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("family", Text, nullable=False),  # empty for what is counted of all turns
    Column("measure", Text, nullable=False),
    Column("count", Integer, nullable=False),
    UniqueConstraint("day", "version", "language", "family", "measure"),
)


def prepare(store: Store) -> None:
    """Make the tables in a store that has none of them yet, or bring them to this version.

    Raises:
        StoreError: they are of a newer version.
    """
    version = store.read(_version)
    if version is None or version < NEWEST:
        version = write(store, _create_or_migrate)
    if version > NEWEST:
        raise StoreError(
            f"the review tables of the audit store {store.place} are of version {version}, and this"
            f" release reads version {NEWEST}; install the release that wrote them"
        )


def write(store: Store, work: Callable[[Connection], _T]) -> _T:
    """Run `work` and make what it wrote durable; nobody else writes to the desk's tables meanwhile.

    Whoever writes to a conversation too does it after the desk's tables were claimed.

    Raises:
        StoreError: the store cannot be written.
    """

    def alone(connection: Connection) -> _T:
        claim(connection, _WRITERS)
        return work(connection)

    return store.write(alone)


def _version(connection: Connection) -> int | None:
    if not inspect(connection).has_table(desk.name):
        return None
    version: int | None = connection.scalar(select(desk.c.schema))
    return version


def _create_or_migrate(connection: Connection) -> int:
    """Do so, unless another process has just done it."""
    if (version := _version(connection)) is None:
        metadata.create_all(connection)
        connection.execute(desk.insert().values(schema=NEWEST, read_to=0))
    elif version < NEWEST:
        migrate(connection, version, STEPS)
        connection.execute(desk.update().values(schema=NEWEST))
    return max(version or NEWEST, NEWEST)
