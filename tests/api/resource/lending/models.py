"""On a base of their own, so that no other test makes these tables."""

import datetime as dt
import enum
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    create_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from trivet import Model
from trivet.models import BigKey
from trivet.models.base import NAMING_CONVENTION
from trivet.models.versioned import Versioned


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map: ClassVar[dict[Any, Any]] = Model.type_annotation_map


class State(enum.StrEnum):
    ORDERED = "ordered"
    LENT = "lent"
    LOST = "lost"


theming = Table(
    "lending_theming",
    Base.metadata,
    Column("volume_id", ForeignKey("lending_volume.id"), primary_key=True),
    Column("theme_id", ForeignKey("lending_theme.id"), primary_key=True),
)


class Writer(Base):
    __tablename__ = "lending_writer"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(30), unique=True)
    volumes: Mapped[list["Volume"]] = relationship(back_populates="writer")


class Theme(Base):
    __tablename__ = "lending_theme"
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    word: Mapped[str] = mapped_column(String(20))


class Volume(Versioned, Base):
    """A column of nearly every kind, of which most may be empty."""

    __tablename__ = "lending_volume"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(40), index=True)
    isbn: Mapped[str] = mapped_column(String(13), unique=True)
    state: Mapped[State] = mapped_column(default=State.ORDERED)
    price: Mapped[Decimal | None] = mapped_column(Numeric(8, 2), index=True)
    pages: Mapped[int | None] = mapped_column(SmallInteger)
    copies: Mapped[int | None]
    serial: Mapped[int | None] = mapped_column(BigInteger)
    weight: Mapped[float | None]
    is_bound: Mapped[bool | None]
    printed_on: Mapped[dt.date | None]
    added_at: Mapped[dt.datetime | None]
    opens_at: Mapped[dt.time | None]
    span: Mapped[dt.timedelta | None]
    uid: Mapped[UUID | None]
    notes: Mapped[dict[str, Any] | None]
    cover: Mapped[bytes | None]
    supplier: Mapped[str | None] = mapped_column(String(10), info={"secret": True})
    writer_id: Mapped[int | None] = mapped_column(ForeignKey(Writer.id))
    writer: Mapped[Writer | None] = relationship(back_populates="volumes")
    themes: Mapped[list[Theme]] = relationship(secondary=theming)


class Copy(Base):
    """One whose key says what it is."""

    __tablename__ = "lending_copy"
    volume_id: Mapped[int] = mapped_column(ForeignKey(Volume.id), primary_key=True)
    letter: Mapped[str] = mapped_column(String(2), primary_key=True)
    place: Mapped[str] = mapped_column(String(10))
    volume: Mapped[Volume] = relationship()


def make_tables(url: str) -> None:
    """Make the tables. What is asked of them is not a matter of migrations."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    Base.metadata.create_all(engine)
    engine.dispose()
