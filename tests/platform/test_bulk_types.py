"""A value of a batch is stored as the same value of a single row is, whatever a column's type has
made of it."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from tests.platform import notes
from tests.platform.bulk_values import VALUES, Load
from tests.platform.notes import SECRET
from trivet.audit import AuditTrail
from trivet.data.capture import Capture
from trivet.data.database import Database

# SQLite gets no arrays.
pytestmark = [pytest.mark.anyio, pytest.mark.database("postgresql")]

MANY = 6


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
