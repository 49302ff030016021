"""Statements whose text never changes, sent as cheaply as a connection can.

What SQLAlchemy and a cursor do around a statement costs three times as much as the statement. Where
the connection is one of ours on the event loop, which can `exchange` prepared statements, it gets
them directly; on every other one they are executed as text for the driver, and also where somebody
listens to what is executed. Errors are SQLAlchemy's on both ways, and so is what listens to them.

Nothing guards them, so they are for the outbox, the trail and the flush alone.
"""

import logging
import re
from collections.abc import Generator, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple, Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.util import await_only

T = TypeVar("T")

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
    """Raised where there is no session, by what only a session can do, or can explain."""


class FixedStatement:
    """A statement of PostgreSQL with named parameters, ``%(name)s``, as the driver takes them.

    Attributes:
        query: Its text with ``$1``, ``$2``, … for them.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._names: list[str] = _PARAMETER.findall(text)
        numbers = iter(range(1, len(self._names) + 1))
        self.query = _PARAMETER.sub(lambda _: f"${next(numbers)}", text).encode()
        self._pick = itemgetter(*self._names) if len(self._names) > 1 else None

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """Execute it in the transaction of `connection`, and return its rows."""
        driver = find_exchanging(connection)
        if driver is None:
            result = connection.exec_driver_sql(self._text, values)
            return result.all() if result.returns_rows else ()
        try:
            return await_only(driver.exchange(self.query, self.in_order(values)))[0]
        except BaseException as error:  # noqa: BLE001  # a cancellation too ends the connection
            # What a failed cursor would do: SQLAlchemy's error, its listeners, and its pool.
            connection._handle_dbapi_exception(error, self._text, values, None, None)  # noqa: SLF001  # pinned by a test

    def execute_last(self, connection: Connection, values: Mapping[str, Any]) -> None:
        """Execute it as the last one of the transaction of `connection`: it may be sent together
        with the COMMIT, which then fails if it fails."""
        driver = find_exchanging(connection)
        if driver is None:
            connection.exec_driver_sql(self._text, values)
        elif not driver.send_with_commit(self.query, self.in_order(values)):
            self.rows(connection, values)

    def in_order(self, values: Mapping[str, Any]) -> Sequence[Any]:
        """The values of its parameters, as `query` numbers them."""
        if self._pick is None:
            return [values[name] for name in self._names]
        picked: Sequence[Any] = self._pick(values)
        return picked


class Asked(NamedTuple):
    """A statement that is to be executed, with its values.

    Attributes:
        is_last: Whether it may go with the COMMIT.
        is_read: Whether its rows are wanted also then.
    """

    statement: FixedStatement
    values: Mapping[str, Any]
    is_last: bool = False
    is_read: bool = True


Steps = Generator[Asked, Sequence[Sequence[Any]], T]
"""What is asked one after the other, whatever asks it: each statement is given its rows."""


def take(connection: Connection, steps: Steps[T]) -> T:
    """Take `steps` in the transaction of `connection`."""
    rows: Sequence[Sequence[Any]] = ()
    try:
        asked = next(steps)
        while True:
            if asked.is_last and not asked.is_read:
                asked.statement.execute_last(connection, asked.values)
            else:
                rows = asked.statement.rows(connection, asked.values)
            asked = steps.send(rows)
    except StopIteration as end:
        result: T = end.value
        return result


def find_exchanging(connection: Connection) -> Exchanging | None:
    """The connection of the driver, if it exchanges prepared statements and nobody wants to hear
    of what is executed."""
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
