"""The removal of expired sessions, a few at a time, by every process.

Django leaves them in the table until somebody calls its `clearsessions`. A useless row is still in
every stolen backup, and the table grows with every login. So every process that serves removes
expired sessions at intervals, each at its own moments. Two that do it at once remove different
rows. `trivet sessions clear` does the same by hand.
"""

import logging
import random
from datetime import UTC, datetime
from typing import Protocol

from sqlalchemy import Delete, delete, select
from sqlalchemy.ext.asyncio import AsyncEngine

from trivet.identity.django_tables import sessions
from trivet.periodic import PeriodicTask

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


class ExpiredSessions:
    """Removes expired sessions. It is used on the event loop only."""

    def __init__(self, database: Connects, *, seconds: float = EVERY_SECONDS) -> None:
        self._database = database
        self._task = PeriodicTask(
            "expired sessions", self._look, lambda: seconds * _random.uniform(0.5, 1.5)
        )

    async def start(self) -> None:
        """Begin to look at intervals, in a separate task."""
        await self._task.start()

    async def stop(self) -> None:
        """Stop. Does nothing if it was not started."""
        await self._task.stop()

    async def remove(self) -> int:
        """Remove all sessions that have expired by now, and return their number. Each transaction
        removes at most `AT_ONCE`, so that other writers do not wait long."""
        now, removed = datetime.now(UTC), 0
        while True:
            # The engine, without a session: this is no change by an actor, so it is not audited.
            async with self._database.engine.begin() as connection:
                statement = _remove(now, is_sqlite=self._database.is_sqlite)
                count = (await connection.execute(statement)).rowcount
            removed += count
            if count < AT_ONCE:
                return removed

    async def _look(self) -> None:
        try:
            removed = await self.remove()
        except Exception as error:  # noqa: BLE001  # serving goes on after any failure
            logger.warning("expired sessions could not be removed: %s", error)
        else:
            if removed:
                logger.info("removed %d expired sessions", removed)


def _remove(now: datetime, *, is_sqlite: bool) -> Delete:
    expired = (
        select(sessions.c.session_key)
        .where(sessions.c.expire_date <= now)
        .order_by(sessions.c.expire_date)
        .limit(AT_ONCE)
    )
    if not is_sqlite:
        # Rows that another process removes or writes at this moment are left.
        expired = expired.with_for_update(skip_locked=True)
    return delete(sessions).where(sessions.c.session_key.in_(expired.scalar_subquery()))
