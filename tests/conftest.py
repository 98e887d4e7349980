"""What many tests share: the shipped encoder and engine, and the tiny world with its guards."""

import copy
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from corroborator import Guard, Policy, parse_policy
from corroborator.audit import AuditLog
from corroborator.encoders import BuiltinEncoder, CachedEncoder, Encoder
from corroborator.engine import Engine
from corroborator.policy import load_policy
from tiny_world import WordEncoder, write_model

# a console keeps the width that it finds here when the command line is imported; tests set it later
os.environ.pop("COLUMNS", None)

PolicyOf = Callable[..., Policy]
GuardOf = Callable[..., Guard]


@pytest.fixture(autouse=True)
def _own_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    monkeypatch.delenv("CORROBORATOR_MASTER_KEY", raising=False)


@pytest.fixture(scope="session")
def builtin_encoder() -> Encoder:
    """The encoder that ships, with a cache."""
    return CachedEncoder(BuiltinEncoder())


@pytest.fixture(scope="session")
def shipped_engine(builtin_encoder: Encoder) -> Engine:
    """The shipped model under the ``general`` profile."""
    return Engine.load(load_policy(), builtin_encoder)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder of the tiny world; not to be changed."""
    return write_model(tmp_path_factory.mktemp("tiny") / "model", WordEncoder())


@pytest.fixture(scope="session")
def tiny_policy(tiny_model: Path) -> PolicyOf:
    """A policy for the tiny world, kept in memory unless its text says otherwise."""

    def parsed(text: str = "audit: {store: null}") -> Policy:
        return parse_policy(f"model: {tiny_model}\n{text}")

    return parsed


@pytest.fixture(scope="session")
def _loaded(tiny_policy: PolicyOf) -> Iterator[Callable[[str], Guard]]:
    guards: dict[str, Guard] = {}
    with AuditLog.open("sqlite://") as log:  # in place of the policy's own

        def load(text: str) -> Guard:
            if text not in guards:
                guards[text] = Guard(tiny_policy(text), encoder=WordEncoder(), audit=log)
            return guards[text]

        yield load


@pytest.fixture
def guard_of(_loaded: Callable[[str], Guard]) -> Iterator[GuardOf]:
    """Return a guard of the tiny world by its policy's text, with a log of its own in memory."""
    logs: list[AuditLog] = []

    def made(text: str = "audit: {store: null}", audit: AuditLog | None = None) -> Guard:
        if audit is None:
            audit = AuditLog.open("sqlite://")
            logs.append(audit)
        guard = copy.copy(_loaded(text))  # the engine takes half a second to load
        guard.audit = audit
        return guard

    yield made
    for log in logs:
        log.close()


@pytest.fixture
def guard(guard_of: GuardOf) -> Guard:
    """The ``general`` profile in the tiny world."""
    return guard_of()
