"""Publications and channels past their time go, and what is watched stays."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, text, update

from tests.realtime.house import eventually
from tests.realtime.relays import NORTH, grow_old, light, opened, relaying
from trivet import Platform
from trivet.delivery.retention import Retention, remove_some
from trivet.events.outbox import Channel, PublicationRow

pytestmark = pytest.mark.anyio


@pytest.fixture
async def platform(empty_database_url: str) -> AsyncIterator[Platform]:
    async with opened(empty_database_url) as platform:
        yield platform


async def test_publications_past_their_time_are_removed_and_offsets_go_on(
    platform: Platform,
) -> None:
    await light(platform, "north", "old", "older", "new")
    async with platform.database.engine.begin() as connection:
        past = datetime.now(UTC) - timedelta(hours=2)
        await connection.execute(
            update(PublicationRow).where(PublicationRow.offset < 3).values(created_at=past)
        )

    async def count() -> int:
        async with platform.database.unit(read_only=True) as session:
            return await session.scalar(select(func.count()).select_from(PublicationRow)) or 0

    assert await Retention(platform.database, 1.0).remove() == 2
    assert await count() == 1
    async with relaying(platform) as (relay, ledger):
        await relay.watch(NORTH)
        await light(platform, "north", "next")
        await eventually(lambda: ledger.offsets() == [4])


async def test_any_number_of_publications_past_their_time_is_removed_in_one_go(
    platform: Platform,
) -> None:
    """One statement removes a part of them, because statements have a time limit."""
    await light(platform, "north", "old")
    many = (
        "WITH RECURSIVE number(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM number WHERE n < 25000) "
        'INSERT INTO trivet_publication (channel, "offset", data, created_at) '
        "SELECT channel, n, data, created_at FROM number, trivet_publication"
    )
    past = datetime.now(UTC) - timedelta(hours=2)
    async with platform.database.engine.begin() as connection:
        await connection.execute(update(PublicationRow).values(created_at=past))
        await connection.execute(text(many))
    await light(platform, "south", "new")

    async def count() -> int:
        async with platform.database.unit(read_only=True) as session:
            return await session.scalar(select(func.count()).select_from(PublicationRow)) or 0

    assert await count() == 25001
    retention = Retention(platform.database, 1.0, seconds=0.1)
    await retention.start()
    async with asyncio.timeout(60):
        while await count() > 1:  # noqa: ASYNC110  # the database rings for no removal
            await asyncio.sleep(0.05)
    await retention.stop()


async def test_a_channel_goes_in_time_unless_somebody_watches_it(platform: Platform) -> None:
    await light(platform, "north", "one")
    await light(platform, "east", "one")
    async with relaying(platform, watching=[NORTH]) as (relay, ledger):
        retention = Retention(platform.database, 1.0, watched=lambda: relay.watched)
        assert (await retention.keep(), await retention.forget()) == (0, 0)
        await grow_old(platform)
        assert await retention.keep() == 1
        assert (await retention.remove(), await retention.forget()) == (2, 1)
        await light(platform, "north", "two")
        await eventually(lambda: ledger.labels() == ["two"])
        assert (ledger.offsets(), ledger.invalidated) == ([2], [])
        await grow_old(platform)
        relay.unwatch(NORTH)
        assert await retention.keep() == 0
        assert (await retention.remove(), await retention.forget()) == (1, 1)


async def test_what_is_past_its_time_goes_and_what_is_watched_stays_by_themselves(
    platform: Platform,
) -> None:
    await light(platform, "north", "one")
    await light(platform, "east", "one")
    await grow_old(platform)

    async def left() -> list[str]:
        async with platform.database.unit(read_only=True) as session:
            return list(await session.scalars(select(Channel.name)))

    retention = Retention(platform.database, 1.0, watched=lambda: [NORTH], seconds=0.05)
    await retention.start()
    async with asyncio.timeout(60):
        while await left() != [NORTH]:  # noqa: ASYNC110  # the database rings for no removal
            await asyncio.sleep(0.02)
    await retention.stop()


@pytest.mark.database("postgresql")
async def test_one_process_at_a_time_removes_what_is_past_its_time(platform: Platform) -> None:
    await light(platform, "north", "old", "older")
    async with platform.database.engine.begin() as connection:
        past = datetime.now(UTC) - timedelta(hours=2)
        await connection.execute(update(PublicationRow).values(created_at=past))
    retention = Retention(platform.database, 1.0)
    async with platform.database.unit() as session:
        await session.run_sync(remove_some, timedelta(hours=100))  # another process is at it
        assert await retention.remove() == 0
    assert await retention.remove() == 2
