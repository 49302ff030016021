"""The removal of kept answers that are past their time, a few at a time, by every process.

A row past its time counts as absent (`trivet.idempotency.claiming`), so it matters to nobody when
it goes; but it holds what somebody was told, and room. Every process that serves looks at
intervals, each at its own moments. Two that do it at once remove different rows.
"""

import logging
import random
from datetime import UTC, datetime, timedelta

from sqlalchemy import Delete, delete, select, tuple_

from trivet.data.database import Database
from trivet.data.errors import lacks_table
from trivet.idempotency.tables import IdempotencyKey
from trivet.periodic import PeriodicTask

logger = logging.getLogger(__name__)

EVERY_SECONDS = 600.0
"""The longest average time between two looks of a process."""
LOOKS = 8
"""The looks of a process in the time for which an answer is kept."""
AT_ONCE = 500
"""The rows of one transaction: so few that no writer on SQLite waits noticeably."""

_random = random.Random()  # noqa: S311  # spreads the looks of several processes


class KeptAnswers:
    """Removes what is older than `hours`. It is used on the event loop only."""

    def __init__(self, database: Database, hours: float, *, seconds: float = EVERY_SECONDS) -> None:
        self._database = database
        self._age = timedelta(hours=hours)
        every = min(seconds, self._age.total_seconds() / LOOKS)
        self._task = PeriodicTask(
            "trivet kept answers", self._look, lambda: every * _random.uniform(0.5, 1.5)
        )

    async def start(self) -> None:
        """Begin to look at intervals, in a separate task."""
        await self._task.start()

    async def stop(self) -> None:
        """Stop. Does nothing if it was not started."""
        await self._task.stop()

    async def remove(self) -> int:
        """Remove all answers that are past their time by now, and return their number."""
        oldest, removed = datetime.now(UTC) - self._age, 0
        while True:
            # The engine, without a session: this is no change by an actor.
            async with self._database.engine.begin() as connection:
                statement = _remove(oldest, is_sqlite=self._database.is_sqlite)
                count = (await connection.execute(statement)).rowcount
            removed += count
            if count < AT_ONCE:
                return removed

    async def _look(self) -> None:
        try:
            removed = await self.remove()
        except Exception as error:  # noqa: BLE001  # serving goes on after any failure
            if not lacks_table(error):  # a database that is not migrated has nothing old
                logger.warning("kept answers past their time could not be removed: %s", error)
        else:
            if removed:
                logger.info("removed %d kept answers that were past their time", removed)


def _remove(oldest: datetime, *, is_sqlite: bool) -> Delete:
    key = tuple_(IdempotencyKey.user_id, IdempotencyKey.key)
    old = (
        select(IdempotencyKey.user_id, IdempotencyKey.key)
        .where(IdempotencyKey.created_at < oldest)
        .order_by(IdempotencyKey.created_at)
        .limit(AT_ONCE)
    )
    if not is_sqlite:
        # Rows that another process removes or writes at this moment are left.
        old = old.with_for_update(skip_locked=True)
    return delete(IdempotencyKey).where(key.in_(old))
