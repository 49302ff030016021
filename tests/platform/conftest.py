"""The databases of the hall's tests: one of notes with a trail, one with a filled shelf."""

from collections.abc import AsyncIterator, Iterator

import anyio.to_thread
import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from tests.platform import notes, shelf
from tests.platform.notes import SECRET
from trivet.audit import AuditTrail
from trivet.data.capture import Capture
from trivet.data.database import Database


@pytest.fixture
async def database(empty_database_url: str) -> AsyncIterator[Database]:
    """The notes, their feeds and an audit trail; a module that needs another has its own."""
    await anyio.to_thread.run_sync(notes.create_tables, empty_database_url)
    capture = Capture(notes.feeds(), AuditTrail([SECRET]))
    database = Database(empty_database_url, capture=capture)
    yield database
    await database.close()


@pytest.fixture
def engine(empty_database_url: str) -> Iterator[Engine]:
    """A shelf with a thing and a book, as `shelf.fill` leaves it."""
    notes.create_tables(empty_database_url)
    engine = create_engine(empty_database_url.replace("postgresql:", "postgresql+psycopg:"))
    with Session(engine) as db:
        shelf.fill(db)
        db.commit()
    yield engine
    engine.dispose()
