"""Names that Django keeps for itself, several classes of one name, and a schema of one's own."""

from functools import cached_property
from typing import Any

from sqlalchemy import Column, ForeignKey, String, Table, func, select
from sqlalchemy.ext.associationproxy import AssociationProxy, association_proxy
from sqlalchemy.ext.hybrid import hybrid_method, hybrid_property
from sqlalchemy.orm import (
    Mapped,
    column_property,
    foreign,
    mapped_column,
    relationship,
    synonym,
    validates,
)

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


class Troupe(Model):
    """Every way in which a class can say what becomes of the rows that refer to it."""

    __tablename__ = "borrowed_troupe"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    actors: Mapped[list["Actor"]] = relationship(foreign_keys="Actor.troupe_id")
    costumes: Mapped[list["Costume"]] = relationship(cascade="all, delete-orphan")
    banner: Mapped["Banner | None"] = relationship(cascade="save-update, merge, delete")
    bookings: Mapped[list["Booking"]] = relationship(passive_deletes="all")
    debts: Mapped[list["Debt"]] = relationship(
        primaryjoin="and_(Debt.troupe_id == Troupe.id, Debt.paid)", cascade="all, delete-orphan"
    )
    founder_id: Mapped[int | None] = mapped_column(ForeignKey("borrowed_founder.id"))
    founder: Mapped["Founder | None"] = relationship(cascade="all")


class Founder(Model):
    """Goes with the troupe: the side of many says so."""

    __tablename__ = "borrowed_founder"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(20))


class Actor(Model):
    __tablename__ = "borrowed_actor"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    troupe_id: Mapped[int | None] = mapped_column(ForeignKey(Troupe.id))


class Costume(Model):
    """A tree that only its upper side knows."""

    __tablename__ = "borrowed_costume"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    troupe_id: Mapped[int | None] = mapped_column(ForeignKey(Troupe.id))
    whole_id: Mapped[int | None] = mapped_column(ForeignKey("borrowed_costume.id"))
    parts: Mapped[list["Costume"]] = relationship(cascade="all, delete-orphan")


class Banner(Model):
    __tablename__ = "borrowed_banner"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    troupe_id: Mapped[int] = mapped_column(ForeignKey(Troupe.id), unique=True)


class Booking(Model):
    __tablename__ = "borrowed_booking"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    troupe_id: Mapped[int | None] = mapped_column(ForeignKey(Troupe.id))


class Debt(Model):
    """Those that are paid go with the troupe; one that is not keeps it."""

    __tablename__ = "borrowed_debt"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    troupe_id: Mapped[int | None] = mapped_column(ForeignKey(Troupe.id))
    paid: Mapped[bool] = mapped_column(default=False)


class Hall(Model):
    """Its key is a word, and so are those of its seats."""

    __tablename__ = "borrowed_hall"

    code: Mapped[str] = mapped_column(String(20), primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    seats: Mapped[list["Seat"]] = relationship(cascade="all, delete-orphan")

    @validates("seats")
    def _have_room(self, _key: str, seat: "Seat") -> "Seat":
        if self.name == "full":
            raise ValueError("no seat is left")
        return seat


class Seat(Model):
    __tablename__ = "borrowed_seat"

    code: Mapped[str] = mapped_column(String(20), primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    hall_code: Mapped[str | None] = mapped_column(ForeignKey(Hall.code))

    def __str__(self) -> str:
        return f"seat {self.code}"


class Tour(Model):
    """A tree with rules on either side of its branches, which look at more than the key."""

    __tablename__ = "borrowed_tour"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(20), unique=True)
    hall_code: Mapped[str | None] = mapped_column(ForeignKey(Hall.code))
    after_name: Mapped[str | None] = mapped_column(ForeignKey("borrowed_tour.name"))
    hall: Mapped[Hall | None] = relationship()
    after: Mapped["Tour | None"] = relationship(back_populates="before", remote_side=name)
    before: Mapped[list["Tour"]] = relationship(back_populates="after")

    @validates("after")
    def _same_hall(self, _key: str, after: "Tour | None") -> "Tour | None":
        assert after is None or after.hall is self.hall, "that one is in another hall"
        return after

    @validates("before")
    def _only_two(self, _key: str, tour: "Tour") -> "Tour":
        if len([each for each in self.before if each is not tour]) >= 2:
            raise ValueError("two come after it already")
        return tour


class Play(Model):
    """Says of itself whatever a mapped class can say."""

    __tablename__ = "borrowed_play"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    clean: Mapped[str] = mapped_column(String(20))
    minutes: Mapped[int]
    hall_code: Mapped[str | None] = mapped_column(ForeignKey(Hall.code))
    hall: Mapped[Hall | None] = relationship()
    loud: Mapped[str] = column_property(clean + "!")
    seats: Mapped[int] = column_property(
        select(func.count(Seat.code))
        .where(Seat.hall_code == hall_code)
        .correlate_except(Seat)
        .scalar_subquery()
    )
    title = synonym("clean")
    hall_name: AssociationProxy[str | None] = association_proxy("hall", "name")
    hall_seats: Mapped[list[Seat]] = relationship(
        primaryjoin=lambda: Play.hall_code == foreign(Seat.hall_code), viewonly=True
    )
    seat_names: AssociationProxy[list[str]] = association_proxy("hall_seats", "name")

    @hybrid_property
    def hours(self) -> float:
        return self.minutes / 60

    @hybrid_method
    def lasts(self, minutes: int = 100) -> bool:
        return self.minutes > minutes

    @cached_property
    def words(self) -> str:
        return f"<{self.clean}>"

    def shout(self) -> str:
        return self.words.upper() + self.suffix() + str(self.hall)

    @staticmethod
    def suffix() -> str:
        return "?"

    def __repr__(self) -> str:
        return f"play {self.clean}"

    def __str__(self) -> str:
        return super().__str__() + f" of {self.hours} h"
