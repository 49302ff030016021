"""What would slip past the audit trail is refused, by whatever way it is written."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.orm import Session

from tests.platform import shelf
from tests.platform.notes import SECRET, Line
from tests.platform.trail import entries
from trivet.audit import AuditTrail
from trivet.data.capture import Capture
from trivet.data.database import Database
from trivet.events.outbox import Channel
from trivet.identity import django_tables as tables

pytestmark = pytest.mark.anyio

LINES: Any = Line.__table__

UNSEEN: dict[str, Callable[[Session], Any]] = {
    "update() of the class": lambda db: db.execute(update(Line).values(text="x")),
    "update() of the table": lambda db: db.execute(update(LINES).values(text="x")),
    "a statement on the connection": lambda db: db.connection().execute(
        update(LINES).values(text="x")
    ),
    "a statement for the driver": lambda db: db.connection().exec_driver_sql(
        "UPDATE test_line SET text = 'x'"
    ),
    "text": lambda db: db.execute(text("UPDATE test_line SET text = 'x'")),
    "text in disguise": lambda db: db.execute(
        text('WITH gone AS (SELECT 1) /* read */ delete from "test_line"')
    ),
    "an association table": lambda db: db.execute(
        insert(shelf.shelf_label).values(book_id=2, label_id=2)
    ),
    "Django's users": lambda db: db.connection().execute(
        update(tables.users).values(is_superuser=True)
    ),
    "Django's groups": lambda db: db.connection().exec_driver_sql(
        "INSERT INTO auth_group (name) VALUES ('x')"
    ),
}


WAY_OUT = (
    r'which is audited \(one that needs no trail says info=\{"audit": "ignored"\}\).* add, change'
)


@pytest.mark.parametrize("way", UNSEEN)
async def test_what_the_trail_would_not_see_is_refused_though_nothing_is_fed(
    notes_url: str, way: str
) -> None:
    capture = Capture(audit=AuditTrail([SECRET]))
    database = Database(notes_url, capture=capture)
    with pytest.raises(RuntimeError, match=WAY_OUT):
        async with database.unit() as session:
            await session.run_sync(UNSEEN[way])
    await database.close()


SEEN_BY_NOBODY: dict[str, Callable[[Session], Any]] = {
    "a table that is ignored": lambda db: db.execute(delete(Channel)),
    "a table that is ignored, raw": lambda db: db.connection().exec_driver_sql(
        "DELETE FROM trivet_publication"
    ),
    "Django's sessions": lambda db: db.execute(text("DELETE FROM django_session")),
    "an audited table as the source": lambda db: db.connection().exec_driver_sql(
        "INSERT INTO trivet_channel (name, epoch, top_offset) SELECT text, text, 0 FROM test_line"
    ),
    "a read that locks": lambda db: db.execute(select(Line).with_for_update()),
}


@pytest.mark.parametrize("way", SEEN_BY_NOBODY)
async def test_what_is_not_audited_may_be_written_in_any_way(database: Database, way: str) -> None:
    async with database.unit() as session:
        await session.run_sync(SEEN_BY_NOBODY[way])
    assert await entries(database) == []


async def test_who_means_it_writes_past_the_trail_on_a_connection_of_their_own(
    database: Database,
) -> None:
    async with database.engine.begin() as connection:
        await connection.execute(update(LINES).values(text="x"))
    assert await entries(database) == []
