"""Faults of a feature's own: a feed that fails is named, a schema past the capture is refused."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, Integer, String
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from tests.platform import notes
from tests.platform.shelf import Thing, thing, unit
from trivet.data.statement_guard import FeedError
from trivet.errors import ConfigurationError
from trivet.events import Change, Publication
from trivet.events.fed_tables import FedTables, require_captured
from trivet.events.feeds import FeedRegistry
from trivet.models.base import Model


class TestFeeds:
    def run(self, engine: Engine, feed: Any) -> None:
        feeds = FeedRegistry()
        feeds.add(Thing, feed)
        with unit(engine, feeds) as db:
            thing(db).title = "urn"

    def test_a_feed_that_loads_lazily_is_refused_with_its_name(self, engine: Engine) -> None:
        def nosy(change: Change[Thing]) -> Iterator[Publication]:
            yield Publication("shelf:all", change.instance.labels)

        with pytest.raises(FeedError, match="the feed nosy of Thing asked the database something"):
            self.run(engine, nosy)
        with Session(engine) as db:
            assert thing(db).title == "vase"

    def test_a_feed_that_fails_is_named_and_nothing_is_committed(self, engine: Engine) -> None:
        def broken(_change: Change[Thing]) -> Iterator[Publication]:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError) as raised:
            self.run(engine, broken)
        assert "raised by the feed broken of Thing, for its update" in raised.value.__notes__[0]
        with Session(engine) as db:
            assert thing(db).title == "vase"


class TestStart:
    """What the database would do to fed rows by itself is refused when the feeds are loaded."""

    def test_what_the_orm_does_first_is_accepted(self) -> None:
        require_captured([Thing])

    @pytest.mark.parametrize(
        ("rule", "options", "sentence"),
        [
            ({"ondelete": "CASCADE"}, None, "ON DELETE CASCADE"),
            ({"ondelete": "SET NULL"}, None, "ON DELETE SET NULL"),
            ({"ondelete": "CASCADE"}, {}, 'cascade="all, delete-orphan"'),
            (
                {"ondelete": "CASCADE"},
                {"cascade": "all, delete-orphan", "passive_deletes": True},
                "without passive_deletes",
            ),
            ({"onupdate": "CASCADE"}, {"cascade": "all"}, "ON UPDATE CASCADE"),
        ],
    )
    def test_what_it_does_not_is_refused(
        self, rule: dict[str, Any], options: dict[str, Any] | None, sentence: str
    ) -> None:
        from sqlalchemy import ForeignKey, MetaData

        class Base(Model):
            __abstract__ = True
            metadata = MetaData()

        class Parent(Base):
            __tablename__ = "start_parent"
            id: Mapped[int] = mapped_column(Integer, primary_key=True)

        class Child(Base):
            __tablename__ = "start_child"
            id: Mapped[int] = mapped_column(Integer, primary_key=True)
            parent_id: Mapped[int | None] = mapped_column(ForeignKey(Parent.id, **rule))
            name: Mapped[str] = mapped_column(String(5))

        if options is not None:
            mapped: Any = Parent
            mapped.children = relationship(Child, **options)
        try:
            with pytest.raises(ConfigurationError, match="Child feeds channels") as refused:
                require_captured([Child])
            assert sentence in refused.value.detail
        finally:
            Model.registry._dispose_cls(Child)
            Model.registry._dispose_cls(Parent)

    def test_a_deferred_constraint_and_other_rules_are_no_fault(self) -> None:
        require_captured([notes.Note, notes.Line])
        assert FedTables([notes.Note]).find_unseen("DELETE FROM test_line") is None
