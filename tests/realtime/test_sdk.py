"""The npm package `centrifuge`, as everybody has it, finds here what it expects."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from sqlalchemy import delete

from tests.realtime.house import House, house_at
from tests.realtime.sdk import sdk
from tests.realtime.wire import wire_to
from tests.services.processes import free_port
from trivet.events.outbox import PublicationRow
from trivet.identity import Identity, Revocation
from trivet_realtime.bounds import Bounds

pytestmark = pytest.mark.anyio

NORTH = "beacons:north"


def numbered(first: int, last: int) -> list[tuple[int, str]]:
    return [(number, f"beacon {number}") for number in range(first, last + 1)]


async def light(house: House, first: int, last: int, harbour: str = "north") -> None:
    await house.light(harbour, *(label for _, label in numbered(first, last)))


async def test_it_subscribes_and_receives_in_order(house: House) -> None:
    async with sdk(house.url, NORTH, "beacons:south") as client:
        for _ in range(2):
            said = await client.next("subscribed")
            assert (said["wasRecovering"], said["recovered"]) == (False, False)
        await light(house, 1, 50)
        assert await client.publications(last="beacon 50") == numbered(1, 50)
        await light(house, 1, 1, "south")
        assert (await client.next("publication"))["channel"] == "beacons:south"


async def test_after_its_wire_was_cut_it_has_everything_once_and_in_order(house: House) -> None:
    async with wire_to(house.port) as wire, sdk(f"ws://127.0.0.1:{wire.port}/ws", NORTH) as client:
        await client.next("subscribed")
        await light(house, 1, 3)
        assert await client.publications(last="beacon 3") == numbered(1, 3)
        for first in (4, 104):  # twice, for the position must go on from what was recovered
            wire.cut()
            await client.next("connecting")
            await light(house, first, first + 98)
            wire.mend()
            said = await client.next("subscribed")
            assert (said["wasRecovering"], said["recovered"]) == (True, True)
            await light(house, first + 99, first + 99)
            expected = numbered(first, first + 99)
            assert await client.publications(last=f"beacon {first + 99}") == expected


async def test_publications_during_many_cuts_arrive_once_and_in_order(house: House) -> None:
    """The wire is cut at no particular moment, while publications never stop."""
    total = 200

    async def publish() -> None:
        for number in range(1, total + 1):
            await light(house, number, number)
            await asyncio.sleep(0.005)

    async with wire_to(house.port) as wire, sdk(f"ws://127.0.0.1:{wire.port}/ws", NORTH) as client:
        await client.next("subscribed")
        publishing = asyncio.create_task(publish())
        while not publishing.done():
            await asyncio.sleep(0.15)
            wire.cut()
            await asyncio.sleep(0.03)
            wire.mend()
        await publishing
        assert await client.publications(last=f"beacon {total}") == numbered(1, total)
    recoveries = [said for said in client.heard if said["event"] == "subscribed"]
    assert len(recoveries) > 2
    assert all(said["recovered"] for said in recoveries[1:])


async def test_after_a_restart_of_the_server_it_has_everything(empty_database_url: str) -> None:
    port = free_port()
    async with AsyncExitStack() as stack:
        async with house_at(empty_database_url, port=port) as house:
            client = await stack.enter_async_context(sdk(house.url, NORTH))
            await client.next("subscribed")
            await light(house, 1, 3)
            assert await client.publications(last="beacon 3") == numbered(1, 3)
        await client.next("connecting")
        house = await stack.enter_async_context(house_at(empty_database_url, port=port))
        await light(house, 4, 6)
        said = await client.next("subscribed")
        assert (said["wasRecovering"], said["recovered"]) == (True, True)
        assert await client.publications(last="beacon 6") == numbered(4, 6)


async def test_what_cannot_be_recovered_is_said_and_the_stream_goes_on(house: House) -> None:
    async with wire_to(house.port) as wire, sdk(f"ws://127.0.0.1:{wire.port}/ws", NORTH) as client:
        await client.next("subscribed")
        wire.cut()
        await light(house, 1, 5)
        async with house.platform.database.engine.begin() as connection:
            await connection.execute(delete(PublicationRow).where(PublicationRow.offset < 3))
        wire.mend()
        said = await client.next("subscribed")
        assert (said["wasRecovering"], said["recovered"]) == (True, False)
        await light(house, 6, 6)
        assert await client.publications(last="beacon 6") == numbered(6, 6)


async def test_it_takes_the_pings_and_answers_them(empty_database_url: str) -> None:
    bounds = Bounds(ping_seconds=1, pong_seconds=2)
    async with house_at(empty_database_url, bounds) as house, sdk(house.url, NORTH) as client:
        await client.next("subscribed")
        await asyncio.sleep(3.5)  # longer than a missing pong would be forgiven
        await light(house, 1, 1)
        assert await client.publications(last="beacon 1") == numbered(1, 1)
        assert [said["event"] for said in client.heard].count("connected") == 1


async def test_it_reads_history(house: House) -> None:
    await light(house, 1, 5)
    async with sdk(house.url, NORTH) as client:
        await client.next("subscribed")
        client.ask("history")
        said = await client.next("history")
        assert (said["offsets"], said["offset"]) == ([1, 2], 5)


async def test_a_refused_channel_is_final_and_leaves_the_others_alone(house: House) -> None:
    async with sdk(house.url, "beacons:closed", "boats:north", NORTH) as client:
        assert await client.next("unsubscribed") == {
            "event": "unsubscribed",
            "channel": "beacons:closed",
            "code": 103,
        }
        assert (await client.next("unsubscribed"))["code"] == 102
        assert (await client.next("subscribed"))["channel"] == NORTH


async def test_a_revocation_is_final_for_it(house: House) -> None:
    async with sdk(f"{house.url}?badge=7", NORTH) as client:
        await client.next("subscribed")
        house.platform.broker.publish(Revocation(user_id=7))
        said = await client.next("disconnected")
        assert (said["code"], said["reason"]) == (3500, "credential revoked")


async def test_it_goes_by_a_stream_of_http_where_no_socket_passes(house: House) -> None:
    stream = house.url.replace("ws://", "http://")
    async with wire_to(house.port) as wire:
        cut = stream.replace(str(house.port), str(wire.port))
        async with sdk(cut, NORTH) as client:
            assert (await client.next("subscribed"))["recovered"] is False
            await light(house, 1, 3)
            assert await client.publications("beacon 3") == numbered(1, 3)
            client.ask("history")
            assert (await client.next("history"))["offset"] == 3
            wire.cut()
            await light(house, 4, 5)
            wire.mend()
            again = await client.next("subscribed")
            assert (again["wasRecovering"], again["recovered"]) == (True, True)
            assert await client.publications("beacon 5") == numbered(4, 5)


async def test_it_connects_with_a_token_and_hears_of_the_end(house: House) -> None:
    await house.add_user(7)
    seven = Identity(user_id=7, username="user 7", kind="session")
    async with sdk(
        house.url, "beacons:crew:a", token=house.platform.tokens.connection(seven)
    ) as client:
        assert (await client.next("subscribed"))["channel"] == "beacons:crew:a"
        house.platform.broker.publish(Revocation(user_id=7))
        said = await client.next("disconnected")
        assert (said["code"], said["reason"]) == (3500, "credential revoked")
