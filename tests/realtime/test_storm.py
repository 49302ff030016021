"""Many come back at once: memory answers, few reads serve all, and rules wait their turn."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import pytest
from sqlalchemy import event, func, select

from tests.realtime.beacons.realtime import answered_slowly, asked_slowly
from tests.realtime.carried import CarriedBroker, Line
from tests.realtime.forgetting import epoch_of, forget
from tests.realtime.house import House, Socket, eventually, house_at, offsets
from trivet.delivery.presence import PresenceRow
from trivet.events.outbox import unopened_epoch
from trivet.identity import ANONYMOUS
from trivet_realtime.bounds import Bounds

pytestmark = pytest.mark.anyio

NORTH = "beacons:north"


@contextmanager
def counting(house: House, about: str = "trivet_") -> Iterator[list[str]]:
    """The statements about publications and channels, or others, that are run meanwhile."""
    statements: list[str] = []

    def note(*arguments: Any) -> None:
        statement = str(arguments[2])
        if about in statement:
            statements.append(statement)

    engine = house.platform.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


def coming_back(channel: str, epoch: str, offset: int) -> dict[str, Any]:
    return {"channel": channel, "recover": True, "epoch": epoch, "offset": offset}


async def test_who_comes_back_to_a_channel_that_is_heard_here_is_answered_from_memory(
    house: House,
) -> None:
    async with house.socket() as staying, house.socket() as back:
        await staying.connect()
        await staying.subscribe(NORTH)
        await house.light("north", *map(str, range(10)))
        await staying.publications(10)
        epoch = await epoch_of(house)
        await back.connect()
        with counting(house) as statements:
            reply = await back.ask({"id": 2, "subscribe": coming_back(NORTH, epoch, 3)})
        assert statements == []
    assert reply["subscribe"]["recovered"] is True
    assert offsets(reply["subscribe"]["publications"]) == list(range(4, 11))


async def test_memory_answers_nothing_that_it_cannot_prove(house: House) -> None:
    async with house.socket() as staying, house.socket() as back:
        await house.light("north", "before anybody listens", "too")
        await staying.connect()
        await staying.subscribe(NORTH)
        await house.light("north", "heard")
        await staying.publications(1)
        epoch = await epoch_of(house)
        await forget(house, 3)
        await back.connect()
        for offset, recovered in ((1, False), (2, True), (3, True), (4, False)):
            channel = {"channel": NORTH}
            reply = await back.ask({"id": 2, "subscribe": coming_back(NORTH, epoch, offset)})
            assert reply["subscribe"].get("recovered", False) is recovered, offset
            await back.ask({"id": 3, "unsubscribe": channel})


async def test_ten_thousand_that_come_back_at_once_share_few_reads_of_history(
    empty_database_url: str,
) -> None:
    """A process that has just begun knows nothing. No table of a feature is asked."""
    async with house_at(empty_database_url) as house:
        channels = [str(number) for number in range(CHANNELS)]
        for channel in channels:
            await house.light(channel, "one", "two", "three")
        epochs = {channel: await epoch_of(house, f"beacons:{channel}") for channel in channels}

    async with (
        # A ping would stand among the replies on a slow machine.
        house_at(empty_database_url, Bounds(ping_seconds=3600)) as house,
        AsyncExitStack() as stack,
    ):
        sockets = [
            await stack.enter_async_context(house.socket(max_queue=None)) for _ in range(CLIENTS)
        ]
        for socket in sockets:
            await socket.connect()
        commands = [
            {"id": number, "subscribe": coming_back(f"beacons:{channel}", epochs[channel], 1)}
            for number, channel in enumerate(channels, 2)
        ]

        async def come_back(socket: Socket) -> None:
            await socket.send(*commands)
            for reply in await socket.receive_all(len(commands)):
                assert reply["subscribe"]["recovered"] is True
                assert offsets(reply["subscribe"]["publications"]) == [2, 3]

        with counting(house, "") as statements:
            await asyncio.gather(*map(come_back, sockets))
        assert [each for each in statements if "beacons" in each] == []
        assert len([each for each in statements if "trivet_publication" in each]) < CHANNELS
        assert len(statements) < 2 * CHANNELS
        await house.light("7", "four")
        for socket in sockets:
            assert await socket.publications(1) == [(4, "four")]


CLIENTS, CHANNELS = 250, 40


async def test_who_is_subscribed_by_a_token_to_many_channels_costs_few_reads(house: House) -> None:
    token = house.platform.tokens.connection(
        ANONYMOUS, channels=[f"beacons:{number}" for number in range(CHANNELS)]
    )
    async with house.socket() as socket:
        with counting(house) as statements:
            result = await socket.connect(token=token)
    assert len(result["subs"]) == CHANNELS
    assert len(statements) < CHANNELS / 4


async def test_many_who_come_to_channels_with_presence_are_noted_together(
    empty_database_url: str,
) -> None:
    few, rooms = 10, [f"lounge:{number}" for number in range(CHANNELS // 2)]
    async with (
        house_at(empty_database_url, broker=CarriedBroker(Line())) as house,
        AsyncExitStack() as stack,
    ):
        token = house.platform.tokens.connection(ANONYMOUS, channels=rooms)
        sockets = [
            await stack.enter_async_context(house.socket(max_queue=None)) for _ in range(few)
        ]
        with counting(house, "INSERT INTO trivet_presence ") as statements:
            await asyncio.gather(*(socket.connect(token=token) for socket in sockets))
        assert 0 < len(statements) < few * len(rooms) / 4
        async with house.platform.database.unit(read_only=True) as session:
            noted = await session.scalar(select(func.count()).select_from(PresenceRow))
        assert noted == few * len(rooms)


class Gated(CarriedBroker):
    """Watches nothing before it may."""

    def __init__(self) -> None:
        super().__init__(Line())
        self.may_watch = asyncio.Event()

    async def watch(self, channel: str) -> None:
        await self.may_watch.wait()


async def test_who_has_asked_to_connect_is_not_cut_off_for_the_slowness_of_the_answer(
    empty_database_url: str,
) -> None:
    broker, bounds = Gated(), Bounds(connect_seconds=0.05)
    async with (
        house_at(empty_database_url, bounds, broker=broker) as house,
        house.socket() as socket,
        house.socket() as silent,
    ):
        token = house.platform.tokens.connection(ANONYMOUS, channels=[NORTH])
        await socket.send({"id": 1, "connect": {"token": token}})
        assert await silent.closing() == (3502, "stale")
        await asyncio.sleep(3 * bounds.connect_seconds)
        broker.may_watch.set()
        assert NORTH in (await socket.receive())["connect"]["subs"]


async def test_a_slow_rule_is_asked_in_turn_and_leaves_connections_to_others(
    empty_database_url: str,
) -> None:
    async with (
        house_at(empty_database_url, database_connections=4) as house,
        house.socket() as socket,
    ):
        await socket.connect()
        asked_slowly.clear()
        answered_slowly.clear()
        commands = [
            {"id": number, "subscribe": {"channel": f"beacons:slow:{number}"}}
            for number in range(2, 14)
        ]
        await socket.send(*commands)
        at_work = []
        while len(answered_slowly) < len(commands):
            at_work.append(len(asked_slowly) - len(answered_slowly))
            await asyncio.sleep(0.005)
        assert max(at_work) == 2
        assert len(await socket.receive_all(12)) == 12


async def test_a_rule_that_is_asked_when_its_client_leaves_comes_to_its_end(house: House) -> None:
    """A statement that is cancelled would cost the pool its connection."""
    asked_slowly.clear()
    answered_slowly.clear()
    async with house.socket() as socket:
        await socket.connect()
        await socket.send({"id": 2, "subscribe": {"channel": "beacons:slow:left"}})
        await eventually(lambda: "left" in asked_slowly)
        socket.connection.transport.abort()
    await eventually(lambda: "left" in answered_slowly)
    await eventually(lambda: not house.platform.relay.watched)


async def test_the_epoch_of_a_channel_without_a_life_is_good_while_publications_are_kept(
    empty_database_url: str,
) -> None:
    hour = 3600
    async with house_at(empty_database_url, history_hours=10) as house:
        await house.light("north", "one", "two")
        for age, recovered in ((0, True), (8 * hour, True), (9.5 * hour, False), (-hour, False)):
            async with house.socket() as socket:
                await socket.connect()
                epoch = unopened_epoch(time.time() - age)
                reply = await socket.ask({"id": 2, "subscribe": coming_back(NORTH, epoch, 1)})
                assert reply["subscribe"].get("recovered", False) is recovered, age
                assert reply["subscribe"]["epoch"] == await epoch_of(house)


async def test_what_all_channels_keep_in_memory_is_bounded_and_the_database_has_the_rest(
    empty_database_url: str,
) -> None:
    bounds = Bounds(recent_bytes=10_000)
    async with house_at(empty_database_url, bounds) as house, house.socket() as staying:
        await staying.connect()
        for harbour in ("north", "south", "east"):
            await staying.subscribe(f"beacons:{harbour}")
            await house.light(harbour, *("x" * 1000 for _ in range(6)))
            await staying.publications(6)
        for harbour, reads in (("east", False), ("north", True), ("south", True)):
            async with house.socket() as back:
                await back.connect()
                name = f"beacons:{harbour}"
                asked = coming_back(name, await epoch_of(house, name), 2)
                with counting(house) as statements:
                    reply = await back.ask({"id": 2, "subscribe": asked})
                assert offsets(reply["subscribe"]["publications"]) == [3, 4, 5, 6]
                assert bool(statements) is reads, harbour
