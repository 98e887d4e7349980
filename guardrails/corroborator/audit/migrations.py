"""From one version of the tables to the next; what is written stays as it is.

The hashes of a chain cover what was written and no table, so a log stays verifiable through every
migration, and `corroborator.audit.verify` reads events of every schema that there was.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from sqlalchemy import Connection

from corroborator.audit import tables

Step: TypeAlias = Callable[[Connection], None]


def _holds(connection: Connection) -> None:
    tables.holds.create(connection, checkfirst=True)


STEPS: tuple[Step, ...] = (_holds,)
"""The first brings version 1 to version 2, and so on; never change one that was released."""

NEWEST = 1 + len(STEPS)


def migrate(connection: Connection, version: int, steps: Sequence[Step]) -> int:
    """Run, inside a write transaction, the steps that a version lacks; returns the newest.

    Whoever keeps tables of their own beside the log brings their own steps.
    """
    for step in steps[version - 1 :]:
        step(connection)
    return 1 + len(steps)
