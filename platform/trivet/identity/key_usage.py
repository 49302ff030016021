"""When keys were last used: noted in memory, written in batches, never on a request's path.

A key that nobody used for months is one to revoke; that needs the day, not the second. A
request pays one assignment. What a process noted within `FLUSH_SECONDS` is lost if it is
killed; a process that stops writes it.
"""

import asyncio
import logging
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Protocol

from sqlalchemy import bindparam, or_, update
from sqlalchemy.ext.asyncio import AsyncEngine

from trivet.identity.keys import ApiKey

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 30.0


class Connects(Protocol):
    """The part of the database that is needed: its engine (`trivet.data.database.Database`)."""

    @property
    def engine(self) -> AsyncEngine: ...


class KeyUses:
    """Collects the uses of keys and writes them; used on the event loop only."""

    def __init__(self, database: Connects, *, seconds: float = FLUSH_SECONDS) -> None:
        self._database = database
        self._seconds = seconds
        self._noted: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None

    def note(self, prefix: str) -> None:
        """The key that begins with `prefix` is being used."""
        self._noted[prefix] = time.time()

    async def start(self) -> None:
        """Write every now and then, in a task of its own."""
        self._task = asyncio.create_task(self._run(), name="uses of keys")

    async def stop(self) -> None:
        """End that, and write once more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self.flush()

    async def flush(self) -> None:
        """Write what was noted. If the database does not take it, it is kept for the next time."""
        noted, self._noted = self._noted, {}
        if not noted:
            return
        rows = [
            {"key": prefix, "at": datetime.fromtimestamp(noted[prefix], UTC)}
            for prefix in sorted(noted)
        ]
        try:
            # The engine and no session: this is a measurement, no change that anybody made.
            async with self._database.engine.begin() as connection:
                await connection.execute(_USED, rows)
        except asyncio.CancelledError:
            self._noted = noted | self._noted
            raise
        except Exception as error:  # noqa: BLE001  # whatever it was, serving goes on
            self._noted = noted | self._noted
            logger.warning("the last uses of API keys could not be written: %s", error)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            await self.flush()


# Several workers write: a later use stands.
_USED = (
    update(ApiKey)
    .where(ApiKey.prefix == bindparam("key"))
    .where(or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < bindparam("at")))
    .values(last_used_at=bindparam("at"))
)
