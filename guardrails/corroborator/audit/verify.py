"""Verification: whether the store is what was written.

It finds every event that was changed, moved or deleted, every detail that was changed, swapped or
deleted without a tombstone, and turns that were never closed. **It cannot find** what leaves a
smaller or other store that is whole in itself: the newest events of a chain cut off together with
its row in `conversations` set back, a conversation deleted without a trace, or all hashes computed
anew by someone who can write to the database. Those are found only against something kept
elsewhere: a signed checkpoint (`corroborator.audit.checkpoint`). The rows of the index are copies for
filtering and prove nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, Select, func, or_, select

from corroborator.audit.chain import GENESIS, KINDS, SCHEMA, Record
from corroborator.audit.contents import Content, require_current
from corroborator.audit.keys import MasterKey
from corroborator.audit.reading import event_record
from corroborator.audit.sealing import unwrap
from corroborator.audit.tables import (
    conversations,
    details,
    events,
    findings_index,
    keys,
    lookup,
    meta,
)
from corroborator.errors import IntegrityError

_ROWS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not what was written.

    Attributes:
        chain: pseudonym of the conversation, where it is of one.
        seq: place in the chain, where it is of one event.
        what: what is wrong, without any content.
    """

    chain: str | None
    seq: int | None
    what: str


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What a verification found.

    Attributes:
        chains: how many there are, the system's own included.
        events: how many events.
        closed: how many turns are closed.
        gaps: how many turns were recorded as gaps, or are neither that nor closed; turns in
            progress are among them, and turns closed late.
        erased: how many chains were erased.
        problems: everything that is wrong; gaps and erasures are not.
    """

    chains: int = 0
    events: int = 0
    closed: int = 0
    gaps: int = 0
    erased: int = 0
    problems: tuple[Problem, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


@dataclass
class _Chain:
    """The state of one chain as its events pass by, and what was wrong with them."""

    name: str
    next_seq: int = 0
    prev: str = GENESIS
    opened: set[int] = field(default_factory=set)
    closed: set[int] = field(default_factory=set)
    gaps: set[int] = field(default_factory=set)
    kept: list[int] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    erased: bool = False
    problems: list[Problem] = field(default_factory=list)

    def say(self, what: str, seq: int | None = None) -> None:
        self.problems.append(Problem(self.name, seq, what))

    def event(self, row: Row[Any]) -> None:
        record, whole = event_record(row)
        if not isinstance(record.seq, int):
            self.say("its place is no number")
            return
        if record.seq != self.next_seq:
            self.say(f"events are missing between {self.next_seq} and this one", record.seq)
        if not whole:
            self.say("its content was changed", record.seq)
        if record.prev != self.prev:
            self.say("it does not follow the event before it", record.seq)
        if record.kind not in KINDS or record.schema != SCHEMA:
            self.say("it is of a kind or schema that this release does not know", record.seq)
        ends = record.kind in ("closed", "gap")
        if row.opened != (record.body.get("opened") if ends else None):
            self.say("its column `opened` was changed", record.seq)
        self.next_seq, self.prev = record.seq + 1, record.hash
        self._turn(record)
        if record.kind == "closed":
            self._content(record, row)
        elif row.detail is not None:
            self.say("a detail is attached to an event that has none", record.seq)
        self.erased |= record.kind == "erased"

    def _turn(self, record: Record) -> None:
        if record.kind == "opened":
            self.opened.add(record.seq)
        if record.kind not in ("closed", "gap"):
            return
        turn = record.body.get("opened")
        if not isinstance(turn, int) or turn not in self.opened:
            self.say("it ends a turn that was not opened before it", record.seq)
            return
        ended = self.closed if record.kind == "closed" else self.gaps
        if turn in self.closed or turn in ended:
            self.say("it ends a turn that was ended before", record.seq)
        if record.kind == "closed" and (turn in self.gaps) != bool(record.body.get("late")):
            self.say("it is not marked as late, or wrongly so", record.seq)
        ended.add(turn)

    def _content(self, record: Record, row: Row[Any]) -> None:
        if record.body.get("content") == "erased" and row.detail is None:
            return
        if row.detail is None:
            self.missing.append(record.seq)
            return
        self.kept.append(record.seq)
        content = Content(row.salt, row.plain, row.sealed)
        if content.commitment() != record.body.get("commitment"):
            self.say("its detail was changed", record.seq)
        if content.kind == "sealed" and row.key is None:
            self.say("the key of its detail is missing", record.seq)

    def end(self, row: Row[Any]) -> None:
        """Check the chain as a whole; `row` is its last, joined with its conversation."""
        if row.head_seq is None:
            self.say("its row in `conversations` is missing")
        elif (row.head_seq, row.head_hash) != (self.next_seq - 1, self.prev):
            self.say("its last event is not the one noted as last")
        if row.head_seq is not None and row.open_turns != len(self.dangling):
            self.say("the number of its open turns was changed")
        if row.head_seq is not None and row.erased != self.erased:
            self.say("it is marked as erased without a tombstone, or the mark was removed")
        for seq in self.kept if self.erased else ():
            self.say("its detail is there though the chain was erased", seq)
        for seq in () if self.erased else self.missing:
            self.say("its detail was deleted", seq)

    @property
    def dangling(self) -> set[int]:
        return self.opened - self.closed - self.gaps


def verify(connection: Connection, master: MasterKey | None = None) -> VerifyReport:
    """Check a store; with the master key, the stored keys too. See the module for its limits."""
    rows = connection.execute(_query()).yield_per(_ROWS_AT_ONCE)
    chains = count = closed = gaps = erased = 0
    problems: list[Problem] = []
    for name, group in groupby(rows, key=lambda row: row.chain):
        chain = _Chain(str(name))
        for row in group:
            chain.event(row)
            count += 1
        chain.end(row)
        chains += 1
        closed += len(chain.closed)
        gaps += len(chain.gaps) + len(chain.dangling)
        erased += chain.erased
        problems += chain.problems
    problems += [*_strays(connection), *_unwrapping(connection, master)]
    return VerifyReport(chains, count, closed, gaps, erased, tuple(problems))


def _query() -> Select[Any]:
    """Every event in order, with what is kept beside it; one row for each event."""
    return (
        select(
            events,
            details.c.id.label("detail"),
            details.c.salt,
            details.c.plain,
            details.c.sealed,
            keys.c.wrapped.label("key"),
            conversations.c.head_seq,
            conversations.c.head_hash,
            conversations.c.open_turns,
            conversations.c.erased,
        )
        .outerjoin(details, details.c.event == events.c.id)
        .outerjoin(keys, keys.c.chain == events.c.chain)
        .outerjoin(conversations, conversations.c.chain == events.c.chain)
        .order_by(events.c.chain, events.c.seq)
    )


def _strays(connection: Connection) -> Iterator[Problem]:
    """Find rows that belong to nothing, and rows that should have been erased."""
    told = select(events.c.chain)
    for chain in connection.scalars(
        select(conversations.c.chain).where(conversations.c.chain.not_in(told))
    ):
        yield Problem(chain, None, "all its events were deleted")
    closed = select(events.c.id).where(events.c.kind == "closed")
    erased = select(events.c.chain).where(events.c.kind == "erased")
    of_erased = select(events.c.id).where(events.c.chain.in_(erased))
    known = select(conversations.c.chain)
    for table, owner, owners, gone in (
        (details, details.c.event, closed, None),
        (findings_index, findings_index.c.event, closed, of_erased),
        (keys, keys.c.chain, known, erased),
        (lookup, lookup.c.chain, known, erased),
    ):
        values = [c.is_not(None) for c in table.columns if c is not owner and not c.primary_key]
        stray = owner.not_in(owners) | (owner.is_(None) & or_(*values))
        wrong = stray if gone is None else stray | owner.in_(gone)
        if count := connection.scalar(select(func.count()).select_from(table).where(wrong)):
            yield Problem(
                None, None, f"{count} rows of {table.name} belong to nothing that is kept"
            )


def _unwrapping(connection: Connection, master: MasterKey | None) -> Iterator[Problem]:
    """Find keys that the master key does not unwrap."""
    if master is None:
        return
    wrapped = select(keys.c.chain, keys.c.wrapped).where(keys.c.wrapped.is_not(None))
    stored = connection.execute(wrapped).all()
    if stored:
        require_current(master, connection.scalar(select(meta.c.master_key_id)))
    for row in stored:
        try:
            unwrap(master, row.wrapped, row.chain)
        except IntegrityError:
            yield Problem(row.chain, None, "its key was changed")
