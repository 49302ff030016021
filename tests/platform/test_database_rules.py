"""ON DELETE and ON UPDATE: what the database would do by itself, a session does first and captures.

The classes have the rules and, on purpose, not the relationships that would follow them.
"""

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import anyio.to_thread
import pytest
from sqlalchemy import Column, ForeignKey, Table, create_engine, event, inspect, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Mapper,
    Session,
    configure_mappers,
    mapped_column,
    relationship,
)

from tests.platform.notes import SECRET
from tests.platform.trail import noted
from trivet.audit import AuditTrail
from trivet.audit.capture import is_audited
from trivet.capture.following import find_unseen, follow
from trivet.capture.tables import CaptureReason
from trivet.data.capture import Capture
from trivet.data.database import Database
from trivet.events import Change, Publication
from trivet.events.feeds import FeedRegistry
from trivet.events.outbox import list_after

pytestmark = pytest.mark.anyio


class Base(DeclarativeBase):
    pass


links = Table(
    "rule_house_tag",
    Base.metadata,
    Column("house_id", ForeignKey("rule_house.id", ondelete="CASCADE"), primary_key=True),
    Column("tag_id", ForeignKey("rule_tag.id", ondelete="CASCADE"), primary_key=True),
)


class Town(Base):
    __tablename__ = "rule_town"
    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(default="")


class Tag(Base):
    __tablename__ = "rule_tag"
    id: Mapped[int] = mapped_column(primary_key=True)


class House(Base):
    __tablename__ = "rule_house"
    id: Mapped[int] = mapped_column(primary_key=True)
    town: Mapped[str | None] = mapped_column(ForeignKey(Town.code, onupdate="CASCADE"))
    tags: Mapped[list[Tag]] = relationship(secondary=links)
    tenants: Mapped[list["Tenant"]] = relationship(passive_deletes=True)
    cats: Mapped[list["Cat"]] = relationship(cascade="all, delete-orphan", passive_deletes=True)


class Room(Base):
    """No relationship at all."""

    __tablename__ = "rule_room"
    id: Mapped[int] = mapped_column(primary_key=True)
    house_id: Mapped[int] = mapped_column(ForeignKey(House.id, ondelete="CASCADE"))


class Chair(Base):
    """One that only looks up, in the second generation."""

    __tablename__ = "rule_chair"
    id: Mapped[int] = mapped_column(primary_key=True)
    room_id: Mapped[int] = mapped_column(ForeignKey(Room.id, ondelete="CASCADE"))
    room: Mapped[Room] = relationship()


class Tenant(Base):
    __tablename__ = "rule_tenant"
    id: Mapped[int] = mapped_column(primary_key=True)
    house_id: Mapped[int | None] = mapped_column(ForeignKey(House.id, ondelete="SET NULL"))


class Cat(Base):
    __tablename__ = "rule_cat"
    id: Mapped[int] = mapped_column(primary_key=True)
    house_id: Mapped[int] = mapped_column(ForeignKey(House.id, ondelete="CASCADE"))


class Tree(Base):
    __tablename__ = "rule_tree"
    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("rule_tree.id", ondelete="CASCADE"))


class Dust(Base):
    """Neither fed nor audited, so left to the database."""

    __tablename__ = "rule_dust"
    __table_args__ = ({"info": {"audit": "ignored"}},)
    id: Mapped[int] = mapped_column(primary_key=True)
    house_id: Mapped[int] = mapped_column(ForeignKey(House.id, ondelete="CASCADE"))


class Key(Base):
    __tablename__ = "rule_key"
    id: Mapped[int] = mapped_column(primary_key=True)
    house_id: Mapped[int] = mapped_column(
        ForeignKey(House.id, ondelete="SET DEFAULT"), server_default="1"
    )


AUDITED = CaptureReason("is audited", "that nobody sees", covers=is_audited)


@dataclass(frozen=True)
class RowChanged:
    row: str


def row_changed(change: Change[Any]) -> Iterator[Publication]:
    named = f"{change.kind} {type(change.instance).__name__} {change.instance.id}"
    yield Publication("rules:rows", RowChanged(named))


def feeds() -> FeedRegistry:
    registry = FeedRegistry()
    for mapped in (Room, Tenant, Tree, House):
        registry.add(mapped, row_changed)
    return registry


@pytest.fixture(scope="module", autouse=True)
def followed() -> None:
    configure_mappers()
    follow(list(Base.registry.mappers), AUDITED)
    follow(list(Base.registry.mappers), AUDITED)  # a second time adds nothing


@pytest.fixture
async def database(notes_url: str) -> AsyncIterator[Database]:
    found = Database(notes_url, capture=Capture(feeds(), AuditTrail([SECRET])))
    async with found.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield found
    await found.close()


def fill(db: Session) -> None:
    db.add(Town(code="ULM"))
    db.flush()
    db.add_all([House(id=1, town="ULM", tags=[Tag(id=1), Tag(id=2)]), House(id=2)])
    db.add_all([Tree(id=1), Tree(id=2, parent_id=1), Tree(id=3, parent_id=2)])
    db.flush()
    db.add_all([Room(id=1, house_id=1), Room(id=2, house_id=1), Room(id=3, house_id=2)])
    db.add_all([Tenant(id=1, house_id=1), Cat(id=1, house_id=1), Dust(id=1, house_id=1)])
    db.flush()
    db.add_all([Chair(id=1, room_id=2), Chair(id=2, room_id=3)])


async def changed_by(
    database: Database, work: Callable[[Session], Any]
) -> tuple[list[tuple[str, Any]], list[str]]:
    """The entries and publications of `work`, on the rows of `fill`."""
    async with database.unit() as session:
        await session.run_sync(fill)
    before = len(await noted(database))
    async with database.unit(read_only=True) as session:
        told = len(await session.run_sync(list_after, "rules:rows", 0, limit=100))
    async with database.unit() as session:
        await session.run_sync(work)
    found = (await noted(database))[before:]
    async with database.unit(read_only=True) as session:
        rows = (await session.run_sync(list_after, "rules:rows", 0, limit=100))[told:]
    entries = [(f"{kind} {table[5:]} {key}", changes) for kind, table, key, changes in found]
    return entries, [str(each.data) for each in rows]


def mapper_of(mapped: type[Any]) -> Mapper[Any]:
    found: Mapper[Any] = inspect(mapped)
    return found


def delete(mapped: type[Any], key: Any) -> Callable[[Session], None]:
    return lambda db: db.delete(db.get_one(mapped, key))


async def test_what_goes_with_a_row_is_captured_before_it_goes(database: Database) -> None:
    entries, told = await changed_by(database, delete(House, 1))
    gone = dict(entries)
    assert set(gone) == {
        "delete house 1",
        "delete room 1",
        "delete room 2",
        "delete chair 1",
        "delete cat 1",
        "update tenant 1",
    }
    assert gone["delete room 2"] == {"id": {"from": 2}, "house_id": {"from": 1}}
    assert gone["delete chair 1"] == {"id": {"from": 1}, "room_id": {"from": 2}}
    assert gone["update tenant 1"] == {"house_id": {"from": 1, "to": None}}
    assert gone["delete house 1"]["tags"] == {"removed": ["1", "2"]}
    for row in ("delete Room 1", "delete Room 2", "update Tenant 1", "delete House 1"):
        assert any(row in each for each in told)
    async with database.unit(read_only=True) as session:
        counts = {
            table: await session.scalar(text(f"SELECT count(*) FROM rule_{table}"))
            for table in ("house", "room", "chair", "cat", "tenant", "dust", "house_tag")
        }
    expected = {"house": 1, "room": 1, "chair": 1, "cat": 0, "tenant": 1, "dust": 0}
    assert counts == {**expected, "house_tag": 0}


async def test_a_tree_goes_leaf_by_leaf(database: Database) -> None:
    entries, told = await changed_by(database, delete(Tree, 1))
    assert {name for name, *_ in entries} == {"delete tree 1", "delete tree 2", "delete tree 3"}
    assert len(told) == 3


async def test_a_link_that_is_cut_at_its_other_end_is_a_change_of_the_row_that_holds_it(
    database: Database,
) -> None:
    entries, told = await changed_by(database, delete(Tag, 2))
    assert entries == [
        ("update house 1", {"tags": {"removed": ["2"]}}),
        ("delete tag 2", {"id": {"from": 2}}),
    ]
    assert len(told) == 1
    assert "update House 1" in told[0]


def rename(db: Session) -> None:
    db.get_one(Town, "ULM").code = "NEU"


def add_key(db: Session) -> None:
    db.add(Key(id=1, house_id=2))
    db.flush()
    delete(House, 2)(db)


@pytest.mark.parametrize(
    ("work", "said"),
    [
        (rename, "the new key of a Town, to which rows of House with ON UPDATE CASCADE refer"),
        (add_key, "the deletion of a House, to which rows of Key with ON DELETE SET DEFAULT refer"),
    ],
)
async def test_what_no_session_can_do_first_is_refused_where_it_would_happen(
    database: Database, work: Callable[[Session], Any], said: str
) -> None:
    with pytest.raises(RuntimeError, match=said):
        await changed_by(database, work)


def rename_and_leave_the_key(db: Session) -> None:
    db.get_one(Town, "ULM").name = "Ulm"


def change_a_key_that_nobody_has(db: Session) -> None:
    db.add(Town(code="X"))
    db.flush()
    db.get_one(Town, "X").code = "Y"


@pytest.mark.parametrize("work", [rename_and_leave_the_key, change_a_key_that_nobody_has])
async def test_nothing_is_refused_where_no_row_would_change(
    database: Database, work: Callable[[Session], Any]
) -> None:
    entries, _ = await changed_by(database, work)
    assert entries


def test_what_stays_unseen_is_said_by_check() -> None:
    said = sorted(each for each in find_unseen() if each.startswith(("House", "Key")))
    assert [each.partition(",")[0] for each in said] == [
        "House has ON UPDATE CASCADE (town)",
        "Key has ON DELETE SET DEFAULT (house_id)",
    ]


def test_no_relationship_is_added_where_nothing_is_missing() -> None:
    added = {
        mapped.__name__: {
            each.key.removeprefix("_trivet_rule_")
            for each in mapper_of(mapped).relationships
            if each.key.startswith("_trivet")
        }
        for mapped in (House, Room, Tag, Tree, Town)
    }
    assert added == {
        "House": {"room_house_id", "cat_house_id", "tenant_house_id"},
        "Room": {"chair_room_id"},
        "Tag": set(),
        "Tree": {"tree_parent_id"},
        "Town": set(),
    }


@pytest.mark.database("postgresql")
async def test_what_goes_along_is_locked_while_it_is_read(database: Database) -> None:
    reads: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("SELECT"):
            reads.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    await changed_by(database, delete(House, 1))
    for table in ("house", "room", "chair", "cat", "tenant"):
        of_it = [each for each in reads if f"FROM rule_{table}" in each]
        assert any(each.endswith("FOR UPDATE") for each in of_it), (table, of_it)


@pytest.mark.database("postgresql")
async def test_nobody_adds_a_row_to_one_that_is_about_to_go(database: Database) -> None:
    """On PostgreSQL the new row waits for the deletion, and is refused then."""
    async with database.unit() as session:
        await session.run_sync(fill)
    engine = create_engine(database.engine.url.set(drivername="postgresql+psycopg"))
    refused: list[str] = []

    def add() -> None:
        try:
            with engine.begin() as connection:
                connection.execute(text("INSERT INTO rule_room (id, house_id) VALUES (9, 1)"))
        except DBAPIError as error:
            refused.append(type(error).__name__)

    adding = threading.Thread(target=add)

    def work(db: Session) -> None:
        house = db.get_one(House, 1)
        db.delete(house)
        adding.start()
        waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        with engine.connect() as other:
            for _ in range(600):  # half a minute
                if other.scalar(waiting):
                    break
                other.rollback()
                db.execute(text("SELECT pg_sleep(0.05)"))

    async with database.unit() as session:
        await session.run_sync(work)
    await anyio.to_thread.run_sync(adding.join)
    assert refused == [IntegrityError.__name__]
    assert "delete" in {kind for kind, table, *_ in await noted(database) if table == "rule_room"}
    engine.dispose()
