"""The time limit of a statement, so that one request cannot keep a worker or the database busy.

A process that serves has the limit (`TRIVET_STATEMENT_SECONDS`), a command has none. The limit
costs no round trip of a unit:

- PostgreSQL keeps it for the session, so it is set in a query that a new connection needs anyway.
- Behind a pooler that lends a server connection for one transaction the session is somebody
  else's: there the limit goes with each BEGIN, in one message
  (`trivet.data.postgresql_connection`).
- SQLite has no such setting. A clock starts with each statement, and SQLite asks it at intervals
  while it works.
"""

import sqlite3
import time
from collections.abc import Callable
from typing import Any

from trivet_settings.values import Pooler

SETTING = "TRIVET_STATEMENT_SECONDS"

SERVER_PROCESS = "SELECT pg_backend_pid()"

_LIMIT = """
SELECT pg_backend_pid(), CASE
    WHEN (pg_backend_pid() = %s OR %s) AND CAST(setting AS integer) NOT BETWEEN 1 AND %s
    THEN set_config('statement_timeout', %s, false) END
FROM pg_settings WHERE name = 'statement_timeout'
"""
"""Sets the limit of a session that is our own, unless the address, the user or the server has a
shorter one, and leaves a session that is not our own."""

INSTRUCTIONS = 200_000
"""How many of SQLite's instructions run between two looks at the clock: some milliseconds. At each
look SQLite waits for Python's lock."""

_CANCELLED_SQLSTATE = "57014"
"""query_canceled: the limit, or an administrator who cancelled the statement."""


def is_pooler(process: int, driver: Any) -> bool:
    """Whether `driver` talks to a pooler, which reports another process than the server does."""
    return bool(process != driver.info.backend_pid)


def limit_session(cursor: Any, driver: Any, pooler: Pooler) -> bool:
    """Set the limit of a new session of PostgreSQL, `driver.statement_seconds`.

    Args:
        cursor: A cursor of the connection, which is in autocommit.
        driver: The connection of psycopg.
        pooler: The pooler that the settings name. If they name none, the server is asked.

    Returns:
        Whether a pooler lends the session for one transaction. It then has no limit.
    """
    if pooler == "transaction":
        return True
    seconds = driver.statement_seconds
    limit = None if seconds is None else to_milliseconds(seconds)
    is_own = pooler == "session"
    text = None if limit is None else str(limit)
    cursor.execute(_LIMIT, (driver.info.backend_pid, is_own, limit, text))
    ((process, _limit),) = cursor.fetchall()
    return not is_own and is_pooler(process, driver)


def to_milliseconds(seconds: float) -> int:
    """The unit of PostgreSQL, in which 0 would be no limit."""
    return max(1, round(seconds * 1000))


def is_over_limit(error: BaseException) -> bool:
    """Whether the driver's `error` says that a statement took too long."""
    if getattr(error, "sqlstate", None) == _CANCELLED_SQLSTATE:
        return True
    code: int = getattr(error, "sqlite_errorcode", 0)
    return isinstance(error, sqlite3.OperationalError) and code == sqlite3.SQLITE_INTERRUPT


class LimitedSqliteConnection(sqlite3.Connection):
    """A connection that stops statements which take too long. It has no limit at first."""

    _clock: "_Clock | None" = None

    def limit_statements(
        self, seconds: float, is_exempt: Callable[[], bool] = lambda: False
    ) -> None:
        """Stop each statement after `seconds`, unless `is_exempt()` is true then.

        The statement fails with SQLITE_INTERRUPT.
        """
        self._clock = _Clock(seconds, is_exempt)
        self.set_progress_handler(self._clock.is_over, INSTRUCTIONS)

    def cursor(self, *args: Any, **options: Any) -> Any:
        # Both ORMs take a new cursor for each statement.
        if self._clock is not None:
            self._clock.start()
        return super().cursor(*args, **options)


class _Clock:
    """The time of the statement that began last. It does not know its connection: that would be a
    cycle, and the connection would outlive its use."""

    def __init__(self, seconds: float, is_exempt: Callable[[], bool]) -> None:
        self._seconds = seconds
        self._is_exempt = is_exempt
        self.start()

    def start(self) -> None:
        self._began = time.monotonic()

    def is_over(self) -> bool:
        return time.monotonic() - self._began > self._seconds and not self._is_exempt()


def limited_sqlite(seconds: float | None) -> Callable[..., LimitedSqliteConnection]:
    """The `factory` by which sqlite3 makes connections with this limit; None is no limit."""

    def make(*args: Any, **options: Any) -> LimitedSqliteConnection:
        connection = LimitedSqliteConnection(*args, **options)
        if seconds is not None:
            connection.limit_statements(seconds)
        return connection

    return make
