"""Consignments, the crews that carry them, and stamps that nobody's rule is about."""

import enum
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ForeignKey, Numeric, String
from sqlalchemy.orm import Mapped, mapped_column

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
