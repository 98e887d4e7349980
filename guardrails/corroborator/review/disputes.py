"""Turns on which reviewers contradict each other, until the lead has decided."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, func, select

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


@dataclass(frozen=True)
class Disputes:
    """What was answered in one store, and what is in dispute."""

    log: AuditLog

    def reviewed(self) -> list[Reviewed]:
        """Return every turn that was answered."""
        return self._read(_answered())

    def waiting(self) -> list[Reviewed]:
        """Return the turns that wait for a decision, safety first, then in order of answering."""
        twice = select(answers.c.turn).group_by(answers.c.turn)
        wanted = _answered().where(
            answers.c.turn.in_(twice.having(func.count(answers.c.account.distinct()) > 1))
        )
        disputed = [one for one in self._read(wanted) if one.verdict.disputed]
        return sorted(disputed, key=lambda one: (not one.verdict.safety, one.given[-1].id))

    def is_waiting(self, turn: int) -> bool:
        """Whether a turn waits for a decision."""
        found = self._read(_answered().where(answers.c.turn == turn))
        return any(one.verdict.disputed for one in found)

    def _read(self, wanted: Select[Any]) -> list[Reviewed]:
        rows = self.log.store.read(lambda connection: connection.execute(wanted).all())
        together: dict[int, list[Row[Any]]] = defaultdict(list)
        for row in rows:
            together[row.turn].append(row)
        return [_reviewed(group) for group in together.values()]


def _answered() -> Select[Any]:
    return (
        select(
            answers,
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
