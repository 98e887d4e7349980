"""The store: transactions that many threads and processes share, and errors without text."""

import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self, TypeVar

from sqlalchemy import URL, Connection, Engine, func, inspect, make_url, select
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from corroborator.audit import postgres, sqlite, tables
from corroborator.audit.migrations import NEWEST, STEPS, migrate
from corroborator.audit.sqlite import (
    FORM,
    IMMEDIATE,
    LockedError,
    create_private,
    wait_seconds,
)
from corroborator.errors import AuditError, IntegrityError, StoreError

_T = TypeVar("_T")

_SCHEMA_LOCK = b"corroborator schema"
_LOOKUP_KEY_BYTES = 32
_RETRY_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Meta:
    """What holds for a whole store.

    Attributes:
        lookup_key: key of the HMACs of the host's ids.
        system_chain: chain of the events that belong to no conversation.
        master_key_id: of the key under which content was sealed; None until it is.
    """

    lookup_key: bytes
    system_chain: str
    master_key_id: str | None


def read_url(text: str) -> URL:
    """Read where a store is; see `corroborator.audit.sqlite` and `corroborator.audit.postgres`.

    Raises:
        StoreError: it is malformed; what was given is not in the error, for it may hold a password.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        pass
    else:
        return _kind(url).read_url(url)
    raise StoreError(FORM)


def database_file(url: URL) -> Path | None:
    """Return the file of a store; None for memory and for a server."""
    return sqlite.file_of(url) if url.get_backend_name() == "sqlite" else None


class _Kind(Protocol):
    """What differs between databases: the modules `sqlite` and `postgres`."""

    def read_url(self, url: URL) -> URL: ...

    def place_of(self, url: URL) -> str: ...

    def make_engine(self, url: URL) -> Engine: ...

    def explained(self, error: SQLAlchemyError | Exception, place: str) -> AuditError: ...


def _kind(url: URL) -> _Kind:
    return postgres if url.get_backend_name() == "postgresql" else sqlite


class _Handle:
    """What one process uses; SQLite forbids the use of a connection after a fork."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.pid = os.getpid()
        self.write_lock = threading.Lock()  # fairer among threads than SQLite's polling


class Store:
    """One database; safe to share between threads, and to use on both sides of a fork."""

    def __init__(self, url: URL) -> None:
        self.path = database_file(url)
        self._url, self._wait = url, wait_seconds(url)
        self._server = url.get_backend_name() == "postgresql"
        self._kind = _kind(url)
        self._handle: _Handle | None = _Handle(self._kind.make_engine(url))
        self._inherited: list[_Handle] = []  # kept: closing them here would harm the parent

    @classmethod
    def open(cls, text: str, *, create: bool = True) -> Self:
        """Open a store, make it where there is none, and bring an older one to this version.

        Raises:
            StoreError: it cannot be opened, is of a newer version, or is not there and not to be
                made.
        """
        store = cls(read_url(text))
        try:
            store._prepare(create=create)
        except AuditError:
            store.close()
            raise
        return store

    @property
    def place(self) -> str:
        """The store in messages."""
        return self._kind.place_of(self._url)

    @property
    def beyond(self) -> str:
        """What of an erasure lies out of reach; see `corroborator.audit.erase.ErasureReport`."""
        return postgres.BEYOND if self._server else ""

    def read(self, work: Callable[[Connection], _T]) -> _T:
        """Run `work` on one consistent state of the store.

        Raises:
            StoreError: the store cannot be read.
        """
        return self._run(self._own().engine, work, immediate=False)

    def write(self, work: Callable[[Connection], _T]) -> _T:
        """Run `work`, and make what it wrote durable, or none of it.

        On SQLite it is alone among all writers; on PostgreSQL, among those of the conversations
        whose heads it reads.

        Raises:
            StoreError: the store cannot be written.
            IntegrityError: it refuses, since it was changed from outside.
        """
        handle = self._own()
        if self._server:
            return self._run(handle.engine, work, immediate=True)
        if not handle.write_lock.acquire(timeout=self._wait):
            raise LockedError(f"the audit store {self.place} is busy; other threads write to it")
        try:
            return self._run(handle.engine, work, immediate=True)
        finally:
            handle.write_lock.release()

    def meta(self) -> Meta:
        """Return what holds for the whole store."""
        row = self.read(lambda connection: connection.execute(select(tables.meta)).one())
        return Meta(row.lookup_key, row.system_chain, row.master_key_id)

    def note_master_key(self, key_id: str) -> str:
        """Note under which master key content is sealed, unless one is noted; returns that one."""

        def work(connection: Connection) -> str:
            column = tables.meta.c.master_key_id
            connection.execute(
                tables.meta.update().where(column.is_(None)).values(master_key_id=key_id)
            )
            return str(connection.scalar(select(column)))

        return self.write(work)

    def last_event(self) -> int:
        """Return the highest row number of an event; what is written later has a higher one.

        On PostgreSQL writers number their events before these can be read. This waits for those
        that are at it, so that nothing is written below the number afterwards.
        """

        def work(connection: Connection) -> int:
            if self._server:
                connection.exec_driver_sql("LOCK TABLE events IN SHARE MODE")
            return connection.scalar(select(func.max(tables.events.c.id))) or 0

        return self.write(work) if self._server else self.read(work)

    def forget_erased(self) -> bool:
        """Rid the files of the database of what was erased.

        SQLite: the write-ahead log is cut to nothing. PostgreSQL: the tables of keys and names are
        written anew; `beyond` says what that does not reach.

        Returns:
            False where a reader elsewhere kept it from being done.
        """
        if self._server:
            return self._vacuum()
        busy, _, _ = self._pragma("PRAGMA wal_checkpoint(TRUNCATE)")
        return not busy

    def close(self) -> None:
        """Close all connections; the store cannot be used afterwards."""
        if self._handle is not None and self._handle.pid == os.getpid():
            self._handle.engine.dispose()
        self._handle = None

    def _prepare(self, *, create: bool) -> None:
        if self.path is not None and create:
            create_private(self.path)
        missing = self.path is not None and not self.path.exists()
        version = None if missing else self.read(_version)
        if version is None and not create:
            raise StoreError(f"there is no audit store at {self.place}")
        if version is None and not self._server:
            self._write_ahead()
        if version is None or version < NEWEST:
            version = self.write(_create_or_migrate)
        if version > NEWEST:
            raise StoreError(
                f"the audit store {self.place} is of version {version}, and this release reads "
                f"version {NEWEST}; install the release that wrote it"
            )

    def _vacuum(self) -> bool:
        try:
            postgres.forget_freed(self._own().engine, ("keys", "lookup"))
        except SQLAlchemyError as error:
            problem = postgres.explained(error, self.place)
        else:
            return True
        if isinstance(problem, LockedError):
            return False
        raise problem

    def _write_ahead(self) -> None:
        """Have the file keep a write-ahead log; SQLite does not wait here for other processes."""
        deadline = time.monotonic() + self._wait
        while True:
            try:
                (mode,) = self._pragma("PRAGMA journal_mode = WAL")
                break
            except LockedError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(_RETRY_SECONDS)
        if mode not in ("wal", "memory"):
            raise StoreError(
                f"the audit store {self.place} cannot keep a write-ahead log; put it on a local disk"
            )

    def _own(self) -> _Handle:
        """Return what this process uses, and make it anew after a fork."""
        handle = self._handle
        if handle is None:
            raise StoreError(f"the audit store {self.place} was closed")
        if handle.pid != os.getpid():
            self._inherited.append(handle)
            memory = self.path is None and not self._server
            engine = handle.engine if memory else self._kind.make_engine(self._url)
            handle = self._handle = _Handle(engine)
        return handle

    def _run(self, engine: Engine, work: Callable[[Connection], _T], *, immediate: bool) -> _T:
        try:
            with (
                engine.connect().execution_options(**{IMMEDIATE: immediate}) as connection,
                connection.begin(),
            ):
                return work(connection)
        except (SQLAlchemyError, sqlite3.Error) as error:
            problem = self._kind.explained(error, self.place)
        raise problem  # outside the handler: the database's error would travel with it

    def _pragma(self, statement: str) -> tuple[object, ...]:
        """Run a statement that cannot run inside a transaction; returns its only row."""
        try:
            connection = self._own().engine.raw_connection()
            try:
                cursor = connection.cursor()
                cursor.execute(statement)
                return tuple(cursor.fetchall()[0])
            finally:
                connection.close()
        except (SQLAlchemyError, sqlite3.Error) as error:
            problem = self._kind.explained(error, self.place)
        raise problem


def _version(connection: Connection) -> int | None:
    """Return the version of a store; None where there is none yet."""
    found = inspect(connection).get_table_names()
    if not found:
        return None
    if not {"meta", "conversations", "events"} <= set(found):
        raise StoreError("the database holds other data; give the audit store a file of its own")
    version: int | None = connection.scalar(select(tables.meta.c.schema))
    if version is None:
        raise IntegrityError("the audit store has lost its first row; restore a backup")
    return version


def _create_or_migrate(connection: Connection) -> int:
    """Make the tables or bring them to this version, unless another process has just done so."""
    postgres.claim(connection, _SCHEMA_LOCK)
    if (version := _version(connection)) is None:
        tables.metadata.create_all(connection)
        connection.execute(
            tables.meta.insert().values(
                schema=NEWEST,
                lookup_key=secrets.token_bytes(_LOOKUP_KEY_BYTES),
                system_chain=secrets.token_hex(16),
            )
        )
    elif version < NEWEST:
        migrate(connection, version, STEPS)
        connection.execute(tables.meta.update().values(schema=NEWEST))
    return max(version or NEWEST, NEWEST)
