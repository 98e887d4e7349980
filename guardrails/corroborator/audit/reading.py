"""Reading turns back: the events, and what is kept beside them, joined."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, FromClause, Row, Select, exists, select

from corroborator.audit.canonical import JSON, SAFE_INTEGER, parse_object
from corroborator.audit.chain import Record, iso_time
from corroborator.audit.contents import Content, place_of, require_current
from corroborator.audit.keys import MasterKey
from corroborator.audit.sealing import unwrap
from corroborator.audit.store import Store
from corroborator.audit.tables import conversations, details, events, findings_index, keys, meta
from corroborator.errors import IntegrityError

_PAGE = 200

_opened = events.alias("opened")
_closed = events.alias("closed")
_gap = events.alias("gap")
_EVENT = ("chain", "seq", "kind", "time", "body", "prev", "hash", "schema")


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """A turn as it is stored.

    Attributes:
        opened: its first event.
        closed: its last event; None for a turn that is a gap or still open.
        status: ``closed``, ``gap`` where it was found to have none, or ``open``.
        intact: whether events and content are what was written; `verify` says more.
        salt: of a plain detail, with which its commitment can be checked elsewhere.
        detail: what was judged; None where it was erased, is sealed without a key, or was changed.
        text: what was sealed with it; None in the same cases, and where no text was kept.
    """

    opened: Record
    closed: Record | None
    status: Literal["closed", "gap", "open"]
    intact: bool
    salt: bytes | None = field(default=None, repr=False)
    detail: Mapping[str, JSON] | None = field(default=None, repr=False)
    text: Mapping[str, JSON] | None = field(default=None, repr=False)

    @property
    def chain(self) -> str:
        """The pseudonym of the conversation."""
        return self.opened.chain


@dataclass(frozen=True, slots=True)
class TurnFilter:
    """Which turns to read; what is None filters nothing.

    Attributes:
        chain: of one conversation.
        domain, action: of a row of the index; erased turns have none and are left out.
        since, until: of the time of opening; `until` is excluded.
        last: highest row number of an event; what was written later is left out.
    """

    chain: str | None = None
    domain: str | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    last: int | None = None

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        """Return them as SQL."""
        if self.chain is not None:
            yield _opened.c.chain == self.chain
        if self.since is not None:
            yield _opened.c.time >= iso_time(self.since)
        if self.until is not None:
            yield _opened.c.time < iso_time(self.until)
        if self.last is not None:
            yield _opened.c.id <= self.last
        row = findings_index.c
        wanted = [
            column == value
            for column, value in ((row.domain, self.domain), (row.action, self.action))
            if value is not None
        ]
        if wanted:
            yield exists().where(row.event == _closed.c.id, *wanted)


def stored_turns(
    store: Store, master: MasterKey | None, wanted: TurnFilter
) -> Iterator[StoredTurn]:
    """Read turns in the order of opening.

    Raises:
        StoreError: the store cannot be read.
        MasterKeyError: the store has another master key since it was opened.
    """
    query = _query(wanted.last).where(*wanted.conditions())
    for row in paged(store, query, _opened.c.id):
        yield _turn(row, master)


def ended_turns(
    store: Store, master: MasterKey | None, numbers: Sequence[int]
) -> list[tuple[int, StoredTurn]]:
    """Read closed turns by the row numbers of their last events."""
    query = _query(None).add_columns(_closed.c.id.label("ended")).where(_closed.c.id.in_(numbers))
    rows = store.read(_fetch(query.order_by(_closed.c.id)))
    return [(row.ended, _turn(row, master)) for row in rows]


def paged(store: Store, query: Select[Any], number: ColumnElement[int]) -> Iterator[Row[Any]]:
    """Read rows in the order of a row number, selected as ``id``; no lock is held in between."""
    last = 0
    while True:
        page = query.where(number > last).order_by(number).limit(_PAGE)
        rows = store.read(_fetch(page))
        yield from rows
        if len(rows) < _PAGE:
            return
        last = rows[-1].id


def event_record(row: Row[Any], prefix: str = "") -> tuple[Record, bool]:
    """Return an event, and whether it is what was written; a body that was changed is left out."""
    values = {name: getattr(row, prefix + name) for name in _EVENT}
    values = {name: v if _storable(v) else "" for name, v in values.items()}
    body = parse_object(values["body"])
    record = Record(**{**values, "body": body or {}})
    return record, body is not None and record.is_whole(str(values["body"]).encode())


def _storable(value: object) -> bool:
    """Whether an event can have such a value in a column; SQLite takes any."""
    return isinstance(value, str) or (isinstance(value, int) and abs(value) <= SAFE_INTEGER)


def _query(last: int | None) -> Select[Any]:
    def ends(event: FromClause, kind: str) -> ColumnElement[bool]:
        ours = (event.c.chain == _opened.c.chain) & (event.c.opened == _opened.c.seq)
        then = ours & (event.c.kind == kind)
        return then if last is None else then & (event.c.id <= last)

    return (
        select(
            _opened.c.id,
            *(_opened.c[name].label(f"opened_{name}") for name in _EVENT),
            *(_closed.c[name].label(f"closed_{name}") for name in _EVENT),
            _gap.c.id.label("gap"),
            details.c.salt,
            details.c.plain,
            details.c.sealed,
            keys.c.wrapped,
            select(meta.c.master_key_id).scalar_subquery().label("master_key"),
            conversations.c.erased,
        )
        .outerjoin(conversations, conversations.c.chain == _opened.c.chain)
        .outerjoin(_closed, ends(_closed, "closed"))
        .outerjoin(_gap, ends(_gap, "gap"))
        .outerjoin(details, details.c.event == _closed.c.id)
        .outerjoin(keys, keys.c.chain == _opened.c.chain)
        .where(_opened.c.kind == "opened")
    )


def _fetch(query: Select[Any]) -> Callable[[Connection], Sequence[Row[Any]]]:
    return lambda connection: connection.execute(query).all()


def _turn(row: Row[Any], master: MasterKey | None) -> StoredTurn:
    opened, whole = event_record(row, "opened_")
    if row.closed_seq is None:
        return StoredTurn(opened, None, "open" if row.gap is None else "gap", whole)
    closed, closed_whole = event_record(row, "closed_")
    whole = whole and closed_whole
    content = Content(row.salt, row.plain, row.sealed)
    commitment = content.commitment()
    if commitment is None or commitment != closed.body.get("commitment"):
        gone = commitment is None and (row.erased or closed.body.get("content") == "erased")
        return StoredTurn(opened, closed, "closed", whole and gone)
    try:
        key = None
        if master is not None and row.wrapped is not None:
            require_current(master, row.master_key)
            key = unwrap(master, row.wrapped, closed.chain)
        detail, text = content.read(key, place_of(closed.chain, closed.seq, closed.kind))
    except IntegrityError:
        return StoredTurn(opened, closed, "closed", intact=False)
    return StoredTurn(opened, closed, "closed", whole, content.salt, detail, text)
