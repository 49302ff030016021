"""From a commit to the sockets: who gets what, and what is never sent."""

from contextlib import suppress

import pytest
from sqlalchemy import delete

from tests.realtime.beacons.models import Beacon
from tests.realtime.house import House, house_at
from trivet.events.outbox import PublicationRow
from trivet.events.wake_up import WakeUp

pytestmark = pytest.mark.anyio


async def test_every_subscriber_of_a_channel_gets_it_and_nobody_else(house: House) -> None:
    async with house.socket() as one, house.socket() as two, house.socket() as other:
        for socket, channel in ((one, "north"), (two, "north"), (other, "south")):
            await socket.connect()
            await socket.subscribe(f"beacons:{channel}")
        await house.light("north", "for the north", "and again")
        await house.light("south", "for the south")
        expected = [(1, "for the north"), (2, "and again")]
        assert await one.publications(2) == expected
        assert await two.publications(2) == expected
        assert await other.publications(1) == [(1, "for the south")]


async def test_a_rolled_back_change_is_never_told(house: House) -> None:
    async with house.socket() as socket:
        await socket.connect()
        await socket.subscribe("beacons:north")
        with suppress(LookupError):
            async with house.platform.open_unit() as unit:
                unit.session.add(Beacon(harbour="north", label="never lit"))
                await unit.session.flush()
                raise LookupError
        await house.light("north", "lit")
        assert await socket.publications(1) == [(1, "lit")]


async def test_who_unsubscribed_hears_nothing_more(house: House) -> None:
    async with house.socket() as socket:
        await socket.connect()
        await socket.subscribe("beacons:north")
        await socket.ask({"id": 3, "unsubscribe": {"channel": "beacons:north"}})
        assert house.platform.relay.watched == frozenset()
        await house.light("north", "unheard")
        assert await socket.ask({"id": 4, "ping": {}}) == {"id": 4, "ping": {}}


async def test_a_channel_is_watched_for_as_long_as_anyone_is_subscribed(house: House) -> None:
    relay = house.platform.relay
    async with house.socket() as staying:
        await staying.connect()
        await staying.subscribe("beacons:north")
        async with house.socket() as leaving:
            await leaving.connect()
            await leaving.subscribe("beacons:north")
        await house.light("north", "still here")
        assert await staying.publications(1) == [(1, "still here")]
        assert relay.watched == {"beacons:north"}


async def test_a_publication_without_a_wake_up_arrives_with_the_next_poll(
    empty_database_url: str,
) -> None:
    async with house_at(empty_database_url, poll_seconds=0.1) as house, house.socket() as socket:
        await socket.connect()
        await socket.subscribe("beacons:north")
        house.platform.database.on_published = lambda _: None  # as if another process had committed
        await house.light("north", "one", "two")
        assert await socket.publications(2) == [(1, "one"), (2, "two")]


async def test_a_hole_that_retention_made_invalidates_the_subscription(house: House) -> None:
    """2502 makes an SDK subscribe again from nothing, and the page load anew."""
    async with house.socket() as socket:
        await socket.connect()
        await socket.subscribe("beacons:north")
        database = house.platform.database
        wake, database.on_published = database.on_published, lambda _: None
        await house.light("north", "one", "two", "three")  # and nothing wakes the relay
        async with house.platform.database.engine.begin() as connection:
            await connection.execute(delete(PublicationRow).where(PublicationRow.offset < 3))
        house.platform.broker.publish(WakeUp({"beacons:north": 3}))
        push = (await socket.receive())["push"]
        assert push["unsubscribe"]["code"] == 2502
        assert (await socket.subscribe("beacons:north"))["offset"] == 3
        database.on_published = wake
        await house.light("north", "four")
        assert await socket.publications(1) == [(4, "four")]
