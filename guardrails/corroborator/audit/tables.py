"""The tables of the store.

``conversations`` and ``events`` are kept for good; ``keys``, ``lookup``, ``details`` and
``findings_index`` can be erased. **Rows are erased by blanking** (`blanked`): every column but the
id becomes NULL, and no row is ever deleted. SQLite overwrites what is freed (``secure_delete``),
but when rows are deleted it also moves their neighbours between pages and leaves copies of them
behind: in 10 trials of 3,000 deletions each, parts of a wrapped key were still in the file in 2.
A table whose rows only ever shrink in place and grow at the end moves no row; for the same reason
no index holds a value that is to be erased, but row numbers, chains and two bytes of an HMAC.
`tests/audit/test_erase.py` shows both. ``VACUUM`` gives the space of blanked rows back.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Update,
)

metadata = MetaData()

Number = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by INTEGER alone

meta = Table(
    "meta",
    metadata,
    Column("id", Number, primary_key=True),  # one row, 1
    Column("schema", Integer, nullable=False),
    Column("lookup_key", LargeBinary, nullable=False),
    Column("system_chain", Text, nullable=False),
    Column("master_key_id", Text),
)

conversations = Table(
    "conversations",
    metadata,
    Column("id", Number, primary_key=True),
    Column("chain", Text, nullable=False, unique=True),
    Column("head_seq", Integer, nullable=False),
    Column("head_hash", Text, nullable=False),
    Column("open_turns", Integer, nullable=False),  # neither closed nor recorded as a gap
    Column("erased", Boolean, nullable=False),
    Column("created", Text, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("id", Number, primary_key=True),
    Column("chain", Text, ForeignKey("conversations.chain"), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("schema", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("time", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("opened", Integer),  # of `closed` and `gap`: seq of the event that opened the turn
    Column("prev", Text, nullable=False),
    Column("hash", Text, nullable=False),
    UniqueConstraint("chain", "seq"),
    UniqueConstraint("chain", "opened", "kind"),
)

keys = Table(
    "keys",
    metadata,
    Column("id", Number, primary_key=True),
    Column("chain", Text, ForeignKey("conversations.chain"), unique=True),
    Column("wrapped", LargeBinary),
)

lookup = Table(
    "lookup",
    metadata,
    Column("id", Number, primary_key=True),
    Column("chain", Text, ForeignKey("conversations.chain"), index=True),
    Column("bucket", Integer, index=True),  # the first two bytes of `conversation`
    Column("conversation", LargeBinary),
    Column("subject", LargeBinary),
)

details = Table(
    "details",
    metadata,
    Column("id", Number, primary_key=True),
    Column("event", Number, ForeignKey("events.id"), unique=True),
    Column("salt", LargeBinary),
    Column("plain", Text),
    Column("sealed", LargeBinary),
)

findings_index = Table(
    "findings_index",
    metadata,
    Column("id", Number, primary_key=True),
    Column("event", Number, ForeignKey("events.id"), index=True),
    Column("domain", Text),
    Column("action", Text),
    Column("fired", Boolean),
)


holds = Table(
    "holds",
    metadata,
    Column("id", Number, primary_key=True),
    Column("chain", Text, ForeignKey("conversations.chain"), nullable=False, unique=True),
    Column("held", Boolean, nullable=False),
)


def blanked(table: Table) -> Update:
    """Return the statement that erases rows of a table in place; the caller says which."""
    return table.update().values({c.name: None for c in table.columns if not c.primary_key})
