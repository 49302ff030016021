"""A connection that the server has ended is found out, on every event loop: nobody waits for it."""

import asyncio
import select
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from tests.platform.notes import Note
from trivet.data.capture import Capture
from trivet.data.compiled_read import CompiledRead
from trivet.data.database import Database
from trivet.data.postgresql_connection import LimitedAsyncConnection
from trivet.origin import current_origin

pytestmark = [pytest.mark.anyio, pytest.mark.database("postgresql")]

CONNECTIONS = 3
CUT = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE pid <> pg_backend_pid() AND datname = current_database()"
)
READ = CompiledRead(Note.__table__.select())


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


async def in_a_unit(database: Database) -> None:
    async with database.unit() as session:
        await session.execute(text("SELECT 1"))
        await session.execute(text("SELECT 2"))


async def by_one_query(database: Database) -> None:
    async with database.single_query() as session:
        await session.execute(text("SELECT 1"))


async def prepared(database: Database) -> None:
    await database.ask(READ, {}, current_origin)


async def alone(database: Database) -> None:
    note = Note(board="a", text=str(id(object())))
    await database.insert_alone(current_origin(), note, lambda: None)


@pytest.mark.parametrize("pause", [0.0, 0.2])
@pytest.mark.parametrize("work", [in_a_unit, by_one_query, prepared, alone])
async def test_a_connection_that_was_cut_is_found_dead_by_whoever_uses_it_next(
    notes_url: str, work: Callable[[Database], Awaitable[None]], pause: float
) -> None:
    database = Database(notes_url, capture=Capture(), connections=CONNECTIONS)
    other = Database(notes_url, capture=Capture(), connections=1)
    try:
        async with asyncio.timeout(60):
            await asyncio.gather(*(in_a_unit(database) for _ in range(CONNECTIONS)))
            for _ in range(CONNECTIONS):
                await work(database)  # so that each socket was waited for by this way, too
            async with other.unit() as session:
                await session.execute(CUT)
            await asyncio.sleep(pause)
            failures = 0
            for _ in range(2 * CONNECTIONS):
                try:
                    await work(database)
                except OperationalError:
                    failures += 1
            assert failures <= CONNECTIONS
            await work(database)
    finally:
        await database.close()
        await other.close()


async def test_an_answer_that_is_there_already_leaves_the_socket_with_the_loop(
    notes_url: str,
) -> None:
    connection = await LimitedAsyncConnection.connect(notes_url)
    try:
        wire = connection.pgconn
        for _ in range(2):
            wire.send_query(b"SELECT 1")
            wire.flush()
            assert select.select([wire.socket], [], [], 20)[0]
            await connection.readable()
            assert connection._watching is not None
            wire.consume_input()
            while wire.get_result() is not None:
                pass
    finally:
        await connection.close()
