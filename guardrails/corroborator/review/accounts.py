"""Who may sign in, and as what. Tokens are random; only their hash is kept."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Select, select

from corroborator.audit.chain import iso_time
from corroborator.audit.log import AuditLog
from corroborator.errors import InputError
from corroborator.review.clock import Clock
from corroborator.review.tables import accounts, write

Role = Literal["reviewer", "lead"]
ROLES: tuple[Role, ...] = ("reviewer", "lead")

_NAME = re.compile(r"[a-z][a-z0-9._-]{0,31}")
_TOKEN_BYTES = 24


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who reviews.

    Attributes:
        id: their number.
        name: short; it stands in the log beside what they opened and answered.
        role: a ``reviewer`` answers; a ``lead`` also decides and watches.
    """

    id: int
    name: str
    role: Role

    @property
    def leads(self) -> bool:
        """Whether they may do what a lead may."""
        return self.role == "lead"


def invite(log: AuditLog, name: str, role: Role, clock: Clock) -> str:
    """Make an account, or a new token for one that is there; returns the token, shown once.

    Raises:
        InputError: the name cannot be used.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            "a name begins with a small letter and holds up to 32 of a-z, 0-9, dot, dash, underscore"
        )
    token = secrets.token_urlsafe(_TOKEN_BYTES)

    def work(connection: Connection) -> None:
        values = {"role": role, "token": _hashed(token), "revoked": False}
        known = connection.scalar(select(accounts.c.id).where(accounts.c.name == name))
        if known is None:
            made = {"name": name, "created": iso_time(clock()), **values}
            connection.execute(accounts.insert().values(made))
        else:
            connection.execute(accounts.update().where(accounts.c.id == known).values(values))

    write(log.store, work)
    return token


def revoke(log: AuditLog, name: str) -> None:
    """Close an account; what it answered stays.

    Raises:
        InputError: there is none of that name.
    """
    closing = accounts.update().where(accounts.c.name == name).values(revoked=True)
    if not write(log.store, lambda connection: connection.execute(closing).rowcount):
        raise InputError("nobody has an account of this name")


def everyone(log: AuditLog) -> dict[int, Account]:
    """Return all accounts that are or were, by number."""
    rows = log.store.read(lambda connection: connection.execute(select(accounts)).all())
    return {row.id: Account(row.id, row.name, row.role) for row in rows}


def by_token(log: AuditLog, token: str) -> Account | None:
    """Return whose token this is; None where it is nobody's, or the account is closed."""
    wanted = select(accounts).where(accounts.c.token == _hashed(token), ~accounts.c.revoked)
    return _one(log, wanted)


def by_number(log: AuditLog, number: int) -> Account | None:
    """Return an account that is open."""
    return _one(log, select(accounts).where(accounts.c.id == number, ~accounts.c.revoked))


def anyone(log: AuditLog) -> bool:
    """Whether somebody can sign in."""
    return _one(log, select(accounts).where(~accounts.c.revoked).limit(1)) is not None


def _one(log: AuditLog, wanted: Select[Any]) -> Account | None:
    row = log.store.read(lambda connection: connection.execute(wanted).one_or_none())
    return None if row is None else Account(row.id, row.name, row.role)


def _hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
