"""psycopg's connections with a time limit of statements (`trivet.data.statement_limit`).

Apart from there, because a process on SQLite does not load psycopg.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from psycopg import AsyncConnection, Connection, generators
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus

from trivet.data.statement_limit import limit_session, to_milliseconds
from trivet_settings.values import Pooler


class _Limited:
    """What both kinds of connections have in common.

    Attributes:
        statement_seconds: The limit; None is the server's own.
        is_lent: Whether a pooler lends the session for one transaction, so that the limit goes
            with each BEGIN.
    """

    statement_seconds: float | None = None
    is_lent = False

    def _exec_command(self, command: Any, *args: Any, **options: Any) -> Any:
        """Send a command of the driver's own; behind a pooler a BEGIN with the limit."""
        send: Any = super()._exec_command  # type: ignore[misc]  # psycopg's, beside us
        if not self.is_lent or self.statement_seconds is None or not _begins(command):
            return (yield from send(command, *args, **options))
        # A SET LOCAL ends with the transaction, and the next client of the session has its own.
        limit = b"SET LOCAL statement_timeout = %d" % to_milliseconds(self.statement_seconds)
        wire: Any = self.pgconn  # type: ignore[attr-defined]  # psycopg's too
        # One message of two commands is one round trip, but psycopg expects one result.
        wire.send_query(command + b"; " + limit)
        for result in (yield from generators.execute(wire)):
            if result.status != ExecStatus.COMMAND_OK:
                raise error_from_result(result)
        return result


def _begins(command: Any) -> bool:
    return isinstance(command, bytes) and command.startswith(b"BEGIN")


class LimitedAsyncConnection(_Limited, AsyncConnection[Any]):
    """For the event loop."""


class LimitedConnection(_Limited, Connection[Any]):
    """For Django."""

    def limit_statements(self, seconds: float | None, pooler: Pooler) -> None:
        """Set the limit, unless it is set already. The connection is in autocommit."""
        if self.statement_seconds == seconds:
            return
        self.statement_seconds = seconds
        with self.cursor() as cursor:
            self.is_lent = limit_session(cursor, self, pooler)


def connecting(seconds: float | None) -> Callable[..., Awaitable[LimitedAsyncConnection]]:
    """The function by which SQLAlchemy connects. `trivet.data.postgresql` sets the limit then."""

    async def connect(*args: Any, **options: Any) -> LimitedAsyncConnection:
        connection = await LimitedAsyncConnection.connect(*args, **options)
        connection.statement_seconds = seconds
        return connection

    return connect
