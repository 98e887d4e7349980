"""Turns in the chain: opened, closed, or found to be a gap."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, or_, select

from corroborator.audit.canonical import JSON, parse_object
from corroborator.audit.chain import Record, append, head_of, lock_head, new_chain
from corroborator.audit.contents import Content, data_key, place_of
from corroborator.audit.keys import MasterKey
from corroborator.audit.names import chain_of, pseudonym, register, register_subject
from corroborator.audit.postgres import claim
from corroborator.audit.process import is_running, this_writer
from corroborator.audit.store import Meta
from corroborator.audit.tables import details, events, findings_index
from corroborator.errors import InputError

_ENDED = select(events.c.opened).where(
    events.c.chain == bindparam("of"), events.c.opened.is_not(None)
)
_DANGLING = select(events.c.seq, events.c.body).where(
    events.c.chain == bindparam("of"), events.c.kind == "opened", events.c.seq.not_in(_ENDED)
)
_EVENTS_OF_TURN = select(events.c.kind).where(
    events.c.chain == bindparam("of"),
    or_(
        and_(events.c.seq == bindparam("opened"), events.c.kind == "opened"),
        events.c.opened == bindparam("opened"),
    ),
)


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
    chain = None
    if conversation is not None:
        claim(connection, pseudonym(meta, "conversation", conversation))
        chain = chain_of(connection, meta, conversation)
    known = None if chain is None else head_of(connection, chain)
    if chain is None or known is None or known.erased:  # just now, by another process
        head = new_chain(connection, time)
        register(connection, meta, head.chain, conversation, subject)
    else:
        head = record_gaps(connection, known, time)
        if subject is not None:
            register_subject(connection, meta, chain, subject)
    whole = {**body, "writer": this_writer().to_json()}
    record, _ = append(connection, head, "opened", time, whole, open_turns=1)
    return TurnHandle(record.chain, record.seq)


def record_gaps(connection: Connection, head: Row[Any], time: str) -> Row[Any]:
    """Append a `gap` for each open turn whose writer is gone; returns the head after it."""
    if not head.open_turns:
        return head
    for row in connection.execute(_DANGLING, {"of": head.chain}).all():
        if not is_running((parse_object(row.body) or {}).get("writer")):
            gap: dict[str, JSON] = {"opened": row.seq}
            append(connection, head, "gap", time, gap, opened=row.seq, open_turns=-1)
            head = head_of(connection, head.chain)
    return head


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
    locked = lock_head(connection, handle.chain)
    late = _found_to_be_gap(connection, handle)
    head = locked or head_of(connection, handle.chain)
    content = None
    if not head.erased and master is None:
        content = Content.of_detail(detail)
    elif not head.erased and master is not None:
        place = place_of(head.chain, head.head_seq + 1, "closed")
        content = Content.of_text(detail, text, data_key(connection, master, head.chain), place)
    whole = {
        **body,
        "opened": handle.seq,
        "content": "erased" if content is None else content.kind,
        "commitment": None if content is None else content.commitment(),
        **({"late": True} if late else {}),
    }
    record, event = append(
        connection,
        head,
        "closed",
        time,
        whole,
        opened=handle.seq,
        open_turns=0 if late else -1,
    )
    if content is not None:
        _keep(connection, event, content, index)
    return record


def _found_to_be_gap(connection: Connection, handle: TurnHandle) -> bool:
    """Whether a turn that is to be closed was recorded as a gap before."""
    kinds = set(connection.scalars(_EVENTS_OF_TURN, {"of": handle.chain, "opened": handle.seq}))
    if "opened" not in kinds:
        raise InputError("this turn was not opened in this audit store")
    if "closed" in kinds:
        raise InputError("this turn is closed already")
    return "gap" in kinds


def _keep(connection: Connection, event: int, content: Content, index: Sequence[IndexRow]) -> None:
    row = {"salt": content.salt, "plain": content.plain, "sealed": content.sealed}
    connection.execute(details.insert(), {"event": event, **row})
    if index:
        connection.execute(findings_index.insert(), [{"event": event, **asdict(r)} for r in index])
