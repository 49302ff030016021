"""Clients that leave, or fail, while the watch of their channel begins: others miss nothing."""

import asyncio

import pytest
from sqlalchemy import event, text

from tests.realtime.house import eventually, house_at
from trivet.delivery.brokers.memory import MemoryBroker

pytestmark = pytest.mark.anyio

NORTH = "beacons:north"
HIDE = text("ALTER TABLE trivet_channel RENAME TO trivet_away")
SHOW = text("ALTER TABLE trivet_away RENAME TO trivet_channel")


class SlowBroker(MemoryBroker):
    """Confirms each watch when it is told to, and knows what is watched."""

    def __init__(self) -> None:
        super().__init__()
        self.watched: list[str] = []
        self.unconfirmed: list[asyncio.Event] = []

    async def watch(self, channel: str) -> None:
        self.watched.append(channel)
        self.unconfirmed.append(asyncio.Event())
        await self.unconfirmed[-1].wait()

    def unwatch(self, channel: str) -> None:
        self.watched.remove(channel)


async def test_who_left_before_its_watch_failed_takes_nobody_with_it(
    empty_database_url: str,
) -> None:
    broker = SlowBroker()
    failures: list[object] = []
    async with house_at(empty_database_url, broker=broker) as house:
        engine = house.platform.database.engine
        event.listen(engine.sync_engine, "handle_error", failures.append)
        async with house.socket() as kept:
            await kept.connect()
            async with house.socket() as left:
                await left.connect()
                await left.send({"id": 2, "subscribe": {"channel": NORTH}})
                await eventually(lambda: broker.watched == [NORTH])
            await eventually(lambda: broker.watched == [])
            await kept.send({"id": 2, "subscribe": {"channel": NORTH}})
            await eventually(lambda: broker.watched == [NORTH])
            async with engine.begin() as connection:
                await connection.execute(HIDE)
            broker.unconfirmed[0].set()
            await eventually(lambda: failures)
            async with engine.begin() as connection:
                await connection.execute(SHOW)
            broker.unconfirmed[1].set()
            assert "subscribe" in await kept.receive()
            await house.light("north", "one")
            assert await kept.publications(1) == [(1, "one")]
        await eventually(lambda: not house.platform.relay.watched)
        assert broker.watched == []


async def test_watches_that_failed_together_leave_nothing_behind(empty_database_url: str) -> None:
    broker = SlowBroker()
    async with house_at(empty_database_url, broker=broker) as house:
        engine = house.platform.database.engine
        async with house.socket() as one, house.socket() as two:
            for socket in (one, two):
                await socket.connect()
            async with engine.begin() as connection:
                await connection.execute(HIDE)
            for socket in (one, two):
                await socket.send({"id": 2, "subscribe": {"channel": NORTH}})
            await eventually(lambda: broker.unconfirmed)
            # until the second one is handled: it waits for the first one
            await asyncio.sleep(0.1)
            for socket in (one, two):
                for each in broker.unconfirmed:
                    each.set()
                assert (await socket.receive())["error"]["code"] == 100
            async with engine.begin() as connection:
                await connection.execute(SHOW)
        await eventually(lambda: not house.platform.relay.watched)
        assert broker.watched == []
