"""SQLite as the store needs it: durable, many processes, nothing left of what is erased."""

import os
import secrets
import sqlite3
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from corroborator.errors import AuditError, IntegrityError, StoreError

FORM = "the audit store is given as sqlite:///path, sqlite:// for memory, or postgresql://user@host/database"

BUSY_SECONDS = 5.0
"""How long one process waits for another; ``?timeout=`` in the URL changes it."""

IMMEDIATE = "corroborator_immediate"
"""Execution option of connections that write: they take the write lock when they begin."""

_PROBLEMS = {
    sqlite3.SQLITE_READONLY: "cannot be written; give this process access to it and its folder",
    sqlite3.SQLITE_IOERR: "cannot be read or written by its disk",
    sqlite3.SQLITE_CORRUPT: "is damaged; keep the file, and restore a backup to another path",
    sqlite3.SQLITE_NOTADB: "is damaged, or no SQLite database; keep the file, and use another path",
    sqlite3.SQLITE_FULL: "has no room left; free space on its disk",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; check that its path and access rights are right",
}


class LockedError(StoreError):
    """Another writer kept the store locked for too long."""


def read_url(url: URL) -> URL:
    """Check ``sqlite:///path`` or ``sqlite://`` (memory).

    Raises:
        StoreError: it is something else, or the folder of the path does not exist.
    """
    if (
        url.drivername not in ("sqlite", "sqlite+pysqlite")
        or url.host
        or set(url.query) - {"timeout"}
    ):
        raise StoreError(FORM)
    path = file_of(url)
    if path is not None and not path.parent.is_dir():
        raise StoreError(f"the folder of the audit store, {path.parent}, does not exist; make it")
    return url


def file_of(url: URL) -> Path | None:
    """Return the file of a URL; None for memory."""
    in_memory = url.database in (None, "", ":memory:")
    return None if in_memory else Path(str(url.database)).absolute()


def place_of(url: URL) -> str:
    """Return the store in messages."""
    return str(file_of(url) or "in memory")


def wait_seconds(url: URL) -> float:
    """Return how long to wait for another writer."""
    try:
        return float(str(url.query.get("timeout", BUSY_SECONDS)))
    except ValueError:
        pass
    raise StoreError("the timeout of the audit store is a number of seconds")


def make_engine(url: URL) -> Engine:
    """Return an engine whose transactions are explicit; see `IMMEDIATE`.

    A database in memory has one connection at a time, and threads wait for it in turn. One more,
    which nobody uses, keeps its tables when that one is dropped, as it is on Ctrl-C.
    """
    wait, options = wait_seconds(url), dict[str, object]()
    in_memory = file_of(url) is None
    url = url.set(query={})
    if in_memory:
        name = f"file:/{secrets.token_hex(16)}"
        url = url.set(database=name, query={"vfs": "memdb", "uri": "true"})
        options = {"pool_size": 1, "max_overflow": 0, "pool_timeout": wait}
    engine = create_engine(
        url,
        hide_parameters=True,
        poolclass=QueuePool,
        connect_args={"check_same_thread": False, "timeout": wait},
        **options,
    )
    if in_memory:
        _keep(engine, f"{name}?vfs=memdb")
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def create_private(path: Path) -> None:
    """Make an empty file that its owner alone can read; one that exists is left as it is.

    SQLite gives its ``-wal`` and ``-shm`` files the same access rights.
    """
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CREAT, 0o600))
    except OSError as error:
        problem = f"the audit store {path} cannot be opened ({error.strerror})"
    else:
        return
    raise StoreError(problem)


def explained(error: SQLAlchemyError | Exception, place: str) -> AuditError:
    """Return what to raise for a database error: a code and a place, never a statement or value."""
    original = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(original, "sqlite_errorcode", 0) & 0xFF  # the rest are sub-codes
    if code == sqlite3.SQLITE_CONSTRAINT:
        return IntegrityError(f"the audit store {place} was changed from outside; verify it")
    name = getattr(original, "sqlite_errorname", type(original).__name__)
    if isinstance(error, PoolTimeout) or code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LockedError(
            f"the audit store {place} was locked for too long; look for a process that hangs "
            f"({name})"
        )
    return StoreError(f"the audit store {place} {_PROBLEMS.get(code, 'failed')} ({name})")


def _keep(engine: Engine, database: str) -> None:
    """Keep a database in memory for as long as its engine is in use."""
    keeper = sqlite3.connect(database, uri=True, check_same_thread=False)

    def close(_engine: Engine) -> None:
        keeper.close()

    event.listen(engine, "engine_disposed", close)


def _prepare(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    connection.text_factory = _text
    connection.isolation_level = None  # the "begin" event says how transactions begin
    try:
        for pragma in (
            "synchronous = FULL",  # a commit is on the disk when it returns
            "foreign_keys = ON",
            "secure_delete = ON",  # what is freed is overwritten
            "temp_store = MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        connection.close()  # the pool does not know it yet, and would leave it open
        raise


def _text(stored: bytes) -> str:
    """Decode so that malformed text is found to be changed, and no error quotes it."""
    return stored.decode("utf-8", "surrogateescape")


def _begin(connection: Connection) -> None:
    immediate = connection.get_execution_options().get(IMMEDIATE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
