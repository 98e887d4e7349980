"""The chain: events of one conversation, each holding the hash of the one before."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from sqlalchemy import Connection, Row, select

from corroborator.audit.canonical import JSON, canonical, digest
from corroborator.audit.tables import conversations, events
from corroborator.errors import InputError

SCHEMA = 1
GENESIS = "0" * 64
"""What the first event of a chain holds in place of a hash."""

NoteKind = Literal["exported", "accessed", "config_changed"]
Kind = Literal["opened", "closed", "gap", "erased"] | NoteKind
KINDS: tuple[str, ...] = (*get_args(get_args(Kind)[0]), *get_args(NoteKind))


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

    def is_whole(self) -> bool:
        """Whether the hash fits."""
        try:
            return digest(canonical(self.hashed())) == self.hash
        except InputError:  # a value of a type that no event has
            return False


def iso_time(moment: datetime) -> str:
    """Return a moment as the log writes it; such strings sort like the moments."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def new_chain(connection: Connection, time: str) -> str:
    """Begin a chain and return its random pseudonym; it needs a first event."""
    chain = secrets.token_hex(16)
    ensure_chain(connection, chain, time)
    return chain


def ensure_chain(connection: Connection, chain: str, time: str) -> None:
    """Begin a chain, unless there is one of this name."""
    if connection.scalar(select(conversations.c.id).where(conversations.c.chain == chain)) is None:
        connection.execute(
            conversations.insert().values(
                chain=chain,
                head_seq=-1,
                head_hash=GENESIS,
                open_turns=0,
                erased=False,
                created=time,
            )
        )


def head_of(connection: Connection, chain: str) -> Row[Any]:
    """Return the row of a chain in `conversations`."""
    return connection.execute(select(conversations).where(conversations.c.chain == chain)).one()


def append(
    connection: Connection,
    chain: str,
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
        chain: the chain, which exists.
        kind: what happened.
        time: from `iso_time`.
        body: checked by the caller.
        opened: of ``closed`` and ``gap``: seq of the event that opened the turn.
        open_turns: what is added to the chain's count of open turns.

    Returns:
        The event and its row number.
    """
    head = head_of(connection, chain)
    draft = Record(chain, head.head_seq + 1, kind, time, body, head.head_hash, "")
    record = replace(draft, hash=digest(canonical(draft.hashed())))
    row = {**record.to_json(), "body": canonical(body).decode(), "opened": opened}
    event: int = connection.execute(events.insert().values(row).returning(events.c.id)).scalar_one()
    connection.execute(
        conversations.update()
        .where(conversations.c.chain == chain)
        .values(
            head_seq=record.seq,
            head_hash=record.hash,
            open_turns=conversations.c.open_turns + open_turns,
        )
    )
    return record, event
