"""Rules of change: what a rule sees of a change, and that nothing passes it."""

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, select, text, update

from tests.platform.notes import Line, Note
from tests.platform.shelf import Book, Label, Shelf, Thing
from tests.platform.watched_rules import BOSS, Watched, module_of, registry_of
from trivet import Conflict
from trivet.data.capture import Capture
from trivet.data.session import TrivetSession
from trivet.origin import Origin
from trivet.rules import Change, rule
from trivet.rules.registry import collect_rules

Asked = list[Change[Any]]


@pytest.fixture
def engine(notes_url: str) -> Iterator[Engine]:
    engine = create_engine(notes_url.replace("postgresql:", "postgresql+psycopg:"))
    with TrivetSession(bind=engine) as db:
        db.add_all([Label(id=1, name="old"), Label(id=2, name="new"), Shelf(id=1, name="one")])
        db.add_all([Shelf(id=2, name="two")])
        db.flush()
        db.add_all([Thing(id=1, shelf_id=1, title="vase", notes="blue")])
        db.add_all([Book(id=2, shelf_id=1, title="book", author="someone")])
        db.add_all([Note(id=1, board="a", text="one", lines=[Line(id=1, text="first")])])
        db.commit()
    yield engine
    engine.dispose()


@pytest.fixture
def watched(engine: Engine) -> Watched:
    return Watched(engine)


class TestWhatARuleSees:
    def test_an_update_with_its_old_and_new_values(self, watched: Watched) -> None:
        with watched.unit() as db:
            db.get_one(Thing, 1).title = "pot"
            db.commit()
        assert watched.asked == [("update", "Thing", {"title": ("vase", "pot")})]

    def test_true_old_values_of_what_was_never_loaded(self, watched: Watched) -> None:
        with watched.unit() as db:
            thing = db.get_one(Thing, 1)
            db.expire(thing)
            thing.title = "pot"
            thing.notes = "red"  # deferred
            db.flush()
        assert watched.asked == [
            ("update", "Thing", {"title": ("vase", "pot"), "notes": ("blue", "red")})
        ]

    def test_true_old_values_of_an_instance_made_by_hand(self, watched: Watched) -> None:
        from sqlalchemy.orm import make_transient_to_detached

        with watched.unit() as db:
            thing = Thing(id=1)
            make_transient_to_detached(thing)
            db.add(thing)
            thing.title = "pot"
            db.flush()
        assert watched.asked == [("update", "Thing", {"title": ("vase", "pot")})]

    def test_the_same_value_again_is_no_change(self, watched: Watched) -> None:
        with watched.unit() as db:
            thing = db.get_one(Thing, 1)
            db.expire(thing)
            thing.title = "vase"
            db.flush()
        assert watched.asked == []

    def test_what_an_expression_of_sql_comes_to(self, watched: Watched) -> None:
        with watched.unit() as db:
            thing = db.get_one(Thing, 1)
            thing.width = Thing.width + 4
            db.flush()
        assert watched.asked == [("update", "Thing", {"width": (1, 5)})]

    def test_a_new_row_with_its_defaults(self, watched: Watched) -> None:
        with watched.unit() as db:
            db.add(Thing(id=9, shelf_id=2, title="bowl"))
            db.flush()
        ((kind, name, changes),) = watched.asked
        assert (kind, name, changes["title"], changes["width"]) == (
            "insert", "Thing", (None, "bowl"), (None, 1)
        )  # fmt: skip

    def test_a_foreign_key_that_a_relationship_is_going_to_set(self, watched: Watched) -> None:
        with watched.unit() as db:
            thing, two = db.get_one(Thing, 1), db.get_one(Shelf, 2)
            two.things.append(thing)
            db.flush()
        assert ("update", "Thing", {"shelf_id": (1, 2)}) in watched.asked

    def test_a_foreign_key_that_only_the_flush_can_know(self, watched: Watched) -> None:
        with watched.unit() as db:
            db.add(Note(id=8, board="b", text="eight", lines=[Line(id=8, text="new")]))
            db.flush()
        lines = [changes for kind, name, changes in watched.asked if name == "Line"]
        assert lines[-1]["note_id"] == (None, 8)

    def test_the_members_of_a_relation(self, watched: Watched) -> None:
        with watched.unit() as db:
            label = db.get_one(Label, 2)
            book = db.get_one(Book, 2)
            book.labels.append(label)
            db.flush()
        assert watched.asked == [("update", "Book", {"labels": ((), (label,))})]

    def test_a_subclass_is_judged_by_the_rules_of_its_base(self, watched: Watched) -> None:
        with watched.unit() as db:
            db.get_one(Book, 2).author = "another"
            db.flush()
        assert watched.asked == [("update", "Book", {"author": ("someone", "another")})]

    def test_a_deletion_with_what_goes_with_it(self, watched: Watched) -> None:
        with watched.unit() as db:
            db.delete(db.get_one(Note, 1))
            db.flush()
        assert sorted(each[:2] for each in watched.asked) == [
            ("delete", "Line"),
            ("delete", "Note"),
        ]

    def test_an_orphan_as_the_deletion_that_it_becomes(self, watched: Watched) -> None:
        with watched.unit() as db:
            note = db.get_one(Note, 1)
            note.lines.clear()
            db.flush()
        assert ("delete", "Line", {}) in watched.asked

    def test_every_column_of_the_old_and_the_new_row_and_the_actor(self, engine: Engine) -> None:
        seen: list[Any] = []

        @rule(Thing)
        def look(change: Change[Thing]) -> None:
            seen.extend([dict(change.old)["notes"], change.new["title"], change.new["notes"]])
            seen.append(change.actor)

        with TrivetSession(
            bind=engine, capture=Capture(rules=registry_of(look)), origin=Origin(BOSS)
        ) as db:
            db.get_one(Thing, 1).title = "pot"
            db.flush()
        assert seen == ["blue", "pot", "blue", BOSS]

    def test_other_rows_as_they_are_without_the_change(self, engine: Engine) -> None:
        found: list[str] = []

        @rule(Thing)
        def look(change: Change[Thing]) -> None:
            found.extend(change.session.scalars(select(Thing.title).order_by(Thing.id)))

        with TrivetSession(bind=engine, capture=Capture(rules=registry_of(look))) as db:
            db.get_one(Thing, 1).title = "pot"
            db.flush()
        assert found == ["vase", "book"]


class TestWhenARuleIsAsked:
    @pytest.mark.parametrize(
        ("attributes", "on", "asked"),
        [
            ((), "update", True),
            (("title",), "update", True),
            (("notes", "title"), ("insert", "update"), True),
            (("notes",), "update", False),
            ((), "insert", False),
            ((), ("insert", "delete"), False),
        ],
    )
    def test_only_of_the_kinds_and_attributes_that_it_names(
        self, engine: Engine, attributes: tuple[str, ...], on: Any, asked: bool
    ) -> None:
        heard: list[str] = []

        @rule(Thing, *attributes, on=on)
        def listen(change: Change[Thing]) -> None:
            heard.append(change.kind)

        with TrivetSession(bind=engine, capture=Capture(rules=registry_of(listen))) as db:
            db.get_one(Thing, 1).title = "pot"
            db.flush()
        assert bool(heard) is asked

    def test_a_relationship_changes_with_its_foreign_key(self, engine: Engine) -> None:
        heard: list[bool] = []

        @rule(Line, "note_id")
        def listen(change: Change[Line]) -> None:
            heard.append(change.changed("note_id"))
            with pytest.raises(AttributeError, match="Line has no attribute 'note'"):
                change.changed("note")

        with TrivetSession(bind=engine, capture=Capture(rules=registry_of(listen))) as db:
            db.add(Note(id=9, board="b", text="nine"))
            db.flush()
            db.get_one(Line, 1).note_id = 9
            db.flush()
        assert heard == [True]

    @pytest.mark.parametrize(
        ("attribute", "asked"),
        [("name", True), ("size", True), ("labels", False), ("notes", False), ("area", False)],
    )
    def test_by_whatever_name_the_class_has_for_it(
        self, engine: Engine, attribute: str, asked: bool
    ) -> None:
        heard: list[str] = []

        @rule(Thing, attribute)
        def listen(change: Change[Thing]) -> None:
            heard.append(change.kind)

        with TrivetSession(bind=engine, capture=Capture(rules=registry_of(listen))) as db:
            thing = db.get_one(Thing, 1)
            thing.title, thing.width = "pot", 9
            db.flush()
        assert bool(heard) is asked

    def test_once_for_one_change(self, watched: Watched) -> None:
        with watched.unit() as db:
            db.get_one(Thing, 1).title = "pot"
            db.flush()
            db.flush()
        assert len(watched.asked) == 1

    def test_classes_without_rules_are_not_looked_at(self, watched: Watched) -> None:
        with watched.unit() as db:
            db.get_one(Label, 1).name = "other"
            db.commit()
        assert watched.asked == []


def orphan_a_line(db: TrivetSession) -> None:
    note = db.get_one(Note, 1)
    note.lines.clear()
    db.commit()


def give_to_another_shelf(db: TrivetSession) -> None:
    shelf, thing = db.get_one(Shelf, 2), db.get_one(Thing, 1)
    shelf.things.append(thing)
    db.commit()


def put_a_label_on(db: TrivetSession) -> None:
    label, book = db.get_one(Label, 1), db.get_one(Book, 2)
    label.books.append(book)
    db.commit()


class TestARefusal:
    def test_comes_before_the_first_statement(self, watched: Watched, engine: Engine) -> None:
        from sqlalchemy import event

        sent: list[str] = []
        watched.refuses = True
        with watched.unit() as db:
            db.get_one(Thing, 1).title = "pot"
            db.add(Label(id=7, name="seven"))

            def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
                sent.append(statement)

            event.listen(engine, "before_cursor_execute", note)
            with pytest.raises(Conflict) as caught:
                db.flush()
            event.remove(engine, "before_cursor_execute", note)
        assert sent == []
        assert caught.value.subject is Thing
        assert caught.value.data["errors"] == [{"pointer": "/title", "detail": "No."}]

    @pytest.mark.parametrize(
        "write",
        [
            lambda db: db.delete(db.get_one(Thing, 1)),
            lambda db: db.add(Thing(shelf_id=1, title="new")),
            lambda db: setattr(db.get_one(Thing, 1), "title", "new"),
            lambda db: db.merge(Thing(id=1, title="new")),
            orphan_a_line,
            give_to_another_shelf,
            lambda db: db.delete(db.get_one(Shelf, 1)),
            put_a_label_on,
        ],
        ids=["delete", "add", "change", "merge", "orphan", "other side", "cascade", "relation"],
    )
    def test_leaves_nothing_behind(self, watched: Watched, write: Callable[[Any], Any]) -> None:
        watched.refuses = True
        before = self.rows(watched)
        with watched.unit() as db:
            write_and_commit = self.committing(write)
            with pytest.raises(Conflict):
                write_and_commit(db)
        assert self.rows(watched) == before

    @staticmethod
    def committing(write: Callable[[Any], Any]) -> Callable[[Any], None]:
        def work(db: Any) -> None:
            write(db)
            db.commit()

        return work

    def rows(self, watched: Watched) -> list[Any]:
        tables = ("shelf_thing", "shelf_book", "test_line", "shelf_book_label", "shelf_shelf")
        with watched.engine.connect() as connection:
            return [connection.execute(text(f"SELECT * FROM {t}")).all() for t in tables]

    def test_in_a_savepoint_is_undone_with_it(self, watched: Watched) -> None:
        with watched.unit() as db:
            db.get_one(Label, 1).name = "kept"
            watched.refuses = True
            with pytest.raises(Conflict), db.begin_nested():
                db.get_one(Thing, 1).title = "pot"
            watched.refuses = False
            db.commit()
        with watched.engine.connect() as connection:
            names = connection.execute(text("SELECT name FROM shelf_label WHERE id = 1")).all()
            titles = connection.execute(text("SELECT title FROM shelf_thing WHERE id = 1")).all()
        assert (names, titles) == ([("kept",)], [("vase",)])

    def test_of_a_bug_says_which_rule_it_was(self, engine: Engine) -> None:
        @rule(Thing)
        def broken(change: Change[Thing]) -> None:
            raise ZeroDivisionError

        with TrivetSession(bind=engine, capture=Capture(rules=registry_of(broken))) as db:
            db.get_one(Thing, 1).title = "pot"
            with pytest.raises(ZeroDivisionError) as caught:
                db.flush()
        assert "broken of Thing" in caught.value.__notes__[0]

    def test_a_bulk_statement_passes_no_rule_and_is_refused(self, watched: Watched) -> None:
        with watched.unit() as db, pytest.raises(RuntimeError, match="Thing, which has rules"):
            db.execute(update(Thing).values(title="pot"))

    @pytest.mark.parametrize(
        "sql", ["UPDATE shelf_thing SET title = 'x'", "DELETE FROM shelf_thing"]
    )
    def test_raw_sql_passes_no_rule_and_is_refused(self, watched: Watched, sql: str) -> None:
        with watched.unit() as db, pytest.raises(RuntimeError, match=r"shelf_thing, .* rules"):
            db.connection().execute(text(sql))


def test_a_rule_that_two_features_name_is_asked_once(engine: Engine) -> None:
    asked: list[dt.datetime] = []

    @rule(Thing)
    def shared(_change: Change[Thing]) -> None:
        asked.append(dt.datetime.now(dt.UTC))

    rules = collect_rules([module_of(a=shared), module_of(imported=shared)])
    with TrivetSession(bind=engine, capture=Capture(rules=rules)) as db:
        db.get_one(Thing, 1).title = "pot"
        db.flush()
    assert len(asked) == 1
