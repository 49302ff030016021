"""Classes that others might have written, on a base of their own."""

import datetime as dt
import uuid
from typing import Any

from sqlalchemy import JSON, DateTime, ForeignKey, ForeignKeyConstraint, String, Uuid
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    mapped_column,
    registry,
    relationship,
)
from sqlmodel import Field, SQLModel


class Base(DeclarativeBase):
    pass


class Pipe(Base):
    """Names with everything that SQL and its drivers read as something else."""

    __tablename__ = '6" pipes (100%)'

    number: Mapped[int] = mapped_column("No.", primary_key=True)
    label: Mapped[str] = mapped_column('the "label"', String(40))
    filled: Mapped[str | None] = mapped_column("100%", String(40))
    placed: Mapped[str | None] = mapped_column("%s", String(40))
    next_id: Mapped[int | None] = mapped_column('next "%"', ForeignKey(number), index=True)
    next: Mapped["Pipe | None"] = relationship(remote_side=number)

    def __str__(self) -> str:
        return self.label


def _now(_version: object) -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class ByTime(Base):
    __tablename__ = "motley_by_time"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40))
    stamp: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    __mapper_args__ = {"version_id_col": stamp, "version_id_generator": _now}  # noqa: RUF012  # as SQLAlchemy has it


class ByToken(Base):
    __tablename__ = "motley_by_token"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40))
    token: Mapped[uuid.UUID] = mapped_column(Uuid())
    __mapper_args__ = {"version_id_col": token, "version_id_generator": lambda _: uuid.uuid4()}  # noqa: RUF012  # as above


class ByText(Base):
    __tablename__ = "motley_by_text"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40))
    etag: Mapped[str] = mapped_column(String(40))
    __mapper_args__ = {  # noqa: RUF012  # as above
        "version_id_col": etag,
        "version_id_generator": lambda _: f" {uuid.uuid4().hex} ",
    }


class Shelf(Base):
    __tablename__ = "motley_shelf"
    hall: Mapped[str] = mapped_column(String(20), primary_key=True)
    row: Mapped[str] = mapped_column(String(20), primary_key=True)


class Box(Base):
    """Refers to a shelf by two texts, of which neither may be missing."""

    __tablename__ = "motley_box"
    __table_args__ = (
        ForeignKeyConstraint(["hall", "row"], ["motley_shelf.hall", "motley_shelf.row"]),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    hall: Mapped[str] = mapped_column(String(20))
    row: Mapped[str] = mapped_column(String(20))
    shelf: Mapped[Shelf] = relationship()


def _numbers() -> list[int]:
    return [1, 2]


class Note(MappedAsDataclass, Base, kw_only=True):
    __tablename__ = "motley_note"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default_factory=uuid.uuid4)
    name: Mapped[str] = mapped_column(String(40))
    tags: Mapped[dict[str, Any]] = mapped_column(JSON, default_factory=dict)
    numbers: Mapped[list[int]] = mapped_column(JSON, default_factory=_numbers)
    mood: Mapped[str] = mapped_column(String(40), default_factory=lambda: "calm", init=False)


class Spoken(SQLModel, registry=registry()):
    """On a registry of its own, so that no other test makes its table."""


class Hero(Spoken, table=True):
    """Says of its values what Pydantic has words for."""

    __tablename__ = "motley_hero"
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(
        min_length=2, max_length=40, regex="^[a-z]+$", description="In small letters."
    )
    age: int | None = Field(default=None, ge=0)


_CLASSES: tuple[Any, ...] = (Pipe, ByTime, ByToken, ByText, Shelf, Box, Note, Hero)
TABLES: list[Any] = [each.__table__ for each in _CLASSES]
