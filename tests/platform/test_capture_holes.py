"""No silent hole: each way to change a fed row is captured with its old values, or refused
with a sentence that says what to do. Two tables of ways, on both databases."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import (
    Engine,
    Integer,
    String,
    create_engine,
    delete,
    event,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.orm import (
    Mapped,
    Mapper,
    Session,
    make_transient,
    make_transient_to_detached,
    mapped_column,
    relationship,
)

from tests.platform import notes, shelf
from tests.platform.shelf import Archive, Book, Heard, Label, Shelf, Size, Thing, shelf_label
from trivet.errors import ConfigurationError
from trivet.events import Change, FeedRegistry, Publication
from trivet.events.fed_tables import FedTables, require_captured
from trivet.model import Model
from trivet.session import FeedError, ReadOnlyError, TrivetSession, watch


@pytest.fixture
def engine(empty_database_url: str) -> Iterator[Engine]:
    notes.create_tables(empty_database_url)
    engine = create_engine(empty_database_url.replace("postgresql:", "postgresql+psycopg:"))
    with Session(engine) as db:
        shelf.fill(db)
        db.commit()
    yield engine
    engine.dispose()


@contextmanager
def unit(
    engine: Engine, feeds: FeedRegistry, *, read_only: bool = False
) -> Iterator[TrivetSession]:
    with TrivetSession(bind=engine, feeds=feeds, read_only=read_only) as db:
        yield db
        db.commit()


Work = Callable[[TrivetSession], object]


def thing(db: Session, **options: Any) -> Thing:
    return db.get_one(Thing, 1, **options)


def expired(db: Session) -> Thing:
    found = thing(db)
    db.expire(found)
    return found


def book(db: Session) -> Thing:
    return db.get_one(Thing, 2)


def move_without_backref(db: Session) -> None:
    first, second = db.get_one(Shelf, 1), db.get_one(Shelf, 2)
    found, _ = thing(db), (first.things, second.things)
    first.things.remove(found)
    db.expire(found, ["shelf_id", "title"])
    second.things.append(found)


def merge(db: Session) -> None:
    db.merge(Thing(id=1, title="urn"))


def from_elsewhere(db: Session) -> None:
    made = Thing(id=1, kind="thing", shelf_id=1)
    make_transient_to_detached(made)
    db.add(made)
    made.title = "urn"


def anew(db: Session) -> None:
    found = thing(db)
    _ = found.notes
    make_transient(found)
    found.id = 9
    found.labels = []
    db.add(found)


def orm_delete_parent(db: Session) -> None:
    db.delete(db.get_one(Shelf, 1))


def add_label(db: Session) -> None:
    found = book(db)
    found.labels.append(db.get_one(Label, 2))


def add_to_label(db: Session) -> None:
    label = db.get_one(Label, 2)
    label.books.append(book(db))


# way -> what the feed hears
CAPTURED: dict[str, tuple[Work, Heard]] = {
    "a loaded attribute": (
        lambda db: setattr(thing(db), "title", "urn"),
        [("update", "urn", {"title": "vase"})],
    ),
    "an expired attribute": (
        lambda db: setattr(expired(db), "title", "urn"),
        [("update", "urn", {"title": "vase"})],
    ),
    "a deferred attribute": (
        lambda db: setattr(thing(db), "notes", "red"),
        [("update", "vase", {"notes": "blue"})],
    ),
    "a synonym": (
        lambda db: setattr(thing(db), "name", "urn"),
        [("update", "urn", {"title": "vase"})],
    ),
    "a composite": (
        lambda db: setattr(thing(db), "size", Size(1, 5)),
        [("update", "vase", {"height": 1})],
    ),
    "an expression of SQL": (
        lambda db: setattr(thing(db), "width", Thing.width + 1),
        [("update", "vase", {"width": 1})],
    ),
    "a column of a subclass's table": (
        lambda db: setattr(book(db), "author", "nobody"),
        [("update", "book", {"author": "someone"})],
    ),
    "a foreign key set by a relationship": (
        move_without_backref,
        [("update", "vase", {"shelf_id": 1})],
    ),
    "a primary key": (
        lambda db: setattr(thing(db), "id", 9),
        [("update", "vase", {"id": 1})],
    ),
    "merge": (merge, [("update", "urn", {"title": "vase"})]),
    "an instance from elsewhere": (
        from_elsewhere,
        [("update", "urn", {"title": "vase"})],
    ),
    "an instance made transient": (anew, [("insert", "vase", {})]),
    "a member of a many-to-many relation": (
        add_label,
        [("update", "book", {"labels": (1,)})],
    ),
    "the same from the other side": (add_to_label, [("update", "book", {"labels": (1,)})]),
    "a delete of an expired instance": (
        lambda db: db.delete(expired(db)),
        [("delete", "vase", {})],
    ),
    "a delete that cascades": (
        orm_delete_parent,
        [("delete", "vase", {}), ("delete", "book", {})],
    ),
}


@pytest.mark.parametrize("way", CAPTURED)
def test_a_change_is_captured_with_its_old_values(engine: Engine, way: str) -> None:
    work, expected = CAPTURED[way]
    heard: Heard = []
    with unit(engine, shelf.registry(heard)) as db:
        work(db)
    assert sorted(heard, key=str) == sorted(expected, key=str)


TABLE: Any = Thing.__table__
BOOKS: Any = Book.__table__

REFUSED: dict[str, Work] = {
    "update() of the class": lambda db: db.execute(update(Thing).values(title="x")),
    "update() of a subclass": lambda db: db.execute(update(Book).values(author="x")),
    "delete() of the class": lambda db: db.execute(delete(Thing)),
    "insert() of many rows": lambda db: db.execute(
        insert(Thing), [{"title": "x", "shelf_id": 1, "kind": "thing"}]
    ),
    "Query.update": lambda db: db.query(Thing).update({"title": "x"}),
    "Query.delete": lambda db: db.query(Thing).delete(),
    "insert() of the table": lambda db: db.execute(
        insert(TABLE).values(title="x", shelf_id=1, kind="thing")
    ),
    "update() of the table": lambda db: db.execute(update(TABLE).values(title="x")),
    "delete() of a subclass's table": lambda db: db.execute(delete(BOOKS)),
    "a statement on the connection": lambda db: db.connection().execute(
        update(TABLE).values(title="x")
    ),
    "a statement for the driver": lambda db: db.connection().exec_driver_sql(
        "UPDATE shelf_thing SET title = 'x'"
    ),
    "text": lambda db: db.execute(text("UPDATE shelf_thing SET title = 'x'")),
    "text in disguise": lambda db: db.execute(
        text("/* harmless */ update \"shelf_thing\" -- really\n set title = 'x'")
    ),
    "an association table": lambda db: db.execute(
        insert(shelf_label).values(book_id=2, label_id=2)
    ),
    "a parent whose children the database would take along": lambda db: db.execute(delete(Shelf)),
    "bulk_save_objects": lambda db: db.bulk_save_objects([]),
    "bulk_insert_mappings": lambda db: db.bulk_insert_mappings(inspect(Thing), []),
    "bulk_update_mappings": lambda db: db.bulk_update_mappings(inspect(Thing), []),
}


@pytest.mark.parametrize("way", REFUSED)
def test_what_no_flush_would_see_is_refused_with_a_sentence(engine: Engine, way: str) -> None:
    heard: Heard = []
    with (
        pytest.raises(RuntimeError, match="past the capture of events; add, change or delete"),
        unit(engine, shelf.registry(heard)) as db,
    ):
        REFUSED[way](db)
    with Session(engine) as db:
        assert db.scalars(select(Thing.title).order_by(Thing.id)).all() == ["vase", "book"]
        assert len(db.execute(select(shelf_label)).all()) == 1


ALLOWED: dict[str, Work] = {
    "bulk work on what feeds nothing": lambda db: db.execute(update(Archive).values(title="x")),
    "text on what feeds nothing": lambda db: db.execute(text("DELETE FROM shelf_archive")),
    "a fed table as the source": lambda db: db.execute(
        insert(Archive).from_select(["title"], select(Thing.title))
    ),
    "a read that mentions the verbs": lambda db: db.execute(
        text("SELECT title AS \"update\" FROM shelf_thing WHERE title <> 'DELETE FROM shelf_thing'")
    ),
    "a read that locks": lambda db: db.execute(select(Thing).with_for_update()),
}


@pytest.mark.parametrize("way", ALLOWED)
def test_what_changes_no_fed_row_is_allowed(engine: Engine, way: str) -> None:
    heard: Heard = []
    with unit(engine, shelf.registry(heard)) as db:
        ALLOWED[way](db)
    assert heard == []


def test_a_statement_in_a_mappers_event_is_refused_too(engine: Engine) -> None:
    """SQLAlchemy's documents recommend it for such places, and no flush would see it."""

    def also(_mapper: Mapper[Any], connection: Any, _target: Any) -> None:
        connection.execute(update(TABLE).values(title="x"))

    event.listen(Archive, "after_insert", also)
    try:
        with (
            pytest.raises(RuntimeError, match="past the capture"),
            unit(engine, shelf.registry([])) as db,
        ):
            db.add(Archive(title="new"))
    finally:
        event.remove(Archive, "after_insert", also)


def test_a_watched_engine_is_watched_as_well(engine: Engine) -> None:
    watch(engine)
    with (
        pytest.raises(RuntimeError, match="past the capture"),
        unit(engine, shelf.registry([])) as db,
    ):
        REFUSED["text"](db)


def test_a_unit_that_reads_refuses_text_that_writes(engine: Engine) -> None:
    with pytest.raises(ReadOnlyError), unit(engine, shelf.registry([]), read_only=True) as db:
        ALLOWED["text on what feeds nothing"](db)


def test_the_flushs_own_statements_are_known_by_their_cache(engine: Engine) -> None:
    """Private to SQLAlchemy, so pinned here: `_flushing`, and the option `compiled_cache`."""
    seen: list[tuple[bool, bool]] = []

    def note(_c: Any, _cursor: Any, _s: Any, _p: Any, context: Any, _many: bool) -> None:
        options = context.execution_options
        seen.append(
            (options["trivet_session"]._flushing, options.get("compiled_cache") is not None)
        )

    event.listen(engine, "before_cursor_execute", note)
    with unit(engine, shelf.registry([])) as db:
        found = thing(db)
        found.title = "urn"
        db.flush()
    assert seen == [(False, False), (True, True)]  # load, update


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
