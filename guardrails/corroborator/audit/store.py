"""The store: transactions that many threads and processes share, and errors without text."""

import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, TypeVar

from sqlalchemy import URL, Connection, Engine, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from corroborator.audit import tables
from corroborator.audit.sqlite import (
    IMMEDIATE,
    LockedError,
    create_private,
    explained,
    file_of,
    make_engine,
    read_url,
    wait_seconds,
)
from corroborator.errors import AuditError, IntegrityError, StoreError

_T = TypeVar("_T")

SCHEMA = 1
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


class _Handle:
    """What one process uses; SQLite forbids the use of a connection after a fork."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.pid = os.getpid()
        self.write_lock = threading.Lock()  # fairer among threads than SQLite's polling


class Store:
    """One database; safe to share between threads, and to use on both sides of a fork."""

    def __init__(self, url: URL) -> None:
        self.path = file_of(url)
        self._url, self._wait = url, wait_seconds(url)
        self._handle: _Handle | None = _Handle(make_engine(url))
        self._inherited: list[_Handle] = []  # kept: closing them here would harm the parent

    @classmethod
    def open(cls, text: str) -> Self:
        """Open a store, and make it where there is none.

        Raises:
            StoreError: it cannot be opened, or is of a newer version.
        """
        url = read_url(text)
        store = cls(url)
        try:
            store._prepare()
        except AuditError:
            store.close()
            raise
        return store

    @property
    def place(self) -> str:
        """The store in messages."""
        return "in memory" if self.path is None else str(self.path)

    def read(self, work: Callable[[Connection], _T]) -> _T:
        """Run `work` on one consistent state of the store.

        Raises:
            StoreError: the store cannot be read.
        """
        return self._run(self._own().engine, work, immediate=False)

    def write(self, work: Callable[[Connection], _T]) -> _T:
        """Run `work` alone among all writers, and make what it wrote durable, or none of it.

        Raises:
            StoreError: the store cannot be written.
            IntegrityError: it refuses, since it was changed from outside.
        """
        handle = self._own()
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

    def truncate_log(self) -> bool:
        """Move the write-ahead log into the database and cut it to nothing.

        Returns:
            False where a reader elsewhere kept it from being cut.
        """
        busy, _, _ = self._pragma("PRAGMA wal_checkpoint(TRUNCATE)")
        return not busy

    def close(self) -> None:
        """Close all connections; the store cannot be used afterwards."""
        if self._handle is not None and self._handle.pid == os.getpid():
            self._handle.engine.dispose()
        self._handle = None

    def _prepare(self) -> None:
        if self.path is not None:
            create_private(self.path)
        version = self.read(_version)
        if version is None:
            self._write_ahead()
            version = self.write(_create)
        if version != SCHEMA:
            raise StoreError(
                f"the audit store {self.place} is of version {version}, and this release reads "
                f"version {SCHEMA}; install the release that wrote it"
            )

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
            engine = handle.engine if self.path is None else make_engine(self._url)
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
            problem = explained(error, self.place)
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
            problem = explained(error, self.place)
        raise problem


def _version(connection: Connection) -> int | None:
    """Return the version of a store; None where there is none yet."""
    found = inspect(connection).get_table_names()
    if not found:
        return None
    if not {table.name for table in tables.metadata.sorted_tables} <= set(found):
        raise StoreError("the database holds other data; give the audit store a file of its own")
    version: int | None = connection.scalar(select(tables.meta.c.schema))
    if version is None:
        raise IntegrityError("the audit store has lost its first row; restore a backup")
    return version


def _create(connection: Connection) -> int:
    """Make the tables, unless another process has just made them."""
    tables.metadata.create_all(connection)
    if connection.scalar(select(tables.meta.c.schema)) is None:
        connection.execute(
            tables.meta.insert().values(
                schema=SCHEMA,
                lookup_key=secrets.token_bytes(_LOOKUP_KEY_BYTES),
                system_chain=secrets.token_hex(16),
            )
        )
    return SCHEMA
