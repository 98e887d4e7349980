"""What is read next, and by whom: bands, locks, and how much is waiting."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, exists, func, select

from corroborator.audit import AuditLog
from corroborator.audit.chain import iso_time
from corroborator.review.accounts import Account
from corroborator.review.clock import Clock
from corroborator.review.facts import Band
from corroborator.review.settings import Settings
from corroborator.review.tables import answers, locks, queue, skips, turns, write

SHOWN = 50
MOST = 10_000
"""So many turns that wait are counted, so that a page costs the same whatever waits."""

TURNS_OF_EACH = (Band.FIRED, Band.SAMPLE, Band.NEAR)
"""Once nothing is urgent, these take turns, so that what a reviewer gets does not tell its band."""


@dataclass(frozen=True, slots=True)
class Item:
    """A turn in the queue.

    Attributes:
        turn: its number in the index.
        chain, seq: where it is in the log.
        band: why it is read.
        family: of its strongest finding.
        time: when it was.
        wanted, done: how many are to read it, and have.
        reader: who has it open now.
    """

    turn: int
    chain: str
    seq: int
    band: Band
    family: str | None
    time: str
    wanted: int
    done: int
    reader: int | None


@dataclass(frozen=True)
class Queue:
    """The queue of one store."""

    log: AuditLog
    settings: Settings
    clock: Clock

    def take(self, account: Account) -> Item | None:
        """Return the next turn for somebody and lock it for them; None where nothing is left.

        What they have open already comes first. Two who ask at once get two turns.
        """

        def work(connection: Connection) -> Item | None:
            held = self._held(connection, account)
            found = held if held is not None else self._next(connection, account)
            if found is not None:
                self._lock(connection, found.turn, found.band, account)
            return found

        return write(self.log.store, work)

    def release(self, turn: int, account: Account) -> None:
        """Let others have a turn."""
        past = iso_time(self.clock())
        mine = (locks.c.turn == turn) & (locks.c.account == account.id)
        ended = locks.update().where(mine).values(until=past)
        write(self.log.store, lambda connection: connection.execute(ended))

    def skip(self, turn: int, account: Account) -> None:
        """Leave a turn to others; it does not come to this account again."""
        passed = skips.insert().values(turn=turn, account=account.id)
        write(self.log.store, lambda connection: connection.execute(passed))
        self.release(turn, account)

    def item(self, turn: int) -> Item | None:
        """Return a turn; None where it was erased or there is none."""
        wanted = self._items().where(queue.c.turn == turn, queue.c.band.is_not(None))
        row = self.log.store.read(lambda connection: connection.execute(wanted).one_or_none())
        return None if row is None else _item(row)

    def waiting(self) -> Mapping[Band, int]:
        """Return how many turns wait in each band, at most `MOST`."""

        def count(connection: Connection, band: Band) -> int:
            waits = queue.c.waiting & (queue.c.band == int(band))
            some = select(queue.c.id).where(waits).limit(MOST).subquery()
            return connection.scalar(select(func.count()).select_from(some)) or 0

        return self.log.store.read(lambda c: {band: count(c, band) for band in Band})

    def listed(self, band: Band) -> list[Item]:
        """Return the first turns of a band, for a lead."""
        order = queue.c.sample if band is Band.SAMPLE else queue.c.place
        rows = self._items().where(_in(band)).order_by(order).limit(SHOWN)
        found = self.log.store.read(lambda connection: connection.execute(rows).all())
        return [_item(row) for row in found]

    def _next(self, connection: Connection, account: Account) -> Item | None:
        mine = answers.c.account == account.id
        read = select(func.count(answers.c.turn.distinct())).where(mine)
        start = (connection.scalar(read) or 0) % len(TURNS_OF_EACH)
        order = (*TURNS_OF_EACH[start:], *TURNS_OF_EACH[:start])
        for band in (Band.URGENT, *order):
            place = queue.c.sample if band is Band.SAMPLE else queue.c.place
            wanted = self._items().where(
                _in(band),
                locks.c.account.is_(None) | (locks.c.account == account.id),
                ~exists().where(answers.c.turn == queue.c.turn, mine),
                ~exists().where(skips.c.turn == queue.c.turn, skips.c.account == account.id),
            )
            row = connection.execute(wanted.order_by(place).limit(1)).one_or_none()
            if row is not None:
                return _item(row, band)
        return None

    def _held(self, connection: Connection, account: Account) -> Item | None:
        mine = (locks.c.account == account.id) & (locks.c.until > iso_time(self.clock()))
        numbers = connection.scalars(select(locks.c.turn).where(mine)).all()
        wanted = self._items().where(
            queue.c.turn.in_(numbers),
            queue.c.waiting,
            queue.c.band.is_not(None),
            ~exists().where(answers.c.turn == queue.c.turn, answers.c.account == account.id),
        )
        row = connection.execute(wanted.limit(1)).one_or_none()
        return None if row is None else _item(row)

    def _items(self) -> Select[Any]:
        """Select turns with who has them open now."""
        open_now = (locks.c.turn == queue.c.turn) & (locks.c.until > iso_time(self.clock()))
        return (
            select(
                queue.c.turn,
                turns.c.chain,
                turns.c.seq,
                queue.c.band,
                turns.c.family,
                turns.c.time,
                queue.c.wanted,
                queue.c.done,
                locks.c.account,
                locks.c.band.label("taken_from"),
            )
            .join(turns, turns.c.id == queue.c.turn)
            .outerjoin(locks, open_now)
        )

    def _lock(self, connection: Connection, turn: int, band: Band, account: Account) -> None:
        until = iso_time(self.clock() + timedelta(minutes=self.settings.lock_minutes))
        values = {"account": account.id, "band": int(band), "until": until}
        renewed = connection.execute(locks.update().where(locks.c.turn == turn).values(values))
        if not renewed.rowcount:
            connection.execute(locks.insert().values(turn=turn, **values))


def _in(band: Band) -> ColumnElement[bool]:
    """Whether a turn waits in a band; the sample is drawn from all that did not fire."""
    if band is Band.SAMPLE:
        return queue.c.waiting & queue.c.sample.is_not(None)
    return queue.c.waiting & (queue.c.band == int(band))


def _item(row: Row[Any], band: Band | None = None) -> Item:
    own = row.band if row.taken_from is None else row.taken_from
    return Item(
        row.turn,
        row.chain,
        row.seq,
        Band(own) if band is None else band,
        row.family,
        row.time,
        row.wanted,
        row.done,
        row.account,
    )
