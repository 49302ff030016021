"""The databases of the hall's tests: one of notes with a trail, one with a filled shelf."""

from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from tests.platform import notes, shelf
from tests.platform.notes import SECRET
from trivet.audit import AuditTrail
from trivet.data.capture import Capture
from trivet.data.database import Database


@pytest.fixture
async def database(notes_url: str) -> AsyncIterator[Database]:
    """The notes, their feeds and an audit trail; a module that needs another has its own."""
    capture = Capture(notes.feeds(), AuditTrail([SECRET]))
    database = Database(notes_url, capture=capture)
    yield database
    await database.close()


@pytest.fixture
def engine(notes_url: str) -> Iterator[Engine]:
    """A shelf with a thing and a book, as `shelf.fill` leaves it."""
    engine = create_engine(notes_url.replace("postgresql:", "postgresql+psycopg:"))
    with Session(engine) as db:
        shelf.fill(db)
        db.commit()
    yield engine
    engine.dispose()
