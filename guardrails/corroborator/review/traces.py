"""What the desk still holds of conversations that were erased."""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, func, inspect, select

from corroborator.audit import AuditLog
from corroborator.review.tables import answers, decisions, desk, proposals


def traces(log: AuditLog, chains: Sequence[str]) -> list[str]:
    """Return what came from conversations and outlives them, in words; none where nothing did.

    Answers are yes and no about replies; sentences are the reviewers' own, and those that were
    accepted lie in the folder of exemplars too.
    """
    return log.store.read(lambda connection: list(_found(connection, chains)))


def _found(connection: Connection, chains: Sequence[str]) -> Iterator[str]:
    if not inspect(connection).has_table(desk.name):
        return
    count = select(func.count()).select_from(answers).where(answers.c.chain.in_(chains))
    if number := connection.scalar(count):
        yield f"answers of reviewers, without their reasons: {number}"
    sentences = (
        select(proposals.c.id, proposals.c.family, decisions.c.exemplar)
        .outerjoin(decisions, decisions.c.proposal == proposals.c.id)
        .where(proposals.c.chain.in_(chains))
        .order_by(proposals.c.id)
    )
    for row in connection.execute(sentences):
        where = f", exemplar {row.exemplar}" if row.exemplar else ""
        yield f"a reviewer's sentence: proposal {row.id} ({row.family}){where}"
