import datetime as dt
import enum

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship
from trivet import Model, Versioned
from trivet.models import BigKey


class MemberLevel(enum.StrEnum):
    JUNIOR = "junior"
    SENIOR = "senior"


class Member(Versioned, Model):
    __tablename__ = "members_member"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(80), unique=True)
    level: Mapped[MemberLevel] = mapped_column(default=MemberLevel.JUNIOR)
    joined_on: Mapped[dt.date | None]

    def __str__(self) -> str:
        return self.name


class Visit(Versioned, Model):
    __tablename__ = "members_visit"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    at: Mapped[dt.datetime]
    guest_id: Mapped[int] = mapped_column(ForeignKey(Member.id), index=True)
    host_id: Mapped[int | None] = mapped_column(ForeignKey(Member.id), index=True)

    guest: Mapped[Member] = relationship(foreign_keys=guest_id)
    host: Mapped[Member | None] = relationship(foreign_keys=host_id)
