"""A query that was compiled once gives the rows that SQLAlchemy gives, whichever way it is sent,
and what goes wrong on the short way goes right, or wrong as ever, on the other."""

import asyncio
import datetime as dt
import enum
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from select import select as select_sockets
from typing import Any
from uuid import UUID

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    Enum,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Uuid,
    bindparam,
    create_engine,
    event,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import AsyncAdaptedQueuePool

from tests.platform.bare import bare_platform
from trivet import Platform
from trivet.data.capture import Capture
from trivet.data.compiled_read import CompiledRead
from trivet.data.database import Database
from trivet.data.pool import ObservedPool
from trivet.models.types import JsonDocument, UtcDateTime
from trivet.observation import Observers, PoolWaited, UnitEnded, UnitOutcome
from trivet.origin import current_origin

pytestmark = pytest.mark.anyio


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


PINS = Table(
    "compiled_pin",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("name %s", String(20), key="name"),
    Column("price", Numeric(8, 2)),
    Column("colour", Enum(Colour)),
    Column("sold_at", UtcDateTime),
    Column("made_at", DateTime(timezone=True)),
    Column("lasts", Interval),
    Column("notes", JsonDocument),
    Column("raw", JSON),
    Column("token", Uuid),
    Column("picture", LargeBinary),
)
INSTANT = dt.datetime(2013, 2, 8, 23, 59, 59, 123456, tzinfo=dt.UTC)
VALUES: dict[str, Any] = {
    "name": "100 % %s $1",
    "price": Decimal("-12.50"),
    "colour": Colour.BLUE,
    "sold_at": INSTANT,
    "made_at": INSTANT,
    "lasts": dt.timedelta(days=2, microseconds=7),
    "notes": {"a": [1, None, "ü"]},
    "raw": [True, 1.5],
    "token": UUID(int=7),
    "picture": b"\x00\xff",
}
BY_KEY = CompiledRead(select(PINS).where(PINS.c.id == bindparam("key")))


def prepare(url: str) -> None:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        PINS.create(connection)
        connection.execute(insert(PINS), {"id": 1, **VALUES})
        connection.execute(insert(PINS), {"id": 2, **dict.fromkeys(VALUES)})
    engine.dispose()


@pytest.fixture
async def platform(empty_database_url: str, tmp_path: Path) -> AsyncIterator[Platform]:
    """With one connection, so that each unit finds what the one before has left on it."""
    await anyio.to_thread.run_sync(prepare, empty_database_url)
    platform = bare_platform(tmp_path, database_url=empty_database_url, database_connections=1)
    platform.database.capture = Capture()
    yield platform
    await platform.database.close()


async def ask(platform: Platform, read: CompiledRead, **values: Any) -> list[tuple[Any, ...]]:
    transaction = platform.open_transaction(read_only=True)
    try:
        with anyio.fail_after(60):
            rows = await transaction.ask(read, values)
        await transaction.commit()
        return [tuple(row) for row in rows]
    finally:
        await transaction.close()


async def run(platform: Platform, statement: str) -> None:
    async with platform.database.engine.begin() as connection:
        await connection.execute(text(statement))


@pytest.mark.parametrize("key", [1, 2, 3])
async def test_the_rows_are_those_of_a_session(platform: Platform, key: int) -> None:
    async with platform.open_unit(read_only=True) as unit:
        expected = await unit.run(lambda db, _actor: BY_KEY.rows(db, {"key": key}))

    for _ in range(3):
        assert await ask(platform, BY_KEY, key=key) == [tuple(row) for row in expected]


@pytest.mark.parametrize("name", [name for name in VALUES if name not in ("notes", "raw")])
async def test_a_row_is_found_by_a_value_of_any_type(platform: Platform, name: str) -> None:
    column = PINS.c[name]
    read = CompiledRead(select(PINS.c.id).where(column == bindparam("given", type_=column.type)))

    assert await ask(platform, read, given=VALUES[name]) == [(1,)]


async def test_a_value_without_a_name_is_given_by_its_key(platform: Platform) -> None:
    condition = PINS.c.name == "another"
    read = CompiledRead(select(PINS.c.id).where(condition))
    assert await ask(platform, read) == []

    given = {condition.right.key: VALUES["name"]}

    assert await ask(platform, read, **given) == [(1,)]
    assert await ask(platform, read) == []


async def test_a_value_that_nobody_hands_over_is_nobody_s(platform: Platform) -> None:
    assert len(await ask(platform, BY_KEY, key=1)) == 1
    with pytest.raises(SQLAlchemyError, match="A value is required for bind parameter 'key'"):
        await ask(platform, BY_KEY)
    assert len(await ask(platform, BY_KEY, key=2)) == 1


async def test_a_unit_that_has_begun_asks_where_it_is(platform: Platform) -> None:
    async with platform.open_unit() as unit:
        transaction: Any = unit._transaction  # as the rooms have it from the context
        await unit.session.execute(insert(PINS).values(id=3, name="unborn"))
        rows = await transaction.ask(BY_KEY, {"key": 3})
        assert rows[0][1] == "unborn"
    assert [row[1] for row in await ask(platform, BY_KEY, key=3)] == ["unborn"]


async def test_the_unit_is_observed(platform: Platform) -> None:
    ended: list[UnitEnded] = []
    platform.observers.add(UnitEnded, ended.append)

    await ask(platform, BY_KEY, key=1)

    assert ended == [UnitEnded(UnitOutcome.COMMITTED, "", "background", read_only=True)]


REPAIRS: list[tuple[str, str]] = [
    ("a statement was forgotten", "DEALLOCATE ALL"),
    ("the connection is gone", "SELECT pg_terminate_backend(pg_backend_pid())"),
    ("a column has another type", "ALTER TABLE compiled_pin ALTER COLUMN price TYPE numeric(9, 2)"),
]


@pytest.mark.database("postgresql")
@pytest.mark.parametrize(("why", "statement"), REPAIRS)
async def test_what_ails_the_short_way_is_cured(
    platform: Platform, why: str, statement: str
) -> None:
    before = await ask(platform, BY_KEY, key=1)

    try:
        await run(platform, statement)
    except DBAPIError:
        assert why == "the connection is gone"

    assert await ask(platform, BY_KEY, key=1) == before
    assert await ask(platform, BY_KEY, key=1) == before


@pytest.mark.database("postgresql")
async def test_a_fault_is_told_as_sqlalchemy_tells_it(platform: Platform) -> None:
    read = CompiledRead(select(PINS.c.id / bindparam("by", type_=Integer)))
    await ask(platform, BY_KEY, key=1)

    with pytest.raises(DBAPIError) as short:
        await ask(platform, read, by=0)
    with pytest.raises(DBAPIError) as long:
        async with platform.open_unit(read_only=True) as unit:
            await unit.run(lambda db, _actor: read.rows(db, {"by": 0}))

    assert type(short.value) is type(long.value)
    assert getattr(short.value.orig, "sqlstate", "") == "22012"
    assert await ask(platform, BY_KEY, key=2), "and the connection serves the next one"


@pytest.mark.database("postgresql")
async def test_a_unit_that_writes_takes_the_connection_over(platform: Platform) -> None:
    await ask(platform, BY_KEY, key=1)

    async with platform.open_unit() as unit:
        await unit.session.execute(insert(PINS).values(id=4, name="later"))

    assert [row[1] for row in await ask(platform, BY_KEY, key=4)] == ["later"]


@pytest.mark.database("postgresql")
@pytest.mark.parametrize("length", [10, 4_000_000], ids=["short", "longer than any buffer"])
async def test_a_value_and_an_answer_may_be_long(platform: Platform, length: int) -> None:
    given = bindparam("given", type_=String)
    read = CompiledRead(select(given, func.length(given)))
    text_ = "ü" * length

    with anyio.fail_after(60):
        for _ in range(2):
            assert await ask(platform, read, given=text_) == [(text_, length)]


SLEEP = CompiledRead(select(func.pg_sleep(bindparam("seconds", type_=Integer))))
SLEEPING = text(
    "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE :words"
)


async def count_sleeping(url: str) -> int:
    def count() -> int:
        engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        with engine.connect() as connection:
            found = connection.scalar(SLEEPING, {"words": "SELECT pg_sleep(%"})
        engine.dispose()
        return int(found or 0)

    return await anyio.to_thread.run_sync(count)


@pytest.mark.database("postgresql")
@pytest.mark.usefixtures("platform")
async def test_a_query_that_nobody_waits_for_ends_in_the_server(empty_database_url: str) -> None:
    without_limit = Database(empty_database_url, capture=Capture(), connections=1)
    for _ in range(2):
        await without_limit.ask(BY_KEY, {"key": 1}, current_origin)
    asking = asyncio.create_task(without_limit.ask(SLEEP, {"seconds": 600}, current_origin))
    with anyio.fail_after(60):
        while await count_sleeping(empty_database_url) == 0:  # noqa: ASYNC110  # the server tells nobody
            await anyio.sleep(0.02)

        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        while await count_sleeping(empty_database_url) > 0:  # noqa: ASYNC110  # as above
            await anyio.sleep(0.02)

        assert await without_limit.ask(BY_KEY, {"key": 1}, current_origin), "its place is free"
    await without_limit.close()


async def test_idle_connections_wait_in_the_pools_own_queue(platform: Platform) -> None:
    """Private to SQLAlchemy, so pinned here: `_queue_class`."""
    pool: Any = platform.database.engine.pool
    assert isinstance(pool._pool, ObservedPool._queue_class)
    assert ObservedPool._queue_class is not AsyncAdaptedQueuePool._queue_class


@pytest.mark.database("postgresql")
async def test_who_waits_for_a_connection_gets_it_in_the_order_of_coming(
    platform: Platform,
) -> None:
    await ask(platform, BY_KEY, key=1)
    served: list[str] = []

    async def ask_shortly(name: str) -> None:
        await ask(platform, BY_KEY, key=1)
        served.append(name)

    async def use_a_unit(name: str) -> None:
        async with platform.open_unit() as unit:
            await unit.run(lambda db, _actor: BY_KEY.rows(db, {"key": 1}))
            served.append(name)

    ways = [ask_shortly, use_a_unit, use_a_unit, ask_shortly, ask_shortly, use_a_unit]
    names = [f"{at} {way.__name__}" for at, way in enumerate(ways)]
    async with anyio.create_task_group() as tasks, platform.open_unit() as unit:
        await unit.run(lambda db, _actor: BY_KEY.rows(db, {"key": 1}))
        for way, name in zip(ways, names, strict=True):
            tasks.start_soon(way, name)
            await anyio.wait_all_tasks_blocked()
        assert served == []
    assert served == names


@pytest.mark.database("postgresql")
async def test_one_who_leaves_the_queue_takes_no_connection_along(platform: Platform) -> None:
    await ask(platform, BY_KEY, key=1)
    async with platform.open_unit() as unit:
        await unit.run(lambda db, _actor: BY_KEY.rows(db, {"key": 1}))
        waiting = [asyncio.create_task(ask(platform, BY_KEY, key=1)) for _ in range(3)]
        await anyio.wait_all_tasks_blocked()
        waiting[0].cancel()
    # The second has been handed the connection by now, and has not run yet.
    waiting[1].cancel()

    with anyio.fail_after(60):
        assert await waiting[2]
        assert await ask(platform, BY_KEY, key=1)


@pytest.mark.database("postgresql")
async def test_a_wait_in_vain_is_refused_and_observed(
    platform: Platform, empty_database_url: str
) -> None:
    observers, waits = Observers(), list[PoolWaited]()
    options: dict[str, Any] = {"capture": Capture(), "connections": 1, "timeout": 0.2}
    database = Database(empty_database_url, observers=observers, **options)
    await database.ask(BY_KEY, {"key": 1}, current_origin)
    observers.add(PoolWaited, waits.append)

    async with database.unit() as session:
        await session.execute(text("SELECT 1"))
        with pytest.raises(PoolTimeoutError):
            await database.ask(BY_KEY, {"key": 1}, current_origin)
    assert await database.ask(BY_KEY, {"key": 1}, current_origin)
    await database.close()

    assert [each.succeeded for each in waits] == [True, False, True]


@pytest.mark.database("postgresql")
async def test_somebody_who_listens_to_checkouts_hears_of_each(platform: Platform) -> None:
    await ask(platform, BY_KEY, key=1)
    heard: list[object] = []
    pool = platform.database.engine.sync_engine.pool
    event.listen(pool, "checkout", lambda *given: heard.append(given))

    await ask(platform, BY_KEY, key=1)
    await ask(platform, BY_KEY, key=2)

    assert len(heard) == 2


@pytest.mark.database("postgresql")
async def test_a_connection_that_was_given_up_is_not_asked(platform: Platform) -> None:
    backend = CompiledRead(select(func.pg_backend_pid(type_=Integer)))
    before = await ask(platform, backend)
    assert await ask(platform, backend) == before

    async with platform.database.engine.connect() as connection:
        lent = await connection.get_raw_connection()
        lent.invalidate(soft=True)

    assert await ask(platform, backend) != before


async def find_socket(platform: Platform) -> int:
    """The socket of the only connection, which asks a read behind this."""
    async with platform.database.engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
    await ask(platform, BY_KEY, key=1)
    return int(driver.pgconn.socket)


@pytest.mark.database("postgresql")
async def test_the_loop_looks_at_a_socket_between_two_reads(platform: Platform) -> None:
    socket = await find_socket(platform)

    # What the two tests below say would otherwise be true of any socket.
    assert asyncio.get_running_loop().remove_reader(socket)


@pytest.mark.database("postgresql")
async def test_the_loop_forgets_a_connection_that_the_server_ends(
    platform: Platform, empty_database_url: str
) -> None:
    socket = await find_socket(platform)
    ((pid,),) = await ask(platform, CompiledRead(select(func.pg_backend_pid(type_=Integer))))

    def end() -> None:
        engine = create_engine(empty_database_url.replace("postgresql://", "postgresql+psycopg://"))
        with engine.connect() as connection:
            assert connection.scalar(select(func.pg_terminate_backend(pid, 60_000)))
        engine.dispose()
        assert any(select_sockets([socket], [], [], 60))

    await anyio.to_thread.run_sync(end)
    for _ in range(3):
        await anyio.lowlevel.checkpoint()  # the loop has looked at its sockets

    assert not asyncio.get_running_loop().remove_reader(socket)
    assert await ask(platform, BY_KEY, key=1), "and the next read is served"


@pytest.mark.database("postgresql")
async def test_the_loop_forgets_a_connection_that_is_closed(platform: Platform) -> None:
    socket = await find_socket(platform)

    await platform.database.close()

    assert not asyncio.get_running_loop().remove_reader(socket)
