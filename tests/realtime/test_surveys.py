"""What processes tell each other of their clients: whole, bounded, and missing if it is missing."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, text

from tests.realtime.carried import CarriedBroker, Line
from tests.realtime.house import House, Socket, eventually, house_at
from tests.realtime.server_api import KEY, call, error
from trivet.delivery.connection_states import ConnectionsRequest
from trivet.delivery.connections import ConnectionsOverview, find_connections
from trivet.delivery.controls import Survey, SurveyAnswer
from trivet.delivery.messages import decode
from trivet.delivery.presence import PresenceNode, list_nodes
from trivet_realtime.bounds import Bounds
from trivet_realtime.server_api.messages import InfoCommand

pytestmark = pytest.mark.anyio

LONGEST_BODY = 1024 * 1024 - 32
"""What a broker carries of one message."""
NAMES = 2_500


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
async def houses(line: Line, empty_database_url: str) -> AsyncIterator[tuple[House, House]]:
    """Two processes of one installation, which are in the register."""
    bounds = Bounds(
        channels=2 * NAMES, listed_channels=NAMES, message_bytes=2**20, slow_seconds=600
    )
    given: dict[str, Any] = {"bounds": bounds, "server_api_keys": [KEY]}
    async with (
        house_at(empty_database_url, broker=CarriedBroker(line), **given) as one,
        house_at(empty_database_url, broker=CarriedBroker(line), **given) as other,
    ):
        nodes = {house.platform.broker.node for house in (one, other)}
        while await registered(one) != nodes:  # noqa: ASYNC110  # a table tells nobody
            await asyncio.sleep(0.01)
        yield one, other


async def registered(house: House) -> set[str]:
    async with house.platform.database.unit(read_only=True) as session:
        return await session.run_sync(list_nodes)


async def register(house: House, node: str) -> None:
    """Add a process to the register that nobody renews or removes."""
    until = datetime.now(UTC) + timedelta(hours=1)
    async with house.platform.database.unit() as session:
        connection = await session.connection()
        await connection.execute(insert(PresenceNode).values(node=node, expires_at=until))


async def look(house: House, **asked: Any) -> ConnectionsOverview:
    platform = house.platform
    request = ConnectionsRequest(**asked)
    return await find_connections(platform.surveys, platform.database, request, seconds=30)


async def subscribe_to_many(socket: Socket, names: list[str]) -> None:
    for start in range(0, len(names), 500):
        part = names[start : start + 500]
        await socket.send(
            *({"id": 2 + n, "subscribe": {"channel": name}} for n, name in enumerate(part))
        )
        replies = 0
        while replies < len(part):
            received = await socket.receive()
            assert "error" not in received, received
            replies += "subscribe" in received
            if not received:
                await socket.send({})


async def test_an_answer_that_is_too_large_for_a_message_comes_in_parts(
    houses: tuple[House, House], line: Line
) -> None:
    one, other = houses
    # as they are longest in a message: a quote there takes four bytes
    names = [f"beacons:{'x' * 100}{n:05}{chr(34) * 140}" for n in range(NAMES)]
    async with other.socket("7") as socket:
        await socket.connect()
        await subscribe_to_many(socket, names)
        line.carried.clear()
        channels = (await call(one, "channels", pattern="beacons:*"))["channels"]
    assert channels == {name: {"num_clients": 1} for name in names}
    sizes = [len(encoded) for encoded in line.carried]
    assert sum(sizes) > 1.5 * LONGEST_BODY
    assert max(sizes) < LONGEST_BODY


async def test_more_channels_than_are_listed_are_refused_and_not_cut(
    houses: tuple[House, House],
) -> None:
    one, other = houses
    names = [f"beacons:{n}" for n in range(NAMES + 1)]
    async with other.socket("7") as socket, other.socket("7") as second:
        await socket.connect()
        await second.connect()
        await subscribe_to_many(socket, names[1:])
        assert len((await call(one, "channels", pattern="beacons:*"))["channels"]) == NAMES
        await subscribe_to_many(second, names[:1])
        assert await error(one, "channels", {"pattern": "beacons:*"}) == 106
        few = (await call(one, "channels", pattern="beacons:12?"))["channels"]
        assert set(few) == {f"beacons:12{n}" for n in range(10)}


async def test_a_survey_ends_when_every_process_has_answered(houses: tuple[House, House]) -> None:
    one, other = houses
    # It would wait for an hour.
    platform = one.platform
    async with asyncio.timeout(60):
        found = await find_connections(
            platform.surveys, platform.database, ConnectionsRequest(), seconds=3600
        )
    assert {each.node for each in found.processes} == {
        house.platform.broker.node for house in (one, other)
    }
    assert found.missing == []


async def test_a_survey_waits_for_the_slowest_process_and_for_all_parts(
    houses: tuple[House, House], line: Line
) -> None:
    one, _ = houses
    await register(one, "slow")
    process = CarriedBroker(line)
    await process.start()
    loop = asyncio.get_running_loop()

    def answer(survey: Survey) -> None:
        for seconds in (0.3, 0.6):
            part = SurveyAnswer(survey.asker, survey.number, '{"nodes":[]}', "slow", parts=2)
            loop.call_later(seconds, process.publish, part)

    process.subscribe(Survey, answer)
    async with asyncio.timeout(60):
        found = await one.platform.surveys.ask("info", InfoCommand(), seconds=3600)
    assert found.missing == frozenset()
    assert len(found.results["slow"]) == 2
    assert len(found.results) == 3
    await process.stop()


async def test_a_process_that_does_not_answer_is_missing_and_the_others_are_told(
    houses: tuple[House, House], caplog: pytest.LogCaptureFixture
) -> None:
    one, _ = houses
    await register(one, "silent")
    platform = one.platform
    found = await find_connections(
        platform.surveys, platform.database, ConnectionsRequest(), seconds=2
    )
    assert "silent" in found.missing
    assert found.asked == 3
    with caplog.at_level(logging.WARNING):
        nodes = (await call(one, "info"))["nodes"]
    assert one.platform.broker.node in {node["uid"] for node in nodes}
    assert "did not answer the survey of info in time" in caplog.text
    assert "silent" in caplog.text


async def test_a_question_of_a_newer_version_is_not_answered_and_does_no_harm(
    houses: tuple[House, House],
) -> None:
    one, _ = houses
    one.platform.broker.publish(Survey(one.platform.broker.node, "1", "tomorrow", "{}"))
    assert (await look(one)).missing == []


async def test_connections_of_every_process_are_found(houses: tuple[House, House]) -> None:
    one, other = houses
    async with one.socket("7") as near, other.socket("8") as far, other.socket() as nobody:
        near_id, far_id, id_of_nobody = [
            (await socket.connect())["client"] for socket in (near, far, nobody)
        ]
        for socket in (near, far):
            await socket.subscribe("beacons:north")
        await near.subscribe("beacons:[south]")
        await one.light("north", "one", "two")
        for socket in (near, far):
            await socket.publications(2)
        for house in houses:
            found = await look(house)
            names = {each.client: each.username for each in found.connections}
            assert names == {near_id: "user 7", far_id: "user 8", id_of_nobody: ""}
            channels = {each.channel: each for each in found.channels}
            north = channels["beacons:north"]
            assert (north.subscribers, north.offset, north.behind, north.slow) == (2, 2, 0, 0)
            assert north.last_at is not None
            assert channels["beacons:[south]"].last_at is None
        assert [each.client for each in (await look(one, user="8")).connections] == [far_id]
        by_channel = await look(one, channel="beacons:s*")
        assert by_channel.connections == []
        by_channel = await look(one, channel="beacons:n*")
        assert {each.client for each in by_channel.connections} == {near_id, far_id}
        assert [each.channel for each in by_channel.channels] == ["beacons:north"]
        (alone,) = (await look(other, client=near_id)).connections
        sent = {each.channel: each.offset for each in alone.channels}
        assert sent["beacons:north"] == 2
        assert sent["beacons:[south]"] == 0


async def test_who_is_behind_is_told_first_and_by_how_much(houses: tuple[House, House]) -> None:
    one, other = houses
    async with other.socket("7", max_queue=1) as slow, other.socket("8") as quick:
        slow_id = (await slow.connect())["client"]
        await slow.subscribe("beacons:north")
        await quick.connect()
        slow.connection.transport.pause_reading()
        big = "x" * 1_000_000
        for _ in range(20):
            await call(one, "publish", channel="beacons:north", data=big)
        await until_so(one, lambda found: found.connections[0].behind > 0)
        found = await look(one)
        first = found.connections[0]
        assert first.client == slow_id
        assert first.waiting_bytes > 0
        (channel,) = [each for each in found.channels if each.channel == "beacons:north"]
        assert (channel.slow, channel.offset, channel.behind) == (1, 20, 0)
        (alone,) = (await look(one, client=slow_id)).connections
        (north,) = [each for each in alone.channels if each.channel == "beacons:north"]
        assert north.offset == 20 - first.behind
        slow.connection.transport.resume_reading()
        await slow.receive_all(20)
        await until_so(one, lambda found: not any(each.behind for each in found.connections))


async def until_so(house: House, condition: Callable[[ConnectionsOverview], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition(await look(house)):  # noqa: ASYNC110  # nobody tells of it
            await asyncio.sleep(0.05)


async def test_of_many_channels_a_process_tells_what_others_have_told(
    houses: tuple[House, House],
) -> None:
    one, other = houses
    async with (
        one.socket("6") as first,
        one.socket("7") as second,
        other.socket("8") as far,
        other.socket("9") as third,
    ):
        for socket in (first, second, far, third):
            await socket.connect()
        # In the one process it is the first of all, in the other it is behind many.
        for socket in (first, second):
            await socket.subscribe("beacons:z")
        names = [f"beacons:{n}" for n in range(8)]
        for socket in (far, third):
            await subscribe_to_many(socket, names)
        await far.subscribe("beacons:z")
        found = await look(one, limit=9)
        assert {each.channel: each.subscribers for each in found.channels}["beacons:z"] == 3
        assert len(found.channels) == 9
        assert found.has_more_channels
        assert found.matching_channels > 9


async def test_what_a_survey_carries_stays_small(houses: tuple[House, House], line: Line) -> None:
    one, other = houses
    async with other.socket("7") as socket:
        await socket.connect()
        await subscribe_to_many(socket, [f"beacons:{'x' * 200}{n}" for n in range(NAMES)])
        line.carried.clear()
        found = await look(one)
        (connection,) = (await look(one, user="7")).connections
    assert len(found.channels) == 100
    assert connection.subscriptions >= NAMES
    assert max(map(len, line.carried)) < LONGEST_BODY / 4
    assert {type(decode(encoded).message).__name__ for encoded in line.carried} == {
        "Survey",
        "SurveyAnswer",
    }


async def test_a_subscription_by_the_server_api_that_the_database_refuses_is_logged(
    houses: tuple[House, House], caplog: pytest.LogCaptureFixture
) -> None:
    one, other = houses
    async with other.socket("7") as socket:
        client = (await socket.connect())["client"]
        async with one.platform.database.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE trivet_channel RENAME TO hidden_channel"))
        with caplog.at_level(logging.WARNING):
            await call(one, "subscribe", user="7", channel="beacons:south")
            await eventually(lambda: "could not be subscribed" in caplog.text)
        async with one.platform.database.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE hidden_channel RENAME TO trivet_channel"))
        assert f"client {client} of user 7 could not be subscribed to beacons:south" in caplog.text
        # The connection goes on, and the channel is there again for whoever asks.
        await call(one, "subscribe", user="7", channel="beacons:south")
        assert "subscribe" in (await socket.receive())["push"]


async def test_what_the_database_refuses_of_the_server_api_is_logged(
    houses: tuple[House, House], json_log: Callable[[], str]
) -> None:
    one, _ = houses
    once = "CREATE UNIQUE INDEX once ON trivet_audit_entry (table_name)"
    async with one.platform.database.engine.begin() as connection:
        await connection.execute(text(once))
    await call(one, "disconnect", user="7")
    assert await error(one, "disconnect", {"user": "7"}) == 107
    assert "the database refused" in json_log()
