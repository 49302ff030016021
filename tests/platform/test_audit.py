"""The audit trail: what is captured, with whom it is committed, and what a check finds."""

import json
import random
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import pairwise
from typing import Any

import anyio
import anyio.to_thread
import pytest
from sqlalchemy import (
    Column,
    ForeignKey,
    Table,
    delete,
    insert,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from tests.platform import notes, shelf
from tests.platform.notes import Line, Note, add_around_a_lost_savepoint, add_note
from trivet.audit import Anchor, AuditEntry, AuditTrail, Damage, Verdict, verify
from trivet.audit.audited_tables import require_audited
from trivet.audit.reading import list_entries
from trivet.audit.tables import CHAINS
from trivet.captured_tables import CapturedTables
from trivet.context import enter_door
from trivet.database import Database
from trivet.errors import ConfigurationError, Invalid
from trivet.events import Bell, FeedRegistry
from trivet.events.outbox import Channel
from trivet.identity import Identity, system, tables
from trivet.identity.keys import ApiKey
from trivet.model import Model

pytestmark = pytest.mark.anyio

SECRET = "a secret of the tests"
ADA = Identity(user_id=7, username="ada", kind="key", credential_id="tvt_ada")


@pytest.fixture
async def database(empty_database_url: str) -> AsyncIterator[Database]:
    await anyio.to_thread.run_sync(notes.create_tables, empty_database_url)
    trail = AuditTrail([SECRET])
    database = Database(empty_database_url, feeds=notes.feeds(), bell=Bell(), audit=trail)
    yield database
    await database.close()


async def entries(database: Database) -> list[AuditEntry]:
    """The whole trail, oldest first."""
    async with database.unit(read_only=True) as session:
        found = await session.run_sync(lambda db: list_entries(db, limit=100_000))
    return found[::-1]


async def noted(database: Database) -> list[tuple[str, str, str, Any]]:
    return [
        (e.kind, e.table_name, e.row_key, json.loads(e.changes)) for e in await entries(database)
    ]


async def check(
    database: Database, secrets: tuple[str, ...] = (SECRET,), anchor: Anchor | None = None
) -> tuple[Verdict, list[Damage]]:
    found: list[Damage] = []
    async with database.unit(read_only=True) as session:
        trail = AuditTrail(secrets)
        verdict = await session.run_sync(
            lambda db: verify(db, trail, anchor=anchor, report=found.append)
        )
    assert verdict.damages == len(found)
    return verdict, found


async def execute(database: Database, *statements: str) -> None:
    """What somebody does who can write to the database and does not know the key."""
    async with database.engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))


# ---- what is captured -----------------------------------------------------------------------


async def test_an_entry_says_who_when_through_which_door_and_what(database: Database) -> None:
    enter_door("cli")
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
    assert (made.credential, made.door, made.request_id) == ("tvt_ada", "cli", "")
    assert made.at.tzinfo is not None


async def test_work_without_a_request_comes_through_the_background(database: Database) -> None:
    async with database.unit(actor=system("cleaner")) as session:
        await session.run_sync(add_note, "a", "x")
    (made,) = await entries(database)
    assert (made.actor, made.actor_kind, made.door) == ("cleaner", "system", "background")


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


@pytest.mark.parametrize("way", UNSEEN)
async def test_what_the_trail_would_not_see_is_refused_though_nothing_is_fed(
    empty_database_url: str, way: str
) -> None:
    await anyio.to_thread.run_sync(notes.create_tables, empty_database_url)
    nothing_fed = FeedRegistry()
    trail = AuditTrail([SECRET])
    database = Database(empty_database_url, feeds=nothing_fed, bell=Bell(), audit=trail)
    with pytest.raises(RuntimeError, match=r"which is audited.* add, change or delete the"):
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


class TestStart:
    """What the database would do to audited rows by itself is refused at the start."""

    @pytest.fixture
    def product(self) -> Iterator[type[Model]]:
        """A place for classes that are gone after the test."""
        known, made = set(Model.metadata.tables), []

        class Base(Model):
            __abstract__ = True

            def __init_subclass__(cls, **options: Any) -> None:
                super().__init_subclass__(**options)
                made.append(cls)

        yield Base
        for name in set(Model.metadata.tables) - known:
            Model.metadata.remove(Model.metadata.tables[name])
        for cls in made:
            Model.registry._dispose_cls(cls)

    @pytest.mark.parametrize(
        ("rule", "options", "sentence"),
        [
            ({"ondelete": "CASCADE"}, None, "(parent_id) has ON DELETE CASCADE"),
            ({"ondelete": "SET NULL"}, None, "(parent_id) has ON DELETE SET NULL"),
            ({"ondelete": "SET DEFAULT"}, None, "(parent_id) has ON DELETE SET DEFAULT"),
            ({"ondelete": "CASCADE"}, {}, 'cascade="all, delete-orphan"'),
            (
                {"ondelete": "CASCADE"},
                {"cascade": "all, delete-orphan", "passive_deletes": True},
                "without passive_deletes",
            ),
            ({"onupdate": "CASCADE"}, {"cascade": "all"}, "(parent_id) has ON UPDATE CASCADE"),
        ],
    )
    @pytest.mark.parametrize("info", [{}, {"audit": "ignored"}], ids=["audited", "ignored"])
    def test_a_rule_that_the_orm_does_not_follow_first_is_refused_unless_ignored(
        self,
        product: type[Model],
        info: dict[str, str],
        rule: dict[str, Any],
        options: dict[str, Any] | None,
        sentence: str,
    ) -> None:
        class Parent(product):  # type: ignore[misc, valid-type]  # made for this test
            __tablename__ = "start_parent"
            __table_args__ = ({"info": {"audit": "ignored"}},)  # its children are not
            id: Mapped[int] = mapped_column(primary_key=True)

        class Child(product):  # type: ignore[misc, valid-type]  # made for this test
            __tablename__ = "start_child"
            __table_args__ = ({"info": info},)
            id: Mapped[int] = mapped_column(primary_key=True)
            parent_id: Mapped[int | None] = mapped_column(ForeignKey(Parent.id, **rule))

        if options is not None:
            mapped: Any = Parent
            mapped.children = relationship(Child, **options)
        if info:
            require_audited()
            return
        with pytest.raises(ConfigurationError, match="Child is audited") as refused:
            require_audited()
        assert sentence in refused.value.detail
        assert 'or exempt the table by its info={"audit": "ignored"}' in refused.value.detail
        # And a statement that would take the children along is refused though the parent is not
        # audited.
        table: Any = Child.__table__
        seen = CapturedTables([table], []).find_unseen("DELETE FROM start_parent")
        assert seen == (None if "onupdate" in rule else "start_parent")

    @pytest.mark.parametrize("both_ends", [False, True])
    def test_links_that_the_database_cuts_at_the_end_that_has_no_relationship_are_refused(
        self, product: type[Model], both_ends: bool
    ) -> None:
        class Left(product):  # type: ignore[misc, valid-type]  # made for this test
            __tablename__ = "start_left"
            id: Mapped[int] = mapped_column(primary_key=True)

        class Right(product):  # type: ignore[misc, valid-type]  # made for this test
            __tablename__ = "start_right"
            id: Mapped[int] = mapped_column(primary_key=True)

        links = Table(
            "start_link",
            Model.metadata,
            Column("left_id", ForeignKey(Left.id, ondelete="CASCADE"), primary_key=True),
            Column("right_id", ForeignKey(Right.id, ondelete="CASCADE"), primary_key=True),
        )
        left: Any = Left
        left.rights = relationship(Right, secondary=links, backref="lefts" if both_ends else None)
        if both_ends:
            require_audited()
            return
        with pytest.raises(ConfigurationError, match="Give Right a relationship") as refused:
            require_audited()
        assert "start_link is audited, and its foreign key (right_id)" in refused.value.detail
        assert "(left_id)" not in refused.value.detail


# ---- what a check finds ---------------------------------------------------------------------

ENTRY = "trivet_audit_entry"
CHAIN = "trivet_audit_chain"


async def write_notes(database: Database, count: int = 6) -> None:
    for number in range(count):
        async with database.unit(actor=ADA) as session:
            await session.run_sync(add_note, "a", f"note {number}")


def at(position: int) -> int:
    """The id of an entry of chain 0, where writers go as long as they come one by one."""
    return position * CHAINS


def swap(first: int, second: int) -> list[str]:
    """Exchange two entries."""
    return [
        f"UPDATE {ENTRY} SET id = -1 WHERE id = {first}",
        f"UPDATE {ENTRY} SET id = {first} WHERE id = {second}",
        f"UPDATE {ENTRY} SET id = {second} WHERE id = -1",
    ]


def copy(to: int, source: int, **changes: str) -> str:
    columns = [column.key for column in AuditEntry.__table__.columns]
    values = {name: name for name in columns} | {"id": str(to)} | changes
    chosen = ", ".join(values[name] for name in columns)
    into = f"INSERT INTO {ENTRY} ({', '.join(columns)})"
    return f"{into} SELECT {chosen} FROM {ENTRY} WHERE id = {source}"


TAMPERING = {
    "nothing": ([], []),
    "a field is edited": (
        [f"UPDATE {ENTRY} SET actor = 'bob' WHERE id = {at(3)}"],
        [("edited", at(3))],
    ),
    "the time is edited": (
        [f"UPDATE {ENTRY} SET at = '2020-01-01 00:00:00+00:00' WHERE id = {at(2)}"],
        [("edited", at(2))],
    ),
    "a change is edited, and its hash made up": (
        [f"UPDATE {ENTRY} SET changes = '{{}}', hash = '{'0' * 64}' WHERE id = {at(2)}"],
        [("edited", at(2))],
    ),
    "two entries are edited": (
        [f"UPDATE {ENTRY} SET door = 'api' WHERE id IN ({at(1)}, {at(6)})"],
        [("edited", at(1)), ("edited", at(6))],
    ),
    "one in the middle is deleted": (
        [f"DELETE FROM {ENTRY} WHERE id = {at(3)}"],
        [("removed", at(3))],
    ),
    "the first is deleted": ([f"DELETE FROM {ENTRY} WHERE id = {at(1)}"], [("removed", at(1))]),
    "the last is deleted": ([f"DELETE FROM {ENTRY} WHERE id = {at(6)}"], [("removed", at(6))]),
    "the last two are deleted": (
        [f"DELETE FROM {ENTRY} WHERE id >= {at(5)}"],
        [("removed", at(5))],
    ),
    "the last is deleted, and the head set back": (
        [
            f"UPDATE {CHAIN} SET length = 5, hash = "
            f"(SELECT hash FROM {ENTRY} WHERE id = {at(5)}) WHERE id = 0",
            f"DELETE FROM {ENTRY} WHERE id = {at(6)}",
        ],
        [("head", None)],
    ),
    "two neighbours are exchanged": (
        swap(at(3), at(4)),
        [("moved", at(3)), ("moved", at(4))],
    ),
    "two are exchanged": (swap(at(2), at(5)), [("moved", at(2)), ("moved", at(5))]),
    "the first and the last are exchanged": (
        swap(at(1), at(6)),
        [("moved", at(1)), ("moved", at(6))],
    ),
    "one is deleted, and those behind it close up": (
        [
            f"DELETE FROM {ENTRY} WHERE id = {at(5)}",
            f"UPDATE {ENTRY} SET id = {at(5)} WHERE id = {at(6)}",
        ],
        [("edited", at(5)), ("removed", at(6))],
    ),
    "a forged one is appended": (
        [copy(at(7), at(6), actor="'bob'")],
        [("inserted", at(7))],
    ),
    "a forged one takes the place of another": (
        [f"DELETE FROM {ENTRY} WHERE id = {at(4)}", copy(at(4), at(6), actor="'bob'")],
        [("edited", at(4))],
    ),
    "a copy is put into a chain that nobody used": (
        [copy(at(1) + 5, at(1))],
        [("inserted", at(1) + 5)],
    ),
    "one with an impossible id is added": ([copy(3, at(1))], [("inserted", 3)]),
    "the head is edited": (
        [f"UPDATE {CHAIN} SET length = 9 WHERE id = 0"],
        [("head", None), ("removed", at(7))],
    ),
    "the head's seal is edited": (
        [f"UPDATE {CHAIN} SET seal = 'x' WHERE id = 0"],
        [("head", None)],
    ),
    "a head is deleted": ([f"DELETE FROM {CHAIN} WHERE id = 11"], [("head", None)]),
    "the entries are all deleted": ([f"DELETE FROM {ENTRY}"], [("removed", at(1))]),
}


@pytest.mark.parametrize("tampering", TAMPERING)
async def test_a_check_names_what_was_done_to_the_trail(database: Database, tampering: str) -> None:
    statements, expected = TAMPERING[tampering]
    await write_notes(database)
    await execute(database, *statements)
    verdict, damages = await check(database)
    assert [(damage.kind, damage.entry) for damage in damages] == expected
    assert verdict.is_clean == (not expected)


async def test_a_head_that_was_set_back_stays_damaged_when_writing_goes_on(
    database: Database,
) -> None:
    await write_notes(database)
    statements, _ = TAMPERING["the last is deleted, and the head set back"]
    await execute(database, *statements)
    async with database.unit() as session:
        await session.run_sync(add_note, "a", "later")
    _, damages = await check(database)
    assert [damage.kind for damage in damages] == ["head"]


async def test_a_whole_database_that_was_set_back_is_found_with_an_anchor(
    database: Database,
) -> None:
    """Somebody keeps a copy of head and entries, and restores both: the seals are right."""
    await write_notes(database, 4)
    kept = f"UPDATE {CHAIN} SET length = {{}}, hash = '{{}}', seal = '{{}}' WHERE id = 0"
    async with database.engine.connect() as connection:
        head = await connection.execute(
            text(f"SELECT length, hash, seal FROM {CHAIN} WHERE id = 0")
        )
        length, newest, seal = head.one()
    early, _ = await check(database)
    async with database.unit() as session:
        await session.run_sync(add_note, "a", "to be hidden")
    late, _ = await check(database, anchor=early.anchor)
    assert late.is_clean

    await execute(
        database, f"DELETE FROM {ENTRY} WHERE id > {at(4)}", kept.format(length, newest, seal)
    )
    assert (await check(database))[0].is_clean
    _, damages = await check(database, anchor=late.anchor)
    assert [(d.kind, d.entry) for d in damages] == [("removed", at(5)), ("head", None)]
    async with database.unit() as session:
        await session.run_sync(add_note, "a", "something else")
    _, damages = await check(database, anchor=late.anchor)
    assert [d.kind for d in damages] == ["head"]
    assert (await check(database, anchor=early.anchor))[0].is_clean


async def test_an_anchor_survives_being_written_down(database: Database) -> None:
    await write_notes(database, 2)
    verdict, _ = await check(database)
    assert str(verdict.anchor).startswith("2.")
    assert Anchor.parse(f" {verdict.anchor}\n") == verdict.anchor


@pytest.mark.parametrize(
    "anchor", ["", "abc", "5.abc", f"-1.{'0' * 64}", f"{'1-' * 16}1.{'0' * 64}"]
)
def test_what_is_no_anchor_is_refused(anchor: str) -> None:
    with pytest.raises(Invalid, match="is no anchor"):
        Anchor.parse(anchor)


async def test_an_old_key_is_believed_and_an_unknown_one_is_not(database: Database) -> None:
    await write_notes(database, 3)
    database.audit = AuditTrail(["new", SECRET])
    async with database.unit() as session:
        await session.run_sync(add_note, "a", "with the new key")
    assert (await check(database, ("new", SECRET)))[0].is_clean
    _, damages = await check(database, ("new",))
    assert [d.entry for d in damages if d.kind != "head"] == [at(1), at(2), at(3)]


async def test_an_empty_trail_is_whole(database: Database) -> None:
    verdict, _ = await check(database)
    assert (verdict.is_clean, verdict.entries, str(verdict.anchor)[:2]) == (True, 0, "0.")


# ---- concurrency ----------------------------------------------------------------------------


async def test_twenty_writers_leave_a_whole_trail_in_the_order_of_each_row(
    database: Database,
) -> None:
    """Channels, rows and chains are taken by all of them, with rollbacks in between."""
    database._connections = 20
    rolls = random.Random(11)
    async with database.unit() as session:
        shared = [await session.run_sync(add_note, "shared", f"shared {n}") for n in range(3)]
    committed = 0

    async def write(writer: int) -> None:
        nonlocal committed
        for turn in range(5):
            fails = rolls.random() < 0.25
            note = rolls.choice(shared).id
            boards = rolls.sample("abc", rolls.randint(1, 3))
            try:
                async with database.unit() as session:
                    await session.run_sync(count_up, note)
                    for board in boards:
                        await session.run_sync(add_note, board, f"{writer} {turn} {board}")
                    await anyio.sleep(rolls.random() / 500)
                    await session.run_sync(raise_if, fails)
                committed += 1 + len(boards)
            except LookupError:
                continue

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            for writer in range(20):
                group.start_soon(write, writer)
    verdict, damages = await check(database)
    assert damages == []
    assert verdict.entries == committed + len(shared)
    for note in shared:
        told = [c["board"] for _, _, key, c in await noted(database) if key == str(note.id)]
        steps = [(change.get("from"), change["to"]) for change in told]
        assert all(one[1] == other[0] for one, other in pairwise(steps)), steps


def raise_if(_db: Session, fails: bool) -> None:
    if fails:
        raise LookupError


def count_up(db: Session, note_id: int) -> None:
    """Change a row that other writers change too."""
    note = db.scalars(select(Note).where(Note.id == note_id).with_for_update()).one()
    db.refresh(note)
    note.board = f"shared-{int(note.board.partition('-')[2] or 0) + 1}"
