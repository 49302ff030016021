"""Statements whose text never changes, sent as cheaply as a connection can.

What SQLAlchemy and a cursor do around a statement costs three times as much as the statement. Where
the connection is one of ours on the event loop, which can `exchange` prepared statements, it gets
them directly; on every other one they are executed as text for the driver, and also where somebody
listens to what is executed. Errors are SQLAlchemy's on both ways, and so is what listens to them.

Nothing guards them, so they are for the outbox, the trail and the flush alone.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, Protocol

from sqlalchemy import Connection, Engine
from sqlalchemy.engine import Dialect
from sqlalchemy.util import await_only

_PARAMETER = re.compile(r"%\((\w+)\)s")
_LOG = logging.getLogger("sqlalchemy.engine.Engine")
"""SQLAlchemy's log of statements."""
_OURS = 1
"""The listeners of statements that are our own: the guard, which needs not see these."""


class Exchanging(Protocol):
    """A connection of a driver that sends prepared statements itself."""

    async def exchange(
        self, query: bytes, values: Sequence[Any]
    ) -> tuple[list[tuple[Any, ...]], list[int]]:
        """Send a statement, with ``$1``, ``$2``, … for its parameters, within the transaction that
        it begins if there is none. Returns its rows, and the types of their columns as the server
        calls them."""

    def send_with_commit(self, query: bytes, values: Sequence[Any]) -> bool:
        """Send a statement together with the COMMIT, or before whatever else comes first. Returns
        whether there is a transaction, and so a COMMIT."""


class NeedsSessionError(Exception):
    """Raised on a `DirectConnection` by what only a session can do, or can explain."""


class DirectConnection:
    """A connection of the driver with nothing of SQLAlchemy's around it, for fixed statements.

    Everything else, and every failure, raises `NeedsSessionError`: whoever uses one gives up then,
    and does all of it again by a session, which has the words for what went wrong.
    """

    def __init__(self, driver: Exchanging, dialect: Dialect) -> None:
        self.driver = driver
        self.dialect = dialect

    def get_execution_options(self) -> Mapping[str, Any]:
        """None."""
        return {}

    def execute(self, *_: Any) -> NoReturn:
        """It takes no other statements."""
        raise NeedsSessionError

    exec_driver_sql = execute

    def _handle_dbapi_exception(self, error: BaseException, *_: Any) -> NoReturn:
        if isinstance(error, Exception):
            raise NeedsSessionError from error
        raise error


Writable = Connection | DirectConnection
"""What the outbox and the trail write on."""


class FixedStatement:
    """A statement of PostgreSQL with named parameters, ``%(name)s``, as the driver takes them."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._names: list[str] = _PARAMETER.findall(text)
        numbers = iter(range(1, len(self._names) + 1))
        self._query = _PARAMETER.sub(lambda _: f"${next(numbers)}", text).encode()

    def rows(self, connection: Writable, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """Execute it in the transaction of `connection`, and return its rows."""
        driver = find_exchanging(connection)
        if driver is None:
            return connection.exec_driver_sql(self._text, values).all()
        try:
            return await_only(driver.exchange(self._query, self._in_order(values)))[0]
        except BaseException as error:  # noqa: BLE001  # a cancellation too ends the connection
            # What a failed cursor would do: SQLAlchemy's error, its listeners, and its pool.
            connection._handle_dbapi_exception(error, self._text, values, None, None)  # noqa: SLF001  # pinned by a test

    def execute_last(self, connection: Writable, values: Mapping[str, Any]) -> None:
        """Execute it as the last one of the transaction of `connection`: it may be sent together
        with the COMMIT, which then fails if it fails."""
        driver = find_exchanging(connection)
        if driver is None:
            connection.exec_driver_sql(self._text, values)
        elif not driver.send_with_commit(self._query, self._in_order(values)):
            self.rows(connection, values)

    def _in_order(self, values: Mapping[str, Any]) -> list[Any]:
        return [values[name] for name in self._names]


def find_exchanging(connection: Writable) -> Exchanging | None:
    """The connection of the driver, if it exchanges prepared statements and nobody wants to hear
    of what is executed."""
    if isinstance(connection, DirectConnection):
        return connection.driver
    driver: Any = connection.connection.driver_connection
    if not hasattr(driver, "exchange") or is_heard(connection):
        return None
    found: Exchanging = driver
    return found


def is_heard(where: Connection | Engine) -> bool:
    """Whether somebody wants to hear of what is executed there."""
    heard = where.dispatch
    return (
        len(heard.before_cursor_execute) > _OURS
        or len(heard.after_cursor_execute) > 0
        or bool(where.engine.echo)
        or _LOG.isEnabledFor(logging.INFO)
    )
