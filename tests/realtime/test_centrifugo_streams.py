"""Publications in the tables of Centrifugo's stream broker, with the same positions."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from tests.realtime.centrifugo_tables import (
    PREFIX,
    PUBLISH_QUERY,
    SHARDS,
    create_tables,
    read_history,
    read_streams,
)
from tests.realtime.house import create_tables as create_ours
from tests.realtime.house import open_platform_with_django
from trivet import Platform
from trivet.data.session import TrivetSession
from trivet.errors import Conflict
from trivet.events import outbox
from trivet.events.appending import NewPublication
from trivet.events.outbox import Channel, PublicationRow
from trivet_realtime.centrifugo import streams
from trivet_realtime.namespaces import Namespace

pytestmark = [pytest.mark.anyio, pytest.mark.database("postgresql")]

KEPT = timedelta(hours=24)
NAMESPACES = {"beacons": Namespace(), "lounge": Namespace(history_size=3, delta=True)}
WRITERS, COMMITS = 4, 40


@pytest.fixture
async def platform(empty_database_url: str) -> AsyncIterator[Platform]:
    platform = await asyncio.to_thread(open_platform_with_django, empty_database_url)
    await create_ours(platform)
    yield platform
    await platform.database.close()


def record(db: Session, _actor: Any, *publications: NewPublication) -> None:
    """Publish with the commit of the unit of `db`."""
    assert isinstance(db, TrivetSession)
    for each in publications:
        db.recorder.note(each)


async def publish(platform: Platform, *publications: NewPublication) -> None:
    """Publish in one transaction."""
    async with platform.open_unit() as unit:
        await unit.run(record, *publications)


async def graduate(platform: Platform, **options: Any) -> streams.Copied:
    async with platform.database.engine.begin() as connection:
        return await connection.run_sync(streams.graduate, NAMESPACES, kept=KEPT, **options)


async def ours(platform: Platform) -> list[tuple[str, str, int, str]]:
    """What is in our outbox: channel, epoch, offset, data."""
    query = (
        select(Channel.name, Channel.epoch, PublicationRow.offset, PublicationRow.data)
        .join(Channel, Channel.name == PublicationRow.channel)
        .order_by(Channel.name, PublicationRow.offset)
    )
    async with platform.database.engine.begin() as connection:
        return [(a, b, c, d) for a, b, c, d in await connection.execute(query)]


def theirs(url: str) -> list[tuple[str, str, int, str]]:
    """The same, of everything that recovery finds there."""
    with psycopg.connect(url) as connection:
        channels = connection.execute(f"SELECT channel FROM {PREFIX}_meta".encode()).fetchall()
    found = []
    for (channel,) in channels:
        _, epoch, rows = read_history(url, channel)
        found += [(channel, epoch, row[0], bytes(row[2]).decode()) for row in rows]
    return sorted(found)


async def write(platform: Platform, number: int, chance: random.Random) -> None:
    """Commit and roll back one to three publications, to old channels and new ones."""
    for round_ in range(COMMITS):
        channels = chance.choices(
            [*(f"beacons:{each}" for each in range(6)), f"beacons:new-{number}-{round_}"],
            k=chance.randint(1, 3),
        )
        new = [
            NewPublication(channel, json.dumps({"writer": number, "round": round_}))
            for channel in channels
        ]
        try:
            async with platform.open_unit() as unit:
                await unit.run(record, *new)
                _ = 1 / (chance.random() < 0.8)
        except ZeroDivisionError:
            continue


async def test_four_writers_have_the_same_positions_on_both_sides(
    platform: Platform, empty_database_url: str
) -> None:
    for number in range(4):
        await publish(platform, *[NewPublication(f"beacons:{number}", f'"old {number}"')] * 3)
    create_tables(empty_database_url)

    async def graduate_soon() -> streams.Copied:
        await asyncio.sleep(0.05)
        return await graduate(platform)

    # While they write: nothing falls between what is copied and what the trigger brings.
    writing = [write(platform, each, random.Random(each)) for each in range(WRITERS)]
    copied, *_ = await asyncio.gather(graduate_soon(), *writing)
    assert copied is not None
    expected = await ours(platform)
    assert 12 <= copied.publications < len(expected)
    assert theirs(empty_database_url) == expected
    # What is sent live comes in the order of the offsets of each channel, and without what was
    # copied, which everybody has had.
    reached: dict[str, int] = {}
    live = read_streams(empty_database_url)
    assert len(live) == len(expected) - copied.publications
    for _, channel, offset, *_ in live:
        assert offset == reached.get(channel, offset - 1) + 1
        reached[channel] = offset


async def test_commits_to_many_shards_do_not_wait_for_each_other_in_a_circle(
    platform: Platform, empty_database_url: str
) -> None:
    create_tables(empty_database_url)
    await graduate(platform)
    names = [f"beacons:{number}" for number in range(32)]

    async def commit(mine: list[str]) -> None:
        for _ in range(10):
            await publish(platform, *(NewPublication(name, "1") for name in mine))

    # No two of them share a channel, and all of them need the same shards, in other orders.
    await asyncio.gather(
        *(commit(names[first::WRITERS][:: -1 if first % 2 else 1]) for first in range(WRITERS))
    )
    assert theirs(empty_database_url) == await ours(platform)


ODD = ['{"a": 1.0, "a": 2}', '"\\u0000 \\ud800"', '"ü \\/ \U0001f6a8"', "1e400", "null"]


async def test_data_is_the_same_to_the_byte(platform: Platform, empty_database_url: str) -> None:
    create_tables(empty_database_url)
    await publish(platform, *(NewPublication("beacons:a", data) for data in ODD))
    await graduate(platform)
    await publish(platform, *(NewPublication("beacons:a", data) for data in ODD))
    assert [data for *_, data in theirs(empty_database_url)] == ODD + ODD


PUBLISHER = '{"user": "7", "client": "c1", "conn_info": {"n":  "Ada"}, "chan_info": [1]}'


async def test_publishers_and_tags_come_with_it(
    platform: Platform, empty_database_url: str
) -> None:
    create_tables(empty_database_url)
    whole = NewPublication("lounge:a", "1", tags='{"t": "1"}', publisher=PUBLISHER)
    nul = '{"t": "\\u0000"}'
    odd = NewPublication("lounge:a", "2", tags=nul, publisher=nul)
    await publish(platform, whole)
    await graduate(platform)
    await publish(platform, whole, odd)
    _, _, rows = read_history(empty_database_url, "lounge:a")
    for row in rows[:2]:
        assert row[3] == {"t": "1"}
        assert row[4:6] == ("c1", "7")
        assert [bytes(each) for each in row[6:8]] == [b'{"n":  "Ada"}', b"[1]"]
    assert rows[2][3:6] == (None, None, "")
    # Differences are made of the publication before.
    assert [row[8] and bytes(row[8]) for row in rows] == [None, b"1", b"1"]


async def test_the_history_is_that_of_the_namespace(
    platform: Platform, empty_database_url: str
) -> None:
    create_tables(empty_database_url)
    await graduate(platform)
    for channel in ("lounge:a", "$lounge:b", "beacons:a"):
        await publish(platform, *(NewPublication(channel, str(each)) for each in range(5)))
    assert [row[0] for row in read_history(empty_database_url, "lounge:a")[2]] == [3, 4, 5]
    assert [row[0] for row in read_history(empty_database_url, "$lounge:b")[2]] == [3, 4, 5]
    assert len(read_history(empty_database_url, "beacons:a")[2]) == 5


async def test_older_publications_are_copied_with_their_age(
    platform: Platform, empty_database_url: str
) -> None:
    create_tables(empty_database_url)
    await publish(platform, *(NewPublication("beacons:a", str(each)) for each in range(4)))
    ages = {1: timedelta(days=30), 2: timedelta(hours=25), 3: timedelta(hours=20)}
    async with platform.database.engine.begin() as connection:
        for offset, age in ages.items():
            moment = datetime.now(UTC) - age
            await connection.execute(
                text('UPDATE trivet_publication SET created_at = :at WHERE "offset" = :offset'),
                {"at": moment, "offset": offset},
            )
    assert await graduate(platform) == streams.Copied(1, 2)
    top, _, rows = read_history(empty_database_url, "beacons:a")
    assert (top, [row[0] for row in rows]) == (4, [3, 4])
    # Again: nothing is there twice.
    assert await graduate(platform) == streams.Copied(0, 0)


async def test_a_new_life_of_a_channel_is_followed(
    platform: Platform, empty_database_url: str
) -> None:
    create_tables(empty_database_url)
    await graduate(platform)
    await publish(platform, NewPublication("beacons:a", "1"), NewPublication("beacons:a", "2"))
    async with platform.database.engine.begin() as connection:
        await connection.execute(text("DELETE FROM trivet_channel"))
    await publish(platform, NewPublication("beacons:a", "3"))
    assert theirs(empty_database_url) == await ours(platform)


def node_publishes(url: str, channel: str, version: int, epoch: str) -> tuple[bool, str | None]:
    """What becomes of a publication that a node of Centrifugo makes."""
    with psycopg.connect(url) as connection:
        given = (channel, b'"raw"', version, epoch, SHARDS)
        found = connection.execute(PUBLISH_QUERY, given).fetchone()
        assert found is not None
        return found[0], found[1]


async def test_a_publication_with_our_version_is_dropped_by_centrifugo(
    platform: Platform, empty_database_url: str
) -> None:
    create_tables(empty_database_url)
    await publish(platform, NewPublication("beacons:old", "1"))
    await graduate(platform)
    await publish(platform, NewPublication("beacons:new", "1"))
    async with platform.open_unit() as unit:
        await unit.run(lambda db, _: streams.acquaint(db, "beacons:silent"))
    async with platform.open_unit() as unit:
        await unit.run(lambda db, _: streams.acquaint(db, "beacons:old"))
    for channel in ("beacons:old", "beacons:new", "beacons:silent"):
        told = node_publishes(empty_database_url, channel, streams.VERSION, streams.VERSION_EPOCH)
        assert told == (True, "version")
    await publish(platform, *(NewPublication(f"beacons:{n}", "2") for n in ("silent", "old")))
    assert theirs(empty_database_url) == await ours(platform)


async def test_a_channel_that_somebody_else_published_to_comes_back_to_us(
    platform: Platform, empty_database_url: str
) -> None:
    create_tables(empty_database_url)
    await graduate(platform)
    await publish(platform, NewPublication("beacons:a", "1"))
    assert node_publishes(empty_database_url, "beacons:a", 0, "") == (False, None)
    await publish(platform, NewPublication("beacons:a", "2"))
    assert read_history(empty_database_url, "beacons:a")[0] == 2


async def test_taken_back_the_positions_go_on_here(
    platform: Platform, empty_database_url: str
) -> None:
    create_tables(empty_database_url)
    await graduate(platform)
    await publish(platform, NewPublication("beacons:a", "1"))
    async with platform.database.engine.begin() as connection:
        await connection.run_sync(streams.take_back)
        await connection.run_sync(streams.take_back)
    await publish(platform, NewPublication("beacons:a", "2"))
    async with platform.open_unit(read_only=True) as unit:
        position = await unit.run(lambda db, _: outbox.find_position(db, "beacons:a"))
    assert position is not None
    assert (position.epoch, position.offset) == (
        read_history(empty_database_url, "beacons:a")[1],
        2,
    )
    # And forth again: what was missed is copied.
    assert await graduate(platform) == streams.Copied(1, 1)
    assert theirs(empty_database_url) == await ours(platform)


async def test_without_centrifugos_tables_nothing_changes(platform: Platform) -> None:
    with pytest.raises(Conflict, match="start it once"):
        await graduate(platform)
    await publish(platform, NewPublication("beacons:a", "1"))
    assert len(await ours(platform)) == 1
