"""Mapped classes of many kinds, whose rows and attributes rules of visibility are about."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    Column,
    Computed,
    Engine,
    ForeignKey,
    Integer,
    String,
    Table,
    create_engine,
    exists,
    func,
    select,
)
from sqlalchemy.ext.associationproxy import AssociationProxy, association_proxy
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    column_property,
    composite,
    mapped_column,
    registry,
    relationship,
    synonym,
)

from tests.platform.shelf import Size
from tests.platform.watched_rules import module_of
from trivet import Identity
from trivet.data.capture import Capture
from trivet.data.session import TrivetSession
from trivet.origin import Origin
from trivet.rules import select_visible, visible_condition
from trivet.rules.conditions import key_of
from trivet.rules.registry import RuleRegistry, collect_rules

CLERK = Identity(user_id=7, username="clerk", kind="session")


class Base(DeclarativeBase):
    """A base of these tests alone."""


class Room(Base):
    """Its key has two columns."""

    __tablename__ = "visible_room"
    house: Mapped[str] = mapped_column(String(9), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    keeper_id: Mapped[int | None]


class Person(Base):
    """The base of a joined and of a single-table subclass."""

    __tablename__ = "visible_person"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}  # noqa: RUF012  # SQLAlchemy's
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(9))
    name: Mapped[str] = mapped_column(String(9))
    rank: Mapped[int] = mapped_column(default=1)
    nick: Mapped[str] = synonym("name")
    width: Mapped[int] = mapped_column(default=1)
    height: Mapped[int] = mapped_column(server_default="1")
    size: Mapped[Size] = composite("width", "height")
    boss_id: Mapped[int | None] = mapped_column(ForeignKey("visible_person.id"))
    boss: Mapped["Person | None"] = relationship(remote_side="Person.id", back_populates="staff")
    staff: Mapped[list["Person"]] = relationship(back_populates="boss")

    @property
    def badge(self) -> str:
        return f"{self.name}/{self.rank}"


class Guard(Person):
    __tablename__ = "visible_guard"
    __mapper_args__ = {"polymorphic_identity": "guard"}  # noqa: RUF012  # as above
    id: Mapped[int] = mapped_column(ForeignKey(Person.id), primary_key=True)
    post: Mapped[str] = mapped_column(String(9))


class Guest(Person):
    __mapper_args__ = {"polymorphic_identity": "guest"}  # noqa: RUF012  # as above
    host: Mapped[str | None] = mapped_column(String(9))


class Label(Base):
    """Some of it is worked out by the database, of its other columns."""

    __tablename__ = "visible_label"
    id: Mapped[int] = mapped_column(primary_key=True)
    first: Mapped[str] = mapped_column("forename", String(9))
    last: Mapped[str] = mapped_column(String(9))
    whole: Mapped[str] = column_property(first + last)
    pay: Mapped[int] = mapped_column()
    bonus: Mapped[int] = mapped_column(Computed("pay / 10"))
    shown_bonus: Mapped[str] = column_property(func.abs(bonus))
    letters: Mapped[int] = column_property(func.length(last) + pay * 0)
    numbered: Mapped[int] = column_property(id + 1)  # noqa: A003  # the column above

    @hybrid_property
    def initials(self) -> str:
        """SQL says what it reads."""
        return self.first + self.last

    @hybrid_property
    def shouted(self) -> str:
        """Only its code does."""
        return f"{self.first}!".strip()


class Sticker(Base):
    """Some of it is read from labels."""

    __tablename__ = "visible_sticker"
    id: Mapped[int] = mapped_column(primary_key=True)
    label_id: Mapped[int] = mapped_column(ForeignKey(Label.id))
    label: Mapped[Label] = relationship()
    name: Mapped[str] = column_property(
        select(Label.first).where(Label.id == label_id).scalar_subquery()
    )
    is_rich: Mapped[bool] = column_property(
        exists().where(Label.pay > 9, Label.id == label_id).correlate_except(Label)
    )
    last: AssociationProxy[str] = association_proxy("label", "last")


class Cadet(Base):
    __tablename__ = "visible_cadet"
    id: Mapped[int] = mapped_column(primary_key=True)
    strikes: Mapped[int | None] = mapped_column(default=3)
    stripes: Mapped[int | None] = mapped_column(server_default="4")


class Paper(Base):
    __tablename__ = "visible_paper"
    id: Mapped[int] = mapped_column(primary_key=True)
    reader: Mapped[int]


class Deed(Paper):
    """Concrete: its table has everything, under other names."""

    __tablename__ = "visible_deed"
    __mapper_args__ = {"concrete": True}  # noqa: RUF012  # as above
    id: Mapped[int] = mapped_column(primary_key=True)
    reader: Mapped[int] = mapped_column("read_by")


class Leaf:
    """Not declared, but mapped; and so is the class that is derived from it, of which SQLAlchemy
    is told no inheritance."""


class Slip(Leaf): ...


LEAVES: tuple[Any, ...] = (Leaf, Slip)


mapping = registry(metadata=Base.metadata)
for leaf in LEAVES:
    columns = (Column("id", Integer, primary_key=True), Column("reader", Integer))
    mapping.map_imperatively(
        leaf, Table(f"visible_{leaf.__name__.lower()}", Base.metadata, *columns)
    )


def registry_of(*functions: Callable[..., Any]) -> RuleRegistry:
    return collect_rules([module_of(**{f"rule_{n}": each for n, each in enumerate(functions)})])


@contextmanager
def filled(url: str) -> Iterator[Engine]:
    """An empty database with the tables of these classes, and rows in them."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    Base.metadata.create_all(engine)
    with Session(engine) as db:
        db.add_all(
            [
                Room(house="a", number=1, keeper_id=7),
                Room(house="a", number=2, keeper_id=8),
                Room(house="b", number=1, keeper_id=None),
                Person(id=1, name="ann"),
                Person(id=2, name="bob", boss_id=1),
                Guard(id=3, name="gus", post="gate"),
                Guard(id=4, name="gil", post="roof"),
                Guest(id=5, name="eve", host="ann"),
                Guest(id=6, name="ed", host="bob"),
                Paper(id=1, reader=7),
                Paper(id=2, reader=8),
                Deed(id=1, reader=8),
                Deed(id=2, reader=7),
                *(make(id=key, reader=6 + key) for make in LEAVES for key in (1, 2)),
            ]
        )
        db.commit()
    yield engine
    engine.dispose()


def session_with(engine: Engine, rules: RuleRegistry, actor: Identity | None = CLERK) -> Any:
    return TrivetSession(bind=engine, capture=Capture(rules=rules), origin=Origin(actor))


def seen(engine: Engine, rules: RuleRegistry, entity: Any, actor: Identity = CLERK) -> list[Any]:
    """The keys that `actor` sees, by both helpers, which agree."""
    keys = key_of(entity)
    with session_with(engine, rules) as db:
        found = db.execute(select_visible(db, actor, entity).order_by(*keys)).scalars().all()
        plain = select(entity).where(visible_condition(db, actor, entity)).order_by(*keys)
        assert found == db.execute(plain).scalars().all()
        return [(each.house, each.number) if hasattr(each, "house") else each.id for each in found]
