"""The removal of publications and channels that are past their time, by one process at a time.

Every process that serves looks at intervals, each at its own moments. On PostgreSQL a lock that
ends with the transaction lets one of them work; the others leave it to that one, because several
would read and delete the same rows. SQLite has one writer at a time anyway. A transaction removes
a bounded number of rows and a pause follows it, so no writer waits long, not on SQLite either.

A channel goes when its last publication is past its time (`trivet.events.pruning`). Those that
somebody watches stay: whoever hears nothing for days still gets the next publication as the next
one, and need not start anew. Each process cares for those that are watched in it.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Collection
from datetime import timedelta
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trivet.data.database import Database
from trivet.data.outages import find_outage
from trivet.delivery.steps import to_its_end
from trivet.events import pruning
from trivet.events.pruning import Seen
from trivet.missing_tables import lacks_table
from trivet.periodic import PeriodicTask

T = TypeVar("T")

logger = logging.getLogger(__name__)

EVERY_SECONDS = 600.0
"""The longest average time between two looks of a process. Retention is counted in hours."""
LOOKS = 8
"""The looks of a process at what is kept for a time, in that time: none that is watched fades."""
AT_ONCE = 1_000
"""The publications that one transaction removes; some milliseconds of work for the database."""
CHANNELS_AT_ONCE = 50
"""The channels that one transaction removes or keeps, while writers to them wait."""
LOOKED_AT_ONCE = 2_000
"""The channels that one statement looks at, without a lock."""
PAUSE_SECONDS = 0.01
"""The shortest pause after a transaction. It is at least as long as that took."""
_LOCK = 0x7472_6976_6574_01
"""The advisory lock of PostgreSQL that the removing process holds: "trivet" and a number."""

_random = random.Random()  # noqa: S311  # spreads the looks of several processes


class Retention:
    """Removes what is older than `hours`, and keeps the channels that `watched` returns.

    It is used on the event loop only.
    """

    def __init__(
        self,
        database: Database,
        hours: float,
        *,
        watched: Callable[[], Collection[str]] = frozenset,
        seconds: float = EVERY_SECONDS,
    ) -> None:
        self._database = database
        self._age = timedelta(hours=hours)
        self._watched = watched
        every = min(seconds, self._age.total_seconds() / LOOKS)
        self._task = PeriodicTask(
            "trivet retention", self._look, lambda: every * _random.uniform(0.5, 1.5)
        )

    async def start(self) -> None:
        """Begin to look at intervals, in a separate task."""
        await self._task.start()

    async def stop(self) -> None:
        """Stop after the present transaction. Does nothing if it was not started."""
        await self._task.stop()

    async def remove(self) -> int:
        """Remove the publications that are past their time by now, and return how many they were.
        It ends early if another process is at it."""
        removed = 0
        while True:
            count = await self._write(remove_some, self._age)
            removed += count or 0
            if count is None or count < AT_ONCE:
                return removed

    async def forget(self) -> int:
        """Remove the channels that have no publication left, and return how many they were. It ends
        early if another process is at it."""
        forgotten, after = 0, ""
        while True:
            empty, following = await self._read(_find_empty, self._age, after)
            waiting = iter(empty)
            while some := list(islice(waiting, CHANNELS_AT_ONCE)):
                count = await self._write(_forget, some, self._age)
                if count is None:
                    return forgotten
                forgotten += count
            if following is None:
                return forgotten
            after = following

    async def keep(self) -> int:
        """Keep the channels that are watched in this process and had no publication for half of
        their time, and return how many they were."""
        kept = 0
        waiting = iter(tuple(self._watched()))
        while some := list(islice(waiting, LOOKED_AT_ONCE)):
            fading = iter(await self._read(_find_fading, some, self._age / 2))
            while part := list(islice(fading, CHANNELS_AT_ONCE)):
                await self._write(pruning.keep, part)
                kept += len(part)
        return kept

    async def _read(self, work: Callable[..., T], *given: Any) -> T:
        async def read() -> T:
            async with self._database.unit(read_only=True) as session:
                return await session.run_sync(work, *given)

        return await to_its_end(read())

    async def _write(self, work: Callable[..., T], *given: Any) -> T:
        """The result of `work`, committed, after a pause in which others write."""
        loop = asyncio.get_running_loop()

        async def write() -> T:
            async with self._database.unit() as session:
                return await session.run_sync(work, *given)

        begun_at = loop.time()
        result = await to_its_end(write())
        await asyncio.sleep(max(PAUSE_SECONDS, loop.time() - begun_at))
        return result

    async def _look(self) -> None:
        try:
            await self.keep()
            removed = await self.remove()
            forgotten = await self.forget()
        except Exception as error:
            # A database that is not migrated has nothing old.
            if (outage := find_outage(error)) is not None:
                logger.warning(
                    "publications past their time could not be removed; the database: %s",
                    outage.state,
                )
            elif not lacks_table(error):
                logger.exception("publications past their time could not be removed")
        else:
            if removed or forgotten:
                logger.info(
                    "%d publications were past their time and are removed, and %d channels with "
                    "them",
                    removed,
                    forgotten,
                )


def remove_some(session: Session, age: timedelta) -> int | None:
    """Remove at most `AT_ONCE` publications older than `age`, and return their number; None if
    another process is at it."""
    if not _is_ours(session):
        return None
    return pruning.trim(session, older_than=age, limit=AT_ONCE)


def _forget(session: Session, seen: Collection[Seen], age: timedelta) -> int | None:
    if not _is_ours(session):
        return None
    return pruning.forget(session, list(seen), older_than=age)


def _is_ours(session: Session) -> bool:
    """Whether no other process is at it, for the rest of the transaction."""
    if session.get_bind().dialect.name != "postgresql":
        return True
    return bool(session.scalar(select(func.pg_try_advisory_xact_lock(_LOCK))))


def _find_empty(
    session: Session, age: timedelta, after: str
) -> tuple[Collection[Seen], str | None]:
    return pruning.find_empty(session, older_than=age, after=after, limit=LOOKED_AT_ONCE)


def _find_fading(session: Session, channels: Collection[str], age: timedelta) -> Collection[str]:
    return pruning.find_fading(session, channels, older_than=age)
