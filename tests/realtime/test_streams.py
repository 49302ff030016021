"""What must not happen, and what becomes of it if it does: holes, faults, clients that hang."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import NamedTuple

import anyio
import pytest
from sqlalchemy import insert, text
from starlette.types import Message
from starlette.websockets import WebSocket

from tests.realtime.house import House, create_tables, eventually, open_platform_with_django
from tests.realtime.pipe import Pipe, connected
from trivet.events.outbox import Channel, Position, StoredPublication
from trivet.features import modules_of
from trivet.identity import ANONYMOUS
from trivet.origin import Origin
from trivet_realtime.bounds import Bounds
from trivet_realtime.channels import collect_rules
from trivet_realtime.codes import SERVER_ERROR
from trivet_realtime.connection import serve
from trivet_realtime.frames import Frame
from trivet_realtime.hub import Hub
from trivet_realtime.websocket import WebSocketTransport

pytestmark = pytest.mark.anyio

NORTH = "beacons:north"


@pytest.fixture
async def hub(empty_database_url: str) -> AsyncIterator[Hub]:
    """A hub that nobody serves: the test is its relay."""
    platform = await asyncio.to_thread(open_platform_with_django, empty_database_url)
    await create_tables(platform)
    modules = await asyncio.to_thread(modules_of, platform.features, "realtime")
    rules = collect_rules({feature.name: module for feature, module in modules})
    yield Hub(rules, platform, Bounds(publications=3, close_seconds=0.1))
    await platform.database.close()


async def deliver(hub: Hub, *offsets: int) -> None:
    now = datetime.now(UTC)
    publications = [StoredPublication(NORTH, offset, b"1", now) for offset in offsets]
    if publications:
        await hub.deliver(NORTH, "e", publications)


async def stand_at(hub: Hub, offset: int) -> None:
    """Let the channel's row say so; its publications are gone."""
    async with hub.platform.database.engine.begin() as connection:
        row = {"name": NORTH, "epoch": "e", "top_offset": offset}
        await connection.execute(insert(Channel).values(row))


class Course(NamedTuple):
    """Where the channel stands, what comes during the subscribe, the position that the client is
    told, what comes later, and what is sent."""

    stands: int
    during: list[int]
    position: int
    later: list[int]
    expected: list[int]


STREAMS = [
    pytest.param(Course(5, [], 5, [6, 7], [6, 7]), id="the stream goes on after the position"),
    pytest.param(Course(5, [6], 5, [7], [6, 7]), id="what came during the subscribe comes first"),
    pytest.param(Course(3, [4, 5, 6], 5, [7], [6, 7]), id="what the position covers is dropped"),
    pytest.param(Course(5, [6, 7], 5, [6, 7, 8], [6, 7, 8]), id="what was sent is not sent again"),
    pytest.param(Course(5, [], 5, [7, 8], [2500]), id="a hole ends the subscription"),
    pytest.param(Course(5, [7, 8], 5, [9], [2500]), id="a hole during the subscribe ends it"),
    pytest.param(
        Course(5, [], 7, [6, 7, 8], [8]), id="a client that is ahead is sent what is new to it"
    ),
    pytest.param(Course(5, [], 7, [6], []), id="a client that is ahead is sent nothing it has"),
    pytest.param(Course(2, [3, 4, 5], 2, [6], [3, 4, 5, 6]), id="as much as memory has"),
    pytest.param(
        Course(2, [3, 4, 5, 6], 2, [7], [2500]), id="what memory and database lost is a hole"
    ),
]


@pytest.mark.parametrize("course", STREAMS)
async def test_a_client_is_sent_each_once_in_order_or_is_told(hub: Hub, course: Course) -> None:
    await stand_at(hub, course.stands)
    client, pipe = connected(hub)
    subscription = await hub.join(client, NORTH)
    await deliver(hub, *course.during)
    subscription.start(Position("e", course.position))
    await deliver(hub, *course.later)
    await eventually(lambda: pipe.sent == course.expected, 5)
    assert (NORTH in client.subscriptions) is (2500 not in course.expected)


class Broken(Pipe):
    """A carrier that takes one frame, and fails then."""

    def write(self, frame: Frame) -> None:
        if self.frames:
            raise BufferError("the carrier is broken")
        super().write(frame)


async def test_a_client_that_cannot_be_served_costs_nobody_else_anything(
    hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    await stand_at(hub, 0)
    pipes = [Pipe(), Broken(), Pipe()]
    clients = [connected(hub, pipe)[0] for pipe in pipes]
    for client in clients:
        (await hub.join(client, NORTH)).start(Position("e", 0))
    for offset in (1, 2, 3):
        await deliver(hub, offset)
    assert [pipe.sent for pipe in pipes] == [[1, 2, 3], [1], [1, 2, 3]]
    assert [client.ending for client in clients] == [None, SERVER_ERROR, None]
    assert [record.getMessage() for record in caplog.records] == ["a connection failed"]


async def test_a_client_that_cannot_be_told_who_comes_costs_nobody_else_anything(
    hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    pipes = [Pipe(), Broken(), Pipe()]
    clients = [connected(hub, pipe)[0] for pipe in pipes]
    for client in clients:
        (await hub.join(client, NORTH)).start(Position("e", 0))
    for number in (b"1", b"2"):
        hub.pushing.push(NORTH, Frame(number))
        await eventually(lambda sent=number: [f.payload for f in pipes[2].frames][-1:] == [sent])
    assert [len(pipe.frames) for pipe in pipes] == [2, 1, 2]
    assert [client.ending for client in clients] == [None, SERVER_ERROR, None]
    assert [record.getMessage() for record in caplog.records] == ["a connection failed"]


async def test_a_stream_invalidated_during_a_subscribe_starts_with_a_hole(hub: Hub) -> None:
    client, pipe = connected(hub)
    subscription = await hub.join(client, NORTH)
    await deliver(hub, 1)
    await hub.invalidate(NORTH, Position("f", 5))
    subscription.start(Position("e", 0))
    assert pipe.sent == [2500]
    assert client.subscriptions == {}


async def test_a_position_in_another_life_than_the_stream_starts_with_a_hole(hub: Hub) -> None:
    """The database may know of a new life before the relay has told of it."""
    await stand_at(hub, 5)
    client, pipe = connected(hub)
    subscription = await hub.join(client, NORTH)
    subscription.start(Position("f", 5))
    assert pipe.sent == [2500]


async def test_a_client_that_takes_no_bytes_is_brought_on_from_where_it_stood(hub: Hub) -> None:
    """Nothing piles up for it but half of its queue, and others have everything at once."""
    hub = Hub(hub.rules, hub.platform, Bounds(queue_bytes=2000))
    await stand_at(hub, 5)
    (slow, slow_pipe), (quick, quick_pipe) = connected(hub), connected(hub)
    for client in (slow, quick):
        (await hub.join(client, NORTH)).start(Position("e", 5))
    slow_pipe.is_clear = False
    slow.outgoing.pause()
    for offset in range(6, 106):
        await deliver(hub, offset)
        assert quick_pipe.sent[-1] == offset
    queued, size = slow.outgoing.size
    assert 1 < queued < 30
    assert size <= hub.bounds.queue_bytes // 2
    slow_pipe.is_clear = True
    slow.outgoing.resume()
    await deliver(hub, 106)
    assert slow_pipe.sent == quick_pipe.sent == list(range(6, 107))


async def test_a_socket_that_hangs_does_not_keep_the_process_from_stopping(
    hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    hub.admit(Origin(ANONYMOUS))
    with anyio.fail_after(20):
        await hub.drain()
    assert "1 sockets did not close in time" in caplog.text


async def test_a_fault_of_ours_ends_one_connection_with_a_code_that_reconnects(hub: Hub) -> None:
    sent: list[Message] = []
    opening: list[Message] = [{"type": "websocket.connect"}]

    async def receive() -> Message:
        if not opening:
            raise ZeroDivisionError
        return opening.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    websocket = WebSocket({"type": "websocket", "headers": []}, receive, send)
    await websocket.accept()
    await serve(hub, hub.admit(Origin(ANONYMOUS)), WebSocketTransport(websocket))
    assert (sent[-1]["type"], sent[-1]["code"]) == ("websocket.close", 3004)


async def test_a_database_that_fails_is_a_temporary_error_and_leaves_nothing(
    house: House,
) -> None:
    async with house.socket() as socket:
        await socket.connect()
        await rename(house, "trivet_channel", "trivet_away")
        reply = await socket.ask({"id": 2, "subscribe": {"channel": NORTH}})
        error = {"code": 100, "message": "internal server error", "temporary": True}
        assert reply == {"id": 2, "error": error}
        assert house.platform.relay.watched == frozenset()
        await rename(house, "trivet_away", "trivet_channel")
        assert (await socket.subscribe(NORTH))["recoverable"] is True


async def rename(house: House, old: str, new: str) -> None:
    async with house.platform.database.engine.begin() as connection:
        await connection.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))
