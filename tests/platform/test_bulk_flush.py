"""Many rows of a flush in one statement, with everything that a flush promises for one."""

import datetime as dt
import enum
import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import anyio.to_thread
import pytest
from sqlalchemy import (
    JSON,
    Enum,
    LargeBinary,
    Numeric,
    String,
    UniqueConstraint,
    create_engine,
    event,
    select,
    text,
)
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Mapped, Session, mapped_column
from sqlalchemy.orm.exc import StaleDataError

from tests.platform import notes
from tests.platform.notes import SECRET, Note, published
from tests.platform.trail import check, entries, execute
from tests.platform.waiting import await_blocked
from trivet import Model, Versioned
from trivet.audit import AuditTrail
from trivet.data.capture import Capture
from trivet.data.database import Database
from trivet.models.types import BigKey

pytestmark = pytest.mark.anyio


class Colour(enum.Enum):
    RED = "red"
    BLUE = 'b"l,u{e}\\'


class Parcel(Versioned, Model):
    """A value of every kind that travels in an array, and of some that do not."""

    __tablename__ = "test_bulk_parcel"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    label: Mapped[str | None] = mapped_column(String(200))
    count: Mapped[int | None]
    ratio: Mapped[float | None]
    price: Mapped[Decimal | None] = mapped_column(Numeric(10, 2))
    is_fragile: Mapped[bool | None]
    day: Mapped[dt.date | None]
    at: Mapped[dt.datetime | None]
    clock: Mapped[dt.time | None]
    span: Mapped[dt.timedelta | None]
    token: Mapped[uuid.UUID | None]
    colour: Mapped[Colour | None] = mapped_column(
        Enum(Colour, native_enum=False, values_callable=lambda all_: [each.value for each in all_])
    )
    native: Mapped[Colour | None] = mapped_column(Enum(Colour, name="test_bulk_colour"))
    picture: Mapped[bytes | None] = mapped_column(LargeBinary)
    document: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))


class Berth(Versioned, Model):
    """A row with a place that no other may have."""

    __tablename__ = "test_bulk_seat"
    __table_args__ = (UniqueConstraint("row", "place"),)

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    row: Mapped[int]
    place: Mapped[int]


class Tally(Model):
    """A row without a version, with a key of its maker."""

    __tablename__ = "test_bulk_tally"

    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    count: Mapped[int] = mapped_column(default=0)
    made: Mapped[str] = mapped_column(String(20), server_default="by the database")


def _is_postgresql(database: Database) -> bool:
    return database.engine.dialect.name == "postgresql"


@pytest.fixture
async def database(notes_url: str) -> AsyncIterator[Database]:
    capture = Capture(notes.feeds(), AuditTrail([SECRET]))
    database = Database(notes_url, capture=capture)
    yield database
    await database.close()


@contextmanager
def sent(database: Database) -> Iterator[list[tuple[str, Any]]]:
    """The writing statements that are sent meanwhile, with their parameters."""
    found: list[tuple[str, Any]] = []
    engine = database.engine.sync_engine

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith(("UPDATE test_", "INSERT INTO test_")):
            found.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def write(database: Database, work: Callable[[Session], Any]) -> Any:
    async with database.unit() as session:
        return await session.run_sync(work)


async def read(database: Database, query: str) -> list[tuple[Any, ...]]:
    async with database.engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(query))]


def plan_otherwise(db: Session) -> None:
    """Have PostgreSQL read the table as it lies on the disk: it may, whatever it does here."""
    if db.connection().dialect.name == "postgresql":
        for way in ("nestloop", "mergejoin", "indexscan", "bitmapscan"):
            db.execute(text(f"SET LOCAL enable_{way} = off"))


def parcels(db: Session) -> list[Parcel]:
    return list(db.scalars(select(Parcel).order_by(Parcel.id)))


async def fill(database: Database, count: int) -> None:
    def add(db: Session) -> None:
        db.add_all(Parcel(label=f"p{number}", count=number) for number in range(count))

    await write(database, add)


HARD: list[dict[str, Any]] = [
    {"label": label, "count": -(2**31), "ratio": 1e-300, "price": Decimal("-12345678.90")}
    for label in ("", "NULL", '"', "\\", "{a,b}", ",", " a ", "a\nb\tc", "é€𝄞", "%(a)s %", "a:b")
]
HARD += [
    {"is_fragile": True, "day": dt.date(1, 1, 1), "clock": dt.time(23, 59, 59, 999999)},
    {"is_fragile": False, "at": dt.datetime(9999, 12, 31, 23, 59, 59, 999999, dt.UTC)},
    {"token": uuid.UUID(int=7), "colour": Colour.BLUE, "native": Colour.RED, "ratio": -0.1},
    {},
]
TYPED: list[dict[str, Any]] = [
    {"span": dt.timedelta(days=-3, microseconds=7), "label": "span"},
    {"picture": b"\x00\\x\xff", "label": "bytes"},
    {"document": {"a": [1, None, "\\"]}, "label": "document"},
]


def values_of(parcel: Parcel) -> dict[str, Any]:
    names = {name for row in (*HARD, *TYPED) for name in row}
    return {name: value for name in names if (value := getattr(parcel, name)) is not None}


@pytest.mark.parametrize("rows", [HARD, TYPED * 2, [*HARD, *TYPED]])
async def test_every_value_is_stored_as_it_is(
    database: Database, rows: list[dict[str, Any]]
) -> None:
    await write(database, lambda db: db.add_all([Parcel(**row) for row in rows]))
    assert [values_of(each) for each in await write(database, parcels)] == rows

    def turn_round(db: Session) -> None:
        for parcel, row in zip(parcels(db), reversed(rows), strict=True):
            for name in values_of(parcel) | row:
                setattr(parcel, name, row.get(name))

    await write(database, turn_round)
    assert [values_of(each) for each in await write(database, parcels)] == rows[::-1]


async def test_new_rows_get_their_keys_in_the_order_of_their_adding(database: Database) -> None:
    # More than one statement takes.
    made = [Parcel(label=f"p{number}", count=number % 7) for number in range(2500)]
    await write(database, lambda db: db.add_all(made))
    assert [each.id for each in made] == sorted({each.id for each in made})
    stored = await read(database, "SELECT label FROM test_bulk_parcel ORDER BY id")
    assert [label for (label,) in stored] == [each.label for each in made]


async def test_rows_with_keys_of_their_own_get_what_the_database_adds(database: Database) -> None:
    made = [Tally(name=f"t{number}") for number in range(9, 0, -1)]
    await write(database, lambda db: db.add_all(made))
    assert {each.made for each in made} == {"by the database"}
    assert len(await read(database, "SELECT * FROM test_bulk_tally")) == 9


async def test_many_inserts_are_one_statement_of_few_parameters(database: Database) -> None:
    with sent(database) as statements:
        await fill(database, 200)
    if _is_postgresql(database):
        ((_, parameters),) = statements
        assert set(parameters) == set(Parcel.__table__.columns.keys()) - {"id"}
    else:
        assert len(statements) >= 1


async def test_many_updates_are_one_statement(database: Database) -> None:
    await fill(database, 60)

    def count_up(db: Session) -> None:
        for parcel in parcels(db):
            parcel.count = (parcel.count or 0) + 1

    with sent(database):
        await write(database, count_up)  # once for the class: SQLAlchemy makes its statement
    with sent(database) as statements:
        await write(database, count_up)
    assert len(statements) == 1
    counted = await read(database, "SELECT count, version FROM test_bulk_parcel ORDER BY id")
    assert counted == [(number + 2, 3) for number in range(60)]


async def test_rows_that_change_differently_keep_what_they_do_not_change(
    database: Database,
) -> None:
    await fill(database, 30)

    def change(db: Session) -> None:
        for number, parcel in enumerate(parcels(db)):
            if number % 3:
                parcel.count = -number
            if number % 2:
                parcel.price = Decimal(number)

    with sent(database) as statements:
        await write(database, change)
    assert len(statements) <= 2
    found = await read(database, "SELECT label, count, price FROM test_bulk_parcel ORDER BY id")
    assert [(label, count, price and int(price)) for label, count, price in found] == [
        (f"p{number}", -number if number % 3 else number, number if number % 2 else None)
        for number in range(30)
    ]


@pytest.mark.parametrize("stale", [0, 17, 29])
async def test_one_row_that_somebody_else_changed_meanwhile_refuses_all(
    database: Database, stale: int
) -> None:
    await fill(database, 30)

    def change_behind_its_back(db: Session) -> None:
        rows = parcels(db)
        for number, parcel in enumerate(rows):
            parcel.count = 1000 + number
        if stale % 2:
            rows[0].price = Decimal(1)  # so that the others are filled up
        rows[stale].version  # noqa: B018  # it is loaded
        set_behind(db, rows[stale].id)

    def set_behind(db: Session, key: int) -> None:
        # In the same transaction, but past the session: SQLite has one writer.
        set_version = text("UPDATE test_bulk_parcel SET version = 99 WHERE id = :key")
        db.connection().execute(set_version, {"key": key})

    database.capture = Capture(notes.feeds())  # nothing guards the table
    with pytest.raises(StaleDataError):
        await write(database, change_behind_its_back)
    found = await read(database, "SELECT count, version FROM test_bulk_parcel ORDER BY id")
    assert found == [(number, 1) for number in range(30)]


async def test_rows_may_hand_on_what_is_unique_in_the_order_of_their_keys(
    database: Database,
) -> None:
    def seat(db: Session) -> None:
        # They lie on the disk against the order of their keys.
        db.add_all(Berth(id=number, row=1, place=number) for number in range(1500, 0, -1))

    def move_up(db: Session) -> None:
        plan_otherwise(db)
        for each in db.scalars(select(Berth).where(Berth.id < 200).order_by(Berth.id)):
            each.place -= 1

    def move_down(db: Session) -> None:
        for each in db.scalars(select(Berth).where(Berth.id < 200).order_by(Berth.id)):
            each.place += 1

    await write(database, seat)
    await execute(database, "ANALYZE")
    for _ in range(3):
        await write(database, move_up)
    with pytest.raises(IntegrityError):
        await write(database, move_down)
    found = await read(database, "SELECT place FROM test_bulk_seat ORDER BY id")
    assert [place for (place,) in found] == [*range(-2, 197), *range(200, 1501)]


@pytest.mark.database("postgresql")  # SQLite locks no rows
async def test_a_flush_locks_its_rows_in_the_order_of_their_keys(
    database: Database, notes_url: str
) -> None:
    def add(db: Session) -> None:
        # They lie on the disk against the order of their keys.
        db.add_all(Parcel(id=key, count=0) for key in range(1500, 0, -1))

    await write(database, add)
    await execute(database, "ANALYZE")

    def change(db: Session) -> None:
        plan_otherwise(db)
        for parcel in parcels(db)[:60]:
            parcel.count = 1

    def look(url: str) -> tuple[bool, bool]:
        engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
        try:
            with engine.connect() as connection:
                await_blocked(connection)
                return is_locked(connection, 10), is_locked(connection, 50)
        finally:
            engine.dispose()

    async with database.engine.connect() as holder:
        query = text("SELECT id FROM test_bulk_parcel WHERE id = :key FOR UPDATE")
        await holder.execute(query, {"key": 30})
        async with anyio.create_task_group() as group:
            group.start_soon(write, database, change)
            before, after = await anyio.to_thread.run_sync(look, notes_url)
            await holder.rollback()
    assert (before, after) == (True, False)


def is_locked(connection: Any, key: int) -> bool:
    query = text("SELECT id FROM test_bulk_parcel WHERE id = :key FOR UPDATE NOWAIT")
    try:
        connection.execute(query, {"key": key})
    except OperationalError:
        return True
    finally:
        connection.rollback()
    return False


async def test_a_session_of_somebody_else_updates_as_sqlalchemy_does(
    database: Database,
) -> None:
    await fill(database, 20)

    def change(db: Session) -> None:
        for parcel in parcels(db):
            parcel.count = 500
        db.commit()

    async with database.engine.connect() as connection:
        with sent(database) as statements:
            await connection.run_sync(lambda sync: change(Session(sync)))
    assert len(statements) == 20


async def test_many_changes_are_published_and_noted_in_their_order(database: Database) -> None:
    words = [f'{number} "\\{{,}}é' for number in range(300)]

    def add(db: Session) -> None:
        db.add_all(Note(board=f"b{n % 3}", text=word) for n, word in enumerate(words))

    await write(database, add)
    for board in range(3):
        rows = await published(database, f"notes:b{board}")
        assert [row.offset for row in rows] == list(range(1, 101))
        assert [json.loads(row.data)["text"] for row in rows] == words[board::3]
    noted = await entries(database)
    assert [json.loads(entry.changes)["text"]["to"] for entry in noted] == words
    verdict, damages = await check(database)
    assert (verdict.entries, damages) == (300, [])


async def test_a_batch_that_is_rolled_back_leaves_nothing(database: Database) -> None:
    await fill(database, 20)
    before = await read(database, "SELECT count(*) FROM trivet_audit_entry")

    def add_and_fail(db: Session) -> None:
        for parcel in parcels(db):
            parcel.count = 77
        db.add_all(Note(board="b", text=f"note {number % 20}") for number in range(21))

    with pytest.raises(IntegrityError):
        await write(database, add_and_fail)
    assert await read(database, "SELECT count(*) FROM test_note") == [(0,)]
    assert await read(database, "SELECT count(*) FROM test_bulk_parcel WHERE count = 77") == [(0,)]
    assert await read(database, "SELECT count(*) FROM trivet_audit_entry") == before
    assert await published(database, "notes:b") == []
