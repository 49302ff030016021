"""The last uses of keys: noted in memory, written in batches, never in the time of a request.

A key that was not used for months should be revoked. For that the day is enough, not the second. A
request pays one assignment. A process that stops writes its notes; a process that is killed loses
those of the last `FLUSH_SECONDS`.
"""

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import Protocol

from sqlalchemy import bindparam, or_, update
from sqlalchemy.ext.asyncio import AsyncEngine

from trivet.identity.keys import ApiKey
from trivet.periodic import PeriodicTask, first_line

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 30.0


class Connects(Protocol):
    """The part of the database that is needed: its engine (`trivet.data.database.Database`)."""

    @property
    def engine(self) -> AsyncEngine: ...


class KeyUses:
    """Collects the uses of keys and writes them. It is used on the event loop only."""

    def __init__(self, database: Connects, *, seconds: float = FLUSH_SECONDS) -> None:
        self._database = database
        self._noted: dict[str, float] = {}
        self._task = PeriodicTask("uses of keys", self.flush, lambda: seconds)

    def note(self, prefix: str) -> None:
        """Note a use of the key that begins with `prefix`."""
        self._noted[prefix] = time.time()

    async def start(self) -> None:
        """Begin to write at intervals, in a separate task."""
        await self._task.start()

    async def stop(self) -> None:
        """Stop, and write once more."""
        await self._task.stop()
        await self.flush()

    async def flush(self) -> None:
        """Write the notes. If the database refuses, they are kept for the next time."""
        noted, self._noted = self._noted, {}
        if not noted:
            return
        rows = [
            {"key": prefix, "at": datetime.fromtimestamp(noted[prefix], UTC)}
            for prefix in sorted(noted)
        ]
        try:
            # The engine, without a session: this is a measurement, not a change by an actor.
            async with self._database.engine.begin() as connection:
                await connection.execute(_USED, rows)
        except asyncio.CancelledError:
            self._noted = noted | self._noted
            raise
        except Exception as error:  # noqa: BLE001  # serving goes on after any failure
            self._noted = noted | self._noted
            logger.warning("the last uses of API keys could not be written: %s", first_line(error))


# Several workers write: the latest use stays.
_USED = (
    update(ApiKey)
    .where(ApiKey.prefix == bindparam("key"))
    .where(or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < bindparam("at")))
    .values(last_used_at=bindparam("at"))
)
