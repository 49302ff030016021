"""What must not happen, and what becomes of it if it does: holes, faults, clients that hang."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import anyio
import msgspec
import pytest
from sqlalchemy import text
from starlette.types import Message
from starlette.websockets import WebSocket

from tests.realtime.house import House, create_tables, open_platform_with_django
from trivet.events.outbox import Position, StoredPublication
from trivet.features import modules_of
from trivet.identity import ANONYMOUS
from trivet.origin import Origin
from trivet_realtime.bounds import Bounds
from trivet_realtime.channels import collect_rules
from trivet_realtime.client import Client
from trivet_realtime.connection import serve
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
    await hub.deliver(
        NORTH, "e", [StoredPublication(NORTH, offset, b"1", now) for offset in offsets]
    )


def sent(client: Client) -> list[int]:
    """What was queued for a client: offsets of publications, codes of unsubscribes."""
    frame = client.outgoing.take_all()
    lines = [] if frame is None else frame.payload.splitlines()
    pushes = [msgspec.json.decode(line)["push"] for line in lines]
    return [
        push["pub"]["offset"] if "pub" in push else push["unsubscribe"]["code"] for push in pushes
    ]


# what is delivered while the position is read, the position, what is delivered later, what is sent
STREAMS = [
    pytest.param([], 5, [6, 7], [6, 7], id="the stream goes on after the position"),
    pytest.param([6], 5, [7], [6, 7], id="what came during the subscribe comes first"),
    pytest.param([4, 5, 6], 5, [7], [6, 7], id="what the position covers is dropped"),
    pytest.param([6, 7], 5, [6, 7, 8], [6, 7, 8], id="what was sent is not sent again"),
    pytest.param([], 5, [7, 8], [2500], id="a hole ends the subscription"),
    pytest.param([7, 8], 5, [9], [2500], id="a hole during the subscribe ends it"),
    pytest.param([3, 4, 5, 6], 3, [7], [4, 5, 6, 7], id="the bound takes what is covered"),
    pytest.param([4, 5, 6, 7], 3, [8], [2500], id="the bound makes a hole"),
]


@pytest.mark.parametrize(("held", "position", "later", "expected"), STREAMS)
async def test_a_client_is_sent_each_once_in_order_or_is_told(
    hub: Hub, held: list[int], position: int, later: list[int], expected: list[int]
) -> None:
    client = hub.admit(Origin(ANONYMOUS))
    subscription = await hub.join(client, NORTH)
    await deliver(hub, *held)
    subscription.start(position)
    await deliver(hub, *later)
    assert sent(client) == expected
    assert (NORTH in client.subscriptions) is (2500 not in expected)


async def test_a_stream_invalidated_during_a_subscribe_starts_with_a_hole(hub: Hub) -> None:
    client = hub.admit(Origin(ANONYMOUS))
    subscription = await hub.join(client, NORTH)
    await deliver(hub, 1)
    await hub.invalidate(NORTH, Position("e", 5))
    subscription.start(0)
    assert sent(client) == [2500]
    assert client.subscriptions == {}


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
