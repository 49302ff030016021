"""Each way to change a fed row through the ORM is captured, with its old values."""

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session, make_transient, make_transient_to_detached

from tests.platform import shelf
from tests.platform.shelf import Heard, Label, Shelf, Size, Thing, Work, book, thing, unit


def expired(db: Session) -> Thing:
    found = thing(db)
    db.expire(found)
    return found


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
