"""No silent hole: a way past the capture is refused with a sentence that says what to do."""

from typing import Any

import pytest
from sqlalchemy import Engine, delete, event, insert, inspect, select, text, update
from sqlalchemy.orm import Mapper, Session

from tests.platform import shelf
from tests.platform.shelf import Archive, Book, Heard, Shelf, Thing, Work, shelf_label, thing, unit
from trivet.data.session import ReadOnlyError

TABLE: Any = Thing.__table__
BOOKS: Any = Book.__table__

REFUSED: dict[str, Work] = {
    "update() of the class": lambda db: db.execute(update(Thing).values(title="x")),
    "update() of a subclass": lambda db: db.execute(update(Book).values(author="x")),
    "delete() of the class": lambda db: db.execute(delete(Thing)),
    "insert() of many rows that returns some": lambda db: db.execute(
        insert(Thing).returning(Thing.id), [{"title": "x", "shelf_id": 1, "kind": "thing"}]
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
