"""The outbox and the trail speak to PostgreSQL in few words, and nothing is lost by that: what
fails is not committed, what is forgotten is prepared again, and who listens hears everything."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import event, make_url, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from tests.platform.notes import SECRET, Note, add_note, feeds, published
from tests.platform.trail import check, execute, noted
from trivet.audit import AuditTrail
from trivet.data.capture import Capture
from trivet.data.database import Database
from trivet.data.session import TrivetSession

pytestmark = [pytest.mark.anyio, pytest.mark.database("postgresql")]

READY = b"Z\x00\x00\x00\x05"
"""PostgreSQL's message ReadyForQuery, which ends each exchange."""
REFUSE_ENTRIES = (
    "ALTER TABLE trivet_audit_entry ADD CONSTRAINT none CHECK (kind <> 'insert') NOT VALID"
)
ACCEPT_ENTRIES = "ALTER TABLE trivet_audit_entry DROP CONSTRAINT none"


@asynccontextmanager
async def counting_proxy(url: str) -> AsyncIterator[tuple[str, list[int]]]:
    """An address that leads to the database at `url`, and the exchanges that went through it."""
    server, exchanges = make_url(url), [0]

    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter, count: Any) -> None:
        end = b""  # of what came before, because a message may come in two pieces
        while data := await source.read(65536):
            count[0] += (end + data).count(READY)
            end = (end + data)[1 - len(READY) :]
            target.write(data)
        target.close()
        await target.wait_closed()

    served: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.extend(filter(None, [asyncio.current_task()]))
        from_server, to_server = await asyncio.open_connection(server.host, server.port)
        await asyncio.gather(pump(reader, to_server, [0]), pump(from_server, writer, exchanges))

    proxy = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with proxy:
        port = proxy.sockets[0].getsockname()[1]
        yield server.set(port=port).render_as_string(hide_password=False), exchanges
        await asyncio.gather(*served)


async def write(database: Database, name: str, parent_id: int | None = None) -> Note:
    async with database.unit() as session:
        return await session.run_sync(add_note, "a", name, parent_id)


async def lose(database: Database, name: str) -> None:
    async with database.unit() as session:
        await session.run_sync(add_note, "a", name)
        raise LookupError


async def write_while_the_server_leaves(database: Database, other: Database) -> None:
    async with database.unit() as session:
        await session.run_sync(add_note, "a", "lost")
        process = await session.scalar(text("SELECT pg_backend_pid()"))
        await execute(other, f"SELECT pg_terminate_backend({process})")


async def texts(database: Database) -> list[str]:
    async with database.unit(read_only=True) as session:
        return sorted(await session.run_sync(lambda db: [n.text for n in db.query(Note)]))


async def test_a_row_is_written_published_and_audited_in_three_exchanges(notes_url: str) -> None:
    async with counting_proxy(notes_url) as (url, exchanges):
        database = Database(url, capture=Capture(feeds(), AuditTrail([SECRET])), connections=1)
        for number in range(8):  # what is sent often is prepared
            await write(database, f"note {number}")
        before = exchanges[0]
        await write(database, "the one")
        assert exchanges[0] - before == 3
        await database.close()


@pytest.mark.parametrize("is_known", [False, True], ids=["its first", "one of many"])
async def test_a_change_whose_entry_is_refused_is_not_committed(
    database: Database, *, is_known: bool
) -> None:
    if is_known:
        await write(database, "before")
    await execute(database, REFUSE_ENTRIES)
    before = await texts(database)
    for attempt in range(3):
        with pytest.raises(IntegrityError):
            await write(database, f"refused {attempt}")
    assert await texts(database) == before
    assert len(await published(database, "notes:a")) == len(before)
    await execute(database, ACCEPT_ENTRIES)
    await write(database, "after")
    assert await texts(database) == sorted([*before, "after"])
    verdict, damages = await check(database)
    assert (verdict.entries, damages) == (len(before) + 1, [])


async def test_a_commit_that_the_database_refuses_leaves_no_entry(database: Database) -> None:
    with pytest.raises(IntegrityError):
        await write(database, "orphan", parent_id=999)
    await write(database, "note")
    assert await texts(database) == ["note"]
    assert [changes["text"] for _, _, _, changes in await noted(database)] == [{"to": "note"}]


async def test_statements_that_a_rollback_has_made_forgotten_are_prepared_again(
    database: Database,
) -> None:
    database._engines._connections = 1
    for number in range(4):
        await write(database, f"note {number}")
        with pytest.raises(LookupError):
            await lose(database, f"lost {number}")
    assert len(await texts(database)) == 4
    assert [each.offset for each in await published(database, "notes:a")] == [1, 2, 3, 4]


async def test_what_comes_after_the_entry_comes_after_it(database: Database) -> None:
    """Somebody's own listener asks something once the trail is written."""
    counts: list[Any] = []

    def ask(session: Session) -> None:
        counts.append(session.scalar(text("SELECT count(*) FROM trivet_audit_entry")))

    async with database.unit() as session:
        event.listen(session.sync_session, "before_commit", ask)
        await session.run_sync(add_note, "a", "note")
    assert counts == [1]
    assert len(await noted(database)) == 1


async def test_who_listens_to_statements_hears_those_of_the_trail_and_the_outbox(
    database: Database,
) -> None:
    await write(database, "unheard")
    heard: list[str] = []
    event.listen(
        database.engine.sync_engine,
        "before_cursor_execute",
        lambda *given: heard.append(given[2]),
    )
    await write(database, "heard")
    for table in ("test_note", "trivet_publication", "trivet_audit_entry"):
        assert any(f"INSERT INTO {table}" in each for each in heard), table


async def test_a_server_that_leaves_is_one_failure_and_no_trap(
    database: Database, notes_url: str
) -> None:
    other = Database(notes_url, capture=Capture())
    await write(database, "before")
    with pytest.raises(OperationalError) as failed:
        await write_while_the_server_leaves(database, other)
    assert failed.value.connection_invalidated
    await write(database, "after")
    assert await texts(database) == ["after", "before"]
    await other.close()


async def test_where_there_is_no_commit_the_entry_waits_for_none(database: Database) -> None:
    """Somebody's own session, in autocommit."""
    engine = database.engine.execution_options(isolation_level="AUTOCOMMIT")
    capture = database.capture
    async with AsyncSession(engine, sync_session_class=TrivetSession, capture=capture) as session:
        await session.run_sync(add_note, "a", "note")
        await session.commit()
    assert len(await noted(database)) == 1
