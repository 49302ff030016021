"""Consignments, the crews that carry them, parcels with their handlers, and stamps that nobody's
rule is about."""

import enum
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Column, ForeignKey, Numeric, String, Table
from sqlalchemy.orm import Mapped, mapped_column, relationship

from trivet import Model
from trivet.models.types import BigKey


class Stage(enum.StrEnum):
    OPEN = "open"
    SHUT = "shut"


class CrewPlace(Model):
    """That a user is in a crew."""

    __tablename__ = "freight_crew_place"

    crew_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    user_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class Consignment(Model):
    """What somebody sends, and perhaps a crew carries."""

    __tablename__ = "freight_consignment"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    code: Mapped[str] = mapped_column(String(40))
    sender_id: Mapped[int | None]
    crew_id: Mapped[int | None]
    stage: Mapped[Stage] = mapped_column(default=Stage.SHUT)
    price: Mapped[Decimal | None] = mapped_column(Numeric(8, 2))
    due_at: Mapped[datetime | None]
    papers: Mapped[dict[str, Any] | None] = mapped_column(deferred=True)
    pin: Mapped[str | None] = mapped_column(info={"audit": "redacted"})
    margin: Mapped[int | None]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("freight_consignment.id"))


class Postmark(Model):
    """A stamp: whoever may subscribe sees all of them."""

    __tablename__ = "freight_postmark"

    place: Mapped[str] = mapped_column(String(20), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    text: Mapped[str]


_handling = Table(
    "freight_handling",
    Model.metadata,
    Column("parcel_id", ForeignKey("freight_parcel.id"), primary_key=True),
    Column("handler_id", ForeignKey("freight_handler.id"), primary_key=True),
)


class Handler(Model):
    """Somebody who handles parcels, as long as they are open to it and paid for it."""

    __tablename__ = "freight_handler"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int]
    stage: Mapped[Stage] = mapped_column(default=Stage.OPEN)
    rate: Mapped[Decimal] = mapped_column(Numeric(8, 2), default=Decimal("9.99"))
    since: Mapped[datetime | None]
    tools: Mapped[dict[str, Any] | None]
    pin: Mapped[str | None] = mapped_column(info={"audit": "redacted"})


class Parcel(Model):
    """Its rule reads nothing of its own."""

    __tablename__ = "freight_parcel"

    id: Mapped[int] = mapped_column(primary_key=True)
    note: Mapped[str | None]
    handlers: Mapped[list[Handler]] = relationship(secondary=_handling)


class Ban(Model):
    """That a user does not see a parcel. It goes with the parcel."""

    __tablename__ = "freight_ban"

    id: Mapped[int] = mapped_column(primary_key=True)
    parcel_id: Mapped[int] = mapped_column(ForeignKey("freight_parcel.id", ondelete="CASCADE"))
    user_id: Mapped[int]
