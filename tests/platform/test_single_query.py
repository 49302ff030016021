"""A unit of one query: no transaction around it, no second one in it, and no trace of it in the
units that use its connection afterwards."""

from collections.abc import AsyncIterator
from contextlib import suppress
from itertools import permutations
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router

from tests.platform.bare import bare_platform, client_of, mounted
from tests.platform.notes import Note, add_note, as_service, feeds
from trivet import Platform, context_of
from trivet.asgi.root import build_root
from trivet.data.capture import Capture
from trivet.data.unit_of_work import UnitOfWork

pytestmark = pytest.mark.anyio


def find_texts(db: Session) -> list[str]:
    return list(db.scalars(select(Note.text).order_by(Note.id)))


def find_note(db: Session) -> Note:
    return db.scalars(select(Note)).one()


def find_lines(db: Session) -> int:
    return len(find_note(db).lines)


def find_state(db: Session) -> str:
    """What the driver thinks of the connection after a query."""
    db.execute(select(Note.id)).all()
    driver = db.connection().connection.driver_connection
    info = getattr(driver, "info", None)
    if info is None:
        return "INTRANS" if driver.in_transaction else "IDLE"  # type: ignore[union-attr]  # aiosqlite's
    return str(info.transaction_status.name)


def write_in_sql(db: Session) -> None:
    db.execute(text("DELETE FROM test_note"))


def make_table(db: Session) -> None:
    db.execute(text("CREATE TABLE smuggled AS SELECT text FROM test_note"))


def write(db: Session) -> None:
    add_note(db, "a", "smuggled")


def change(db: Session) -> str:
    """And leave the flush to whoever ends the unit."""
    note = find_note(db)
    note.text = "changed"
    return note.text


SERVICES: dict[str, Any] = {
    each.__name__: each
    for each in (find_texts, find_lines, find_state, write, change, write_in_sql, make_table)
}


async def ask(request: Request) -> Response:
    context_of(request.scope).require_transaction().ask_once()
    unit = context_of(request.scope).unit
    return JSONResponse(await unit.run(as_service(SERVICES[request.path_params["service"]])))


async def look_at_pool(request: Request) -> Response:
    """What was found, and how many connections are out when it is looked at."""
    context = context_of(request.scope)
    context.require_transaction().ask_once()
    note = await context.unit.run(as_service(find_note))
    pool = context.platform.database.engine.pool
    assert isinstance(pool, QueuePool)
    return JSONResponse([note.text, pool.checkedout()])


async def ask_twice(unit: UnitOfWork[AsyncSession]) -> None:
    await unit.run(as_service(find_texts))
    await unit.run(as_service(find_texts))


async def ask_the_session(unit: UnitOfWork[AsyncSession]) -> None:
    await unit.session.run_sync(find_texts)


async def ask_with_django(unit: UnitOfWork[AsyncSession]) -> None:
    await unit.run_with_django(as_service(find_texts))


async def wait(unit: UnitOfWork[AsyncSession]) -> None:
    await unit.run(lambda db, _: db.execute(select(text("pg_sleep(60)"))))


MISUSES = {each.__name__: each for each in (ask_twice, ask_the_session, ask_with_django, wait)}


async def misuse(request: Request) -> Response:
    context_of(request.scope).require_transaction().ask_once()
    unit = context_of(request.scope).unit
    try:
        await MISUSES[request.path_params["misuse"]](unit)
    except RuntimeError as error:
        return JSONResponse(str(error), 418)
    raise AssertionError


async def ask_once_too_late(request: Request) -> Response:
    unit = context_of(request.scope).unit
    await unit.run(as_service(find_texts))
    context_of(request.scope).require_transaction().ask_once()
    raise AssertionError


ROUTES = [
    Route("/ask/{service}", ask, methods=["GET", "POST"]),
    Route("/pool", look_at_pool),
    Route("/misuse/{misuse}", misuse),
    Route("/too-late", ask_once_too_late),
]


@pytest.fixture
async def platform(notes_url: str, tmp_path: Path) -> AsyncIterator[Platform]:
    """With one note, and one connection for all."""
    platform = bare_platform(tmp_path, database_url=notes_url, database_connections=1)
    platform.database.capture = Capture(feeds())
    async with platform.database.unit() as session:
        await session.run_sync(add_note, "a", "x")
    yield platform
    await platform.database.close()


@pytest.fixture
async def client(platform: Platform) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(build_root(platform, [mounted(Router(ROUTES))])) as client:
        yield client


async def test_it_is_no_transaction_and_any_other_reading_is_one(
    client: httpx2.AsyncClient, platform: Platform
) -> None:
    assert (await client.get("/app/ask/find_state")).json() == "IDLE"
    async with platform.database.unit(read_only=True) as session:
        assert await session.run_sync(find_state) == "INTRANS"


async def test_the_connection_is_free_before_the_answer_is_made(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/app/pool")).json() == ["x", 0]


@pytest.mark.parametrize("service", ["find_lines", "write", "change", "write_in_sql", "make_table"])
async def test_a_second_statement_and_a_write_are_refused(
    client: httpx2.AsyncClient, service: str
) -> None:
    assert (await client.get(f"/app/ask/{service}")).status_code == 500
    assert (await client.get("/app/ask/find_texts")).json() == ["x"]


@pytest.mark.parametrize(
    ("misuse", "sentence"),
    [
        ("ask_twice", "has done so"),
        ("ask_the_session", "'run' is the way to ask"),
        ("ask_with_django", "not with Django"),
    ],
)
async def test_any_other_use_is_refused_with_a_sentence(
    client: httpx2.AsyncClient, misuse: str, sentence: str
) -> None:
    answer = await client.get(f"/app/misuse/{misuse}")
    assert answer.status_code == 418
    assert answer.json().startswith("this unit of work is a SingleQuery")
    assert answer.json().endswith(sentence)


async def test_it_is_for_reading_and_comes_first(client: httpx2.AsyncClient) -> None:
    assert (await client.post("/app/ask/find_texts")).status_code == 500
    assert (await client.get("/app/too-late")).status_code == 500


async def single_query(platform: Platform) -> Any:
    async with platform.database.single_query() as session:
        return await session.run_sync(find_texts)


async def snapshot(platform: Platform) -> Any:
    """What is found before and after another connection has written, in one unit that reads."""
    async with platform.database.unit(read_only=True) as session:
        before = await session.run_sync(find_texts)
        await anyio.to_thread.run_sync(add_from_elsewhere, platform)
        return before == await session.run_sync(find_texts)


async def lost_write(platform: Platform) -> Any:
    with suppress(LookupError):
        async with platform.database.unit() as session:
            await session.run_sync(add_note, "a", "lost")
            raise LookupError
    async with platform.database.unit(read_only=True) as session:
        return "lost" not in await session.run_sync(find_texts)


async def chosen_level(platform: Platform) -> Any:
    """What SQLAlchemy's own option asks of a connection of the engine."""
    async with platform.database.engine.connect() as connection:
        await connection.execution_options(isolation_level="SERIALIZABLE")
        if platform.database.is_sqlite:
            return True
        settings = ("transaction_isolation", "transaction_read_only")
        return [await connection.scalar(text(f"SHOW {name}")) for name in settings] == [
            "serializable",
            "off",
        ]


def add_from_elsewhere(platform: Platform) -> None:
    async def add() -> None:
        other = bare_platform(Path(), database_url=platform.settings.database_url)
        other.database.capture = Capture(feeds())
        async with other.database.unit() as session:
            count = len(await session.run_sync(find_texts))
            await session.run_sync(add_note, "a", f"elsewhere {count}")
        await other.database.close()

    anyio.run(add)


@pytest.mark.parametrize(
    "order", list(permutations((single_query, snapshot, lost_write, chosen_level)))
)
async def test_no_unit_inherits_how_the_one_before_used_the_connection(
    platform: Platform, order: tuple[Any, ...]
) -> None:
    for use in order:
        assert await use(platform), use.__name__


@pytest.mark.database("postgresql")
@pytest.mark.parametrize("level", ["AUTOCOMMIT", "SERIALIZABLE"])
async def test_a_level_that_is_chosen_and_not_used_changes_nothing_for_the_next(
    platform: Platform, level: Any
) -> None:
    assert await snapshot(platform)
    async with platform.database.engine.connect() as connection:
        await connection.execution_options(isolation_level=level)
    assert await snapshot(platform)
    async with platform.database.engine.execution_options(isolation_level=level).connect():
        pass
    assert await snapshot(platform)


@pytest.mark.database("postgresql")
async def test_whoever_leaves_in_mid_query_leaves_the_connection_to_others(
    client: httpx2.AsyncClient,
) -> None:
    with anyio.move_on_after(0.5):
        await client.get("/app/misuse/wait")
    assert (await client.get("/app/ask/find_texts")).json() == ["x"]
