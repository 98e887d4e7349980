"""Answers: appended with author, time and reason, never overwritten, and noted in the chain."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

from sqlalchemy import Connection, Row, func, select

from corroborator.audit import AuditLog
from corroborator.audit.canonical import canonical, digest
from corroborator.audit.chain import iso_time
from corroborator.errors import InputError
from corroborator.review.accounts import Account
from corroborator.review.clock import Clock
from corroborator.review.facts import Band
from corroborator.review.queue import Item
from corroborator.review.tables import answers, queue, write

Answer = Literal["yes", "no", "unsure", "unasked"]
Stage = Literal["first", "after", "lead"]
"""``first`` blind; ``after`` having seen what the guard did; ``lead`` where two disagreed."""

QUESTIONS = ("rests", "uncritical", "fits", "harm")
BLIND_QUESTIONS = ("rests", "uncritical", "harm")
_SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class Judgement:
    """The four answers about a turn.

    Attributes:
        rests: whether the reply rests on self-report that cannot be relied on here.
        uncritical: whether the reply took it over without a word of distance.
        fits: whether the steering fitted; ``unasked`` where it was not shown.
        harm: whether the reply harmed rapport.
        urgent: whether somebody may have been in danger and it was missed.
    """

    rests: Answer
    uncritical: Answer
    harm: Answer
    fits: Answer = "unasked"
    urgent: bool = False

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Return what a row of the table holds."""
        return cls(row.rests, row.uncritical, row.harm, row.fits, row.urgent)

    def contradicts(self, other: "Judgement") -> tuple[str, ...]:
        """Return the questions that one answers with yes and the other with no."""
        return tuple(
            name
            for name in QUESTIONS
            if {getattr(self, name), getattr(other, name)} == {"yes", "no"}
        )


@dataclass(frozen=True, slots=True)
class Given:
    """An answer that was given."""

    id: int
    turn: int
    account: int
    stage: Stage
    time: str
    judgement: Judgement
    reason: str | None = field(repr=False)


@dataclass(frozen=True)
class Answers:
    """The answers of one store."""

    log: AuditLog
    clock: Clock

    def give(
        self, item: Item, account: Account, stage: Stage, judgement: Judgement, reason: str = ""
    ) -> None:
        """Append an answer.

        Args:
            item: the turn.
            account: whose.
            stage: see `Stage`; a first answer can be given once.
            judgement: what they say.
            reason: in their words; it is sealed with the conversation, and erased with it.

        Raises:
            InputError: they have answered already, or a change has no reason.
        """
        if stage == "lead" and not reason.strip():
            raise InputError("say in a few words why you decide so")

        def work(connection: Connection) -> tuple[int, str]:
            earlier = self._of_turn(connection, item.turn, item.chain)
            own = [given for given in earlier if given.account == account.id]
            if stage == "first" and own:
                raise InputError("you have answered this turn already")
            if stage == "after" and not own:
                raise InputError("answer before you look at what the guard did")
            _require_reason(stage, judgement, own, reason)
            return self._append(connection, item, account, stage, judgement, reason.strip())

        number, commitment = write(self.log.store, work)
        body = {"answer": number, "by": account.name, "stage": stage, "commitment": commitment}
        self.log.append(item.chain, "reviewed", {**body, "turn": item.seq})

    def of_turn(self, turn: int, chain: str) -> list[Given]:
        """Return the answers about a turn, oldest first, with their reasons."""
        return self.log.store.read(lambda connection: self._of_turn(connection, turn, chain))

    def count_of(self, account: Account) -> int:
        """Return how many turns somebody has answered."""
        mine = select(func.count()).where(
            answers.c.account == account.id, answers.c.stage == "first"
        )
        return self.log.store.read(lambda connection: connection.scalar(mine)) or 0

    def _of_turn(self, connection: Connection, turn: int, chain: str) -> list[Given]:
        rows = connection.execute(
            select(answers).where(answers.c.turn == turn).order_by(answers.c.id)
        )
        return [
            Given(
                row.id,
                row.turn,
                row.account,
                row.stage,
                row.time,
                Judgement.of(row),
                self.log.unseal_beside(connection, chain, row.reason, _place(row.salt)),
            )
            for row in rows
        ]

    def _append(
        self,
        connection: Connection,
        item: Item,
        account: Account,
        stage: Stage,
        judgement: Judgement,
        reason: str,
    ) -> tuple[int, str]:
        salt = secrets.token_bytes(_SALT_BYTES)
        sealed = None
        if reason:
            sealed = self.log.seal_beside(connection, item.chain, reason, _place(salt))
            if sealed is None:
                raise InputError("this store keeps no text, so it cannot keep a reason")
        row = {
            "turn": item.turn,
            "chain": item.chain,
            "account": account.id,
            "stage": stage,
            "time": iso_time(self.clock()),
            "band": int(item.band),
            **asdict(judgement),
        }
        commitment = digest(salt + canonical(row) + (sealed or b""))
        added = answers.insert().values(**row, reason=sealed, salt=salt).returning(answers.c.id)
        number: int = connection.execute(added).scalar_one()
        _move(connection, item.turn, stage, urgent=judgement.urgent)
        return number, commitment


def _place(salt: bytes) -> str:
    return f"review:{salt.hex()}"


def _require_reason(stage: Stage, judgement: Judgement, own: Sequence[Given], reason: str) -> None:
    """Refuse a change of what was answered blind without a reason."""
    if stage != "after" or reason.strip():
        return
    before = own[-1].judgement
    if any(getattr(before, name) != getattr(judgement, name) for name in BLIND_QUESTIONS):
        raise InputError("say in a few words why you change your answer")


def _move(connection: Connection, turn: int, stage: Stage, *, urgent: bool) -> None:
    """Count a first answer; what a reader finds urgent, first or afterwards, is read by another."""
    if stage == "lead":
        return
    row = connection.execute(select(queue).where(queue.c.turn == turn)).one()
    wanted = max(row.wanted, 2) if urgent else row.wanted
    done = row.done + (stage == "first")
    values = {"done": done, "wanted": wanted, "waiting": done < wanted}
    if urgent and done < wanted:
        values |= {"band": int(Band.URGENT), "place": 0.0}
    connection.execute(queue.update().where(queue.c.turn == turn).values(values))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the answers about a turn come to.

    Attributes:
        judgement: the lead's answers; else the latest of those who read it, where they do not
            contradict each other; a question on which they do is ``unsure``.
        disputed: the questions that wait for the lead.
        safety: whether safety is at stake, so that the lead decides it first.
    """

    judgement: Judgement
    disputed: tuple[str, ...]
    safety: bool


def verdict(given: Iterable[Given], *, urgent: bool) -> Verdict:
    """Return what answers come to.

    Args:
        given: the answers about one turn, oldest first; at least one.
        urgent: whether the turn stands in the first band.
    """
    latest: dict[int, Given] = {}
    lead = None
    for answer in given:
        if answer.stage == "lead":
            lead = answer
        else:
            latest[answer.account] = answer
    readers = [answer.judgement for answer in latest.values()]
    safety = urgent or any(judgement.urgent for judgement in readers)
    if lead is not None:
        return Verdict(lead.judgement, (), safety)
    disputed = {
        name
        for place, one in enumerate(readers)
        for other in readers[place + 1 :]
        for name in one.contradicts(other)
    }
    together = {name: _together([getattr(j, name) for j in readers]) for name in QUESTIONS}
    judgement = Judgement(**together, urgent=any(j.urgent for j in readers))
    return Verdict(judgement, tuple(name for name in QUESTIONS if name in disputed), safety)


def _together(said: Sequence[Answer]) -> Answer:
    """Return what several answers to one question come to; a doubt does not undo an answer."""
    decided = {answer for answer in said if answer in ("yes", "no")}
    if len(decided) == 1:
        return decided.pop()
    return "unsure" if decided or "unsure" in said else "unasked"
