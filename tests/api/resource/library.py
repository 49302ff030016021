"""A library on a base of its own, and sessions in which its rows are written."""

import datetime as dt
import enum
from collections.abc import Callable
from dataclasses import field as dataclass_field
from decimal import Decimal
from types import ModuleType
from typing import Any, ClassVar

import anyio
from sqlalchemy import (
    Column,
    Computed,
    ForeignKey,
    MetaData,
    Numeric,
    String,
    Table,
    UniqueConstraint,
    create_engine,
    func,
    text,
    true,
)
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    Session,
    mapped_column,
    relationship,
)

from trivet import Identity, Model
from trivet.data.capture import Capture
from trivet.data.database import Database
from trivet.data.errors import explain
from trivet.data.session import TrivetSession
from trivet.errors import TrivetError
from trivet.models.base import NAMING_CONVENTION
from trivet.models.versioned import Versioned
from trivet.rules import visible
from trivet.rules.registry import RuleRegistry, collect_rules


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map: ClassVar[dict[Any, Any]] = Model.type_annotation_map


class Status(enum.StrEnum):
    DRAFT = "draft"
    LIVE = "live"


tagging = Table(
    "resource_book_tag",
    Base.metadata,
    Column("book_id", ForeignKey("resource_book.id"), primary_key=True),
    Column("tag_id", ForeignKey("resource_tag.id"), primary_key=True),
)


class Author(Base):
    """Somebody who writes.

    And what only colleagues read.
    """

    __tablename__ = "resource_author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20), unique=True, info={"example": "Jane Austen"})
    """As it stands on the cover."""
    owner_id: Mapped[int | None]
    books: Mapped[list["Book"]] = relationship(back_populates="author")


class Tag(Base):
    __tablename__ = "resource_tag"
    id: Mapped[int] = mapped_column(primary_key=True)
    word: Mapped[str] = mapped_column(String(20))
    owner_id: Mapped[int | None]


class Book(Versioned, Base):
    __tablename__ = "resource_book"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(40))
    isbn: Mapped[str | None] = mapped_column(String(13), unique=True)
    price: Mapped[Decimal] = mapped_column(Numeric(8, 2), default=Decimal("0.00"))
    status: Mapped[Status] = mapped_column(default=Status.DRAFT)
    is_lent: Mapped[bool] = mapped_column(server_default=true())
    author_id: Mapped[int] = mapped_column(ForeignKey(Author.id), index=True)
    sequel_of_id: Mapped[int | None] = mapped_column(ForeignKey("resource_book.id"))
    owner_id: Mapped[int | None]
    printed_on: Mapped[dt.date | None]
    added_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    shelf_mark: Mapped[str] = mapped_column(String(60), Computed("title || '/'"))
    token: Mapped[str] = mapped_column(String(20), default="t", info={"audit": "redacted"})
    author: Mapped[Author] = relationship(back_populates="books", lazy="joined")
    tags: Mapped[list[Tag]] = relationship(secondary=tagging)


class Copy(Base):
    """One whose key says what it is."""

    __tablename__ = "resource_copy"
    __table_args__ = (UniqueConstraint("place", "shelf", name="uq_place"),)
    book_id: Mapped[int] = mapped_column(ForeignKey(Book.id), primary_key=True)
    letter: Mapped[str] = mapped_column(String(2), primary_key=True)
    place: Mapped[str] = mapped_column(String(10), default="hall")
    shelf: Mapped[int | None]


class Vehicle(Base):
    __tablename__ = "resource_vehicle"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(8))
    owner_id: Mapped[int | None]
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "vehicle"}  # noqa: RUF012  # SQLAlchemy's


class Bus(Vehicle):
    """A row in two tables."""

    __tablename__ = "resource_bus"
    id: Mapped[int] = mapped_column(ForeignKey(Vehicle.id), primary_key=True)
    seats: Mapped[int]
    __mapper_args__ = {"polymorphic_identity": "bus"}  # noqa: RUF012  # as above


class Ticket(MappedAsDataclass, Base):
    """One whose constructor wants what no client sends."""

    __tablename__ = "resource_ticket"
    place: Mapped[str] = mapped_column(String(8))
    printer: str = dataclass_field()
    id: Mapped[int] = mapped_column(primary_key=True, init=False)


def actor_of(number: int) -> Identity:
    return Identity(user_id=number, username=f"user{number}", kind="session")


ONE, TWO = actor_of(1), actor_of(2)


def rules_of(*functions: Callable[..., Any]) -> RuleRegistry:
    module = ModuleType("library.rules")
    vars(module).update({f"rule_{n}": each for n, each in enumerate(functions)})
    return collect_rules([module])


def own_rows(*models: type[Any]) -> RuleRegistry:
    """Everybody sees the rows that are theirs or nobody's."""

    def rule_for(model: Any) -> Callable[..., Any]:
        @visible(model)
        def own(actor: Identity) -> Any:
            return model.owner_id.is_(None) | (model.owner_id == actor.user_id)

        return own

    return rules_of(*map(rule_for, models))


def create_tables(url: str) -> None:
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    Base.metadata.create_all(engine)
    engine.dispose()


class Library:
    """Units on one database; `rules` are those of all of them."""

    def __init__(self, url: str) -> None:
        self.database = Database(url, capture=Capture())

    @property
    def rules(self) -> RuleRegistry:
        return self.database.capture.rules

    @rules.setter
    def rules(self, rules: RuleRegistry) -> None:
        self.database.capture = Capture(rules=rules)

    async def fill(self) -> None:
        """Authors and tags, the last ones of which are those of user 2."""

        def add(db: Session, _actor: Identity) -> None:
            db.add_all([Author(name="Austen"), Author(name="Bronte", owner_id=2)])
            db.add_all([Tag(word="old"), Tag(word="new")])
            db.add(Tag(word="rare", owner_id=2))

        await self.run(add)

    async def run(
        self, service: Callable[..., Any], *arguments: Any, actor: Identity = ONE, **options: Any
    ) -> Any:
        """What `service` returns, in a unit of its own. Raises what its caller is told."""

        def work(db: Session) -> Any:
            assert isinstance(db, TrivetSession)
            return db.run(lambda session: service(session, actor, *arguments, **options))

        try:
            async with self.database.unit(actor=actor) as session:
                return await session.run_sync(work)
        except Exception as error:
            meaning = explain(error)
            if meaning is None:
                raise
            raise meaning from error

    async def refused(self, service: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """The error that `service` is refused with."""
        try:
            await self.run(service, *arguments, **options)
        except TrivetError as error:
            return error
        raise AssertionError(f"{service.__name__} was not refused")

    async def read(self, model: type[Any], key: Any) -> Any:
        """A row as it is stored; None if there is none."""
        return await self.run(lambda db, _actor: db.get(model, key))

    async def wait_for_a_lock(self, number: int = 1) -> None:
        """Wait until so many wait for locks of other transactions (PostgreSQL)."""
        with anyio.fail_after(60):
            while await self.run(_waiting) < number:  # noqa: ASYNC110  # it is the server that waits
                await anyio.sleep(0.01)


def _waiting(db: Session, _actor: Identity) -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    return int(db.scalar(text(f"{query} AND datname = current_database()")) or 0)
