"""Keeps the desk's index level with the log: what the queue holds, and what is counted by day."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, exists, func, insert, select

from corroborator.audit import AuditLog, StoredTurn
from corroborator.audit.tables import events
from corroborator.review.facts import UNKNOWN, Band, Facts, Reader
from corroborator.review.tables import desk, queue, tallies, turns

PAGE = 500
OVERLAP = 1000
"""So many events are looked at again: writers of one store may finish out of order."""

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
            start = self.log.store.read(lambda c: c.scalar(select(desk.c.read_to))) or 0
            last = self.log.store.read(lambda c: c.scalar(select(func.max(events.c.id)))) or 0
            if last == start:
                return 0
            added, after = 0, max(0, start - OVERLAP)
            while numbers := self.log.store.read(_unread(after)):
                after = numbers[-1]
                read = [(n, turn, self.reader.read(turn)) for n, turn in self.log.ended(numbers)]
                added += self.log.store.write(_adding(read))
            self.log.store.write(lambda connection: _count_gaps(connection, start, last))
            return added


def _unread(after: int) -> Callable[[Connection], list[int]]:
    """Return what finds the next closed turns that are not in the index, by their last events."""
    known = exists().where(turns.c.event == events.c.id)
    wanted = select(events.c.id).where(events.c.id > after, events.c.kind == "closed", ~known)
    return lambda connection: list(connection.scalars(wanted.order_by(events.c.id).limit(PAGE)))


def _adding(
    read: list[tuple[int, StoredTurn, Facts]],
) -> Callable[[Connection], int]:
    """Return what adds turns, but those that another process has just added."""

    def work(connection: Connection) -> int:
        numbers = [number for number, _, _ in read]
        known = set(connection.scalars(select(turns.c.event).where(turns.c.event.in_(numbers))))
        new = [entry for entry in read if entry[0] not in known]
        if new:
            _add(connection, new)
        return len(new)

    return work


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
        self._counts: Counter[str] = Counter({row.family: row.turns for row in found})

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


def _count_gaps(connection: Connection, start: int, last: int) -> None:
    """Count the turns found without an end since the last time, and note how far was read."""
    gaps = connection.scalars(
        select(events.c.time).where(
            events.c.kind == "gap", events.c.id > start, events.c.id <= last
        )
    )
    days = Counter(time[:10] for time in gaps)
    _count(connection, {(d, UNKNOWN, UNKNOWN, "", "gaps"): n for d, n in days.items()})
    connection.execute(desk.update().values(read_to=last))
