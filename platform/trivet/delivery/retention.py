"""The removal of publications that are past their time, by one process at a time.

Every process that serves looks at intervals, each at its own moments. On PostgreSQL a lock that
ends with the transaction lets one of them work; the others leave it to that one, because several
would read and delete the same rows. SQLite has one writer at a time anyway. A transaction removes
a bounded number of rows, so no writer waits long, and a statement keeps within its time limit.
"""

import logging
import random
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trivet.data.database import Database
from trivet.data.errors import lacks_table
from trivet.data.outages import find_outage
from trivet.delivery.steps import to_its_end
from trivet.events import outbox
from trivet.periodic import PeriodicTask

logger = logging.getLogger(__name__)

EVERY_SECONDS = 600.0
"""The average time between two looks of a process. Retention is counted in hours."""
AT_ONCE = 10_000
"""The publications that one transaction removes."""
_LOCK = 0x7472_6976_6574_01
"""The advisory lock of PostgreSQL that the removing process holds: "trivet" and a number."""

_random = random.Random()  # noqa: S311  # spreads the looks of several processes


class Retention:
    """Removes publications that are older than `hours`. It is used on the event loop only."""

    def __init__(self, database: Database, hours: float, *, seconds: float = EVERY_SECONDS) -> None:
        self._database = database
        self._age = timedelta(hours=hours)
        self._task = PeriodicTask(
            "trivet retention", self._look, lambda: seconds * _random.uniform(0.5, 1.5)
        )

    async def start(self) -> None:
        """Begin to look at intervals, in a separate task."""
        await self._task.start()

    async def stop(self) -> None:
        """Stop after the present transaction. Does nothing if it was not started."""
        await self._task.stop()

    async def remove(self) -> int:
        """Remove what is past its time by now, and return how much it was. It ends early if
        another process is at it."""
        removed = 0
        while True:
            async with self._database.unit() as session:
                count = await session.run_sync(remove_some, self._age)
            removed += count or 0
            if count is None or count < AT_ONCE:
                return removed

    async def _look(self) -> None:
        try:
            removed = await to_its_end(self.remove())
        except Exception as error:
            # A database that is not migrated has no old publications.
            if (outage := find_outage(error)) is not None:
                logger.warning(
                    "publications past their time could not be removed; the database: %s",
                    outage.state,
                )
            elif not lacks_table(error):
                logger.exception("publications past their time could not be removed")
        else:
            if removed:
                logger.info("%d publications were past their time and are removed", removed)


def remove_some(session: Session, age: timedelta) -> int | None:
    """Remove at most `AT_ONCE` publications older than `age`, and return their number; None if
    another process is at it."""
    if session.get_bind().dialect.name == "postgresql":
        is_ours = session.scalar(select(func.pg_try_advisory_xact_lock(_LOCK)))
        if not is_ours:
            return None
    return outbox.trim(session, older_than=age, limit=AT_ONCE)
