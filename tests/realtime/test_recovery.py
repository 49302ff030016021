"""Who comes back is given everything that was missed, or is told plainly that it is not."""

from typing import Any

import anyio
import pytest
from sqlalchemy import delete, func, select, update

from tests.realtime.forgetting import NORTH, epoch_of, forget
from tests.realtime.house import House, Socket, house_at, offsets
from trivet.delivery.retention import Retention
from trivet.events.outbox import Channel, PublicationRow, find_position
from trivet_realtime.bounds import Bounds

pytestmark = pytest.mark.anyio


async def come_back(socket: Socket, epoch: str, offset: int, **options: Any) -> Any:
    await socket.connect()
    command = {"channel": NORTH, "recover": True, "epoch": epoch, "offset": offset, **options}
    return await socket.ask({"id": 2, "subscribe": command})


async def test_a_first_subscription_starts_at_the_top_with_nothing_from_before(
    house: House,
) -> None:
    await house.light("north", "one", "two")
    async with house.socket() as socket:
        await socket.connect()
        result = await socket.subscribe(NORTH)
        assert result == {
            "epoch": await epoch_of(house),
            "offset": 2,
            "recoverable": True,
            "positioned": True,
        }
        await house.light("north", "three")
        assert await socket.publications(1) == [(3, "three")]


async def test_a_channel_nobody_published_to_can_be_recovered_from_its_first_publication(
    house: House,
) -> None:
    async with house.socket() as socket:
        await socket.connect()
        result = await socket.subscribe(NORTH)
    assert result["epoch"]
    assert "offset" not in result
    await house.light("north", "one", "two")
    async with house.socket() as socket:
        reply = await come_back(socket, result["epoch"], 0)
    assert reply["subscribe"]["recovered"] is True
    assert offsets(reply["subscribe"]["publications"]) == [1, 2]


async def test_a_page_read_before_the_channel_existed_misses_nothing(house: House) -> None:
    await house.light("north", "one", "two")
    async with house.socket() as socket:
        reply = await come_back(socket, "", 0)
    assert reply["subscribe"]["recovered"] is True
    assert offsets(reply["subscribe"]["publications"]) == [1, 2]


# lit before, forgotten below, asked offset and epoch (None: the right one), recovered
RECOVERIES: list[Any] = [
    pytest.param(5, 0, (2, None), [3, 4, 5], id="everything after the offset, in order"),
    pytest.param(5, 0, (0, None), [1, 2, 3, 4, 5], id="everything from the beginning"),
    pytest.param(5, 0, (5, None), [], id="nothing is missing"),
    pytest.param(5, 4, (3, None), [4, 5], id="what retention left is enough"),
    pytest.param(5, 4, (2, None), None, id="one publication is gone"),
    pytest.param(5, 9, (2, None), None, id="all publications are gone"),
    pytest.param(5, 9, (5, None), [], id="all are gone and none is missing"),
    pytest.param(5, 0, (6, None), None, id="an offset that never was"),
    pytest.param(5, 0, (2, "other"), None, id="another life of the channel"),
    pytest.param(5, 0, (5, "other"), None, id="another life at the same offset"),
    pytest.param(5, 0, (2, ""), None, id="no epoch proves nothing past offset 0"),
    pytest.param(5, 3, (0, ""), None, id="no epoch and a hole"),
    pytest.param(300, 0, (0, None), list(range(1, 301)), id="300 are recovered"),
    pytest.param(301, 0, (0, None), None, id="301 are not"),
]


@pytest.mark.parametrize(("lit", "forgotten", "asked", "expected"), RECOVERIES)
async def test_a_recovery_is_complete_or_it_is_none(
    house: House, lit: int, forgotten: int, asked: tuple[int, str | None], expected: Any
) -> None:
    offset, epoch = asked
    await house.light("north", *(f"beacon {n}" for n in range(1, lit + 1)))
    await forget(house, forgotten)
    right = await epoch_of(house)
    async with house.socket() as socket:
        reply = await come_back(socket, right if epoch is None else epoch, offset)
        result = reply["subscribe"]
        assert result["was_recovering"] is True
        assert result.get("recovered", False) is (expected is not None)
        assert offsets(result.get("publications", [])) == (expected or [])
        # An SDK takes the reply's offset first, then the publications': never backwards.
        assert result.get("offset", 0) == (offset if expected is not None else lit)
        assert result["epoch"] == right
        await house.light("north", "next")
        assert await socket.publications(1) == [(lit + 1, "next")]


@pytest.mark.parametrize(("asked", "refused"), [(2, True), (4, False)])
async def test_flag_2_makes_an_unrecoverable_position_error_112(
    house: House, asked: int, refused: bool
) -> None:
    await house.light("north", "one", "two", "three", "four")
    await forget(house, 5)
    async with house.socket() as socket:
        reply = await come_back(socket, await epoch_of(house), asked, flag=2)
        error = {"code": 112, "message": "unrecoverable position"}
        assert reply.get("error") == (error if refused else None)
        # After a refusal there is no subscription left behind.
        await socket.send({"id": 3, "unsubscribe": {"channel": NORTH}})
        assert await socket.receive() == {"id": 3, "unsubscribe": {}}
    assert house.platform.relay.watched == frozenset()


async def test_flag_2_means_nothing_to_who_does_not_recover(house: House) -> None:
    async with house.socket() as socket:
        await socket.connect()
        assert (await socket.subscribe(NORTH, flag=2))["recoverable"] is True


async def test_a_recovered_publication_is_what_was_published(house: House) -> None:
    await house.light("north", "Ærø ⚓ \n")
    async with house.socket() as socket:
        reply = await come_back(socket, await epoch_of(house), 0)
    (publication,) = reply["subscribe"]["publications"]
    assert publication["data"] == {"type": "beacon_lit", "label": "Ærø ⚓ \n"}
    assert 1_577_836_800_000 < publication["time"] < 4_102_444_800_000  # 2020 to 2100, in ms


async def test_a_recovery_that_could_make_its_client_slow_is_none(empty_database_url: str) -> None:
    async with house_at(empty_database_url, Bounds(queue_bytes=10_000)) as house:
        await house.light("north", *["x" * 1000] * 6)
        async with house.socket() as socket:
            reply = await come_back(socket, await epoch_of(house), 0)
            assert "recovered" not in reply["subscribe"]
            assert reply["subscribe"]["offset"] == 6


async def test_what_is_published_while_many_subscribe_arrives_once_and_in_order(
    house: House,
) -> None:
    """Clients come back at every moment of a stream of publications; each ends up with all."""
    await house.light("north", "beacon 1")
    epoch = await epoch_of(house)
    total = 120

    async def publish() -> None:
        for number in range(2, total + 1):
            await house.light("north", f"beacon {number}")

    async def follow() -> list[int]:
        async with house.socket() as socket:
            result = (await come_back(socket, epoch, 0))["subscribe"]
            assert result["recovered"] is True
            seen = offsets(result["publications"])
            while len(seen) < total:
                seen += [offset for offset, _ in await socket.publications(1)]
            return seen

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(publish)
        followers: list[list[int]] = []

        async def note() -> None:
            followers.append(await follow())

        for _ in range(20):
            tasks.start_soon(note)
            await anyio.sleep(0.02)
    assert followers == [list(range(1, total + 1))] * 20


async def test_after_a_restart_on_the_same_database_everything_is_recovered(
    empty_database_url: str,
) -> None:
    async with house_at(empty_database_url) as house, house.socket() as socket:
        await socket.connect()
        before = await socket.subscribe(NORTH)
    async with house_at(empty_database_url) as house:
        await house.light("north", "one", "two")
        async with house.socket() as socket:
            reply = await come_back(socket, before["epoch"], 0)
    assert offsets(reply["subscribe"]["publications"]) == [1, 2]


async def test_a_channel_that_begins_another_life_sends_its_subscribers_back(
    house: House,
) -> None:
    await house.light("north", "one", "two")
    async with house.socket() as socket:
        await socket.connect()
        await socket.subscribe(NORTH)
        async with house.platform.database.engine.begin() as connection:
            await connection.execute(update(Channel).values(epoch="restored", top_offset=0))
            await connection.execute(delete(PublicationRow))
        await house.light("north", "another one")
        assert await socket.receive() == {
            "push": {
                "channel": NORTH,
                "unsubscribe": {"code": 2502, "reason": "state invalidated"},
            }
        }
        assert (await socket.subscribe(NORTH))["epoch"] == "restored"


async def test_who_comes_back_to_a_channel_that_was_forgotten_is_told_so(
    house: House,
) -> None:
    await house.light("north", "one", "two")
    epoch = await epoch_of(house)
    database = house.platform.database
    gone = Retention(database, 0.0)  # everything is past its time
    assert (await gone.remove(), await gone.forget()) == (2, 1)
    for lives in range(2):
        async with house.socket() as socket:
            reply = await come_back(socket, epoch, 1)
            assert reply["subscribe"]["was_recovering"]
            assert "recovered" not in reply["subscribe"]
            assert "publications" not in reply["subscribe"]
        if lives == 0:  # as many as before, so that only the epoch tells the lives apart
            await house.light("north", "new", "newer")


async def test_who_only_reads_leaves_no_row(house: House) -> None:
    """Subscribing, recovering, the history and the position of a page write nothing."""
    channels = [NORTH, "beacons:south"]
    async with house.socket() as socket:
        await socket.connect()
        for channel in channels:
            await socket.subscribe(channel, recover=True, epoch="12345678", offset=3)
            await socket.ask({"id": 7, "history": {"channel": channel, "limit": 10}})
            await socket.ask({"id": 8, "presence_stats": {"channel": channel}})
    async with house.platform.database.unit(read_only=True) as session:
        await session.run_sync(find_position, NORTH)
        assert await session.scalar(select(func.count()).select_from(Channel)) == 0
        assert await session.scalar(select(func.count()).select_from(PublicationRow)) == 0
