"""What is about clients reaches them in whatever process they are."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, func, select, update

from tests.realtime.beacons.realtime import asked_slowly
from tests.realtime.carried import CarriedBroker, Line
from tests.realtime.house import House, Socket, eventually, house_at
from tests.realtime.server_api import KEY, call
from trivet.delivery.controls import ClientControl
from trivet.delivery.presence import PresenceNode, PresenceRow, list_nodes

pytestmark = pytest.mark.anyio

DEN, TYPING = "lounge:den", "lounge:typing:den"


@pytest.fixture
async def houses(empty_database_url: str) -> AsyncIterator[tuple[House, House]]:
    """Two processes of one installation."""
    line = Line()
    async with (
        house_at(empty_database_url, broker=CarriedBroker(line), server_api_keys=[KEY]) as one,
        house_at(empty_database_url, broker=CarriedBroker(line), server_api_keys=[KEY]) as other,
    ):
        yield one, other


async def enter(socket: Socket, channel: str = DEN) -> Any:
    connected = await socket.connect()
    await socket.subscribe(channel)
    assert "join" in (await socket.receive())["push"]
    return connected


async def test_the_server_api_reaches_the_clients_of_every_process(
    houses: tuple[House, House],
) -> None:
    one, other = houses
    async with one.socket("7") as near, other.socket("7") as far:
        for socket in (near, far):
            await socket.connect()
        await call(one, "subscribe", user="7", channel=DEN)
        for socket in (near, far):
            assert "subscribe" in (await socket.receive())["push"]
        joins = [(await socket.receive())["push"] for socket in (near, far)]
        assert all("join" in each for each in joins)


@pytest.mark.parametrize(
    ("method", "request_", "closing"),
    [
        ("disconnect", {}, (3503, "force disconnect")),
        ("refresh", {"expired": True}, (3005, "connection expired")),
    ],
)
async def test_the_server_api_ends_connections_of_every_process(
    houses: tuple[House, House], method: str, request_: Any, closing: tuple[int, str]
) -> None:
    one, other = houses
    async with other.socket("7") as far, other.socket("8") as stays:
        await far.connect()
        await stays.connect()
        await call(one, method, user="7", **request_)
        assert await far.closing() == closing
        assert await stays.ask({"id": 2, "ping": {}}) == {"id": 2, "ping": {}}


async def test_who_comes_and_goes_is_heard_in_every_process(houses: tuple[House, House]) -> None:
    one, other = houses
    async with one.socket("7") as near:
        await enter(near)
        async with other.socket("8") as far:
            client = (await enter(far))["client"]
            push = (await near.receive())["push"]
            assert push == {"channel": DEN, "join": {"info": {"user": "8", "client": client}}}
        assert "leave" in (await near.receive())["push"]


async def test_what_is_ephemeral_is_heard_in_every_process_once(
    houses: tuple[House, House],
) -> None:
    one, other = houses
    async with one.socket("7") as near, other.socket("8") as far:
        await enter(near, TYPING)
        await enter(far, TYPING)
        assert "join" in (await near.receive())["push"]
        command = {"id": 5, "publish": {"channel": TYPING, "data": {"letters": 4}}}
        received = [await near.ask(command), await near.receive()]
        assert {"id": 5, "publish": {}} in received
        assert (await far.receive())["push"]["pub"]["info"]["user"] == "7"
        for socket in (near, far):
            assert await socket.ask({"id": 6, "ping": {}}) == {"id": 6, "ping": {}}


async def members(house: House) -> set[str]:
    return set((await call(house, "presence", channel=DEN))["presence"])


async def rows(house: House, model: Any) -> int:
    async with house.platform.open_unit(read_only=True) as unit:
        return (await unit.session.scalar(select(func.count()).select_from(model))) or 0


async def test_who_is_present_is_known_in_every_process(houses: tuple[House, House]) -> None:
    one, other = houses
    async with one.socket("7") as near, other.socket("8") as far:
        near_id, far_id = [(await enter(socket))["client"] for socket in (near, far)]
        await near.receive()
        for house in houses:
            found = (await call(house, "presence", channel=DEN))["presence"]
            assert found == {
                near_id: {"user": "7", "client": near_id},
                far_id: {"user": "8", "client": far_id},
            }
            stats = await call(house, "presence_stats", channel=DEN)
            assert stats == {"num_clients": 2, "num_users": 2}
        await far.ask({"id": 3, "unsubscribe": {"channel": DEN}})
        assert await members(other) == {near_id}
        assert "leave" in (await near.receive())["push"]
        while await rows(one, PresenceRow) != 1:
            pass
        assert await members(one) == {near_id}
    while await rows(one, PresenceRow):
        pass


async def test_a_process_that_died_has_nobody(houses: tuple[House, House]) -> None:
    one, other = houses
    async with other.socket("8") as far:
        await enter(far)
        assert len(await members(one)) == 1
        past = datetime.now(UTC) - timedelta(seconds=1)
        async with one.platform.database.unit() as session:
            node = other.platform.broker.node
            mine = PresenceNode.node == node
            statement = update(PresenceNode).where(mine).values(expires_at=past)
            await (await session.connection()).execute(statement)
        assert await members(one) == set()
        # and whoever is renewed next removes what is left
        async with one.socket("7") as near:
            near_id = (await enter(near))["client"]
            assert await members(one) == {near_id}
            assert await rows(one, PresenceNode) == 1
            assert await rows(one, PresenceRow) == 1


async def test_who_is_subscribed_twice_at_once_is_so_once(houses: tuple[House, House]) -> None:
    one, _ = houses
    request = json.dumps({"user": "7", "channel": DEN})
    async with one.socket("7") as near:
        await near.connect()
        for _ in range(2):
            one.platform.broker.publish(ClientControl("subscribe", request))
        assert "subscribe" in (await near.receive())["push"]
        assert "join" in (await near.receive())["push"]
        assert await near.ask({"id": 3, "ping": {}}) == {"id": 3, "ping": {}}
        await call(one, "publish", channel=DEN, data={"text": "once"})
        assert (await near.receive())["push"]["pub"]["offset"] == 1
        assert await near.ask({"id": 4, "ping": {}}) == {"id": 4, "ping": {}}
    await eventually(lambda: not one.platform.relay.watched)


async def test_who_is_unsubscribed_while_they_subscribe_is_not_told_that_they_are(
    houses: tuple[House, House],
) -> None:
    one, _ = houses
    asked_slowly.clear()
    async with one.socket("7") as near:
        await near.connect()
        await near.send({"id": 2, "subscribe": {"channel": "beacons:slow:west"}})
        await eventually(lambda: asked_slowly == ["west"])
        request = json.dumps({"user": "7", "channel": "beacons:slow:west"})
        one.platform.broker.publish(ClientControl("unsubscribe", request))
        assert (await near.receive())["push"]["unsubscribe"]["code"] == 2000
        assert (await near.receive())["error"]["code"] == 103


async def test_who_was_forgotten_in_an_outage_is_present_again(houses: tuple[House, House]) -> None:
    one, other = houses
    async with other.socket("8") as far:
        far_id = (await enter(far))["client"]
        # what another process does that is first to come back after a long outage
        async with one.platform.database.unit() as session:
            connection = await session.connection()
            await connection.execute(delete(PresenceRow))
            await connection.execute(delete(PresenceNode))
        assert await members(one) == set()
        async with other.socket("9") as next_one:
            next_id = (await enter(next_one))["client"]
            assert await members(one) == {far_id, next_id}


async def test_who_comes_back_while_they_are_removed_is_present(
    houses: tuple[House, House],
) -> None:
    one, other = houses
    async with other.socket("8") as far:
        far_id = (await enter(far))["client"]
        async with one.platform.database.unit() as session:
            await session.scalar(select(PresenceRow).with_for_update())
            again = {"id": 4, "subscribe": {"channel": DEN}}
            await far.send({"id": 3, "unsubscribe": {"channel": DEN}}, again)
            await asyncio.sleep(0.2)  # for the removal, which waits for this transaction
        received = await far.receive()
        while received.get("id") != 4:
            received = await far.receive()
        assert "subscribe" in received
        await asyncio.sleep(0.2)
        assert await members(one) == {far_id}


async def test_a_process_that_stops_leaves_nobody_behind(empty_database_url: str) -> None:
    line = Line()
    settings: Any = {"server_api_keys": [KEY]}
    async with house_at(empty_database_url, broker=CarriedBroker(line), **settings) as one:
        async with (
            house_at(empty_database_url, broker=CarriedBroker(line)) as other,
            other.socket("8") as far,
        ):
            await enter(far)
            assert len(await members(one)) == 1
        async with one.platform.database.unit(read_only=True) as session:
            assert await session.run_sync(list_nodes) == {one.platform.broker.node}
        assert await members(one) == set()


async def test_every_process_tells_what_it_has(houses: tuple[House, House]) -> None:
    one, other = houses
    async with one.socket("7") as near, other.socket("8") as far, other.socket() as third:
        await enter(near)
        await enter(far)
        await enter(third, "lounge:hall")
        for house in houses:
            channels = (await call(house, "channels", pattern="lounge:*"))["channels"]
            assert channels == {DEN: {"num_clients": 2}, "lounge:hall": {"num_clients": 1}}
            nodes = (await call(house, "info"))["nodes"]
            assert nodes[0]["uid"] == house.platform.broker.node
            counts = {node["uid"]: node["num_clients"] for node in nodes}
            assert counts == {one.platform.broker.node: 1, other.platform.broker.node: 2}


async def test_one_process_alone_writes_no_presence(empty_database_url: str) -> None:
    async with (
        house_at(empty_database_url, server_api_keys=[KEY]) as house,
        house.socket("7") as socket,
    ):
        client = (await enter(socket))["client"]
        assert await members(house) == {client}
        assert await rows(house, PresenceRow) == await rows(house, PresenceNode) == 0
