"""Keeps the desk's index level with the log: what the queue holds, and what is counted by day."""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, exists, func, insert, select

from corroborator.audit import AuditLog, StoredTurn
from corroborator.audit.tables import conversations, events
from corroborator.review.facts import EVENT, UNKNOWN, Band, Facts, Reader
from corroborator.review.tables import desk, queue, tallies, turns, write

PAGE = 500

Tally = Counter[tuple[str, str, str, str, str]]


@dataclass
class Index:
    """The index of one store; for the threads of one process, and beside those of others.

    Args:
        log: what is followed.
        reader: what is made of each turn.
    """

    log: AuditLog
    reader: Reader
    _alone: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def refresh(self) -> int:
        """Read what the log has gained; returns how many turns came in."""
        with self._alone:
            start = self.log.store.read(_read_to)
            last = self.log.store.last_event()
            added, after = 0, start
            while numbers := self.log.store.read(_unread(after, last)):
                after = numbers[-1]
                read = [(n, turn, self.reader.read(turn)) for n, turn in self.log.ended(numbers)]
                added += write(self.log.store, _adding(read))
            if last > start:
                write(self.log.store, lambda connection: _read_on(connection, last))
            return added


def _read_to(connection: Connection) -> int:
    return connection.scalar(select(desk.c.read_to)) or 0


def _unread(after: int, last: int) -> Callable[[Connection], list[int]]:
    """Return what finds the next closed turns that are not in the index, by their last events."""
    known = exists().where(turns.c.event == events.c.id)
    wanted = select(events.c.id).where(
        events.c.id > after, events.c.id <= last, events.c.kind == "closed", ~known
    )
    return lambda connection: list(connection.scalars(wanted.order_by(events.c.id).limit(PAGE)))


def _adding(
    read: list[tuple[int, StoredTurn, Facts]],
) -> Callable[[Connection], int]:
    """Return what adds turns, but those that another process has just added."""

    def work(connection: Connection) -> int:
        numbers = [number for number, _, _ in read]
        known = set(connection.scalars(select(turns.c.event).where(turns.c.event.in_(numbers))))
        gone = _erased(connection, {turn.chain for _, turn, _ in read})
        new = [
            (number, turn, facts.blanked() if turn.chain in gone else facts)
            for number, turn, facts in read
            if number not in known
        ]
        if new:
            _add(connection, new)
        return len(new)

    return work


def _erased(connection: Connection, chains: Collection[str]) -> set[str]:
    """Return which chains were erased, perhaps since they were read; none is until this ends."""
    rows = connection.execute(
        select(conversations.c.chain, conversations.c.erased)
        .where(conversations.c.chain.in_(chains))
        .order_by(conversations.c.chain)
        .with_for_update(read=True)
    )
    return {row.chain for row in rows if row.erased}


def _add(connection: Connection, new: list[tuple[int, StoredTurn, Facts]]) -> None:
    shares = _Shares(connection)
    first = (connection.scalar(select(func.max(turns.c.id))) or 0) + 1
    rows, places = [], []
    tally: Tally = Counter()
    for number, (event, turn, facts) in enumerate(new, start=first):
        rows.append(_row(number, event, turn, facts))
        if facts.band is not None:
            places.append(_place(number, turn, facts, shares))
        day = turn.opened.time[:10]
        for (family, measure), count in facts.counts.items():
            tally[day, facts.version, facts.language, family, measure] += count
    connection.execute(insert(turns), rows)
    if places:
        connection.execute(insert(queue), places)
    _count(connection, tally)


def _row(number: int, event: int, turn: StoredTurn, facts: Facts) -> dict[str, object]:
    return {
        "id": number,
        "event": event,
        "chain": turn.chain,
        "seq": turn.opened.seq,
        "time": turn.opened.time,
        "version": facts.version,
        "family": facts.family,
        "language": facts.language,
        "reply": facts.reply,
    }


def _place(number: int, turn: StoredTurn, facts: Facts, shares: "_Shares") -> dict[str, object]:
    place = facts.place
    if facts.band is Band.FIRED and facts.family is not None:
        place *= shares.of(facts.family)
    return {
        "turn": number,
        "chain": turn.chain,
        "wanted": facts.wanted,
        "done": 0,
        "waiting": True,
        "band": int(facts.band or 0),
        "place": place,
        "sample": facts.sample,
    }


class _Shares:
    """How often each family fires among all that fire, as far as was read.

    A random place times this share gives each family as many of the first places as any other, and
    within a family each turn the same chance (sequential Poisson sampling, Ohlsson E, J Off Stat
    1998;14:149-62).
    """

    def __init__(self, connection: Connection) -> None:
        found = connection.execute(
            select(tallies.c.family, func.sum(tallies.c.count).label("turns"))
            .where(tallies.c.measure == "fired", tallies.c.family != "")
            .group_by(tallies.c.family)
        )
        self._counts: Counter[str] = Counter({row.family: int(row.turns) for row in found})

    def of(self, family: str) -> float:
        self._counts[family] += 1
        return self._counts[family] / self._counts.total()


def _count(connection: Connection, tally: Mapping[tuple[str, str, str, str, str], int]) -> None:
    names = ("day", "version", "language", "family", "measure")
    days = {key[0] for key in tally}
    known = {
        tuple(getattr(row, name) for name in names): row.id
        for row in connection.execute(select(tallies).where(tallies.c.day.in_(days)))
    }
    new = [
        dict(zip(names, key, strict=True), count=n) for key, n in tally.items() if key not in known
    ]
    if new:
        connection.execute(insert(tallies), new)
    for key, count in tally.items():
        if key in known:
            more = tallies.c.count + count
            connection.execute(
                tallies.update().where(tallies.c.id == known[key]).values(count=more)
            )


def _read_on(connection: Connection, last: int) -> None:
    """Count what the log has gained beside turns, such as readings and turns without an end."""
    start = _read_to(connection)  # another process may have been here
    rows = connection.execute(
        select(func.substr(events.c.time, 1, 10).label("day"), events.c.kind, func.count())
        .where(events.c.id > start, events.c.id <= last, events.c.kind.not_in(("opened", "closed")))
        .group_by("day", events.c.kind)
    )
    _count(connection, {(d, UNKNOWN, UNKNOWN, "", EVENT + kind): n for d, kind, n in rows})
    connection.execute(desk.update().values(read_to=max(start, last)))
