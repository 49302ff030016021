"""What would slip past the audit trail is refused: by whatever way it is written, and at the start
what the database would do by itself."""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import anyio.to_thread
import pytest
from sqlalchemy import Column, ForeignKey, Table, delete, insert, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from tests.platform import notes, shelf
from tests.platform.notes import SECRET, Line
from tests.platform.trail import entries
from trivet.audit import AuditTrail
from trivet.audit.audited_tables import require_audited
from trivet.capture.tables import CapturedTables
from trivet.data.capture import Capture
from trivet.data.database import Database
from trivet.errors import ConfigurationError
from trivet.events.outbox import Channel
from trivet.identity import django_tables as tables
from trivet.models.base import Model

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
    empty_database_url: str, way: str
) -> None:
    await anyio.to_thread.run_sync(notes.create_tables, empty_database_url)
    capture = Capture(audit=AuditTrail([SECRET]))
    database = Database(empty_database_url, capture=capture)
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

    @pytest.mark.parametrize("at_the_base", [False, True])
    def test_of_several_classes_in_one_table_the_base_has_to_follow(
        self, product: type[Model], at_the_base: bool
    ) -> None:
        class Person(product):  # type: ignore[misc, valid-type]  # made for this test
            __tablename__ = "start_person"
            __mapper_args__: ClassVar[Any] = {"polymorphic_on": "kind"}
            id: Mapped[int] = mapped_column(primary_key=True)
            kind: Mapped[str]

        class Guest(Person):
            __mapper_args__: ClassVar[Any] = {"polymorphic_identity": "guest"}

        class Employee(Person):
            __mapper_args__: ClassVar[Any] = {"polymorphic_identity": "employee"}

        class Badge(product):  # type: ignore[misc, valid-type]  # made for this test
            __tablename__ = "start_badge"
            id: Mapped[int] = mapped_column(primary_key=True)
            person_id: Mapped[int] = mapped_column(ForeignKey(Person.id, ondelete="CASCADE"))

        owner: Any = Person if at_the_base else Employee
        owner.badges = relationship(Badge, cascade="all, delete-orphan")
        if at_the_base:
            require_audited()
            return
        with pytest.raises(ConfigurationError, match="Give Person a relationship to Badge"):
            require_audited()
