"""A row without a session holds its chain of the trail while it waits for a channel. Nobody waits
for it because of that."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from tests.platform.notes import Note, add_note, notes_database
from tests.platform.trail import ADA, check, noted
from tests.platform.waiting import FOR_A_LOCK, until_waiting
from trivet.audit.tables import CHAINS
from trivet.audit.trail import EARLY_CHAINS
from trivet.data.database import Database
from trivet.origin import Origin

pytestmark = [pytest.mark.anyio, pytest.mark.database("postgresql")]

ORIGIN = Origin(ADA, "api", "r1")
LATE = list(range(EARLY_CHAINS, CHAINS))


@pytest.fixture(autouse=True)
async def connections(database: Database) -> None:
    """More of them than there are chains, each of them used just now."""
    database._engines._connections = CHAINS + 8
    used = asyncio.Barrier(CHAINS + 8)

    async def use() -> None:
        async with database.unit() as session:
            await session.execute(text("SELECT 1"))
            await used.wait()

    await asyncio.gather(*(use() for _ in range(CHAINS + 8)))


@asynccontextmanager
async def held(url: str, rows: str) -> AsyncIterator[None]:
    """Somebody else's lock on `rows`, during the block."""
    other = notes_database(url)
    async with other.engine.begin() as connection:
        await connection.execute(text(f"SELECT 1 FROM {rows} FOR UPDATE"))
        yield
    await other.close()


async def insert_alone(database: Database, board: str, name: str) -> bool:
    note = Note(board=board, text=name)
    return await database.insert_alone(ORIGIN, note, lambda: None) is not None


async def insert_by_session(database: Database, board: str, name: str) -> None:
    async with database.unit(ORIGIN) as session:
        await session.run_sync(add_note, board, name)


async def free_heads(database: Database) -> list[int]:
    query = "SELECT id FROM trivet_audit_chain ORDER BY id FOR UPDATE SKIP LOCKED"
    async with database.engine.begin() as connection:
        return list((await connection.execute(text(query))).scalars())


async def test_those_who_wait_for_a_channel_leave_chains_for_everybody_else(
    database: Database, notes_url: str
) -> None:
    await insert_by_session(database, "busy", "first")
    async with held(notes_url, "trivet_channel WHERE name = 'notes:busy'"):
        rows = [
            asyncio.ensure_future(insert_alone(database, "busy", f"row {number}"))
            for number in range(EARLY_CHAINS + 2)
        ]
        await until_waiting(database, FOR_A_LOCK, least=len(rows))
        assert await free_heads(database) == LATE
        async with asyncio.timeout(20):
            await insert_by_session(database, "quiet", "by a session")
            assert await insert_alone(database, "quiet", "alone")
    assert await asyncio.gather(*rows) == [True] * len(rows)
    verdict, damages = await check(database)
    assert (verdict.entries, damages) == (len(rows) + 3, [])


async def test_whoever_has_to_wait_for_a_chain_waits_for_none_that_may_wait_itself(
    database: Database, notes_url: str
) -> None:
    writers = 5
    async with held(notes_url, f"trivet_audit_chain WHERE id < {EARLY_CHAINS}"):
        async with held(notes_url, f"trivet_audit_chain WHERE id >= {EARLY_CHAINS}"):
            waiting = [
                asyncio.ensure_future(insert_by_session(database, "a", f"note {number}"))
                for number in range(writers)
            ]
            await until_waiting(database, FOR_A_LOCK, least=writers)
        async with asyncio.timeout(20):
            await asyncio.gather(*waiting)
    assert len(await noted(database)) == writers


async def test_both_ways_at_once_stop_each_other_nowhere(database: Database) -> None:
    rolls, writers, turns = random.Random(7), CHAINS + 8, 12

    async def write(writer: int) -> int:
        alone = 0
        for turn in range(turns):
            name = f"{writer} {turn}"
            if rolls.random() < 0.5 and await insert_alone(database, rolls.choice("ab"), name):
                alone += 1
                continue
            async with database.unit(ORIGIN) as session:
                for board in rolls.sample("abc", 2):
                    await session.run_sync(add_note, board, f"{name} {board}")
        return alone

    async with asyncio.timeout(60):
        alone = sum(await asyncio.gather(*(write(each) for each in range(writers))))
    assert alone > writers
    verdict, damages = await check(database)
    assert (verdict.entries, damages) == (alone + 2 * (writers * turns - alone), [])
