"""What the audit trail captures: every committed change with its old values, and nothing else."""

import pytest
from sqlalchemy import literal_column
from sqlalchemy.orm import Session

from tests.platform.notes import Line, Note, add_around_a_lost_savepoint, add_note
from tests.platform.trail import ADA, check, entries, noted
from trivet.data.database import Database
from trivet.identity import system
from trivet.identity.keys import ApiKey
from trivet.origin import Origin, enter_origin

pytestmark = pytest.mark.anyio


async def test_an_entry_says_who_when_through_which_door_and_what(database: Database) -> None:
    enter_origin(Origin(way="cli"))
    async with database.unit(actor=ADA) as session:
        note = await session.run_sync(add_note, "a", "first")
    async with database.unit(actor=ADA) as session:
        session.add(note)
        note.text = "second"
    async with database.unit(actor=ADA) as session:
        await session.delete(note)
    assert await noted(database) == [
        (
            "insert",
            "test_note",
            "1",
            {"id": {"to": 1}, "board": {"to": "a"}, "text": {"to": "first"}},
        ),
        ("update", "test_note", "1", {"text": {"from": "first", "to": "second"}}),
        (
            "delete",
            "test_note",
            "1",
            {"id": {"from": 1}, "board": {"from": "a"}, "text": {"from": "second"}},
        ),
    ]
    made = (await entries(database))[0]
    assert (made.actor, made.actor_id, made.actor_kind) == ("ada", 7, "key")
    assert (made.credential, made.origin, made.request_id) == ("tvt_ada", "cli", "")
    assert made.at.tzinfo is not None


async def test_work_without_a_request_comes_through_the_background(database: Database) -> None:
    async with database.unit(actor=system("cleaner")) as session:
        await session.run_sync(add_note, "a", "x")
    (made,) = await entries(database)
    assert (made.actor, made.actor_kind, made.origin) == ("cleaner", "system", "background")


@pytest.mark.parametrize("forget", ["expire", "savepoint"])
async def test_the_old_value_is_noted_even_if_the_session_has_forgotten_it(
    database: Database, forget: str
) -> None:
    async with database.unit() as session:
        note = await session.run_sync(add_note, "a", "first")

    def work(db: Session) -> None:
        found = db.get_one(Note, note.id)
        if forget == "expire":
            db.expire(found)
        else:
            savepoint = db.begin_nested()
            found.board = "lost"
            db.flush()
            savepoint.rollback()
        found.text = "second"

    async with database.unit() as session:
        await session.run_sync(work)
    assert (await noted(database))[-1][3] == {"text": {"from": "first", "to": "second"}}


async def test_what_the_database_computes_is_noted_with_its_value(database: Database) -> None:
    async with database.unit() as session:
        note = await session.run_sync(add_note, "a", "first")
    async with database.unit() as session:
        session.add(note)
        note.text = literal_column("text || '!'")
    assert (await noted(database))[-1][3] == {"text": {"from": "first", "to": "first!"}}


async def test_children_that_go_with_their_parent_are_noted(database: Database) -> None:
    async with database.unit() as session:
        note = Note(board="a", text="parent", lines=[Line(text="one"), Line(text="two")])
        session.add(note)
    async with database.unit() as session:
        await session.delete(await session.get_one(Note, note.id))
    told = [(kind, table, key) for kind, table, key, _ in await noted(database)][3:]
    assert sorted(told) == [
        ("delete", "test_line", "1"),
        ("delete", "test_line", "2"),
        ("delete", "test_note", "1"),
    ]


async def test_a_flush_that_changes_no_column_is_not_noted(database: Database) -> None:
    async with database.unit() as session:
        note = await session.run_sync(add_note, "a", "same")
    async with database.unit() as session:
        session.add(note)
        note.text = "same"
    assert len(await noted(database)) == 1


def test_a_key_s_digest_is_redacted() -> None:
    assert ApiKey.__table__.c.digest.info["audit"] == "redacted"


async def test_a_rollback_leaves_neither_the_change_nor_an_entry(database: Database) -> None:
    async def work() -> None:
        async with database.unit() as session:
            await session.run_sync(add_note, "a", "lost")
            raise LookupError

    with pytest.raises(LookupError):
        await work()
    assert await noted(database) == []


async def test_a_savepoint_that_is_rolled_back_takes_its_entries_along(database: Database) -> None:
    async with database.unit() as session:
        await session.run_sync(add_around_a_lost_savepoint)
    assert [c["text"]["to"] for *_, c in await noted(database)] == ["before", "kept", "after"]
    assert (await check(database))[0].is_clean
