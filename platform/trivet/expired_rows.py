"""The removal of rows that are past their time, a few at a time, by every process.

Such a row counts as absent already, so it matters to nobody when it goes; but it takes room, and it
is still in every stolen backup. Every process that serves looks at intervals, each at its own
moments. Two that do it at once remove different rows.
"""

import logging
import random
from collections.abc import Callable
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Delete, Select, Table, delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncEngine

from trivet.missing_tables import lacks_table
from trivet.periodic import PeriodicTask, first_line

logger = logging.getLogger(__name__)

EVERY_SECONDS = 600.0
"""The average time between two looks of a process. A look that finds nothing reads an index."""
AT_ONCE = 500
"""The rows of one transaction: so few that no writer on SQLite waits noticeably."""

_random = random.Random()  # noqa: S311  # spreads the looks of several processes


class Connects(Protocol):
    """The part of the database that is needed: its engine (`trivet.data.database.Database`)."""

    @property
    def engine(self) -> AsyncEngine: ...

    @property
    def is_sqlite(self) -> bool: ...


class ExpiredRows:
    """Removes what has expired in one table. It is used on the event loop only.

    Args:
        database: Where the table is.
        what: What its rows are, for the log.
        table: The table.
        expired: Gives the condition for rows that are past their time by now.
        order: The column by which the oldest come first; an index begins with it.
        seconds: The average time between two looks.
    """

    def __init__(
        self,
        database: Connects,
        what: str,
        table: Table,
        *,
        expired: Callable[[], ColumnElement[bool]],
        order: ColumnElement[Any],
        seconds: float = EVERY_SECONDS,
    ) -> None:
        self._database = database
        self._what = what
        self._table = table
        self._expired = expired
        self._order = order
        self._task = PeriodicTask(
            f"removal of {what}", self._look, lambda: seconds * _random.uniform(0.5, 1.5)
        )

    async def start(self) -> None:
        """Begin to look at intervals, in a separate task."""
        await self._task.start()

    async def stop(self) -> None:
        """Stop. Does nothing if it was not started."""
        await self._task.stop()

    async def remove(self) -> int:
        """Remove all rows that are past their time by now, and return their number. Each
        transaction removes at most `AT_ONCE`, so that other writers do not wait long."""
        statement, removed = self._statement(), 0
        while True:
            # The engine, without a session: this is no change by an actor, so it is not audited.
            async with self._database.engine.begin() as connection:
                count = (await connection.execute(statement)).rowcount
            removed += count
            if count < AT_ONCE:
                return removed

    async def _look(self) -> None:
        try:
            removed = await self.remove()
        except Exception as error:  # noqa: BLE001  # serving goes on after any failure
            if not lacks_table(error):  # a database that is not migrated has nothing old
                logger.warning("%s could not be removed: %s", self._what, first_line(error))
        else:
            if removed:
                logger.info("removed %d %s", removed, self._what)

    def _statement(self) -> Delete:
        key = list(self._table.primary_key.columns)
        old: Select[Any] = select(*key).where(self._expired()).order_by(self._order).limit(AT_ONCE)
        if not self._database.is_sqlite:
            # Rows that another process removes or writes at this moment are left.
            old = old.with_for_update(skip_locked=True)
        place: Any = key[0] if len(key) == 1 else tuple_(*key)
        return delete(self._table).where(place.in_(old))
