"""Publications in the table of Centrifugo's consumer: none is lost, whoever is killed."""

import asyncio
import json
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from tests.realtime.house import create_tables, open_platform_with_django
from trivet import Platform
from trivet.data.session import TrivetSession
from trivet.errors import Invalid
from trivet.events.appending import NewPublication, append
from trivet.events.outbox import Channel, PublicationRow
from trivet_realtime.centrifugo import outbox

pytestmark = pytest.mark.anyio

WRITERS, KILLS = 4, 3
SECONDS = 60.0


@pytest.fixture
async def platform(empty_database_url: str) -> AsyncIterator[Platform]:
    platform = await asyncio.to_thread(open_platform_with_django, empty_database_url)
    await create_tables(platform)
    yield platform
    await platform.database.close()


async def run(platform: Platform, work: Any) -> Any:
    async with platform.database.engine.begin() as connection:
        return await connection.run_sync(work)


def record(db: Session, _actor: Any, *publications: NewPublication) -> None:
    """Publish with the commit of the unit of `db`."""
    assert isinstance(db, TrivetSession)
    for each in publications:
        db.recorder.note(each)


async def publish(platform: Platform, *publications: NewPublication) -> None:
    async with platform.open_unit() as unit:
        await unit.run(record, *publications)


async def write(platform: Platform, chance: random.Random, over: asyncio.Event) -> None:
    """Publish until it is `over`, one to three publications a commit."""
    number = 0
    while not over.is_set():
        number += 1
        names = [f"beacons:{chance.randrange(20)}" for _ in range(chance.randint(1, 3))]
        await publish(platform, *(NewPublication(name, json.dumps([number])) for name in names))


def consumer(url: str, journal: Path, *options: str) -> subprocess.Popen[bytes]:
    program = [sys.executable, "-m", "tests.realtime.centrifugo_consumer"]
    return subprocess.Popen([*program, url, str(journal), *options])


def kill_again_and_again(url: str, journal: Path, chance: random.Random) -> None:
    """Run two nodes of a Centrifugo, both of which are killed in the middle of their work, when
    they have published and not deleted; and two others then."""
    for _ in range(KILLS):
        limits = [str(chance.randint(1, 40)) for _ in range(2)]
        running = [consumer(url, journal, "--killed-after", limit) for limit in limits]
        try:
            assert [each.wait(SECONDS) for each in running] == [-signal.SIGKILL] * 2
        finally:
            for each in running:
                _end(each)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def take_the_rest(url: str, journal: Path) -> None:
    last = consumer(url, journal)
    try:
        assert last.wait(SECONDS) == 0
    finally:
        _end(last)


def deduplicated(journal: Path) -> tuple[dict[tuple[str, str], list[Any]], int]:
    """What subscribers get: of each channel and epoch, the publications that are newer than the
    newest one so far; and how many were dropped."""
    told: dict[tuple[str, str], list[Any]] = {}
    versions: dict[tuple[str, str], int] = {}
    dropped = 0
    for line in journal.read_text().splitlines():
        command = json.loads(line)["publish"]
        life = command["channel"], command["version_epoch"]
        if command["version"] <= versions.get(life, 0):
            dropped += 1
            continue
        versions[life] = command["version"]
        told.setdefault(life, []).append((command["version"], command["data"]))
    return told, dropped


async def ours(platform: Platform) -> dict[tuple[str, str], list[Any]]:
    query = (
        select(Channel.name, Channel.epoch, PublicationRow.offset, PublicationRow.data)
        .join(Channel, Channel.name == PublicationRow.channel)
        .order_by(Channel.name, PublicationRow.offset)
    )
    found: dict[tuple[str, str], list[Any]] = {}
    async with platform.database.engine.begin() as connection:
        for channel, epoch, offset, data in await connection.execute(query):
            found.setdefault((channel, epoch), []).append((offset, json.loads(data)))
    return found


@pytest.mark.database("postgresql")
async def test_consumers_that_are_killed_lose_nothing_and_disorder_nothing(
    platform: Platform, empty_database_url: str, tmp_path: Path
) -> None:
    journal, url = tmp_path / "published", empty_database_url
    journal.touch()
    await run(platform, outbox.graduate)
    over = asyncio.Event()
    writing = [
        asyncio.create_task(write(platform, random.Random(each), over)) for each in range(WRITERS)
    ]
    try:
        await asyncio.to_thread(kill_again_and_again, url, journal, random.Random(7))
    finally:
        over.set()
        await asyncio.gather(*writing)
    await asyncio.to_thread(take_the_rest, url, journal)
    told, dropped = await asyncio.to_thread(deduplicated, journal)
    assert told == await ours(platform)
    assert dropped >= 2 * KILLS  # what each of them had published was published again
    assert await rows(platform) == []


async def rows(platform: Platform) -> list[Any]:
    query = text("SELECT method, payload, partition FROM centrifugo_outbox ORDER BY id")
    async with platform.database.engine.begin() as connection:
        return [tuple(row) for row in await connection.execute(query)]


@pytest.mark.database("postgresql")
async def test_a_row_is_a_command_of_the_server_api(platform: Platform) -> None:
    await publish(platform, NewPublication("beacons:a", "0"))
    await run(platform, outbox.graduate)
    await run(platform, outbox.graduate)
    tagged = NewPublication("beacons:a", '{"b": null}', tags='{"t": "1"}')
    await publish(platform, tagged, NewPublication("beacons:a", '"\\u0000"'))
    ((_, epoch),) = await ours(platform)
    (method, first, partition), (_, second, _) = await rows(platform)
    assert method == "publish"
    assert 0 <= partition < outbox.PARTITIONS
    assert first == {
        "channel": "beacons:a",
        "data": {"b": None},
        "tags": {"t": "1"},
        "idempotency_key": f"{epoch}/2",
        "version": 2,
        "version_epoch": epoch,
    }
    assert (second["data"], second["version"]) == ("\0", 3)
    assert "tags" not in second


@pytest.mark.database("postgresql")
async def test_what_is_rolled_back_is_no_row(platform: Platform) -> None:
    await run(platform, outbox.graduate)
    async with platform.database.engine.connect() as connection:
        session = Session(bind=connection.sync_connection)
        await connection.run_sync(lambda _: append(session, [NewPublication("beacons:a", "0")]))
        await connection.rollback()
    assert await rows(platform) == []


@pytest.mark.database("postgresql")
async def test_taken_back_there_is_no_table_and_publishing_goes_on(platform: Platform) -> None:
    await run(platform, outbox.graduate)
    await publish(platform, NewPublication("beacons:a", "0"))
    assert await run(platform, outbox.take_back) == 1
    assert await run(platform, outbox.take_back) == 0
    await publish(platform, NewPublication("beacons:a", "1"))


@pytest.mark.database("sqlite")
async def test_sqlite_is_no_source(platform: Platform) -> None:
    with pytest.raises(Invalid, match="PostgreSQL"):
        await run(platform, outbox.graduate)
