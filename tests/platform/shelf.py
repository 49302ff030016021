"""A feature of the tests: every shape of a mapped class that a change could slip through."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Engine, ForeignKey, String, Table
from sqlalchemy.orm import (
    Mapped,
    Session,
    column_property,
    composite,
    mapped_column,
    relationship,
    synonym,
)

from trivet import Model
from trivet.data.capture import Capture
from trivet.data.session import TrivetSession
from trivet.events import Change, Publication
from trivet.events.feeds import FeedRegistry
from trivet.models.types import BigKey

shelf_label = Table(
    "shelf_book_label",
    Model.metadata,
    Column("book_id", ForeignKey("shelf_thing.id"), primary_key=True),
    Column("label_id", ForeignKey("shelf_label.id"), primary_key=True),
)


class Shelf(Model):
    """Feeds nothing; its things do."""

    __tablename__ = "shelf_shelf"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    things: Mapped[list["Thing"]] = relationship(cascade="all, delete-orphan")


class Label(Model):
    __tablename__ = "shelf_label"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    books: Mapped[list["Thing"]] = relationship(secondary=shelf_label, back_populates="labels")


@dataclass(frozen=True)
class Size:
    width: int
    height: int


class Thing(Model):
    """The base of an inheritance over joined tables."""

    __tablename__ = "shelf_thing"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "thing"}  # noqa: RUF012  # SQLAlchemy's

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    shelf_id: Mapped[int] = mapped_column(ForeignKey(Shelf.id, ondelete="CASCADE"))
    title: Mapped[str] = mapped_column(String(40))
    notes: Mapped[str] = mapped_column(String(40), default="", deferred=True)
    width: Mapped[int] = mapped_column(default=1)
    height: Mapped[int] = mapped_column(default=1)
    size: Mapped[Size] = composite(Size, "width", "height")
    area: Mapped[int] = column_property(width * height)
    name: Mapped[str] = synonym("title")
    labels: Mapped[list[Label]] = relationship(secondary=shelf_label, back_populates="books")


class Book(Thing):
    __tablename__ = "shelf_book"
    __mapper_args__ = {"polymorphic_identity": "book"}  # noqa: RUF012  # SQLAlchemy's

    id: Mapped[int] = mapped_column(ForeignKey(Thing.id), primary_key=True)
    author: Mapped[str] = mapped_column(String(40))


class Archive(Model):
    """Feeds nothing: bulk work on it is nobody's business."""

    __tablename__ = "shelf_archive"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    title: Mapped[str] = mapped_column(String(40))


Heard = list[tuple[str, str, dict[str, Any]]]
Work = Callable[[TrivetSession], object]


def registry(heard: Heard) -> FeedRegistry:
    """Feeds that write down what they hear: kind, title and old values."""

    def thing_changed(change: Change[Thing]) -> Iterator[Publication]:
        heard.append((change.kind, change.instance.title, dict(change.old)))
        yield from ()

    feeds = FeedRegistry()
    feeds.add(Thing, thing_changed)
    return feeds


def fill(db: Session) -> None:
    """A shelf (1) with a thing (1) and a book (2) that has a label (1) of two."""
    labels = [Label(id=1, name="old"), Label(id=2, name="new")]
    things = [
        Thing(id=1, title="vase", notes="blue"),
        Book(id=2, title="book", author="someone", labels=labels[:1]),
    ]
    db.add_all([Shelf(id=1, name="first", things=things), Shelf(id=2, name="second"), labels[1]])
    db.add(Archive(title="gone"))


@contextmanager
def unit(
    engine: Engine, feeds: FeedRegistry, *, read_only: bool = False
) -> Iterator[TrivetSession]:
    with TrivetSession(bind=engine, capture=Capture(feeds), read_only=read_only) as db:
        yield db
        db.commit()


def thing(db: Session, **options: Any) -> Thing:
    return db.get_one(Thing, 1, **options)


def book(db: Session) -> Thing:
    return db.get_one(Thing, 2)
