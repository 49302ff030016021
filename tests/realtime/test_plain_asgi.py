"""Servers that know nothing of prepared messages: the same promises, by ASGI alone."""

import pytest

from tests.realtime.house import eventually, house_at
from trivet_realtime.bounds import Bounds

pytestmark = pytest.mark.anyio

SERVERS = ["websockets-sansio", "wsproto"]


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> str:
    server: str = request.param
    return server


async def test_publications_arrive_once_and_in_order(empty_database_url: str, server: str) -> None:
    async with house_at(empty_database_url, ws=server) as house, house.socket() as socket:
        await socket.connect()
        await socket.subscribe("beacons:north")
        for number in range(1, 51):
            await house.light("north", f"{number} a", f"{number} b")
        seen = await socket.publications(100)
    assert [offset for offset, _ in seen] == list(range(1, 101))


async def test_pings_go_and_pongs_are_heard_while_commands_are_at_work(
    empty_database_url: str, server: str
) -> None:
    bounds = Bounds(ping_seconds=0.1, pong_seconds=0.3)
    async with house_at(empty_database_url, bounds, ws=server) as house, house.socket() as socket:
        await socket.connect()
        slow = [
            {"id": number, "subscribe": {"channel": f"beacons:slow:{number}"}}
            for number in range(2, 42)
        ]
        await socket.send(*slow)
        answered = 0
        while answered < len(slow):
            if received := await socket.receive():
                answered += "subscribe" in received
            else:
                await socket.send({})
        assert len(house.platform.relay.watched) == len(slow)


async def test_a_client_that_does_not_read_is_cut_off(empty_database_url: str, server: str) -> None:
    bounds = Bounds(queue_bytes=100_000, close_seconds=0.2, slow_seconds=0.2)
    async with (
        house_at(empty_database_url, bounds, ws=server) as house,
        house.socket(max_queue=1, close_timeout=0.1) as slow,
        house.socket() as quick,
    ):
        for socket in (slow, quick):
            await socket.connect()
            await socket.subscribe("beacons:north")
        for number in range(1, 101):
            await house.light("north", "x" * 100_000)
            assert (await quick.publications(1))[0][0] == number
        await quick.ask({"id": 9, "unsubscribe": {"channel": "beacons:north"}})
        await eventually(lambda: not house.platform.relay.watched)


async def test_a_bad_request_ends_with_its_code(empty_database_url: str, server: str) -> None:
    async with house_at(empty_database_url, ws=server) as house:
        async with house.socket() as socket:
            await socket.connect()
            await socket.send("nonsense")
            assert await socket.closing() == (3501, "bad request")
        async with house.socket() as socket:
            await socket.connect()
            await socket.connection.send(b"binary")
            assert await socket.closing() == (3501, "bad request")


async def test_a_house_forgets_a_client_that_left(empty_database_url: str, server: str) -> None:
    async with house_at(empty_database_url, ws=server) as house:
        async with house.socket() as socket:
            await socket.connect()
            await socket.subscribe("beacons:north")
        await eventually(lambda: not house.platform.relay.watched)
