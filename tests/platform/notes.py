"""A feature of the tests: notes with lines, on boards. Two tables, one feed, no framework."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import ForeignKey, String, create_engine
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from trivet import Identity, Model
from trivet.audit import AuditTrail
from trivet.data.capture import Capture
from trivet.data.database import Database
from trivet.events import Change, Publication, feed
from trivet.events.feeds import FeedRegistry
from trivet.events.outbox import StoredPublication, list_after
from trivet.identity import django_tables as tables
from trivet.identity.keys import ApiKey
from trivet.models.types import BigKey

SECRET = "a secret of the tests"

P = ParamSpec("P")
T = TypeVar("T")

STANDS_WITH = (tables, ApiKey)
"""Imported for their tables: `create_tables` makes them all."""


class Note(Model):
    """`parent_id` is checked at the commit only, so that a commit can fail."""

    __tablename__ = "test_note"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    board: Mapped[str] = mapped_column(String(50))
    text: Mapped[str] = mapped_column(String(50), unique=True)
    parent_id: Mapped[int | None] = mapped_column(
        BigKey, ForeignKey("test_note.id", deferrable=True, initially="DEFERRED")
    )
    lines: Mapped[list["Line"]] = relationship(cascade="all, delete-orphan")


class Line(Model):
    __tablename__ = "test_line"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    note_id: Mapped[int] = mapped_column(BigKey, ForeignKey("test_note.id"))
    text: Mapped[str] = mapped_column(String(50))


@dataclass(frozen=True)
class NoteChanged:
    kind: str
    text: str
    old_text: str | None


@dataclass(frozen=True)
class LineChanged:
    kind: str
    text: str


@feed(Note)
def note_changed(change: Change[Note]) -> Iterator[Publication]:
    note = change.instance
    event = NoteChanged(change.kind, note.text, change.old.get("text"))
    yield Publication(f"notes:{note.board}", event)


@feed(Line)
def line_changed(change: Change[Line]) -> Iterator[Publication]:
    yield Publication("notes:lines", LineChanged(change.kind, change.instance.text))


def feeds() -> FeedRegistry:
    registry = FeedRegistry()
    registry.add(Note, note_changed)
    registry.add(Line, line_changed)
    return registry


def create_tables(url: str) -> None:
    """Every table that is known, without a migration: what is tested here is no schema."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    # Whatever other tests of this process have mapped; a schema of their own is theirs to make.
    tables = [table for table in Model.metadata.sorted_tables if table.schema is None]
    Model.metadata.create_all(engine, tables=tables)
    with engine.begin() as connection:
        AuditTrail([SECRET]).begin(connection)
    engine.dispose()


def notes_database(url: str) -> Database:
    return Database(url, capture=Capture(feeds()))


def as_service(
    function: Callable[Concatenate[Session, P], T],
) -> Callable[Concatenate[Session, Identity, P], T]:
    """`function`, which does not ask who acts, as the service of a unit."""

    @wraps(function)
    def service(db: Session, _actor: Identity, /, *args: P.args, **options: P.kwargs) -> T:
        return function(db, *args, **options)

    return service


def add_note(db: Session, board: str, text: str, parent_id: int | None = None) -> Note:
    note = Note(board=board, text=text, parent_id=parent_id)
    db.add(note)
    db.flush()
    return note


def add_around_a_lost_savepoint(db: Session) -> None:
    """Add notes called before, kept and after, and one called lost, whose savepoint is."""
    add_note(db, "a", "before")
    with db.begin_nested():
        add_note(db, "a", "kept")
        inner = db.begin_nested()
        add_note(db, "a", "lost")
        inner.rollback()
    add_note(db, "a", "after")


async def published(database: Database, channel: str) -> list[StoredPublication]:
    """Everything in `channel`, oldest first."""
    async with database.unit(read_only=True) as session:
        return await session.run_sync(list_after, channel, 0, limit=10_000)
