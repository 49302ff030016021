"""The capture: every committed change is published once, and nothing else is."""

import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable

import anyio
import anyio.to_thread
import pytest
from sqlalchemy import delete, insert, update
from sqlalchemy.orm import Session

from tests.platform import notes
from tests.platform.notes import (
    Line,
    Note,
    add_around_a_lost_savepoint,
    add_note,
    notes_database,
    published,
)
from trivet.data.database import Database
from trivet.errors import ConfigurationError
from trivet.events.feeds import Publication, collect_feeds, encode_event, event_type

pytestmark = pytest.mark.anyio


@pytest.fixture
async def database(notes_url: str) -> AsyncIterator[Database]:
    database = notes_database(notes_url)
    yield database
    await database.close()


def raise_if(_db: Session, fails: bool) -> None:
    if fails:
        raise LookupError


async def told(database: Database, channel: str) -> list[tuple[str, str]]:
    events = [json.loads(row.data) for row in await published(database, channel)]
    return [(event["kind"], event["text"]) for event in events]


async def test_insert_update_and_delete_are_published_in_order_with_the_old_value(
    database: Database,
) -> None:
    async with database.unit() as session:
        note = await session.run_sync(add_note, "a", "first")
    async with database.unit() as session:
        session.add(note)
        note.text = "second"
    async with database.unit() as session:
        await session.delete(note)
    rows = await published(database, "notes:a")
    assert [row.offset for row in rows] == [1, 2, 3]
    assert [json.loads(row.data) for row in rows] == [
        {"type": "note_changed", "kind": "insert", "text": "first", "old_text": None},
        {"type": "note_changed", "kind": "update", "text": "second", "old_text": "first"},
        {"type": "note_changed", "kind": "delete", "text": "second", "old_text": None},
    ]


async def test_a_flush_that_changes_no_column_is_not_published(database: Database) -> None:
    async with database.unit() as session:
        note = await session.run_sync(add_note, "a", "same")
    async with database.unit() as session:
        session.add(note)
        note.text = "same"
    assert await told(database, "notes:a") == [("insert", "same")]


async def test_children_that_go_with_their_parent_and_orphans_are_published(
    database: Database,
) -> None:
    async with database.unit() as session:
        note = Note(board="a", text="parent", lines=[Line(text="one"), Line(text="two")])
        session.add(note)
    async with database.unit() as session:
        note = await session.get_one(Note, note.id)
        await session.run_sync(lambda _: note.lines.pop(0))
    async with database.unit() as session:
        await session.delete(await session.get_one(Note, note.id))
    assert await told(database, "notes:lines") == [
        ("insert", "one"),
        ("insert", "two"),
        ("delete", "one"),
        ("delete", "two"),
    ]


async def test_a_rollback_leaves_neither_the_change_nor_a_publication(database: Database) -> None:
    async def work() -> None:
        async with database.unit() as session:
            await session.run_sync(add_note, "a", "lost")
            raise LookupError

    with pytest.raises(LookupError):
        await work()
    assert await told(database, "notes:a") == []


async def test_a_savepoint_that_is_rolled_back_takes_its_publications_along(
    database: Database,
) -> None:
    async with database.unit() as session:
        await session.run_sync(add_around_a_lost_savepoint)
    assert [text for _, text in await told(database, "notes:a")] == ["before", "kept", "after"]


async def test_the_newest_offsets_are_told_after_the_commit(
    database: Database,
) -> None:
    woken: list[dict[str, int]] = []
    database.on_published = lambda channels: woken.append(dict(channels))
    async with database.unit() as session:
        await session.run_sync(add_note, "a", "1")
        await session.run_sync(add_note, "a", "2")
        await session.run_sync(add_note, "b", "3")
        assert woken == []
    assert woken == [{"notes:a": 2, "notes:b": 1}]


@pytest.mark.parametrize(
    "statement",
    [update(Note).values(text="x"), delete(Note), insert(Note).values(board="a", text="x")],
)
async def test_a_bulk_statement_on_a_model_that_feeds_a_channel_is_refused(
    database: Database, statement: object
) -> None:
    with pytest.raises(RuntimeError, match="bulk statement on Note, which feeds channels"):
        async with database.unit() as session:
            await session.execute(statement)  # type: ignore[call-overload]  # one of three kinds


@pytest.mark.parametrize(
    "work",
    [
        lambda db: db.bulk_save_objects([]),
        lambda db: db.bulk_insert_mappings(Note, []),
        lambda db: db.bulk_update_mappings(Note, []),
    ],
)
async def test_the_bulk_methods_of_the_session_are_refused(
    database: Database, work: Callable[[Session], None]
) -> None:
    with pytest.raises(RuntimeError, match="past the capture of events"):
        async with database.unit() as session:
            await session.run_sync(work)


async def test_concurrent_writers_publish_once_each_without_gaps_in_commit_order(
    database: Database,
) -> None:
    """Eight writers, three channels, several channels in one transaction, rollbacks."""
    committed: list[str] = []
    rolls = random.Random(7)

    async def write(writer: int) -> None:
        for turn in range(12):
            text = f"{writer}-{turn}"
            boards = rolls.sample(["a", "b", "c"], rolls.randint(1, 3))
            try:
                async with database.unit() as session:
                    for board in boards:
                        await session.run_sync(add_note, board, f"{text}-{board}")
                    await anyio.sleep(rolls.random() / 500)
                    fails = rolls.random() < 0.3
                    await session.run_sync(raise_if, fails)
            except LookupError:
                continue
            committed.extend(f"{text}-{board}" for board in boards)

    async with anyio.create_task_group() as group:
        for writer in range(8):
            group.start_soon(write, writer)
    texts: list[str] = []
    for board in "abc":
        rows = await published(database, f"notes:{board}")
        assert [row.offset for row in rows] == list(range(1, len(rows) + 1))
        on_board = [json.loads(row.data)["text"] for row in rows]
        for writer in range(8):
            own = [int(t.split("-")[1]) for t in on_board if t.startswith(f"{writer}-")]
            assert own == sorted(own)
        texts += on_board
    assert Counter(texts) == Counter(committed)


# ---- declaring ------------------------------------------------------------------------------


def test_an_event_is_named_in_snake_case_and_carries_its_fields() -> None:
    assert event_type(notes.NoteChanged("insert", "a", None)) == "note_changed"
    assert json.loads(encode_event(notes.LineChanged("insert", "é"))) == {
        "type": "line_changed",
        "kind": "insert",
        "text": "é",
    }


@pytest.mark.parametrize("channel", ["", "with space", "näme", "x" * 256, "line\nbreak"])
def test_a_channel_name_that_no_client_could_ask_for_is_refused(channel: str) -> None:
    with pytest.raises(ValueError, match="is no channel name"):
        Publication(channel, object())


def test_an_events_file_without_a_feed_is_an_error_of_configuration() -> None:
    with pytest.raises(ConfigurationError, match="declares no feed"):
        collect_feeds([random])


def test_feeds_are_found_by_their_mark() -> None:
    assert list(collect_feeds([notes]).feeds_of(Note)) == [notes.note_changed]
