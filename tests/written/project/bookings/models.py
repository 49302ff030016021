import datetime as dt
import enum
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Numeric, String, Table, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship
from trivet import Model, User, Versioned
from trivet.models import BigKey

from members.models import Member


class BookingState(enum.StrEnum):
    OPEN = "open"
    SOLD_OUT = "sold-out"


booking_guests = Table(
    "bookings_booking_guests",
    Model.metadata,
    Column(
        "booking_id",
        ForeignKey("bookings_booking.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column(
        "member_id",
        ForeignKey(Member.id, ondelete="CASCADE"),
        primary_key=True,
        index=True,
    ),
)


booking_seen_by = Table(
    "bookings_booking_seen_by",
    Model.metadata,
    Column(
        "booking_id",
        ForeignKey("bookings_booking.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column(
        "user_id",
        ForeignKey(User.id, ondelete="CASCADE"),
        primary_key=True,
        index=True,
    ),
)


class Booking(Versioned, Model):
    __tablename__ = "bookings_booking"
    __table_args__ = (
        Index(
            "uq_bookings_booking_code_if_is_paid",
            "code",
            unique=True,
            postgresql_where=text("is_paid IS TRUE"),
            sqlite_where=text("is_paid IS TRUE"),
        ),
    )

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    title: Mapped[str] = mapped_column(String(200))
    note: Mapped[str | None] = mapped_column(Text)
    seats: Mapped[int]
    serial: Mapped[int] = mapped_column(BigInteger, index=True)
    price: Mapped[Decimal] = mapped_column(Numeric(8, 2))
    ratio: Mapped[float]
    is_paid: Mapped[bool] = mapped_column(default=False)
    day: Mapped[dt.date]
    starts_at: Mapped[dt.datetime]
    opens_at: Mapped[dt.time]
    lasts: Mapped[dt.timedelta]
    token: Mapped[UUID] = mapped_column(unique=True)
    extra: Mapped[dict[str, Any]] = mapped_column(default=dict)
    code: Mapped[str] = mapped_column(String(12))
    state: Mapped[BookingState] = mapped_column(default=BookingState.OPEN)
    member_id: Mapped[int] = mapped_column(ForeignKey(Member.id), index=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey(User.id), index=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("bookings_booking.id"), index=True)

    member: Mapped[Member] = relationship()
    owner: Mapped[User] = relationship()
    parent: Mapped["Booking | None"] = relationship(remote_side="Booking.id")
    guests: Mapped[list[Member]] = relationship(secondary=booking_guests)
    seen_by: Mapped[list[User]] = relationship(secondary=booking_seen_by)

    def __str__(self) -> str:
        return self.title
