"""The life of a connection: its beginning, its pulse, and every way it may end."""

import asyncio
import contextlib
import time
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.realtime.beacons.realtime import asked_slowly
from tests.realtime.house import (
    BRIEF_SECONDS,
    House,
    Socket,
    build,
    create_tables,
    eventually,
    house_at,
    open_platform_with_django,
    serving,
)
from tests.services.processes import free_port
from trivet.identity import Revocation, RevocationScope
from trivet.lifecycle import State
from trivet.observation import Observers, QueuesMeasured
from trivet_realtime.bounds import Bounds
from trivet_realtime.timers import SLOT_SECONDS

pytestmark = pytest.mark.anyio


async def test_who_does_not_connect_in_time_is_stale(empty_database_url: str) -> None:
    bounds = Bounds(connect_seconds=0.1)
    async with house_at(empty_database_url, bounds) as house, house.socket() as socket:
        assert await socket.closing() == (3502, "stale")


async def test_a_client_is_pinged_and_its_pongs_keep_it(empty_database_url: str) -> None:
    bounds = Bounds(ping_seconds=0.1, pong_seconds=1.0)
    async with house_at(empty_database_url, bounds) as house, house.socket() as socket:
        await socket.connect()
        for _ in range(12):
            assert await socket.receive() == {}
            await socket.send({})
        # alive for longer than a missing pong would be forgiven
        await socket.send({"id": 9, "ping": {}})
        replies = await socket.receive_all(1)
        assert replies[0] in ({}, {"id": 9, "ping": {}})


async def test_a_pong_is_heard_while_slow_commands_are_at_work(empty_database_url: str) -> None:
    bounds = Bounds(ping_seconds=0.1, pong_seconds=0.2)
    channels = [f"beacons:slow:{number}" for number in range(11)]
    async with house_at(empty_database_url, bounds) as house, house.socket() as socket:
        commands = [
            {"id": number, "subscribe": {"channel": channel}}
            for number, channel in enumerate(channels, 2)
        ]
        await socket.send({"id": 1, "connect": {}}, *commands)
        replies: list[Any] = []
        pings = 0
        while len(replies) < 12:
            received = await socket.receive()
            if received:
                replies.append(received)
            else:
                pings += 1
                await socket.send({})
        assert sorted(reply["id"] for reply in replies) == list(range(1, 13))
        assert pings > 0
        assert house.platform.relay.watched == set(channels)


async def test_who_does_not_answer_a_ping_is_gone(empty_database_url: str) -> None:
    bounds = Bounds(ping_seconds=0.1, pong_seconds=0.1)
    async with house_at(empty_database_url, bounds) as house, house.socket() as socket:
        await socket.connect()
        assert await socket.closing() == (3012, "no pong")


async def test_a_second_pong_to_one_ping_is_a_bad_request(empty_database_url: str) -> None:
    bounds = Bounds(ping_seconds=0.1)
    async with house_at(empty_database_url, bounds) as house, house.socket() as socket:
        await socket.connect()
        assert await socket.receive() == {}
        await socket.send({}, {})
        assert await socket.closing() == (3501, "bad request")


async def test_a_client_that_does_not_read_is_cut_off_and_the_others_are_not(
    empty_database_url: str,
) -> None:
    bounds = Bounds(queue_bytes=200_000, slow_seconds=0.2)
    async with (
        house_at(empty_database_url, bounds) as house,
        # A queue of one message: what is not read stays on the server's side.
        house.socket(max_queue=1) as slow,
        house.socket() as quick,
    ):
        for socket in (slow, quick):
            await socket.connect()
            await socket.subscribe("beacons:north")
        for number in range(1, 101):
            await house.light("north", f"{number} " + "x" * 100_000)
            ((offset, _),) = await quick.publications(1)
            assert offset == number
        await asyncio.sleep(3 * bounds.slow_seconds)
        # It reads again: first all that was on its way, then why that is all.
        assert await slow.closing() == (3008, "slow")


async def test_what_a_slow_client_takes_is_bounded_and_it_recovers_what_it_missed(
    empty_database_url: str,
) -> None:
    bounds = Bounds(queue_bytes=200_000, slow_seconds=0.2)
    observers, queues = Observers(measure_seconds=0.01), list[QueuesMeasured]()
    observers.add(QueuesMeasured, queues.append)
    async with (
        house_at(empty_database_url, bounds, observers=observers) as house,
        house.socket(max_queue=1) as slow,
    ):
        await slow.connect()
        told = await slow.subscribe("beacons:north")
        await slow.subscribe("beacons:bulk")
        # More than the network keeps for who does not read, and then what will be missed.
        for number in range(1, 101):
            await house.light("bulk", "x" * 100_000)
            await house.light("north", f"{number}")
        heard = await publications_of("beacons:north", slow)
        assert slow.connection.close_code == 3008
        assert max(each.longest_bytes for each in queues) < 2 * bounds.queue_bytes

        async with house.socket() as back:
            await back.connect()
            position = {"epoch": told["epoch"], "offset": len(heard)}
            reply = await back.subscribe("beacons:north", recover=True, **position)
            assert reply["recovered"] is True
            missed = [(each["offset"], each["data"]["label"]) for each in reply["publications"]]
    assert missed, "it was cut off for nothing"
    assert heard + missed == [(number, str(number)) for number in range(1, 101)]


async def publications_of(channel: str, socket: Socket) -> list[tuple[int, str]]:
    """The publications of one channel until the end of the connection."""
    heard = []
    with contextlib.suppress(ConnectionClosed):
        while True:
            push = (await socket.receive()).get("push", {})
            if push.get("channel") == channel:
                heard.append((push["pub"]["offset"], push["pub"]["data"]["label"]))
    return heard


async def test_a_large_commit_cuts_nobody_off_and_everybody_has_all_of_it(
    empty_database_url: str,
) -> None:
    """More than a queue, more than one look of the relay, more than a recovery may have."""
    bounds = Bounds(queue_bytes=100_000)
    labels = [f"{number} " + "x" * 1500 for number in range(2500)]
    async with (
        house_at(empty_database_url, bounds) as house,
        contextlib.AsyncExitStack() as stack,
    ):
        sockets = [await stack.enter_async_context(house.socket()) for _ in range(5)]
        for socket in sockets:
            await socket.connect()
            await socket.subscribe("beacons:north")
        await house.light("north", *labels)
        for seen in await asyncio.gather(*(socket.publications(2500) for socket in sockets)):
            assert seen == list(enumerate(labels, 1))


async def test_a_client_that_reads_slowly_gets_all_of_a_large_commit(
    empty_database_url: str,
) -> None:
    """What memory does not keep for it comes from the database."""
    bounds = Bounds(queue_bytes=100_000, slow_seconds=5)
    async with (
        house_at(empty_database_url, bounds) as house,
        house.socket(max_queue=1) as slow,
        house.socket() as quick,
    ):
        for socket in (slow, quick):
            await socket.connect()
            await socket.subscribe("beacons:north")
        labels = [f"{number} " + "x" * 20_000 for number in range(600)]
        for start in range(0, 600, 100):
            await house.light("north", *labels[start : start + 100])
            assert len(await quick.publications(100)) == 100
        assert await slow.publications(600) == list(enumerate(labels, 1))
        assert (await slow.ask({"id": 3, "ping": {}})) == {"id": 3, "ping": {}}


async def test_a_client_that_never_reads_again_is_forgotten(empty_database_url: str) -> None:
    bounds = Bounds(queue_bytes=100_000, close_seconds=0.2, slow_seconds=0.2)
    async with (
        house_at(empty_database_url, bounds) as house,
        house.socket(max_queue=1, close_timeout=0.1) as slow,
    ):
        await slow.connect()
        await slow.subscribe("beacons:north")
        for _ in range(100):
            await house.light("north", "x" * 100_000)
        await eventually(lambda: not house.platform.relay.watched)


async def test_one_publication_larger_than_the_queue_arrives(empty_database_url: str) -> None:
    """To cut the client off for it would only bring it back for the same publication."""
    bounds = Bounds(queue_bytes=1000)
    async with house_at(empty_database_url, bounds) as house, house.socket() as socket:
        await socket.connect()
        await socket.subscribe("beacons:north")
        await house.light("north", "x" * 5000)
        assert await socket.publications(1) == [(1, "x" * 5000)]


@pytest.mark.parametrize(
    ("revoked", "ended"),
    [
        ({"user_id": 7}, {"7 staff", "7"}),
        ({"user_id": 8}, {"8"}),
        ({"user_id": 9}, set()),
        ({"credential_id": "badge-7"}, {"7 staff", "7"}),
        ({"credential_id": "badge-9"}, set()),
    ],
)
async def test_a_revocation_ends_the_sockets_it_means_at_once_and_for_good(
    house: House, revoked: dict[str, Any], ended: set[str]
) -> None:
    badges = ["7 staff", "7", "8", ""]
    async with contextlib.AsyncExitStack() as stack:
        sockets = {badge: await stack.enter_async_context(house.socket(badge)) for badge in badges}
        for socket in sockets.values():
            await socket.connect()
        # from a thread, as a logout in the admin does
        await asyncio.to_thread(house.platform.broker.publish, Revocation(**revoked))
        for badge, socket in sockets.items():
            if badge in ended:
                # 3500 and above: an SDK does not come back by itself
                assert await socket.closing() == (3500, "credential revoked")
            else:
                assert await socket.ask({"id": 3, "ping": {}}) == {"id": 3, "ping": {}}


async def test_a_change_of_grants_makes_the_sockets_it_means_come_back(house: House) -> None:
    async with house.socket("7 staff") as meant, house.socket("8") as other:
        await meant.connect()
        await other.connect()
        lost = Revocation(user_id=7, scope=RevocationScope.GRANTS)
        await asyncio.to_thread(house.platform.broker.publish, lost)
        # below 3500: an SDK comes back by itself, and is asked again
        assert await meant.closing() == (3011, "grants changed")
        assert await other.ask({"id": 3, "ping": {}}) == {"id": 3, "ping": {}}


async def test_a_socket_ends_with_the_credential_that_opened_it(house: House) -> None:
    started = time.monotonic()
    async with house.socket("7 brief") as socket:
        await socket.connect()
        assert await socket.closing() == (3500, "credential expired")
    assert time.monotonic() - started > BRIEF_SECONDS / 2


async def test_a_socket_that_did_not_connect_yet_is_revoked_too(house: House) -> None:
    async with house.socket("7") as socket:
        await asyncio.to_thread(house.platform.broker.publish, Revocation(user_id=7))
        assert await socket.closing() == (3500, "credential revoked")


async def test_a_shutdown_sends_every_client_elsewhere(empty_database_url: str) -> None:
    platform = await asyncio.to_thread(open_platform_with_django, empty_database_url)
    root = await asyncio.to_thread(build, platform)
    await create_tables(platform)
    house = House(platform, free_port())
    async with serving(root, house.port, lifespan="off"):
        await platform.lifecycle.start(root.process.starting())
        async with house.socket() as one, house.socket() as two:
            await one.connect()
            await one.subscribe("beacons:north")
            await platform.lifecycle.stop(root.process.stopping())
            assert await one.closing() == (3001, "shutdown")
            assert await two.closing() == (3001, "shutdown")
            async with house.socket() as late:
                assert await late.closing() == (3001, "shutdown")
    assert platform.relay.watched == frozenset()


async def test_a_command_that_is_at_work_is_answered_before_a_shutdown_ends_its_socket(
    empty_database_url: str,
) -> None:
    platform = await asyncio.to_thread(open_platform_with_django, empty_database_url)
    root = await asyncio.to_thread(build, platform)
    await create_tables(platform)
    house = House(platform, free_port())
    async with serving(root, house.port, lifespan="off"):
        await platform.lifecycle.start(root.process.starting())
        async with house.socket() as socket:
            await socket.connect()
            await socket.send({"id": 2, "subscribe": {"channel": "beacons:slow:late"}})
            await eventually(lambda: "late" in asked_slowly)
            stopping = asyncio.create_task(platform.lifecycle.stop(root.process.stopping()))
            assert (await socket.receive())["subscribe"]["recoverable"] is True
            assert await socket.closing() == (3001, "shutdown")
            await stopping


async def test_a_server_that_stops_asks_the_room_first_and_tells_why(
    empty_database_url: str,
) -> None:
    async with house_at(empty_database_url) as house:
        connection = house.socket()
        socket = await connection.__aenter__()
        await socket.connect()
    assert await socket.closing() == (3001, "shutdown")
    await connection.__aexit__(None, None, None)


async def test_clients_of_a_server_that_stops_leave_one_after_the_other(
    empty_database_url: str,
) -> None:
    """Two hundred in a second would be met by a thousand elsewhere, so they are spread."""
    ended: list[float] = []
    async with contextlib.AsyncExitStack() as stack:
        async with house_at(empty_database_url) as house:
            sockets = [await stack.enter_async_context(house.socket()) for _ in range(100)]
            for socket in sockets:
                await socket.connect()

            async def note(socket: Socket) -> None:
                assert await socket.closing() == (3001, "shutdown")
                ended.append(time.monotonic())

            noting = [asyncio.create_task(note(socket)) for socket in sockets]
        await asyncio.gather(*noting)
    slots = {round(moment / SLOT_SECONDS) for moment in ended}
    assert len(slots) > 2
    assert house.platform.lifecycle.state is State.STOPPED


async def test_a_socket_that_vanishes_leaves_nothing_behind(house: House) -> None:
    async with house.socket() as socket:
        await socket.connect()
        await socket.subscribe("beacons:north")
        socket.connection.transport.abort()
        with pytest.raises(ConnectionClosed):
            await socket.receive()
    await house.light("north", "to nobody")
    await eventually(lambda: not house.platform.relay.watched)
    assert house.platform.relay.state.is_healthy


async def test_an_idle_socket_holds_no_database_connection(empty_database_url: str) -> None:
    async with (
        house_at(empty_database_url, database_connections=1) as house,
        house.socket() as one,
        house.socket() as two,
    ):
        for socket in (one, two):
            await socket.connect()
            await socket.subscribe("beacons:north")
        await house.light("north", "with the only connection there is")
        await one.publications(1)
        await two.publications(1)
        pool = house.platform.database.engine.pool
        assert pool.checkedout() == 0  # type: ignore[attr-defined]  # a QueuePool
