"""A value of a batch is stored as the same value of a single row is, whatever a column's type has
made of it."""

import datetime as dt
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import BigInteger, DateTime, Integer, Numeric, Text, TypeDecorator, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from tests.platform import notes
from tests.platform.notes import SECRET
from trivet import Model, Versioned
from trivet.audit import AuditTrail
from trivet.data.capture import Capture
from trivet.data.database import Database
from trivet.models.types import BigKey

# SQLite gets no arrays.
pytestmark = [pytest.mark.anyio, pytest.mark.database("postgresql")]

MANY = 6
HONOLULU = ZoneInfo("Pacific/Honolulu")


class InUtc(TypeDecorator[dt.datetime]):
    """An instant in a column without a zone, for which the driver is trusted to convert it."""

    impl = DateTime
    cache_ok = True

    def process_result_value(self, value: Any, _dialect: Any) -> Any:
        return value and value.replace(tzinfo=dt.UTC)


class Hundredths(TypeDecorator[Decimal]):
    """Money as a whole number of the smallest coin."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Any, _dialect: Any) -> Any:
        return None if value is None else value * 100

    def process_result_value(self, value: Any, _dialect: Any) -> Any:
        return None if value is None else Decimal(value) / 100


class Halves(TypeDecorator[float]):
    """A float that is kept as a whole number of halves."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: Any, _dialect: Any) -> Any:
        return None if value is None else value * 2.0

    def process_result_value(self, value: Any, _dialect: Any) -> Any:
        return None if value is None else value / 2.0


class Words(TypeDecorator[list[str]]):
    """A list in a text: a change inside it is seen by nobody."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, _dialect: Any) -> Any:
        return None if value is None else " ".join(value)

    def process_result_value(self, value: Any, _dialect: Any) -> Any:
        return None if value is None else value.split()


class Load(Versioned, Model):
    """A row of columns that the driver, and not its type, converts."""

    __tablename__ = "test_bulk_load"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    at: Mapped[dt.datetime | None] = mapped_column(InUtc)
    price: Mapped[Decimal | None] = mapped_column(Hundredths)
    halves: Mapped[float | None] = mapped_column(Halves)
    share: Mapped[float | None] = mapped_column(Numeric(asdecimal=False))
    words: Mapped[list[str] | None] = mapped_column(Words)


VALUES: dict[str, Any] = {
    "at": dt.datetime(2026, 11, 26, 23, 30, tzinfo=HONOLULU),
    "price": Decimal("12.50"),
    "halves": 3.5,
    "share": 0.1 + 0.2,
}


@pytest.fixture
async def database(notes_url: str) -> AsyncIterator[Database]:
    database = Database(notes_url, capture=Capture(notes.feeds(), AuditTrail([SECRET])))
    yield database
    await database.close()


async def stored(database: Database) -> list[dict[str, str]]:
    """The rows, as the database shows them."""
    names = ", ".join(f"CAST({name} AS varchar) AS {name}" for name in VALUES)
    async with database.engine.connect() as connection:
        found = await connection.execute(text(f"SELECT {names} FROM test_bulk_load ORDER BY id"))
        return [dict(row) for row in found.mappings()]


@pytest.mark.parametrize("name", VALUES)
async def test_a_batch_stores_what_a_single_row_does(database: Database, name: str) -> None:
    def add(db: Session, count: int) -> None:
        db.add_all(Load(**{name: VALUES[name]}) for _ in range(count))

    def empty(db: Session) -> None:
        db.add_all(Load() for _ in range(MANY))

    def change(db: Session, count: int) -> None:
        for load in db.scalars(select(Load).where(Load.id > 1 + MANY).limit(count)):
            setattr(load, name, VALUES[name])

    for work in (
        lambda db: add(db, 1),
        lambda db: add(db, MANY),
        empty,
        lambda db: change(db, MANY),
    ):
        async with database.unit() as session:
            await session.run_sync(work)
    rows = [row[name] for row in await stored(database)]
    assert len(rows) == 1 + 2 * MANY
    assert rows[0] is not None
    assert rows == [rows[0]] * len(rows)


async def test_a_batch_writes_nothing_that_no_entry_would_tell(database: Database) -> None:
    """The rows of a batch are made alike by present values, of which one may have changed inside
    without being set. Of a single row that is not stored either."""

    def add(db: Session) -> None:
        db.add_all(Load(words=["as", "it", "was"], share=1) for _ in range(MANY))

    def change(db: Session) -> None:
        first, second, *others = db.scalars(select(Load).order_by(Load.id))
        first.words = ["set"]
        assert second.words is not None
        second.words.append("unseen")
        for load in (second, *others):
            load.share = 2

    for work in (add, change):
        async with database.unit() as session:
            await session.run_sync(work)
    async with database.engine.connect() as connection:
        query = text("SELECT words FROM test_bulk_load ORDER BY id")
        found = list(await connection.scalars(query))
    assert found == ["set", *["as it was"] * (MANY - 1)]
