"""Turns in the chain: opened, closed, or found to be a gap."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from corroborator.audit.canonical import JSON, parse_object
from corroborator.audit.chain import Record, append, head_of, new_chain
from corroborator.audit.contents import Content, data_key, place_of
from corroborator.audit.keys import MasterKey
from corroborator.audit.names import chain_of, register
from corroborator.audit.process import is_running, this_writer
from corroborator.audit.store import Meta
from corroborator.audit.tables import details, events, findings_index
from corroborator.errors import InputError


@dataclass(frozen=True, slots=True)
class TurnHandle:
    """An opened turn: its chain, and the place of its `opened` event in it."""

    chain: str
    seq: int


@dataclass(frozen=True, slots=True)
class IndexRow:
    """A turn as filters find it; give one without a domain where nothing was found.

    Attributes:
        domain: id of a domain or protected disclosure.
        action: what was done in the turn, in one word.
        fired: whether the domain's threshold was reached.
    """

    domain: str | None
    action: str
    fired: bool


def open_turn(
    connection: Connection,
    meta: Meta,
    *,
    conversation: str | None,
    subject: str | None,
    time: str,
    body: Mapping[str, JSON],
) -> TurnHandle:
    """Append `opened`, after a `gap` for each turn whose writer is gone."""
    chain = None if conversation is None else chain_of(connection, meta, conversation)
    if chain is None:
        chain = new_chain(connection, time)
        register(connection, meta, chain, conversation, subject)
    else:
        record_gaps(connection, chain, time)
    whole = {**body, "writer": this_writer().to_json()}
    record, _ = append(connection, chain, "opened", time, whole, open_turns=1)
    return TurnHandle(chain, record.seq)


def record_gaps(connection: Connection, chain: str, time: str) -> None:
    """Append a `gap` for each open turn whose writer is gone."""
    if not head_of(connection, chain).open_turns:
        return
    ended = select(events.c.opened).where(events.c.chain == chain, events.c.opened.is_not(None))
    dangling = select(events.c.seq, events.c.body).where(
        events.c.chain == chain, events.c.kind == "opened", events.c.seq.not_in(ended)
    )
    for row in connection.execute(dangling).all():
        if not is_running((parse_object(row.body) or {}).get("writer")):
            append(
                connection, chain, "gap", time, {"opened": row.seq}, opened=row.seq, open_turns=-1
            )


def close_turn(
    connection: Connection,
    handle: TurnHandle,
    *,
    time: str,
    body: Mapping[str, JSON],
    detail: Mapping[str, object],
    text: Mapping[str, object] | None,
    index: Sequence[IndexRow],
    master: MasterKey | None,
) -> Record:
    """Append `closed`, and keep the detail and the index rows unless the chain was erased.

    Raises:
        InputError: there is no such turn, or it is closed already.
    """
    chain = handle.chain
    ended = _endings(connection, handle)
    head = head_of(connection, chain)
    content = None
    if not head.erased and master is None:
        content = Content.of_detail(detail)
    elif not head.erased and master is not None:
        place = place_of(chain, head.head_seq + 1, "closed")
        content = Content.of_text(detail, text, data_key(connection, master, chain), place)
    whole = {
        **body,
        "opened": handle.seq,
        "content": "erased" if content is None else content.kind,
        "commitment": None if content is None else content.commitment(),
        **({"late": True} if ended else {}),
    }
    record, event = append(
        connection,
        chain,
        "closed",
        time,
        whole,
        opened=handle.seq,
        open_turns=0 if ended else -1,
    )
    if content is not None:
        _keep(connection, event, content, index)
    return record


def _endings(connection: Connection, handle: TurnHandle) -> set[str]:
    """Return the kinds of the events that ended a turn: nothing, or a `gap`."""
    here = events.c.chain == handle.chain
    opened = select(events.c.id).where(here, events.c.seq == handle.seq, events.c.kind == "opened")
    if connection.scalar(opened) is None:
        raise InputError("this turn was not opened in this audit store")
    ended = select(events.c.kind).where(here, events.c.opened == handle.seq)
    kinds = set(connection.scalars(ended))
    if "closed" in kinds:
        raise InputError("this turn is closed already")
    return kinds


def _keep(connection: Connection, event: int, content: Content, index: Sequence[IndexRow]) -> None:
    connection.execute(
        details.insert().values(
            event=event, salt=content.salt, plain=content.plain, sealed=content.sealed
        )
    )
    rows = [
        {"event": event, "domain": row.domain, "action": row.action, "fired": row.fired}
        for row in index
    ]
    if rows:
        connection.execute(findings_index.insert(), rows)
