"""A new row that is written without a session is, in the object, in the database, in the trail and
on its channels, the row that a session makes; and where that cannot be, nothing has happened."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Numeric, String, event, func, inspect, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Mapped, Session, column_property, mapped_column

from tests.platform.notes import SECRET, Note, feeds, published
from tests.platform.single_rows import MADE_ANEW, REFUSED, ROWS, listen, make
from tests.platform.trail import ADA, check, execute, noted
from tests.platform.waiting import FOR_A_LOCK, until_waiting
from trivet import Model
from trivet.audit import AuditTrail
from trivet.data.capture import Capture
from trivet.data.database import Database
from trivet.events.feeds import FeedRegistry
from trivet.models.types import BigKey, UtcDateTime
from trivet.origin import Origin
from trivet.rules import Change
from trivet.rules.registry import Rule, RuleRegistry

pytestmark = [pytest.mark.anyio, pytest.mark.database("postgresql")]


class Touched(Model):
    """A column of which only the database knows whether it is empty after an INSERT."""

    __tablename__ = "test_lone_touched"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(9))
    touched_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime, onupdate=func.now())


class Shouted(Model):
    """A column that is worked out of another one."""

    __tablename__ = "test_lone_shouted"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(9))
    loud: Mapped[str] = column_property(func.upper(name))


class Priced(Model):
    """A default that is read back in another form."""

    __tablename__ = "test_lone_priced"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    price: Mapped[Decimal] = mapped_column(Numeric(8, 2), default=lambda: Decimal("1.5"))


EVERY_ROW = {**ROWS, "a default that is fitted": Priced}
LEFT_TO_SESSIONS = {
    "an expression",
    "defaults that ask",
    "a row of two tables",
}
"""Rows of which a flush does more."""
ORIGIN = Origin(ADA, "api", "r1")


async def insert(
    database: Database,
    row: Any,
    answer: Callable[[], Any] = lambda: "answered",
    origin: Origin = ORIGIN,
) -> tuple[Any, Any] | None:
    """Insert a row without a session, on a connection that was used just now."""
    async with database.unit() as session:
        await session.execute(text("SELECT 1"))
    return await database.insert_alone(origin, row, answer)


async def make_alone(database: Database, row: Callable[[], Any]) -> tuple[Any, Any, Any] | None:
    """As `make` makes it."""
    instance = row()
    state = inspect(instance)
    found: dict[str, Any] = {}

    def look() -> bool:
        found.update({k: v for k, v in state.dict.items() if not k.startswith("_sa_")})
        found["unloaded"] = state.unloaded
        return True

    if await insert(database, instance, look) is None:
        return None
    unloaded = found.pop("unloaded")
    key = tuple(state.mapper.primary_key_from_instance(instance))
    async with database.unit(read_only=True) as session:
        (table,) = state.mapper.tables
        column = next(iter(table.primary_key))
        stored = (await session.execute(select(table).where(column == key[0]))).mappings().first()
    *_, (kind, name, _, changes) = await noted(database)

    def alike(values: Any) -> Any:
        return {str(each): value for each, value in values.items() if str(each) not in MADE_ANEW}

    return (alike(found), unloaded), alike(stored), (kind, name, alike(changes))


def written_out(made: Any) -> list[str]:
    """The object's values as they read: 1.5 equals 1.50, and is another answer."""
    ((known, _), *_) = made
    return sorted(f"{name}: {value!r}" for name, value in known.items())


async def test_a_row_is_the_same_without_a_session(database: Database) -> None:
    alone = {name: await make_alone(database, row) for name, row in EVERY_ROW.items()}
    by_session = {name: await make(database, row) for name, row in EVERY_ROW.items()}
    assert {name for name, made in alone.items() if made is None} == LEFT_TO_SESSIONS
    for name in EVERY_ROW.keys() - LEFT_TO_SESSIONS:
        assert alone[name] == by_session[name], name
        assert written_out(alone[name]) == written_out(by_session[name]), name
    verdict, damages = await check(database)
    assert (verdict.damages, damages) == (0, [])


async def test_it_is_told_and_signed_as_that_of_a_session(database: Database) -> None:
    inserted = await insert(database, Note(board="a", text="alone"))
    async with database.unit(ORIGIN) as session:
        session.add(Note(board="a", text="with a session"))
    assert inserted == ("answered", {"notes:a": 1})
    alone, other = await published(database, "notes:a")
    assert (alone.offset, other.offset) == (1, 2)
    assert alone.data.replace(b"alone", b"with a session") == other.data
    async with database.unit(read_only=True) as session:
        signed = await session.execute(
            text("SELECT actor, origin, request_id FROM trivet_audit_entry ORDER BY id")
        )
        first, second = signed.all()
    assert first == second == ("ada", "api", "r1")


@asynccontextmanager
async def with_one_connection(url: str, capture: Capture | None = None) -> AsyncIterator[Database]:
    """So that a connection that does not come back to the pool is missed."""
    capture = capture or Capture(feeds(), AuditTrail([SECRET]))
    database = Database(url, capture=capture, connections=1)
    try:
        yield database
    finally:
        await database.close()


async def assert_nothing_has_happened(database: Database) -> None:
    assert await noted(database) == []
    assert await published(database, "notes:a") == []
    async with database.unit(read_only=True) as session:
        assert await session.scalar(text("SELECT count(*) FROM test_note")) == 0


@pytest.mark.parametrize("name", REFUSED)
async def test_what_the_database_refuses_is_left_to_a_session(notes_url: str, name: str) -> None:
    async with with_one_connection(notes_url) as database:
        await insert(database, Note(board="a", text="taken"))
        before = await noted(database)
        for _ in range(3):  # the one connection of the pool comes back each time
            assert await insert(database, REFUSED[name]()) is None
        assert await noted(database) == before


async def test_a_commit_that_the_database_refuses_is_left_to_a_session(notes_url: str) -> None:
    async with with_one_connection(notes_url) as database:
        assert await insert(database, Note(board="a", text="orphan", parent_id=10**9)) is None
        await assert_nothing_has_happened(database)
        with pytest.raises(IntegrityError):
            async with database.unit() as session:
                session.add(Note(board="a", text="orphan", parent_id=10**9))


async def test_what_the_driver_cannot_send_with_the_commit_is_left_to_a_session(
    notes_url: str,
) -> None:
    unsendable = Origin(ADA, "api", "a request of \x00")
    async with with_one_connection(notes_url) as database:
        assert await insert(database, Note(board="a", text="x"), origin=unsendable) is None
        await assert_nothing_has_happened(database)


def hears_statements(database: Database) -> Callable[[], None]:
    listen(database)
    return lambda: None


def hears_flushes(_database: Database) -> Callable[[], None]:
    def hear(*_: Any) -> None: ...

    event.listen(Session, "before_flush", hear)
    return lambda: event.remove(Session, "before_flush", hear)


def hears_inserts(_database: Database) -> Callable[[], None]:
    def hear(_mapper: Any, _connection: Any, note: Note) -> None:
        note.text = note.text.upper()

    event.listen(Note, "before_insert", hear)
    return lambda: event.remove(Note, "before_insert", hear)


def agree(_change: Change[Note]) -> None: ...


def has_rules(database: Database) -> Callable[[], None]:
    rules = RuleRegistry()
    rules.add(Rule(agree, Note, (), ("insert",)))
    database.capture = Capture(database.capture.feeds, database.capture.audit, rules)
    return lambda: None


@pytest.mark.parametrize("hears", [hears_statements, hears_flushes, hears_inserts, has_rules])
async def test_where_somebody_has_a_say_in_it_a_session_does_it(
    database: Database, hears: Callable[[Database], Callable[[], None]]
) -> None:
    stop = hears(database)
    try:
        assert await insert(database, Note(board="a", text="heard")) is None
    finally:
        stop()
    await assert_nothing_has_happened(database)


async def test_a_class_whose_rows_have_to_be_read_again_is_tried_once(database: Database) -> None:
    """Or each of its rows would be written twice."""
    await execute(
        database,
        "CREATE SEQUENCE tried",
        "CREATE FUNCTION note_try() RETURNS trigger AS "
        "$$BEGIN PERFORM nextval('tried'); RETURN NEW; END$$ LANGUAGE plpgsql",
        "CREATE TRIGGER note_try BEFORE INSERT ON test_lone_touched "
        "FOR EACH ROW EXECUTE FUNCTION note_try()",
    )
    for _ in range(3):
        assert await insert(database, Touched(name="n")) is None
    async with database.unit(read_only=True) as session:
        tried = await session.execute(text("SELECT last_value, is_called FROM tried"))
        assert tried.one() == (1, True)
    assert await noted(database) == []


async def test_a_column_of_an_expression_needs_a_session(database: Database) -> None:
    assert await insert(database, Shouted(name="n")) is None
    assert await noted(database) == []


async def test_a_feed_that_fails_fails_as_in_a_session(notes_url: str) -> None:
    def fail(_change: Any) -> Any:
        raise LookupError("no such board")

    registry = FeedRegistry()
    registry.add(Note, fail)
    capture = Capture(registry, AuditTrail([SECRET]))
    async with with_one_connection(notes_url, capture) as database:
        with pytest.raises(LookupError, match="no such board") as failed:
            await insert(database, Note(board="a", text="lost"))
        assert "the feed fail of Note" in failed.value.__notes__[0]
        await assert_nothing_has_happened(database)


async def test_an_answer_that_fails_is_not_committed(notes_url: str) -> None:
    def fail() -> None:
        raise LookupError("no answer")

    async with with_one_connection(notes_url) as database:
        with pytest.raises(LookupError, match="no answer"):
            await insert(database, Note(board="a", text="lost"), fail)
        await assert_nothing_has_happened(database)


async def test_who_leaves_meanwhile_leaves_nothing_behind(notes_url: str) -> None:
    async with with_one_connection(notes_url) as database:
        await execute(
            database,
            "CREATE FUNCTION dream() RETURNS trigger AS "
            "'BEGIN PERFORM pg_sleep(60); RETURN NEW; END' LANGUAGE plpgsql",
            "CREATE TRIGGER dream BEFORE INSERT ON test_note FOR EACH ROW EXECUTE FUNCTION dream()",
        )
        waiting = asyncio.ensure_future(insert(database, Note(board="a", text="dreamt")))
        async with with_one_connection(notes_url) as other:
            await until_waiting(other, "wait_event = 'PgSleep'")
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await assert_nothing_has_happened(database)


LEAVE = (
    "CREATE FUNCTION leave() RETURNS trigger AS "
    "'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END' LANGUAGE plpgsql"
)


async def test_a_server_that_leaves_before_the_commit_is_asked_again(notes_url: str) -> None:
    async with with_one_connection(notes_url) as database:
        await execute(
            database,
            LEAVE,
            "CREATE TRIGGER leave BEFORE INSERT ON test_note FOR EACH ROW EXECUTE FUNCTION leave()",
        )
        assert await insert(database, Note(board="a", text="lost")) is None
        await assert_nothing_has_happened(database)


async def test_of_a_server_that_leaves_in_the_commit_nobody_knows_what_it_did(
    notes_url: str,
) -> None:
    async with with_one_connection(notes_url) as database:
        await execute(
            database,
            LEAVE,
            "CREATE CONSTRAINT TRIGGER leave AFTER INSERT ON test_note "
            "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION leave()",
        )
        with pytest.raises(DBAPIError) as failed:
            await insert(database, Note(board="a", text="unknown"))
        assert failed.value.connection_invalidated
        await assert_nothing_has_happened(database)  # this one was too early


async def test_it_waits_for_a_chain_of_the_trail(database: Database, notes_url: str) -> None:
    async with with_one_connection(notes_url) as other:
        async with other.engine.begin() as holding:
            await holding.execute(text("SELECT 1 FROM trivet_audit_chain FOR UPDATE"))
            waiting = asyncio.ensure_future(insert(database, Note(board="a", text="second")))
            await until_waiting(database, FOR_A_LOCK)
        assert await waiting == ("answered", {"notes:a": 1})
    verdict, damages = await check(database)
    assert (verdict.damages, damages) == (0, [])


async def test_a_trail_whose_heads_are_gone_goes_on_and_says_so(database: Database) -> None:
    await execute(database, "DELETE FROM trivet_audit_chain")
    assert await insert(database, Note(board="a", text="after")) == ("answered", {"notes:a": 1})
    async with database.unit(read_only=True) as session:
        seals = await session.execute(text("SELECT DISTINCT seal FROM trivet_audit_chain"))
        assert seals.scalars().all() == ["missing"]


FORGOTTEN = {
    "names that are gone": ["DEALLOCATE ALL"],
    "a plan that is over": [
        "ALTER TABLE test_lone_priced ALTER COLUMN price TYPE numeric(9, 3)",
        "ALTER TABLE test_lone_priced ALTER COLUMN id TYPE integer",
    ],
}


@pytest.mark.parametrize("name", FORGOTTEN)
async def test_a_statement_that_the_server_knows_no_more_is_prepared_anew(
    notes_url: str, name: str
) -> None:
    async with with_one_connection(notes_url) as database:
        assert await insert(database, Priced()) is not None
        await execute(database, *FORGOTTEN[name])
        assert await insert(database, Priced()) is None
        assert await insert(database, Priced()) is not None
        verdict, damages = await check(database)
        assert (verdict.damages, damages) == (0, [])
