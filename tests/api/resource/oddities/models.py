"""On a base of their own, so that no other test makes these tables."""

import datetime as dt
import enum
import uuid
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator
from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Enum,
    ForeignKey,
    Integer,
    String,
    Table,
    Time,
    TypeDecorator,
    UniqueConstraint,
    create_engine,
    text,
)
from sqlalchemy.dialects.postgresql import CITEXT, INET
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    mapped_column,
    registry,
    relationship,
    validates,
)
from sqlmodel import Field, SQLModel


class Base(DeclarativeBase):
    pass


class Tame(TypeDecorator[str]):
    """A text in which nobody shouts."""

    impl = String(20)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Any:
        if value is not None and "!" in value:
            raise ValueError("nobody shouts here")
        return value


class Slot(Base):
    __tablename__ = "oddities_slot"
    id: Mapped[int] = mapped_column(primary_key=True)
    opens_at: Mapped[dt.time | None] = mapped_column(Time)
    word: Mapped[str | None] = mapped_column(Tame)


class Stamped(Base):
    """Its version is a time."""

    __tablename__ = "oddities_stamped"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    stamp: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    __mapper_args__ = {  # noqa: RUF012  # as SQLAlchemy has it
        "version_id_col": stamp,
        "version_id_generator": lambda _: dt.datetime.now(dt.UTC),
    }


class Worded(Base):
    """Its version is a text that cannot stand in a header."""

    __tablename__ = "oddities_worded"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    token: Mapped[str] = mapped_column()
    __mapper_args__ = {  # noqa: RUF012  # as above
        "version_id_col": token,
        "version_id_generator": lambda _: f'"ö {uuid.uuid4().hex}"',
    }


class Cat(Base):
    """All that it may have, it has unless somebody says otherwise."""

    __tablename__ = "oddities_cat"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    lives: Mapped[int | None] = mapped_column(default=9)
    colour: Mapped[str | None] = mapped_column(String(9), default=lambda: "black")
    region: Mapped[str | None] = mapped_column(String(2), server_default="EU")
    habits: Mapped[dict[str, Any] | None] = mapped_column(JSON, default=dict)

    @validates("colour")
    def _lower(self, _name: str, value: str | None) -> str | None:
        return value.lower() if value else None


class Place(Base):
    """Its key is whatever people write."""

    __tablename__ = "oddities_place"
    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    note: Mapped[str | None]


class Shelf(Base):
    """One part of its key is whatever people write."""

    __tablename__ = "oddities_shelf"
    floor: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    note: Mapped[str | None]


class Price(Base):
    """Known by what a validator makes of a value."""

    __tablename__ = "oddities_price"
    __table_args__ = (UniqueConstraint("sku", "region"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    sku: Mapped[str] = mapped_column(String(12))
    region: Mapped[str] = mapped_column(String(2))
    cents: Mapped[int]

    @validates("sku")
    def _upper(self, _name: str, value: str) -> str:
        if not value:
            raise ValueError("sku must not be empty")
        return value.upper()


class Offer(Base):
    __tablename__ = "oddities_offer"
    id: Mapped[int] = mapped_column(primary_key=True)
    price_id: Mapped[int] = mapped_column(ForeignKey(Price.id))


class Mood(enum.Enum):
    """One of its members has two names, and its values are not what is stored."""

    HAPPY = 1
    GLAD = 1  # noqa: PIE796  # the second name
    SAD = 2


class Size(enum.StrEnum):
    SMALL = "s"
    LITTLE = "s"  # as above
    LARGE = "l"


class Day(Base):
    __tablename__ = "oddities_day"
    id: Mapped[int] = mapped_column(primary_key=True)
    mood: Mapped[Mood] = mapped_column(Enum(Mood, omit_aliases=False), default=Mood.SAD)
    first_mood: Mapped[Mood | None] = mapped_column(Enum(Mood, native_enum=False))
    size: Mapped[Size | None] = mapped_column(
        Enum(Size, values_callable=lambda sizes: [each.value for each in sizes], native_enum=False)
    )


class Animal(Base):
    __tablename__ = "oddities_animal"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}  # noqa: RUF012  # SQLAlchemy's
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    search: Mapped[str | None]
    """Called like a word of the grammar."""


class SeaLion(Animal):
    __mapper_args__ = {"polymorphic_identity": "sea lion"}  # noqa: RUF012  # as above


class Host(Base):
    __tablename__ = "oddities_host"
    address: Mapped[Any] = mapped_column(
        INET().with_variant(String(50), "sqlite"), primary_key=True
    )
    name: Mapped[str | None]


_ANY_CASE = CITEXT().with_variant(String(20, collation="NOCASE"), "sqlite")

_tagging = Table(
    "oddities_tagging",
    Base.metadata,
    Column("word", ForeignKey("oddities_word.word"), primary_key=True),
    Column("page_id", ForeignKey("oddities_page.id"), primary_key=True),
)


class Word(Base):
    """Its key is the same in whatever case it is written."""

    __tablename__ = "oddities_word"
    word: Mapped[str] = mapped_column(_ANY_CASE, primary_key=True)
    note: Mapped[str | None]


class Page(Base):
    __tablename__ = "oddities_page"
    id: Mapped[int] = mapped_column(primary_key=True)
    main: Mapped[str | None] = mapped_column(_ANY_CASE, ForeignKey(Word.word))
    words: Mapped[list[Word]] = relationship(secondary=_tagging)


class Star(Base):
    """Its number has more digits than a browser keeps."""

    __tablename__ = "oddities_star"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    planets: Mapped[list["Planet"]] = relationship(back_populates="star")


class Planet(Base):
    __tablename__ = "oddities_planet"
    id: Mapped[int] = mapped_column(primary_key=True)
    star_id: Mapped[int] = mapped_column(BigInteger, ForeignKey(Star.id))
    star: Mapped[Star] = relationship(back_populates="planets")


_outline = Table(
    "oddities_outline",
    Base.metadata,
    Column("star_id", ForeignKey(Star.id), primary_key=True),
    Column("figure_id", ForeignKey("oddities_figure.id"), primary_key=True),
)


class Figure(Base):
    __tablename__ = "oddities_figure"
    id: Mapped[int] = mapped_column(primary_key=True)
    stars: Mapped[list[Star]] = relationship(secondary=_outline)


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Tone(enum.StrEnum):
    CALM = "calm"
    GRIM = "grim"


class Alarm(Base):
    """Keeps the values of enums in plain columns."""

    __tablename__ = "oddities_alarm"
    id: Mapped[int] = mapped_column(primary_key=True)
    level: Mapped[Level] = mapped_column(Integer)
    tone: Mapped[Tone | None] = mapped_column(String(10))


class Spoken(SQLModel, registry=registry()):
    """On a registry of its own, so that no other test makes these tables."""


class Named(Spoken):
    name: str = Field(
        min_length=2, max_length=10, regex="^[a-z]+$", description="In small letters."
    )
    mail: str = Field(default="a@b", schema_extra={"pattern": "@"})


class Hero(Named, table=True):
    """Says of its values what Pydantic has words for."""

    __tablename__ = "oddities_hero"
    id: int | None = Field(default=None, primary_key=True)
    age: int | None = Field(default=None, ge=0, lt=150, multiple_of=2)
    speed: float = Field(default=1.0, gt=0, le=9.5)
    pay: Decimal = Field(default=Decimal(5), max_digits=5, decimal_places=2, ge=5)
    code: Annotated[str, AfterValidator(str.lower)] = "x"
    tricks: list[str] = Field(default_factory=list, max_length=2, sa_column=Column(JSON))


def make_tables(url: str) -> None:
    """Make the tables. What is asked of them is not a matter of migrations."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    if engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            connection.execute(text("CREATE EXTENSION IF NOT EXISTS citext"))
    Base.metadata.create_all(engine)
    Spoken.metadata.create_all(engine)
    engine.dispose()
