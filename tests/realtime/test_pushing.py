"""What is pushed beside publications, when many come and go at once: few frames, and turns for
everybody else."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from tests.realtime.carried import CarriedBroker, Line
from tests.realtime.house import House, Socket, eventually, house_at
from tests.realtime.pipe import Pipe, connected
from trivet.delivery.controls import ChannelPush
from trivet.delivery.messages import decode
from trivet.identity import Revocation
from trivet_realtime.frames import PART_BYTES, Frame
from trivet_realtime.hub import Hub

pytestmark = pytest.mark.anyio

DEN = "lounge:den"
MANY = 40


def hub_of(house: House) -> Hub:
    receiver = house.platform.relay.receiver
    assert isinstance(receiver, Hub)
    return receiver


async def guest(house: House, stack: AsyncExitStack, badge: str = "") -> Socket:
    """A socket in the den, from which nobody reads yet who else comes."""
    socket = await stack.enter_async_context(house.socket(badge, max_queue=None))
    await socket.connect()
    await socket.subscribe(DEN)
    return socket


async def hear(socket: Socket, kind: str, count: int) -> int:
    """Wait for `count` pushes of one kind, and return how many frames brought them."""
    frames = heard = 0
    while heard < count:
        frames += 1
        frame = await asyncio.wait_for(socket.connection.recv(decode=True), 30)
        heard += frame.count(f'"{kind}":')
    return frames


async def test_who_stays_hears_of_all_who_leave_together_in_few_frames(house: House) -> None:
    async with AsyncExitStack() as stack:
        stays = await guest(house, stack)
        for _ in range(MANY):
            await guest(house, stack, "7")
        await hear(stays, "join", MANY + 1)
        house.platform.broker.publish(Revocation(credential_id="badge-7"))
        assert await hear(stays, "leave", MANY) < MANY / 4


async def test_other_processes_are_told_in_few_messages(empty_database_url: str) -> None:
    line = Line()
    async with (
        house_at(empty_database_url, broker=CarriedBroker(line)) as house,
        AsyncExitStack() as stack,
    ):
        for _ in range(MANY):
            await guest(house, stack, "7")
        hub = hub_of(house)
        await eventually(lambda: sum(map(joins, pushes(line))) == MANY)
        before = len(pushes(line))
        for client in tuple(hub.clients):
            hub.dismiss(client)
        await eventually(lambda: sum(map(leaves, pushes(line))) == MANY)
        assert len(pushes(line)) - before < MANY / 4


def pushes(line: Line) -> Sequence[ChannelPush]:
    messages = (decode(encoded).message for encoded in line.carried)
    return [each for each in messages if isinstance(each, ChannelPush)]


def joins(push: ChannelPush) -> int:
    return push.frame.count('"join":')


def leaves(push: ChannelPush) -> int:
    return push.frame.count('"leave":')


@asynccontextmanager
async def in_den(house: House, count: int) -> AsyncIterator[list[Pipe]]:
    """Clients of the hub alone, who hear the den."""
    hub = hub_of(house)
    pipes = []
    for _ in range(count):
        client, pipe = connected(hub)
        subscription = await hub.join(client, DEN)
        subscription.start(subscription.stream.position)
        pipes.append(pipe)
    yield pipes
    for client in tuple(hub.clients):
        hub.dismiss(client)


async def test_others_get_their_turn_while_many_are_told(house: House) -> None:
    async with in_den(house, 2_000) as many:
        hub_of(house).pushing.push(DEN, Frame(b"{}"))
        told = [0]
        while told[-1] < len(many):
            await asyncio.sleep(0)
            told.append(sum(len(pipe.frames) for pipe in many))
    assert len([count for count in told if 0 < count < len(many)]) > 2


async def test_what_is_pushed_keeps_its_order_in_frames_that_are_not_too_large(
    house: House,
) -> None:
    said = [b"%d" % number for number in range(30_000)]
    async with in_den(house, 1) as (pipe,):
        for each in said:
            hub_of(house).pushing.push(DEN, Frame(each))
        await eventually(
            lambda: sum(len(frame.payload.split()) for frame in pipe.frames) == len(said)
        )
    assert b"\n".join(frame.payload for frame in pipe.frames) == b"\n".join(said)
    assert len(pipe.frames) > 1
    assert max(len(frame.payload) for frame in pipe.frames) < 2 * PART_BYTES


async def test_who_has_left_is_told_nothing_more(house: House) -> None:
    hub = hub_of(house)
    async with in_den(house, 2) as (gone, stays):
        hub.pushing.push(DEN, Frame(b"{}"))
        hub.leave(next(iter(hub.subscribers(DEN))))
        await eventually(lambda: stays.frames)
        assert not gone.frames
