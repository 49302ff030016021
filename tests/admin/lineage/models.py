"""Exhibits over joined tables, notices in one table, and rooms with a table each."""

from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    CreateView,
    ForeignKey,
    Integer,
    String,
    Table,
    case,
    func,
    literal,
    select,
)
from sqlalchemy.ext.declarative import AbstractConcreteBase, ConcreteBase
from sqlalchemy.orm import Mapped, column_property, mapped_column, relationship, validates

from trivet import Model


def said(**options: Any) -> Any:
    """What SQLAlchemy wants as a dictionary."""
    return options


exhibit_keyword = Table(
    "lineage_exhibit_keyword",
    Model.metadata,
    Column("exhibit_id", ForeignKey("lineage_exhibit.id"), primary_key=True),
    Column("keyword_id", ForeignKey("lineage_keyword.id"), primary_key=True),
)


class Gallery(Model):
    __tablename__ = "lineage_gallery"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    exhibits: Mapped[list["Exhibit"]] = relationship(
        back_populates="gallery", cascade="all, delete-orphan"
    )

    def __str__(self) -> str:
        return self.name


class Keyword(Model):
    __tablename__ = "lineage_keyword"
    id: Mapped[int] = mapped_column(primary_key=True)
    word: Mapped[str] = mapped_column(String(20))
    exhibits: Mapped[list["Exhibit"]] = relationship(
        secondary=exhibit_keyword, back_populates="keywords"
    )

    def __str__(self) -> str:
        return self.word


class Exhibit(Model):
    """The base of three levels, with rows of its own."""

    __tablename__ = "lineage_exhibit"
    __table_args__ = said(info={"verbose_name": "thing", "ordering": ["title"]})
    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(Integer)
    sort: Mapped[str] = mapped_column(String(20))
    title: Mapped[str] = mapped_column(String(40))
    gallery_id: Mapped[int | None] = mapped_column(ForeignKey("lineage_gallery.id"), index=True)
    gallery: Mapped[Gallery | None] = relationship(back_populates="exhibits")
    keywords: Mapped[list[Keyword]] = relationship(
        secondary=exhibit_keyword, back_populates="exhibits"
    )
    __mapper_args__ = said(
        polymorphic_on="sort",
        polymorphic_identity="plain",
        version_id_col=version,
    )

    @validates("title")
    def _named(self, _key: str, title: str) -> str:
        if title.lower() == "untitled":
            raise ValueError("Every exhibit has a title.")
        return title

    def __str__(self) -> str:
        return self.title


class Painting(Exhibit):
    __tablename__ = "lineage_painting"
    id: Mapped[int] = mapped_column(ForeignKey(Exhibit.id), primary_key=True)
    technique: Mapped[str] = mapped_column(String(20), default="oil")
    copy_of_id: Mapped[int | None] = mapped_column(ForeignKey(Exhibit.id), index=True)
    copy_of: Mapped[Exhibit | None] = relationship(
        foreign_keys=[copy_of_id], remote_side=Exhibit.id
    )
    loans: Mapped[list["Lending"]] = relationship(
        back_populates="painting",
        cascade="all, delete-orphan",
        foreign_keys="Lending.painting_id",
    )
    __mapper_args__ = said(
        polymorphic_identity="painting",
        inherit_condition=id == Exhibit.id,  # noqa: A003  # the column, of course
    )


class Fresco(Painting):
    """Its key has a name of its own."""

    __tablename__ = "lineage_fresco"
    __mapper_args__ = said(polymorphic_identity="fresco")
    fresco_id: Mapped[int] = mapped_column(ForeignKey(Painting.id), primary_key=True)
    wall: Mapped[str] = mapped_column(String(20), unique=True)
    shout: Mapped[str] = column_property(wall + "!")


class Sculpture(Exhibit):
    __tablename__ = "lineage_sculpture"
    __table_args__: Any = (
        CheckConstraint("weight > 0", name="heavy"),
        {"info": {"verbose_name": "statue", "audit": "ignored"}},
    )
    __mapper_args__ = said(polymorphic_identity="sculpture")
    id: Mapped[int] = mapped_column(ForeignKey(Exhibit.id), primary_key=True)
    weight: Mapped[int] = mapped_column(Integer)


class Lending(Model):
    """A loan of a painting, and who wanted which exhibit."""

    __tablename__ = "lineage_lending"
    id: Mapped[int] = mapped_column(primary_key=True)
    to: Mapped[str] = mapped_column(String(20))
    painting_id: Mapped[int] = mapped_column(ForeignKey(Painting.id), index=True)
    painting: Mapped[Painting] = relationship(back_populates="loans", foreign_keys=[painting_id])
    wanted_id: Mapped[int | None] = mapped_column(ForeignKey(Exhibit.id), index=True)
    wanted: Mapped[Exhibit | None] = relationship(foreign_keys=[wanted_id])

    def __str__(self) -> str:
        return f"to {self.to}"


class Notice(Model):
    """One table; numbers say of which class a row is."""

    __tablename__ = "lineage_notice"
    __mapper_args__ = said(polymorphic_on="number", polymorphic_abstract=True)
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int]
    words: Mapped[str] = mapped_column(String(40))


class Closure(Notice):
    __mapper_args__ = said(polymorphic_abstract=True)
    until: Mapped[str | None] = mapped_column(String(20))


class Fire(Closure):
    __mapper_args__ = said(polymorphic_identity=1)
    engines: Mapped[int | None]


class Strike(Closure):
    __mapper_args__ = said(polymorphic_identity=2)


class Welcome(Notice):
    __mapper_args__ = said(polymorphic_identity=3)


class Entry(Model):
    """The price says of which class a row is, and nobody sets that."""

    __tablename__ = "lineage_entry"
    id: Mapped[int] = mapped_column(primary_key=True)
    price: Mapped[int] = mapped_column(Integer)
    __mapper_args__ = said(
        polymorphic_on=case((price == 0, "free"), else_="paid"),
        polymorphic_identity="paid",
    )


class FreeEntry(Entry):
    __mapper_args__ = said(polymorphic_identity="free")
    reason: Mapped[str | None] = mapped_column(String(20))


class Room(ConcreteBase, Model):
    __tablename__ = "lineage_room"
    __mapper_args__ = said(polymorphic_identity="room", concrete=True)
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))


class Vault(Room):
    __tablename__ = "lineage_vault"
    __mapper_args__ = said(polymorphic_identity="vault", concrete=True)
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    locks: Mapped[int]


class Depot(AbstractConcreteBase, Model):
    """Mapped to the rows of all its subclasses, whose keys may be the same."""


class EastDepot(Depot):
    __tablename__ = "lineage_east_depot"
    __mapper_args__ = said(polymorphic_identity="east", concrete=True)
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))


class WestDepot(Depot):
    __tablename__ = "lineage_west_depot"
    __mapper_args__ = said(polymorphic_identity="west", concrete=True)
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    gates: Mapped[int]


class GalleryCount(Model):
    """A view, said by its table. Its key is a foreign key."""

    __tablename__ = "lineage_gallery_count"
    __table_args__ = said(info={"is_view": True})
    gallery_id: Mapped[int] = mapped_column(ForeignKey("lineage_gallery.id"), primary_key=True)
    gallery: Mapped[Gallery] = relationship()
    number: Mapped[int] = mapped_column(Integer)

    def __str__(self) -> str:
        return f"{self.number} there"


room_names = CreateView(
    select(Room.__table__.c.id, func.upper(Room.__table__.c.name).label("name")),
    "lineage_room_name",
    metadata=Model.metadata,
)


class RoomName(Model):
    """A view that SQLAlchemy makes."""

    __table__ = room_names.table
    __mapper_args__ = said(primary_key=[room_names.table.c.id])


_statues = Sculpture.__table__
_things = Exhibit.__table__


class HeavyThing(Model):
    """Mapped to a query with parameters."""

    __table__ = (
        select(_things.c.id, _things.c.title, _things.c.gallery_id, literal("100%").label("sure"))
        .join(_statues, _statues.c.id == _things.c.id)
        .where(_statues.c.weight > 100, _things.c.title.like("%o%"))
        .subquery("heavy")
    )
    __mapper_args__ = said(primary_key=[__table__.c.id])


class Card(Model):
    """Mapped to a join."""

    __table__ = _things.join(_statues, _things.c.id == _statues.c.id)
    id = column_property(_things.c.id, _statues.c.id)


class RentBook(Model):
    """Written by other code."""

    __tablename__ = "lineage_ledger"
    __table_args__ = said(info={"read_only": True})
    id: Mapped[int] = mapped_column(primary_key=True)
    what: Mapped[str] = mapped_column(String(20))
    gallery_id: Mapped[int | None] = mapped_column(ForeignKey("lineage_gallery.id"), index=True)


class WaterMeter(Model):
    """Made and written by other code."""

    __tablename__ = "lineage_meter"
    __table_args__ = said(info={"external": True})
    id: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[int]


class RainGauge(Model):
    """Made by other code, and written by ours too."""

    __tablename__ = "lineage_gauge"
    __table_args__ = said(info={"external": True, "read_only": False})
    id: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[int]
