"""Erasure: the key, the details, the index and the names go; the chain and a tombstone stay."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, MetaData, Table, func, inspect, select

from corroborator.audit.chain import append, head_of
from corroborator.audit.tables import (
    blanked,
    conversations,
    details,
    events,
    findings_index,
    holds,
    keys,
    lookup,
)


@dataclass(frozen=True, slots=True)
class ErasureReport:
    """What an erasure did.

    Attributes:
        chains: pseudonyms of the conversations erased now; none where there was nothing to erase.
        details: how many details were erased.
        complete: whether nothing is left where this library can reach. On SQLite those are the
            files of the database; on PostgreSQL the rows, and the files of the tables of keys and
            names. False: a reader kept it from being done for longer than a writer waits; erase
            again, the same or another, and it is done then.
        held: pseudonyms of the conversations that a legal hold kept from being erased.
        beyond: what of the database lies out of reach, and until when, in a sentence; empty where
            nothing does. Backups and exports are never reached.
    """

    chains: tuple[str, ...]
    details: int
    complete: bool
    held: tuple[str, ...] = ()
    beyond: str = ""


def set_hold(connection: Connection, chain: str, time: str, *, held: bool) -> None:
    """Put a conversation under a legal hold, or end it; nothing is done where that is so already."""
    head = head_of(connection, chain)
    if is_held(connection, chain) == held:
        return
    if not connection.execute(
        holds.update().where(holds.c.chain == chain), {"held": held}
    ).rowcount:
        connection.execute(holds.insert(), {"chain": chain, "held": held})
    append(connection, head, "held" if held else "released", time, {})


def is_held(connection: Connection, chain: str) -> bool:
    """Whether a conversation is under a legal hold; lock its head first to act on it."""
    return bool(connection.scalar(select(holds.c.held).where(holds.c.chain == chain)))


def erase_chains(
    connection: Connection, chains: Iterable[str], time: str
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Erase chains that no legal hold keeps, in the order of their pseudonyms.

    Returns:
        How many details were erased of each that was not erased before; those under a hold.
    """
    counts: dict[str, int] = {}
    held: list[str] = []
    for chain in sorted(chains):
        head_of(connection, chain)
        if is_held(connection, chain):
            held.append(chain)
        elif (count := _erase_chain(connection, chain, time)) is not None:
            counts[chain] = count
    _blank_beside(connection, counts)
    return counts, tuple(held)


def _erase_chain(connection: Connection, chain: str, time: str) -> int | None:
    """Blank all that can be erased of a chain and append the tombstone.

    Returns:
        How many details were erased; None where the chain was erased before.
    """
    head = head_of(connection, chain)
    if head.erased:
        return None
    ours = select(events.c.id).where(events.c.chain == chain)
    connection.execute(blanked(keys).where(keys.c.chain == chain))
    connection.execute(blanked(lookup).where(lookup.c.chain == chain))
    connection.execute(blanked(findings_index).where(findings_index.c.event.in_(ours)))
    erased = connection.execute(blanked(details).where(details.c.event.in_(ours))).rowcount
    connection.execute(
        conversations.update().where(conversations.c.chain == chain).values(erased=True)
    )
    append(connection, head, "erased", time, {"details": erased})
    return erased


def _blank_beside(connection: Connection, chains: Iterable[str]) -> None:
    """Blank what the review desk keeps of erased chains, where it was ever opened.

    In its tables, what is nullable is about the person; see `corroborator.review.tables`.
    """
    names = [n for n in inspect(connection).get_table_names() if n.startswith("review_")]
    tables = [Table(name, MetaData(), autoload_with=connection) for name in names]
    blanks = {
        table: {c.name: None for c in table.columns if c.nullable}
        for table in tables
        if "chain" in table.c
    }
    for chain in chains:
        for table, blank in blanks.items():
            if blank:
                connection.execute(table.update().where(table.c.chain == chain).values(blank))


def quiet_since(connection: Connection, time: str) -> list[str]:
    """Return the chains, not yet erased, that have had no turn since a moment."""
    last = func.max(events.c.time)
    return list(
        connection.scalars(
            select(events.c.chain)
            .join(conversations, conversations.c.chain == events.c.chain)
            .where(~conversations.c.erased, events.c.kind.in_(("opened", "closed")))
            .group_by(events.c.chain)
            .having(last < time)
        )
    )
