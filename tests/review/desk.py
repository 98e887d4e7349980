"""A desk over the tiny world."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from corroborator import Guard
from corroborator.audit import AuditLog
from corroborator.detectors import CLAIM, DISCLOSURE
from corroborator.review.accounts import Account, Role, by_token, invite
from corroborator.review.answers import Answers
from corroborator.review.facts import Reader
from corroborator.review.index import Index
from corroborator.review.queue import Queue
from corroborator.review.settings import Settings
from corroborator.review.tables import prepare
from postgres_server import needs_server
from tiny_world import TAXONOMY, conversation

BOTH = ["sqlite", pytest.param("postgresql", marks=needs_server)]
"""Where a module runs that says ``STORES = BOTH``."""


class Hands:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.time = datetime(2026, 6, 1, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.time += timedelta(milliseconds=1)
        return self.time

    def move(self, **by: float) -> None:
        self.time += timedelta(**by)


@dataclass
class World:
    """A store with a guard that writes to it, and the parts of a desk that reads it."""

    guard: Guard
    log: AuditLog
    clock: Hands
    settings: Settings

    def __post_init__(self) -> None:
        prepare(self.log.store)
        limits = self.guard.engine.detector.heads.thresholds
        gates = {gate: limits[gate] for gate in (CLAIM, DISCLOSURE)}
        chance = random.Random(7)  # noqa: S311 - a test repeats
        self.index = Index(self.log, Reader(TAXONOMY, self.settings, gates, chance))
        self.queue = Queue(self.log, self.settings, self.clock)
        self.answers = Answers(self.log, self.clock)

    def say(self, user: str, reply: str, name: str | None = None) -> str:
        """Have one guarded turn; returns the pseudonym of its conversation."""
        turn = self.guard.open_turn(conversation(user), conversation=name)
        turn.check(reply)
        record = turn.close(reply).record
        assert record is not None
        return record.split("/")[0]

    def token(self, name: str, role: Role = "reviewer") -> str:
        return invite(self.log, name, role, self.clock)

    def account(self, name: str, role: Role = "reviewer") -> Account:
        found = by_token(self.log, self.token(name, role))
        assert found is not None
        return found
