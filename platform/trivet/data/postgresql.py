"""The set-up of PostgreSQL's connections: fewer round trips, and no silent loss.

A transaction has one of three modes: it writes (READ COMMITTED), it reads one snapshot (REPEATABLE
READ, read-only), or it is a single query outside of any transaction. SQLAlchemy's own options set
the mode before each transaction and reset it afterwards. Here a connection keeps its mode until
another one is needed (docs/decisions/0025).
"""

import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import greenlet_spawn

from trivet.data.statement_guard import (
    IN_TRANSACTION,
    READ_ONLY,
    SINGLE_QUERY,
    expect_one,
)
from trivet.data.statement_limit import limit_session
from trivet_settings.values import Pooler

IDLE_SECONDS = 1.0
"""A connection that was idle for longer (in seconds) is tested before it is used. One that was used
just now is not tested, which saves each request of a busy server a round trip."""


class AbortedTransactionError(RuntimeError):
    """A commit of a transaction that the database has aborted."""


def require_intact(connection: Connection) -> None:
    """Before a COMMIT: raise AbortedTransactionError if the database has aborted it."""
    # A failed statement whose error was swallowed without a savepoint: PostgreSQL's COMMIT
    # would be a ROLLBACK, and neither the server nor the driver calls that an error.
    driver: Any = connection.connection.driver_connection
    status = getattr(getattr(driver, "info", None), "transaction_status", None)
    if status is not None and status.name == "INERROR":
        raise AbortedTransactionError(
            "a statement failed and its error was swallowed, so PostgreSQL has given the "
            "transaction up; put what may fail into 'with db.begin_nested():'"
        )


def use_utc(connection: Any, _record: Any) -> None:
    """Have the connection speak of instants in UTC, whatever the zone of the server, of the
    database or of the user is: in another one, the first and the last day of the calendar lie
    outside of the years that Python can read. Django sets its own connections so."""
    driver = getattr(connection, "driver_connection", connection)
    if driver.info.parameter_status("TimeZone") == "UTC":
        return
    connection.autocommit = True  # or it would end with the first transaction, if that fails
    cursor = connection.cursor()
    cursor.execute("SET TIME ZONE 'UTC'")
    cursor.close()
    connection.autocommit = False


_LENT = "trivet_lent"


def prepare_session(pooler: Pooler, connection: Any, record: ConnectionPoolEntry) -> None:
    """Set the time limit of statements. Where a pooler lends the session for one transaction, the
    limit goes with each BEGIN, and nothing is prepared, because it may be missing in the next
    transaction. If the settings name no pooler, the server is asked, because a pooler that nobody
    has named would break writes."""
    driver = connection.driver_connection
    connection.autocommit = True  # one round trip, and only for a new connection
    cursor = connection.cursor()
    driver.is_lent = limit_session(cursor, driver, pooler)
    cursor.close()
    connection.autocommit = False
    record.info[_LENT] = driver.is_lent
    if driver.is_lent:
        driver.prepare_threshold = None


_USED_AT = "trivet_used_at"


def note_use(_connection: Any, record: ConnectionPoolEntry) -> None:
    """Remember when the connection came back to the pool."""
    record.info[_USED_AT] = time.monotonic()


def ping_idle(dialect: Dialect, connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
    """Test a connection that was idle. On `InvalidatePoolError` the pool drops it, and all
    connections that are as old."""
    used_at = record.info.get(_USED_AT)
    if used_at is None or time.monotonic() - used_at < IDLE_SECONDS:
        return
    try:
        dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error as error:
        raise InvalidatePoolError("the connection was lost while it was idle") from error


_MODE = "trivet_mode"
_WRITING = (False, False)
_SINGLE = (True, True)
_LEVEL = "isolation_level"
"""SQLAlchemy's own execution option."""


def choose_mode(connection: Connection) -> None:
    """Set the mode of the next transaction, or that there is none."""
    options = connection.get_execution_options()
    mode = options.get(READ_ONLY, False), options.get(SINGLE_QUERY, False)
    if mode[1]:
        expect_one(connection)
        if connection.info[_LENT] or options.get(IN_TRANSACTION):
            mode = True, False  # with which its time limit and the tenants of its reader go
    is_chosen = _LEVEL in options  # by code that asks for a connection of the engine
    if connection.info.get(_MODE, _WRITING) == mode and not is_chosen:
        return
    dialect: Any = connection.dialect  # PostgreSQL's, and without types
    driver = connection.connection.dbapi_connection
    if not is_chosen:
        _set_level(dialect, driver, mode)
    _set_reading(dialect, driver, mode)
    if not is_chosen:
        connection.info[_MODE] = mode


def is_ready(entry: ConnectionPoolEntry) -> bool:
    """Whether a connection of the pool can be asked at once: it was used just now, nothing has
    ended it since, and its session is its own."""
    used_at = entry.info.get(_USED_AT)
    return (
        used_at is not None
        and time.monotonic() - used_at < IDLE_SECONDS
        and not entry.info[_LENT]
        and not entry._is_hard_or_soft_invalidated()  # type: ignore[attr-defined]  # noqa: SLF001  # the only way to learn it without a new connection
    )


async def enter_single_query(driver: Any, info: dict[str, Any]) -> bool:
    """Put a connection that was taken from the pool into the mode of a single query; whether that
    can be done.

    Args:
        driver: The connection of psycopg.
        info: What the pool remembers of it.
    """
    if info.get(_MODE) == _SINGLE:
        return True
    if info[_LENT]:
        return False
    info[_MODE] = None  # until it is whole
    await driver.set_autocommit(True)
    await driver.set_isolation_level(None)
    await driver.set_read_only(True)
    info[_MODE] = _SINGLE
    return True


async def enter_writing(dialect: Any, entry: ConnectionPoolEntry) -> None:
    """Put a connection that was taken from the pool into the mode of a transaction that writes."""
    if entry.info.get(_MODE, _WRITING) != _WRITING:
        entry.info[_MODE] = None  # until it is whole
        await greenlet_spawn(_set_level, dialect, entry.dbapi_connection, _WRITING)
        await greenlet_spawn(_set_reading, dialect, entry.dbapi_connection, _WRITING)
        entry.info[_MODE] = _WRITING


def forget_mode(connection: Connection, options: Mapping[str, Any]) -> None:
    """Let SQLAlchemy set a chosen level, and reset it afterwards."""
    if _LEVEL in options:
        connection.info[_MODE] = None


def forget_mode_of_engine(connection: Connection) -> None:
    """The same for a level that was chosen for an engine."""
    forget_mode(connection, connection.get_execution_options())


def _set_reading(dialect: Any, driver: Any, mode: tuple[bool, bool]) -> None:
    # None and not False: BEGIN READ WRITE would overrule a server that is set to read-only, which
    # is how managed services protect a full disk. A plain BEGIN is refused there, at the write.
    dialect.set_readonly(driver, mode[0] or None)


def _set_level(dialect: Any, driver: Any, mode: tuple[bool, bool]) -> None:
    read_only, single = mode
    if single:
        dialect.set_isolation_level(driver, "AUTOCOMMIT")
    elif read_only:
        dialect.set_isolation_level(driver, "REPEATABLE READ")
    else:
        dialect.reset_isolation_level(driver)
