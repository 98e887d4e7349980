"""Databases of their own on the real PostgreSQL server that `tools/postgres.sh` starts."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import make_url

from corroborator.audit.store import Store, read_url

SERVER = os.environ.get("CORROBORATOR_TEST_POSTGRES", "")

needs_server = pytest.mark.skipif(
    not SERVER, reason="NO POSTGRESQL SERVER: run under tools/postgres.sh"
)


@contextmanager
def new_database() -> Iterator[str]:
    """Make a database; gives its URL, and drops it at the end."""
    name = f"log_{secrets.token_hex(6)}"
    run(SERVER, f"CREATE DATABASE {name}")
    yield make_url(SERVER).set(database=name).render_as_string(hide_password=False)
    run(SERVER, f"DROP DATABASE {name} WITH (FORCE)")


def run(url: str, statement: str) -> list[Any]:
    """Run a statement in no transaction, behind the back of every log."""
    store = Store(read_url(url))
    engine = store._own().engine
    try:
        with engine.connect() as connection:
            connection.connection.dbapi_connection.rollback()  # type: ignore[union-attr]
            connection.connection.dbapi_connection.autocommit = True  # type: ignore[union-attr]
            cursor = connection.connection.cursor()
            cursor.execute(statement)
            rows = [tuple(row) for row in cursor.fetchall()] if cursor.description else []
            connection.invalidate()
            return rows
    finally:
        store.close()
