"""Names that Django keeps for itself, several classes of one name, and a schema of one's own."""

from typing import Any

from sqlalchemy import Column, ForeignKey, String, Table
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from trivet import Model
from trivet.models.types import BigKey

ARTIST_WORK = Table(
    "borrowed_artist_work",
    Model.metadata,
    Column("work_id", ForeignKey("borrowed_work.id"), primary_key=True),
    Column("artist_id", ForeignKey("borrowed_artist.id"), primary_key=True),
)

WORK_WORK = Table(
    "borrowed_work_work",
    Model.metadata,
    Column("work_id", ForeignKey("borrowed_work.id"), primary_key=True),
    Column("other_id", ForeignKey("borrowed_work.id"), primary_key=True),
)


class Artist(Model):
    __tablename__ = "borrowed_artist"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    objects: Mapped[list["Work"]] = relationship(secondary=ARTIST_WORK, back_populates="by_")
    refresh_from_db: Mapped[list["Work"]] = relationship(
        back_populates="save", foreign_keys="Work.save_id"
    )

    def __str__(self) -> str:
        return f"artist {self.name}"


class Work(Model):
    """Its columns are called like methods of Django's models, and a relation ends as keywords do
    that are names."""

    __tablename__ = "borrowed_work"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    pk: Mapped[int] = mapped_column(unique=True)
    full_clean: Mapped[str] = mapped_column(String(20))
    _state: Mapped[str] = mapped_column("state", String(20), default="new")
    DoesNotExist: Mapped[bool] = mapped_column(default=False)
    of__two: Mapped[str] = mapped_column(String(20), default="")
    resolve_expression: Mapped[str | None] = mapped_column(String(20))
    get_absolute_url: Mapped[str | None] = mapped_column(String(20))
    save_id: Mapped[int | None] = mapped_column(ForeignKey(Artist.id))
    delete_id: Mapped[int | None] = mapped_column(ForeignKey(Artist.id))
    maker: Mapped[int | None] = mapped_column(ForeignKey(Artist.id))
    maker_id: Mapped[str] = mapped_column(String(20), default="none")
    buyer: Mapped[str] = mapped_column(String(20), default="nobody")
    buyer_id: Mapped[int | None] = mapped_column(ForeignKey(Artist.id))

    check_: Mapped[list["Work"]] = relationship(
        secondary=WORK_WORK,
        primaryjoin=lambda: Work.id == WORK_WORK.c.work_id,
        secondaryjoin=lambda: Work.id == WORK_WORK.c.other_id,
    )
    save: Mapped[Artist | None] = relationship(
        back_populates="refresh_from_db", foreign_keys=save_id
    )
    by_: Mapped[list[Artist]] = relationship(secondary=ARTIST_WORK, back_populates="objects")

    @validates("full_clean", "of__two")
    def _refuse(self, key: str, value: str) -> str:
        if value == "dirty":
            raise ValueError(f"{key} is dirty")
        return value

    @property
    def both(self) -> str:
        return f"{self.full_clean}/{self.pk}/{self._state}"

    def __str__(self) -> str:
        return f"work {self.full_clean} {self.of__two} by {[each.name for each in self.by_]}"


class Bill(Model):
    __tablename__ = "borrowed_bill"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(20))


class BILL(Model):
    __tablename__ = "borrowed_BILL_2"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    bill_id: Mapped[int | None] = mapped_column(ForeignKey(Bill.id))


class Drawer(Model):
    """A table of this name is in the usual schema, too, and belongs to nobody here."""

    __tablename__ = "borrowed_drawer"
    __table_args__: Any = ({"schema": "borrowed store"},)

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    inside_id: Mapped[int | None] = mapped_column(ForeignKey("borrowed store.borrowed_drawer.id"))
    inside: Mapped["Drawer | None"] = relationship(remote_side="Drawer.id")
