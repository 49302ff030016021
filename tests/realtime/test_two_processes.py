"""Two platforms on one database, joined by a broker that carries bytes between them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.realtime.carried import CarriedBroker, Line
from tests.realtime.house import House, house_at
from trivet.delivery.messages import decode
from trivet.events.wake_up import WakeUp
from trivet.identity import Revocation

pytestmark = pytest.mark.anyio


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
async def houses(line: Line, empty_database_url: str) -> AsyncIterator[list[House]]:
    """Two houses whose polls are too rare to deliver anything within a test."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                house_at(empty_database_url, broker=CarriedBroker(line), poll_seconds=60)
            )
            for _ in range(2)
        ]


async def test_a_commit_in_one_process_wakes_the_relay_of_the_other(
    houses: list[House], line: Line
) -> None:
    here, there = houses
    async with here.socket() as near, there.socket() as far:
        for socket in (near, far):
            await socket.connect()
            await socket.subscribe("beacons:north")
        await here.light("north", "one", "two")
        expected = [(1, "one"), (2, "two")]
        assert await near.publications(2) == await far.publications(2) == expected
        await there.light("north", "three")
        assert await near.publications(1) == await far.publications(1) == [(3, "three")]
    carried = [decode(encoded).message for encoded in line.carried]
    assert carried == [WakeUp({"beacons:north": 2}), WakeUp({"beacons:north": 3})]


async def test_a_revocation_in_one_process_ends_the_sockets_of_the_other(
    houses: list[House], line: Line
) -> None:
    here, there = houses
    async with there.socket("7") as meant, there.socket("8") as other:
        await meant.connect()
        await other.connect()
        await asyncio.to_thread(here.platform.broker.publish, Revocation(user_id=7))
        assert await meant.closing() == (3500, "credential revoked")
        assert await other.ask({"id": 3, "ping": {}}) == {"id": 3, "ping": {}}
    assert [decode(encoded).message for encoded in line.carried] == [Revocation(user_id=7)]


async def test_a_revocation_in_one_process_is_forgotten_by_the_cache_of_the_other(
    houses: list[House],
) -> None:
    here, there = houses
    async with there.socket("7"):
        cache = there.platform.identities
        assert len(cache) == 1
        here.platform.broker.publish(Revocation(user_id=8))
        assert len(cache) == 1
        here.platform.broker.publish(Revocation(user_id=7))
        assert len(cache) == 0
