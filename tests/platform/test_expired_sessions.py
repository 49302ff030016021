"""Sessions whose time is over are removed, in parts, by several at once, and nobody else's."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, insert, select

from trivet.data.capture import Capture
from trivet.data.database import Database
from trivet.events.feeds import FeedRegistry
from trivet.expired_rows import AT_ONCE
from trivet.identity.django_tables import sessions
from trivet.identity.expired_sessions import ExpiredSessions

pytestmark = pytest.mark.anyio

LIVING = 3


@pytest.fixture
async def database(fresh_database_url: str) -> AsyncIterator[Database]:
    database = Database(fresh_database_url, capture=Capture(FeedRegistry()))
    yield database
    await database.close()


async def fill(database: Database, expired: int) -> None:
    now = datetime.now(UTC)
    ends = [now - timedelta(seconds=n + 1) for n in range(expired)]
    ends += [now + timedelta(hours=1)] * LIVING
    rows = [
        {"session_key": f"key{n}", "session_data": "", "expire_date": end}
        for n, end in enumerate(ends)
    ]
    async with database.engine.begin() as connection:
        await connection.execute(insert(sessions), rows)


async def count(database: Database) -> int:
    async with database.engine.connect() as connection:
        return int(await connection.scalar(select(func.count()).select_from(sessions)) or 0)


@pytest.mark.parametrize("expired", [0, 1, AT_ONCE, 2 * AT_ONCE + 7])
async def test_what_has_expired_is_removed_and_nothing_else(
    database: Database, expired: int
) -> None:
    await fill(database, expired)
    assert await ExpiredSessions(database).remove() == expired
    assert await count(database) == LIVING


async def test_several_processes_remove_each_row_once(database: Database) -> None:
    await fill(database, 2 * AT_ONCE)
    removed = await asyncio.gather(*(ExpiredSessions(database).remove() for _ in range(4)))
    assert sum(removed) == 2 * AT_ONCE
    assert await count(database) == LIVING


async def test_a_running_process_removes_them_by_itself(database: Database) -> None:
    await fill(database, 10)
    expired = ExpiredSessions(database, seconds=0.01)
    await expired.start()
    async with asyncio.timeout(20):
        while await count(database) > LIVING:  # noqa: ASYNC110  # the database tells nobody
            await asyncio.sleep(0.01)
    await expired.stop()
