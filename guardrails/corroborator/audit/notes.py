"""Events that belong to no turn: of one conversation, or of the store as a whole."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from corroborator.audit.canonical import JSON, parse_object
from corroborator.audit.chain import NoteKind, Record, append, head_of, lock_head, new_chain
from corroborator.audit.names import chain_named
from corroborator.audit.postgres import claim
from corroborator.audit.reading import event_record, paged
from corroborator.audit.store import Meta, Store
from corroborator.audit.tables import events
from corroborator.audit.turns import record_gaps
from corroborator.errors import InputError


def note(
    connection: Connection,
    meta: Meta,
    conversation: str | None,
    kind: NoteKind,
    time: str,
    body: Mapping[str, JSON],
) -> Record:
    """Append an event about a conversation, or about the store where that is None.

    Raises:
        InputError: there is no such conversation.
    """
    if conversation is None:
        head = system_head(connection, meta, time)
    elif (chain := chain_named(connection, meta, conversation)) is not None:
        head = record_gaps(connection, head_of(connection, chain), time)
    else:
        raise InputError("there is no such conversation in the audit store")
    return append(connection, head, kind, time, body)[0]


def note_configuration(connection: Connection, meta: Meta, time: str, now: JSON) -> Record | None:
    """Append `config_changed`, with the configuration before and after, where they differ."""
    head = system_head(connection, meta, time)
    newest = _changes(meta).order_by(events.c.seq.desc()).limit(1)
    row = connection.execute(newest).one_or_none()
    before = None if row is None else (parse_object(row.body) or {}).get("after")
    if before == now:
        return None
    body: dict[str, JSON] = {"before": before, "after": now}
    return append(connection, head, "config_changed", time, body)[0]


def configurations(store: Store, meta: Meta) -> Iterator[Record]:
    """Read all changes of the configuration, oldest first."""
    for row in paged(store, _changes(meta), events.c.id):
        yield event_record(row)[0]


def _changes(meta: Meta) -> Select[Any]:
    ours = events.c.chain == meta.system_chain
    return select(events).where(ours, events.c.kind == "config_changed")


def system_head(connection: Connection, meta: Meta, time: str) -> Row[Any]:
    """Return the head of the store's own chain, which is begun with its first event."""
    claim(connection, meta.system_chain.encode())
    chain = meta.system_chain
    return lock_head(connection, chain) or new_chain(connection, time, chain)
