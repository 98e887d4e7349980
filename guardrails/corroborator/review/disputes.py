"""Turns on which reviewers contradict each other, until the lead has decided."""

import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from corroborator.audit import AuditLog
from corroborator.review.answers import Answer, Given, Judgement, Verdict, verdict
from corroborator.review.facts import Band
from corroborator.review.tables import answers, queue, turns


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A turn that was answered at least once.

    Attributes:
        turn, chain: which it is.
        family, language, version, day: as the index has them; None where they were erased.
        band: the part of the queue it was first read from.
        sample: its place in the random sample; None where it fired.
        given: the answers without their reasons, oldest first.
        verdict: what they come to.
    """

    turn: int
    chain: str
    family: str | None
    language: str | None
    version: str
    day: str
    band: Band
    sample: float | None
    given: tuple[Given, ...]
    verdict: Verdict

    def first(self, question: str) -> list[Answer]:
        """Return what each reader first said to a question that they were asked, in order.

        Three questions are answered blind, the one about the steering with it in view; none with
        another reader's answers in view.
        """
        said: dict[int, Answer] = {}
        for one in self.given:
            answer: Answer = getattr(one.judgement, question)
            if one.stage != "lead" and answer != "unasked":
                said.setdefault(one.account, answer)
        return list(said.values())


@dataclass
class Disputes:
    """What was answered in one store, and what is in dispute; safe among threads.

    What was read stays in memory, without reasons, until somebody answers again or a conversation
    is erased: then it is read anew.
    """

    log: AuditLog
    _known: dict[int, Reviewed] = field(default_factory=dict, repr=False)
    _state: tuple[int, int] = (0, 0)
    _alone: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def reviewed(self) -> list[Reviewed]:
        """Return every turn that was answered."""
        return list(self._follow().values())

    def waiting(self) -> list[Reviewed]:
        """Return the turns that wait for a decision, safety first, then in order of answering."""
        disputed = [one for one in self.reviewed() if one.verdict.disputed]
        return sorted(disputed, key=lambda one: (not one.verdict.safety, one.given[-1].id))

    def is_waiting(self, turn: int) -> bool:
        """Whether a turn waits for a decision."""
        found = self._follow().get(turn)
        return found is not None and bool(found.verdict.disputed)

    def _follow(self) -> Mapping[int, Reviewed]:
        with self._alone:
            self.log.store.read(self._read)
            return self._known.copy()

    def _read(self, connection: Connection) -> None:
        """Read the answers of turns that have new ones; all of them after an erasure."""
        last, erased = connection.execute(_STATE).one()
        if (last, erased) == self._state:
            return
        if erased != self._state[1]:
            self._known, self._state = {}, (0, 0)
        new = select(answers.c.turn).where(answers.c.id > self._state[0], answers.c.id <= last)
        together: dict[int, list[Row[Any]]] = defaultdict(list)
        for row in connection.execute(_ANSWERED.where(answers.c.turn.in_(new))):
            together[row.turn].append(row)
        self._known |= {turn: _reviewed(rows) for turn, rows in together.items()}
        self._state = (last, erased)


_STATE = select(
    select(func.coalesce(func.max(answers.c.id), 0)).scalar_subquery(),
    select(func.count())
    .where(queue.c.waiting.in_([True, False]), queue.c.band.is_(None))
    .scalar_subquery(),
)
"""The last answer, and how many turns of the queue were erased; both from an index."""

_ANSWERED: Select[Any] = (
    select(
        *(column for column in answers.c if column.name not in ("reason", "salt")),
        turns.c.family,
        turns.c.language,
        turns.c.version,
        turns.c.time.label("happened"),
        queue.c.band.label("stands_in"),
        queue.c.sample,
    )
    .join(turns, turns.c.id == answers.c.turn)
    .join(queue, queue.c.turn == answers.c.turn)
    .order_by(answers.c.id)
)


def _reviewed(rows: list[Row[Any]]) -> Reviewed:
    first = rows[0]
    given = tuple(
        Given(row.id, row.turn, row.account, row.stage, row.time, Judgement.of(row), None)
        for row in rows
    )
    return Reviewed(
        first.turn,
        first.chain,
        first.family,
        first.language,
        first.version,
        first.happened[:10],
        Band(first.band),
        first.sample,
        given,
        verdict(given, urgent=first.stands_in == Band.URGENT),
    )
