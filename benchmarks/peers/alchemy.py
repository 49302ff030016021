"""The tables as a user of SQLAlchemy's ORM maps them."""

from datetime import datetime

from sqlalchemy import BigInteger, DateTime, ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, joinedload, mapped_column, relationship
from sqlalchemy.sql import Select, select


class Base(DeclarativeBase):
    type_annotation_map = {datetime: DateTime(timezone=True), int: BigInteger}  # noqa: RUF012  # SQLAlchemy's form


class User(Base):
    __tablename__ = "accounts_user"

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(150))
    is_active: Mapped[bool]


class ApiKey(Base):
    __tablename__ = "trivet_api_key"

    id: Mapped[int] = mapped_column(primary_key=True)
    prefix: Mapped[str] = mapped_column(String(16), unique=True)
    digest: Mapped[str] = mapped_column(String(64))
    owner_id: Mapped[int] = mapped_column(ForeignKey(User.id))
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    owner: Mapped[User] = relationship()


class Parcel(Base):
    __tablename__ = "parcels_parcel"

    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(String(80))
    depot: Mapped[str] = mapped_column(String(20))
    grams: Mapped[int]
    fragile: Mapped[bool]


def key_query(prefix: str) -> Select[ApiKey]:
    """The key that begins with `prefix`, with its owner."""
    return select(ApiKey).where(ApiKey.prefix == prefix).options(joinedload(ApiKey.owner))
