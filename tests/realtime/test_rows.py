"""Many subscribers of one channel: they are written to in rows, past their transports."""

import json
import os
import socket
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.realtime.house import House, Socket, eventually, house_at
from tests.realtime.raw import CONNECT, Raw, frame, raw
from trivet.events.outbox import StoredPublication
from trivet_realtime.bounds import Bounds
from trivet_realtime.descriptors import CAN_SEND, send_to_all
from trivet_realtime.frames import Frame
from trivet_realtime.hub import Hub
from trivet_realtime.subscription import Subscription

pytestmark = pytest.mark.skipif(not CAN_SEND, reason="the transports write here")

NORTH = "beacons:north"
MANY = 40
LARGE = "x" * 50_000


@pytest.fixture
async def house(empty_database_url: str) -> AsyncIterator[House]:
    # A ping would stand among the publications on a slow machine.
    async with house_at(empty_database_url, Bounds(ping_seconds=3600)) as house:
        yield house


def hub_of(house: House) -> Hub:
    receiver = house.platform.relay.receiver
    assert isinstance(receiver, Hub)
    return receiver


def subscribers(house: House) -> Collection[Subscription]:
    return hub_of(house).subscribers(NORTH)


def in_rows(house: House) -> int:
    return sum(each.row is not None for each in subscribers(house))


async def listener(house: House, stack: AsyncExitStack) -> Socket:
    listening = await stack.enter_async_context(house.socket())
    await listening.connect()
    await listening.subscribe(NORTH)
    return listening


@asynccontextmanager
async def many(house: House) -> AsyncIterator[list[Socket]]:
    """Sockets that have been sent a first publication, and stand in a row."""
    async with AsyncExitStack() as stack:
        sockets = [await listener(house, stack) for _ in range(MANY)]
        await house.light("north", "one")
        for each in sockets:
            assert await each.publications(1) == [(1, "one")]
        await eventually(lambda: in_rows(house) == len(subscribers(house)))
        yield sockets


async def hears_nothing(listening: Socket) -> None:
    """What the socket is sent next is the reply to a command."""
    assert await listening.ask({"id": 9, "ping": {}}) == {"id": 9, "ping": {}}


@pytest.mark.anyio
async def test_all_of_a_row_get_each_publication_once_and_in_order(house: House) -> None:
    async with many(house) as sockets:
        await house.light("north", "two", "three")
        await house.light("north", "four")
        for each in sockets:
            assert await each.publications(3) == [(2, "two"), (3, "three"), (4, "four")]
            await hears_nothing(each)
        assert in_rows(house) == MANY


@pytest.mark.anyio
async def test_who_comes_later_gets_what_comes_later_and_joins_a_row_with_enough_others(
    house: House,
) -> None:
    async with many(house) as sockets, AsyncExitStack() as stack:
        later = [await listener(house, stack)]
        await house.light("north", "two")
        for each in (*sockets, *later):
            assert await each.publications(1) == [(2, "two")]
        assert in_rows(house) == MANY
        later += [await listener(house, stack) for _ in range(MANY)]
        await house.light("north", "three")
        await eventually(lambda: in_rows(house) == 2 * MANY + 1)
        await house.light("north", "four")
        for each in (*sockets, later[0]):
            assert await each.publications(2) == [(3, "three"), (4, "four")]
        assert await later[-1].publications(2) == [(3, "three"), (4, "four")]


@pytest.mark.anyio
async def test_who_unsubscribes_or_leaves_steps_out_and_its_descriptor_is_another_socket(
    house: House,
) -> None:
    async with many(house) as sockets, AsyncExitStack() as stack:
        staying, unsubscribing, leaving = sockets[:20], sockets[20:30], sockets[30:]
        for each in unsubscribing:
            await each.ask({"id": 3, "unsubscribe": {"channel": NORTH}})
        for each in leaving:
            await each.connection.close()
        await eventually(lambda: len(subscribers(house)) == len(staying))
        strangers = [await stack.enter_async_context(house.socket()) for _ in leaving]
        for each in strangers:
            await each.connect()
        await house.light("north", "two")
        for each in staying:
            assert await each.publications(1) == [(2, "two")]
        for each in (*unsubscribing, *strangers):
            await hears_nothing(each)


@pytest.mark.anyio
async def test_a_subscription_that_is_ended_by_the_server_steps_out(house: House) -> None:
    async with many(house) as sockets:
        ended = next(iter(subscribers(house)))
        hub_of(house).end_with_hole(ended)
        assert (await sockets[0].receive())["push"]["unsubscribe"]["code"] == 2500
        await house.light("north", "two")
        await hears_nothing(sockets[0])
        for each in sockets[1:]:
            assert await each.publications(1) == [(2, "two")]


def narrow(subscription: Subscription) -> None:
    """Let the kernel keep little for a client that does not read."""
    direct = subscription.outgoing.direct
    assert direct is not None
    with socket.socket(fileno=os.dup(direct.descriptor)) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)


@asynccontextmanager
async def one_that_stops_reading(
    house: House,
) -> AsyncIterator[tuple[Raw, Subscription, list[Socket]]]:
    """A member of a row, and the others."""
    async with raw(house) as slow:
        sock = slow.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        subscribe = json.dumps({"id": 2, "subscribe": {"channel": NORTH}})
        slow.send(CONNECT + frame(subscribe.encode()))
        for _ in range(2):
            await slow.receive()
        (subscription,) = subscribers(house)
        async with many(house) as others:
            assert (await push(slow))["pub"]["offset"] == 1
            narrow(subscription)
            reading: Any = slow.writer.transport
            reading.pause_reading()
            yield slow, subscription, others


async def push(slow: Raw) -> Any:
    """The next push that a client of raw bytes reads."""
    _, payload = await slow.receive()
    return json.loads(payload)["push"]


def read_on(slow: Raw) -> None:
    reading: Any = slow.writer.transport
    reading.resume_reading()


@pytest.mark.anyio
async def test_who_does_not_read_steps_out_and_misses_nothing(house: House) -> None:
    async with one_that_stops_reading(house) as (slow, subscription, others):
        for _ in range(4):
            await house.light("north", LARGE)
        for each in others:
            assert await each.publications(4) == [(offset, LARGE) for offset in range(2, 6)]
        assert subscription.row is None
        assert in_rows(house) == len(others)
        read_on(slow)
        for offset in range(2, 6):
            publication = (await push(slow))["pub"]
            assert (publication["offset"], publication["data"]["label"]) == (offset, LARGE)
        await house.light("north", "last")
        assert (await push(slow))["pub"]["data"]["label"] == "last"


@pytest.mark.anyio
async def test_a_publication_overtakes_nothing_that_the_client_has_yet_to_take(
    house: House,
) -> None:
    message = Frame(json.dumps({"push": {"message": {"data": LARGE}}}).encode())
    async with one_that_stops_reading(house) as (slow, subscription, others):
        sent = 0
        while not subscription.client.outgoing.size[0]:
            subscription.client.send(message)
            sent += 1
        # Nobody gets a turn before the publication: the kernel has room, the transport has a rest.
        descriptor = slow.writer.get_extra_info("socket").fileno()
        slow.reader.feed_data(read_all(descriptor))
        two = StoredPublication(NORTH, 2, b'{"label":"two"}', datetime.now(UTC))
        await hub_of(house).deliver(NORTH, subscription.stream.epoch, [two])
        read_on(slow)
        for _ in range(sent):
            assert (await push(slow))["message"]["data"] == LARGE
        assert (await push(slow))["pub"]["data"] == {"label": "two"}
        for each in others:
            assert await each.publications(1) == [(2, "two")]


def read_all(descriptor: int) -> bytes:
    """What has arrived at a socket."""
    parts = []
    with suppress(BlockingIOError):
        while part := os.read(descriptor, 65536):
            parts.append(part)
    return b"".join(parts)


def test_a_full_socket_takes_a_part_and_then_nothing_and_a_broken_one_nothing() -> None:
    pairs = [socket.socketpair() for _ in range(3)]
    (clear, reader), (full, _), (broken, gone) = pairs
    message = b"x" * 50_000
    gone.close()
    full.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    while send_to_all([full.fileno()], message) != [-1]:
        pass
    descriptors = [each.fileno() for each in (full, clear, broken)]
    assert send_to_all(descriptors, message) == [-1, len(message), -1]
    assert reader.recv(len(message), socket.MSG_WAITALL) == message
    for pair in pairs:
        for each in pair:
            each.close()
