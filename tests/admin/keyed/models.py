"""Primary keys of several columns, and of one whose values are no plain words or numbers."""

import datetime as dt
import enum
import uuid
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Interval,
    LargeBinary,
    Numeric,
    String,
    Table,
    Uuid,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship, synonym, validates

from trivet import Model, Versioned
from trivet.models.types import BigKey


class Weather(enum.Enum):
    FINE = "fine"
    FOUL = "foul"


class Parcel(Model):
    __tablename__ = "keyed_parcel"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    packings: Mapped[list["Packing"]] = relationship(
        back_populates="parcel", cascade="all, delete-orphan"
    )

    def __str__(self) -> str:
        return f"parcel {self.name}"


class Shelf(Model):
    """Goes with the ware that is on it."""

    __tablename__ = "keyed_shelf"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)


class Ware(Model):
    __tablename__ = "keyed_ware"

    code: Mapped[str] = mapped_column(String(20), primary_key=True)
    weather: Mapped[Weather | None] = mapped_column(Enum(Weather, native_enum=False))
    shelf_id: Mapped[int | None] = mapped_column(ForeignKey(Shelf.id))
    shelf: Mapped[Shelf | None] = relationship(cascade="all")
    title = synonym("code")
    packings: Mapped[list["Packing"]] = relationship(back_populates="ware")

    def __str__(self) -> str:
        return f"ware {self.code}"


class Packing(Versioned, Model):
    """An association object: the two rows that it stands between are its key."""

    __tablename__ = "keyed_packing"

    parcel_id: Mapped[int] = mapped_column(ForeignKey(Parcel.id), primary_key=True)
    ware_code: Mapped[str] = mapped_column(ForeignKey(Ware.code), primary_key=True)
    pieces: Mapped[int] = mapped_column(default=1)
    note: Mapped[str | None] = mapped_column(String(40))
    parcel: Mapped[Parcel] = relationship(back_populates="packings")
    ware: Mapped[Ware] = relationship(back_populates="packings")
    remarks: Mapped[list["Remark"]] = relationship(
        back_populates="packing", cascade="all, delete-orphan"
    )

    packs: Mapped[list["Pack"]] = relationship(
        back_populates="packing", cascade="all, delete-orphan"
    )

    @validates("pieces")
    def _some(self, _key: str, pieces: int) -> int:
        if pieces == 13:
            raise ValueError("thirteen is unlucky")
        return pieces

    @validates("ware")
    def _harmless(self, _key: str, ware: Ware | None) -> Ware | None:
        assert ware is None or ware.code != "acid", "acid goes into no parcel"
        return ware


class Remark(Model):
    """Refers to a row whose key has two columns."""

    __tablename__ = "keyed_remark"
    __table_args__: Any = (
        ForeignKeyConstraint(["parcel_id", "ware_code"], [Packing.parcel_id, Packing.ware_code]),
    )

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    text: Mapped[str] = mapped_column(String(40))
    parcel_id: Mapped[int | None]
    ware_code: Mapped[str | None] = mapped_column(String(20))
    packing: Mapped[Packing | None] = relationship(back_populates="remarks")


class Label(Model):
    """Shares a column of its reference with another one."""

    __tablename__ = "keyed_label"
    __table_args__: Any = (
        ForeignKeyConstraint(
            ["parcel_id", "ware_code"], [Packing.parcel_id, Packing.ware_code], name="fk_label"
        ),
    )

    parcel_id: Mapped[int] = mapped_column(ForeignKey(Parcel.id), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    ware_code: Mapped[str | None] = mapped_column(String(20))
    parcel: Mapped[Parcel] = relationship()
    packing: Mapped[Packing | None] = relationship(overlaps="parcel")


class Pack(Model):
    """Its key is a reference of two columns, and a number."""

    __tablename__ = "keyed_pack"
    __table_args__: Any = (
        ForeignKeyConstraint(
            ["parcel_id", "ware_code"], [Packing.parcel_id, Packing.ware_code], ondelete="CASCADE"
        ),
    )

    parcel_id: Mapped[int] = mapped_column(primary_key=True)
    ware_code: Mapped[str] = mapped_column(String(20), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    weight: Mapped[int] = mapped_column(default=1)
    packing: Mapped[Packing] = relationship(back_populates="packs")


class Place(Model):
    """The base of classes whose key has two columns."""

    __tablename__ = "keyed_place"
    __mapper_args__: Any = {"polymorphic_on": "kind", "polymorphic_identity": "place"}  # noqa: RUF012  # the stub has it like this

    hall: Mapped[str] = mapped_column(String(5), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(10))


class Crate(Place):
    """Refers to a packing, or to none: never to half of one."""

    __tablename__ = "keyed_crate"
    __table_args__: Any = (
        ForeignKeyConstraint(["hall", "number"], [Place.hall, Place.number]),
        ForeignKeyConstraint(
            ["parcel_id", "ware_code"], [Packing.parcel_id, Packing.ware_code], ondelete="SET NULL"
        ),
        CheckConstraint("(parcel_id IS NULL) = (ware_code IS NULL)", name="whole_packing"),
    )
    __mapper_args__: Any = {"polymorphic_identity": "crate"}  # noqa: RUF012  # the stub has it like this

    hall: Mapped[str] = mapped_column(String(5), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    parcel_id: Mapped[int | None]
    ware_code: Mapped[str | None] = mapped_column(String(20))
    packing: Mapped[Packing | None] = relationship()
    nails: Mapped[list["Nail"]] = relationship(
        back_populates="crate", cascade="all, delete-orphan", passive_deletes=True
    )


class Nail(Model):
    """Refers to a row of a subclass by two columns."""

    __tablename__ = "keyed_nail"
    __table_args__: Any = (
        ForeignKeyConstraint(
            ["hall", "number"], ["keyed_crate.hall", "keyed_crate.number"], ondelete="CASCADE"
        ),
    )

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    hall: Mapped[str] = mapped_column(String(5))
    number: Mapped[int]
    crate: Mapped[Crate] = relationship(back_populates="nails")


class Watch(Model):
    """A key of a day, a text that may hold anything, and a member of an enum."""

    __tablename__ = "keyed_watch"

    day: Mapped[dt.date] = mapped_column(primary_key=True)
    post: Mapped[str] = mapped_column(String(40), primary_key=True)
    weather: Mapped[Weather] = mapped_column(Enum(Weather, native_enum=False), primary_key=True)
    keeper: Mapped[str] = mapped_column(String(20), default="nobody")


class Person(Model):
    __tablename__ = "keyed_person"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    clubs: Mapped[list["Club"]] = relationship(
        secondary="keyed_membership", back_populates="people"
    )

    def __str__(self) -> str:
        return self.name


class Club(Model):
    __tablename__ = "keyed_club"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    people: Mapped[list[Person]] = relationship(
        secondary="keyed_membership", back_populates="clubs"
    )

    def __str__(self) -> str:
        return self.name


class Membership(Model):
    """The table of an association that has a class, too."""

    __tablename__ = "keyed_membership"

    person_id: Mapped[int] = mapped_column(
        ForeignKey(Person.id, ondelete="CASCADE"), primary_key=True
    )
    club_id: Mapped[int] = mapped_column(ForeignKey(Club.id, ondelete="CASCADE"), primary_key=True)
    role: Mapped[str] = mapped_column(String(20), server_default="member")


class _Named:
    name: Mapped[str] = mapped_column(String(20), default="")

    def __str__(self) -> str:
        return self.name


class Word(_Named, Model):
    __tablename__ = "keyed_word"
    id: Mapped[str] = mapped_column(String(60), primary_key=True)


class Whole(_Named, Model):
    __tablename__ = "keyed_whole"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)


class Moment(_Named, Model):
    __tablename__ = "keyed_moment"
    id: Mapped[dt.datetime] = mapped_column(primary_key=True)


class Clock(_Named, Model):
    """A datetime without a zone."""

    __tablename__ = "keyed_clock"
    id: Mapped[dt.datetime] = mapped_column(DateTime, primary_key=True)


class Span(_Named, Model):
    __tablename__ = "keyed_span"
    id: Mapped[dt.timedelta] = mapped_column(Interval, primary_key=True)


class Price(_Named, Model):
    __tablename__ = "keyed_price"
    id: Mapped[Decimal] = mapped_column(Numeric(12, 3), primary_key=True)


class Token(_Named, Model):
    __tablename__ = "keyed_token"
    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)


class CharToken(_Named, Model):
    __tablename__ = "keyed_char_token"
    id: Mapped[uuid.UUID] = mapped_column(Uuid(native_uuid=False), primary_key=True)


class TextToken(_Named, Model):
    __tablename__ = "keyed_text_token"
    id: Mapped[str] = mapped_column(Uuid(as_uuid=False), primary_key=True)


class Digest(_Named, Model):
    __tablename__ = "keyed_digest"
    id: Mapped[bytes] = mapped_column(LargeBinary(60), primary_key=True)


class Season(_Named, Model):
    __tablename__ = "keyed_season"
    id: Mapped[Weather] = mapped_column(Enum(Weather), primary_key=True)


class Ratio(_Named, Model):
    __tablename__ = "keyed_ratio"
    id: Mapped[float] = mapped_column(primary_key=True)


ODD = (Word, Whole, Moment, Clock, Span, Price, Token, CharToken, TextToken, Digest, Season, Ratio)
TABLES: list[Table] = [
    each.__table__  # type: ignore[misc]  # Model's stub has a FromClause
    for each in (
        Parcel,
        Shelf,
        Ware,
        Packing,
        Remark,
        Label,
        Pack,
        Place,
        Crate,
        Nail,
        Watch,
        Person,
        Club,
        Membership,
        *ODD,
    )
]
