"""The relay: every commit, in order, each once, whatever the writers and the database do."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress

import msgspec
import pytest
from sqlalchemy import event, insert, select, text

from tests.realtime.beacons.models import Beacon
from tests.realtime.house import eventually
from tests.realtime.relays import NORTH, grow_old, light, opened, relaying
from trivet import Platform
from trivet.broker import BrokerState, MessagesMissed
from trivet.delivery.brokers.memory import MemoryBroker
from trivet.delivery.retention import Retention
from trivet.events.outbox import Channel, PublicationRow
from trivet.events.wake_up import WakeUp

pytestmark = pytest.mark.anyio


@pytest.fixture
async def platform(empty_database_url: str) -> AsyncIterator[Platform]:
    async with opened(empty_database_url) as platform:
        yield platform


async def labels_in_order(platform: Platform, channel: str) -> list[str]:
    """What the database says was committed, by offset."""
    query = select(PublicationRow.data).where(PublicationRow.channel == channel)
    async with platform.database.unit(read_only=True) as session:
        rows = await session.scalars(query.order_by(PublicationRow.offset))
        return [msgspec.json.decode(data)["label"] for data in rows]


async def write_concurrently(platform: Platform, writers: int, transactions: int) -> int:
    """Writers that publish to several channels a transaction, in any order, and now and then
    roll back. Returns how many publications were committed."""
    committed = 0

    async def write(writer: int) -> None:
        nonlocal committed
        chance = random.Random(writer)
        for number in range(transactions):
            harbours = chance.choices(["north", "east", "south"], k=3)
            with suppress(LookupError):
                async with platform.database.unit() as session:
                    for harbour in harbours:
                        session.add(Beacon(harbour=harbour, label=f"{writer}/{number}"))
                        await session.flush()
                        await asyncio.sleep(0)
                    if chance.random() < 0.2:
                        raise LookupError
                committed += len(harbours)

    await asyncio.gather(*(write(writer) for writer in range(writers)))
    return committed


@pytest.mark.parametrize("woken", [True, False], ids=["woken", "by polls alone"])
async def test_concurrent_writers_are_relayed_in_commit_order_each_once(
    platform: Platform, woken: bool
) -> None:
    broker, poll = (platform.broker, 60.0) if woken else (MemoryBroker(), 0.02)
    channels = [NORTH, "beacons:east", "beacons:south"]
    async with relaying(platform, broker=broker, poll=poll) as (relay, ledger):
        for channel in channels:
            await relay.watch(channel)
        committed = await write_concurrently(platform, writers=8, transactions=15)
        await eventually(lambda: sum(map(len, ledger.delivered.values())) >= committed)
        for channel in channels:
            count = len(ledger.offsets(channel))
            assert ledger.offsets(channel) == list(range(1, count + 1))
            assert ledger.labels(channel) == await labels_in_order(platform, channel)
    assert sum(map(len, ledger.delivered.values())) == committed
    assert ledger.invalidated == []


async def test_a_watch_begins_after_what_is_there(platform: Platform) -> None:
    await light(platform, "north", "one", "two")
    async with relaying(platform) as (relay, ledger):
        assert (await relay.watch(NORTH)).offset == 2
        await light(platform, "north", "three")
        await eventually(lambda: ledger.offsets() == [3])


async def test_a_channel_that_did_not_exist_is_relayed_from_its_first_publication(
    platform: Platform,
) -> None:
    async with relaying(platform) as (relay, ledger):
        assert (await relay.watch(NORTH)).offset == 0
        await light(platform, "north", "one", "two")
        await eventually(lambda: ledger.offsets() == [1, 2])


async def test_a_channel_that_comes_to_life_between_two_looks_has_no_hole(
    platform: Platform,
) -> None:
    """It is watched, then opened for the subscriber, and only then published to."""
    async with relaying(platform, broker=MemoryBroker(), poll=0.01) as (relay, ledger):
        await relay.watch(NORTH)
        async with platform.database.unit() as session:
            await (await session.connection()).execute(
                insert(Channel).values(name=NORTH, epoch="00000000", top_offset=0)
            )
        await light(platform, "north", "one")
        await eventually(lambda: ledger.offsets() == [1])
    assert ledger.invalidated == []


async def test_a_wake_up_in_a_thread_wakes_the_relay(platform: Platform) -> None:
    quiet, platform.database.on_published = platform.broker, lambda _: None
    async with relaying(platform, broker=quiet, watching=[NORTH]) as (relay, ledger):
        await eventually(lambda: relay.state.last_success)  # the look that a relay begins with
        await light(platform, "north", "one")
        await asyncio.sleep(0.1)
        assert ledger.offsets() == []
        await asyncio.to_thread(quiet.publish, WakeUp({NORTH: 1}))
        await eventually(lambda: ledger.offsets() == [1])


async def test_a_wake_up_while_a_watch_begins_is_not_missed(platform: Platform) -> None:
    async with relaying(platform) as (relay, ledger):
        for number in range(1, 30):
            watching = asyncio.create_task(relay.watch(NORTH))
            await asyncio.sleep(random.random() / 500)
            await light(platform, "north", f"{number}")
            start = (await watching).offset
            await eventually(lambda: start == number or number in ledger.offsets())  # noqa: B023  # awaited here
            relay.unwatch(NORTH)


async def test_more_than_one_pass_can_hold_is_relayed_whole(platform: Platform) -> None:
    async with relaying(platform) as (relay, ledger):
        for harbour in ("north", "east"):
            await relay.watch(f"beacons:{harbour}")
            await light(platform, harbour, *(str(number) for number in range(1100)))
        expected = list(range(1, 1101))
        await eventually(lambda: ledger.offsets() == expected)
        await eventually(lambda: ledger.offsets("beacons:east") == expected)


async def test_what_nobody_watches_is_not_read(platform: Platform) -> None:
    statements: list[str] = []
    async with relaying(platform, poll=0.01) as (relay, _):
        await relay.watch(NORTH)
        relay.unwatch(NORTH)
        await asyncio.sleep(0.05)  # a poll that had begun is over
        engine = platform.database.engine.sync_engine
        event.listen(engine, "before_cursor_execute", lambda *args: statements.append(str(args[2])))
        platform.broker.publish(WakeUp({NORTH: 1, "beacons:east": 5}))
        await asyncio.sleep(0.1)
    assert statements == []


async def test_a_database_that_fails_is_waited_for(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    async with relaying(platform, poll=0.02) as (relay, ledger):
        await relay.watch(NORTH)
        await light(platform, "north", "one")
        await eventually(lambda: ledger.offsets() == [1])
        async with platform.database.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE trivet_publication RENAME TO trivet_away"))
        await eventually(lambda: relay.state.failures >= 2)
        assert not relay.state.is_healthy
        async with platform.database.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE trivet_away RENAME TO trivet_publication"))
        await light(platform, "north", "two")
        await eventually(lambda: ledger.offsets() == [1, 2])
        await eventually(lambda: relay.state.is_healthy)
    assert not relay.state.is_healthy, "a relay that stopped is not healthy"
    (told,) = [r for r in caplog.records if "waits for delivery" in r.getMessage()]
    assert told.exc_info is None, "a table that is missing is one line, not a traceback a try"
    assert "trivet migrate" in told.getMessage()


async def test_a_watch_that_fails_is_undone_like_any_other(platform: Platform) -> None:
    async with relaying(platform) as (relay, _):
        async with platform.database.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE trivet_channel RENAME TO trivet_away"))
        with pytest.raises(Exception, match="trivet_channel"):
            await relay.watch(NORTH)
        relay.unwatch(NORTH)
        assert relay.watched == frozenset()


async def test_a_new_life_of_a_channel_is_found_by_a_poll_although_its_offset_is_the_same(
    platform: Platform,
) -> None:
    await light(platform, "north", "one")
    async with relaying(platform, broker=MemoryBroker(), poll=0.02) as (relay, ledger):
        before = await relay.watch(NORTH)
        await grow_old(platform)
        # Nobody kept it: the process stood still, or its clock is wrong.
        retention = Retention(platform.database, 1.0)
        assert (await retention.remove(), await retention.forget()) == (1, 1)
        await light(platform, "north", "another one")
        await eventually(lambda: ledger.invalidated == [NORTH])
        after = await relay.watch(NORTH)
        assert (after.offset, before.offset) == (1, 1)
        assert after.epoch != before.epoch


async def test_channels_that_are_watched_at_once_are_looked_for_together(
    platform: Platform,
) -> None:
    await light(platform, "north", "one")
    statements: list[str] = []
    async with relaying(platform) as (relay, ledger):
        engine = platform.database.engine.sync_engine
        event.listen(engine, "before_cursor_execute", lambda *args: statements.append(str(args[2])))
        channels = [f"beacons:{number}" for number in range(300)]
        positions = await asyncio.gather(*map(relay.watch, [NORTH, *channels]))
        assert positions[0].offset == 1
        assert {position.offset for position in positions[1:]} == {0}
        # what came first, and all that was asked meanwhile
        assert sum("trivet_channel" in each for each in statements) <= 2
        await light(platform, "7", "one")
        await eventually(lambda: ledger.offsets("beacons:7") == [1])


class Neighbourly(MemoryBroker):
    """A broker that claims to reach other processes, which tell nothing."""

    is_connected = True

    @property
    def state(self) -> BrokerState:
        return BrokerState("test", is_shared=True, is_connected=self.is_connected)


@pytest.mark.parametrize("event", ["the broker fails", "messages were missed", "any channel"])
async def test_polls_are_rare_while_the_broker_is_well_and_come_back_by_themselves(
    platform: Platform, event: str
) -> None:
    broker = Neighbourly()
    async with relaying(platform, broker=broker, poll=0.01, watching=[NORTH]) as (relay, ledger):
        await eventually(lambda: relay.state.last_success)  # the look that a relay begins with
        await light(platform, "north", "one")
        await asyncio.sleep(0.3)
        assert ledger.offsets() == []
        if event == "the broker fails":
            broker.is_connected = False
        else:
            broker.publish(MessagesMissed() if event == "messages were missed" else WakeUp({}))
        await eventually(lambda: ledger.offsets() == [1])


async def test_who_asks_for_a_look_while_one_runs_gets_another(platform: Platform) -> None:
    broker, looks = Neighbourly(), 0

    def note(*arguments: object) -> None:
        nonlocal looks
        if "newest_id" in str(arguments[2]):
            looks += 1
            if looks == 1:
                broker.publish(MessagesMissed())

    event.listen(platform.database.engine.sync_engine, "after_cursor_execute", note)
    async with relaying(platform, broker=broker, watching=[NORTH]):
        await eventually(lambda: looks == 2)


async def test_a_poll_is_one_statement_whatever_number_of_channels_is_watched(
    platform: Platform,
) -> None:
    names = [f"beacons:{number}" for number in range(1500)]
    statements: list[str] = []
    async with relaying(platform, broker=MemoryBroker(), poll=0.05, watching=names) as (relay, _):
        await eventually(lambda: relay.state.last_success and not relay._due)
        await asyncio.sleep(0.2)
        engine = platform.database.engine.sync_engine
        event.listen(engine, "before_cursor_execute", lambda *args: statements.append(str(args[2])))
        await eventually(lambda: len(statements) >= 8)
    (looked,) = {each for each in statements if each != "BEGIN"}
    assert "trivet_channel" not in looked


async def test_channels_are_watched_at_the_broker_while_somebody_watches_them_here(
    platform: Platform,
) -> None:
    class Counting(MemoryBroker):
        def __init__(self) -> None:
            super().__init__()
            self.watched: list[str] = []

        async def watch(self, channel: str) -> None:
            self.watched.append(channel)

        def unwatch(self, channel: str) -> None:
            self.watched.remove(channel)

    broker = Counting()
    async with relaying(platform, broker=broker) as (relay, _):
        for channel in (NORTH, NORTH, "beacons:east"):
            await relay.watch(channel)
        assert broker.watched == [NORTH, "beacons:east"]
        relay.unwatch(NORTH)
        assert broker.watched == [NORTH, "beacons:east"]
        relay.unwatch(NORTH)
        relay.unwatch("beacons:east")
        assert broker.watched == []
        async with platform.database.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE trivet_channel RENAME TO trivet_away"))
        with pytest.raises(Exception, match="trivet_channel"):
            await relay.watch(NORTH)
        relay.unwatch(NORTH)
        assert broker.watched == []
