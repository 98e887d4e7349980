"""PostgreSQL as the store needs it: durable, many machines, writers of conversations apart."""

import ssl
from collections.abc import Mapping
from typing import Any

from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event, func, select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from corroborator.audit.sqlite import IMMEDIATE, LockedError, wait_seconds
from corroborator.errors import AuditError, IntegrityError, StoreError

BEYOND = (
    "the server keeps what passed through it, wrapped keys among it, in its write-ahead log, archives "
    "and replicas until they are recycled, and details that were not sealed in freed space until "
    "VACUUM FULL of details and findings_index"
)
"""What erasure cannot reach on a server."""

_DRIVER = "postgresql+pg8000"
_CONNECTIONS = 16
_LOCAL = (None, "localhost", "127.0.0.1", "::1")
_OPTIONS = {"timeout", "host", "sslmode", "sslrootcert"}
_FORM = (
    "the audit store is given as postgresql://user:password@host/database; it may say "
    "timeout=SECONDS, host=/folder/of/a/socket, sslmode=verify-full or disable, sslrootcert=FILE"
)
_LOCK_CODES = {"55P03", "40P01", "40001"}
_CLASSES = {
    "08": "cannot be reached",
    "25": "cannot be written; connect to the primary server",
    "28": "refuses the user or the password",
    "3D": "does not exist; create the database",
    "42": "refuses; give its user a schema of its own to write to",
    "53": "has no room or no connection left",
    "57": "was stopped",
    "58": "cannot be read or written by its disk",
    "XX": "is damaged; keep it, and restore a backup elsewhere",
}


def read_url(url: URL) -> URL:
    """Check a ``postgresql://`` URL.

    Raises:
        StoreError: it is malformed.
    """
    modes = ("verify-full", "disable")
    if (
        url.drivername not in ("postgresql", _DRIVER)
        or not url.database
        or not url.username
        or set(url.query) - _OPTIONS
        or url.query.get("sslmode", "disable") not in modes
    ):
        raise StoreError(_FORM)
    return url.set(drivername=_DRIVER)


def place_of(url: URL) -> str:
    """Return the store in messages: without user and password."""
    return f"{url.database} at {url.host or url.query.get('host', 'localhost')}"


def make_engine(url: URL) -> Engine:
    """Return an engine; nobody but the server's own machine is spoken to without TLS unless asked.

    Raises:
        StoreError: the driver is not installed, or the certificate cannot be read.
    """
    try:
        engine = create_engine(
            url.set(query={}),
            hide_parameters=True,
            pool_size=_CONNECTIONS,
            max_overflow=0,
            pool_timeout=wait_seconds(url),
            pool_pre_ping=True,  # a server that was restarted costs no record
            connect_args={"timeout": None, **_socket(url), **_encryption(url)},
        )
    except ImportError:
        pass
    else:
        milliseconds = round(wait_seconds(url) * 1000)

        def prepare(connection: Any, _entry: ConnectionPoolEntry) -> None:
            cursor = connection.cursor()
            cursor.execute(f"SET lock_timeout = {milliseconds}")
            cursor.execute("SET synchronous_commit = on")  # a commit is on the disk
            connection.commit()

        event.listen(engine, "connect", prepare)
        event.listen(engine, "begin", _begin)
        event.listen(engine, "handle_error", _note_shutdown)
        return engine
    raise StoreError("PostgreSQL needs a driver: pip install 'corroborator[postgres]'")


def explained(error: SQLAlchemyError | Exception, place: str) -> AuditError:
    """Return what to raise for a database error: a code and a place, never a statement or value."""
    original = error.orig if isinstance(error, DBAPIError) else error
    code = _code(original)
    name = code or type(original).__name__
    if code.startswith("23"):
        return IntegrityError(f"the audit store {place} was changed from outside; verify it")
    if isinstance(error, PoolTimeout) or code in _LOCK_CODES:
        return LockedError(
            f"the audit store {place} was locked for too long; look for a process that hangs "
            f"({name})"
        )
    if not code:
        return StoreError(f"the audit store {place} cannot be reached ({name})")
    return StoreError(f"the audit store {place} {_CLASSES.get(code[:2], 'failed')} ({name})")


def claim(connection: Connection, name: bytes) -> None:
    """Wait until no other transaction holds a name, and hold it until this one ends.

    SQLite has one writer at a time and needs none of this.
    """
    if connection.dialect.name == "postgresql":
        number = int.from_bytes(name[:8], signed=True)
        connection.execute(select(func.pg_advisory_xact_lock(number)))


def forget_freed(engine: Engine, tables: tuple[str, ...]) -> None:
    """Write tables anew, so that nothing of what was blanked is left in their files."""
    connection = engine.raw_connection()
    try:
        connection.rollback()  # VACUUM runs in no transaction
        cursor = connection.cursor()
        setattr(connection.dbapi_connection, "autocommit", True)  # noqa: B010 - the driver has it, its type does not
        for table in tables:
            cursor.execute(f"VACUUM (FULL) {table}")
    except engine.dialect.loaded_dbapi.Error as error:
        failed = DBAPIError("VACUUM", None, error, hide_parameters=True)
    else:
        return
    finally:
        connection.invalidate()  # no other caller is to get it in this mode
        connection.close()
    raise failed


def _code(error: BaseException | None) -> str:
    """Return the SQLSTATE; empty where the server said nothing."""
    told = error.args[0] if error is not None and error.args else None
    return str(told.get("C", "")) if isinstance(told, Mapping) else ""


def _note_shutdown(context: ExceptionContext) -> None:
    """Have a connection that the server ended be replaced."""
    if _code(context.original_exception).startswith("57P"):
        context.is_disconnect = True


def _socket(url: URL) -> dict[str, str]:
    folder = url.query.get("host")
    return {} if folder is None else {"unix_sock": f"{folder}/.s.PGSQL.{url.port or 5432}"}


def _encryption(url: URL) -> dict[str, ssl.SSLContext]:
    local = "host" in url.query or url.host in _LOCAL
    mode = url.query.get("sslmode", "disable" if local else "verify-full")
    if mode == "disable":
        return {}
    try:
        trusted = url.query.get("sslrootcert")
        return {"ssl_context": ssl.create_default_context(cafile=str(trusted) if trusted else None)}
    except OSError as error:
        problem = f"the certificates of the audit store cannot be read ({error.strerror})"
    raise StoreError(problem)


def _begin(connection: Connection) -> None:
    if not connection.get_execution_options().get(IMMEDIATE, False):
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
