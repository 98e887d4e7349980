"""The chain: events of one conversation, each holding the hash of the one before."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from sqlalchemy import Connection, Row, bindparam, select

from corroborator.audit.canonical import JSON, canonical, digest
from corroborator.audit.tables import conversations, events
from corroborator.errors import IntegrityError

SCHEMA = 1
GENESIS = "0" * 64
"""What the first event of a chain holds in place of a hash."""

NoteKind = Literal["exported", "accessed", "config_changed", "reviewed", "proposed", "decided"]
Kind = Literal["opened", "closed", "gap", "erased", "held", "released", "rekeyed"] | NoteKind
KINDS = frozenset(kind for part in get_args(Kind) for kind in get_args(part))

_ADD = events.insert().returning(events.c.id)
_HEAD = select(conversations).where(conversations.c.chain == bindparam("of"))
_HEAD_TO_MOVE = _HEAD.with_for_update()  # SQLite has no other writer, and leaves this out
_MOVE_HEAD = (
    conversations.update()
    .where(conversations.c.chain == bindparam("of"))
    .values(head_seq=bindparam("seq"), head_hash=bindparam("last"), open_turns=bindparam("turns"))
)


@dataclass(frozen=True, slots=True)
class Record:
    """An event of a chain.

    Attributes:
        chain: pseudonym of the conversation, 32 hexadecimal digits.
        seq: its place in the chain, from 0.
        kind: what happened.
        time: UTC, ISO 8601 with microseconds.
        body: what the chain holds of it; see `corroborator.audit.bodies`.
        prev: hash of the event before.
        hash: sha256 over the canonical JSON of all other fields.
        schema: version of this form.
    """

    chain: str
    seq: int
    kind: str
    time: str
    body: Mapping[str, JSON]
    prev: str
    hash: str
    schema: int = SCHEMA

    def to_json(self) -> dict[str, JSON]:
        """Return all fields."""
        return {**self.hashed(), "hash": self.hash}

    def hashed(self) -> dict[str, JSON]:
        """Return the fields that the hash covers."""
        return {
            "schema": self.schema,
            "chain": self.chain,
            "seq": self.seq,
            "kind": self.kind,
            "time": self.time,
            "body": self.body,
            "prev": self.prev,
        }

    def is_whole(self, body: bytes | None = None) -> bool:
        """Whether the hash fits; `body` is that of the record in canonical form, where it is known."""
        return self.digest(canonical(self.body) if body is None else body) == self.hash

    def digest(self, body: bytes) -> str:
        """Return what the hash should be.

        Args:
            body: of the record, in canonical form; it is not read again, which is most of the work.
        """
        rest = canonical({name: value for name, value in self.hashed().items() if name != "body"})
        return digest(b'{"body":' + body + b"," + rest[1:])  # `body` sorts before all others


def iso_time(moment: datetime) -> str:
    """Return a moment as the log writes it; such strings sort like the moments."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def new_chain(connection: Connection, time: str, chain: str | None = None) -> Row[Any]:
    """Begin a chain, of a random pseudonym unless one is given; it needs a first event."""
    chain = chain or secrets.token_hex(16)
    first = {"head_seq": -1, "head_hash": GENESIS, "open_turns": 0, "erased": False}
    connection.execute(conversations.insert(), {"chain": chain, "created": time, **first})
    return head_of(connection, chain)


def find_head(connection: Connection, chain: str) -> Row[Any] | None:
    """Return the row of a chain in `conversations`, if there is one."""
    return connection.execute(_HEAD, {"of": chain}).one_or_none()


def lock_head(connection: Connection, chain: str) -> Row[Any] | None:
    """Return the row of a chain, if there is one; until the transaction ends nobody else writes."""
    return connection.execute(_HEAD_TO_MOVE, {"of": chain}).one_or_none()


def head_of(connection: Connection, chain: str) -> Row[Any]:
    """Return the row of a chain that is there, as `lock_head` does.

    Raises:
        IntegrityError: it is not.
    """
    head = lock_head(connection, chain)
    if head is None:
        raise IntegrityError("a conversation has lost its row in the audit store; verify it")
    return head


def append(
    connection: Connection,
    head: Row[Any],
    kind: Kind,
    time: str,
    body: Mapping[str, JSON],
    *,
    opened: int | None = None,
    open_turns: int = 0,
) -> tuple[Record, int]:
    """Append an event inside a write transaction.

    Args:
        connection: of the transaction, which no other writer shares.
        head: of the chain, read in this transaction and not yet appended to.
        kind: what happened.
        time: from `iso_time`.
        body: checked by the caller.
        opened: of ``closed`` and ``gap``: seq of the event that opened the turn.
        open_turns: what is added to the chain's count of open turns.

    Returns:
        The event and its row number.
    """
    draft = Record(head.chain, head.head_seq + 1, kind, time, body, head.head_hash, "")
    text = canonical(body)
    record = replace(draft, hash=draft.digest(text))
    row = {**record.to_json(), "body": text.decode(), "opened": opened}
    event: int = connection.execute(_ADD, row).scalar_one()
    moved = {"seq": record.seq, "last": record.hash, "turns": head.open_turns + open_turns}
    connection.execute(_MOVE_HEAD, {"of": head.chain, **moved})
    return record, event
