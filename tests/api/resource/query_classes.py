"""A small library for the tests of queries, and a class with a column of every type."""

import datetime as dt
import enum
import uuid
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    Column,
    Double,
    Enum,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    String,
    Table,
    Text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from trivet import Model
from trivet.models.types import BigKey


class Status(enum.StrEnum):
    DRAFT = "draft"
    LIVE = "live"
    GONE = "gone"


class QueryCountry(Model):
    __tablename__ = "query_country"

    code: Mapped[str] = mapped_column(String(2), primary_key=True)
    name: Mapped[str] = mapped_column(String(50))


class QueryAuthor(Model):
    __tablename__ = "query_author"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(50), index=True)
    email: Mapped[str | None] = mapped_column(String(50))
    is_private: Mapped[bool] = mapped_column(default=False)
    country_code: Mapped[str | None] = mapped_column(ForeignKey("query_country.code"))
    country: Mapped[QueryCountry | None] = relationship()
    books: Mapped[list["QueryBook"]] = relationship(back_populates="author")


query_book_tag = Table(
    "query_book_tag",
    Model.metadata,
    Column("book_id", ForeignKey("query_book.id"), primary_key=True),
    Column("tag_id", ForeignKey("query_tag.id"), primary_key=True),
)


class QueryTag(Model):
    __tablename__ = "query_tag"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    label: Mapped[str] = mapped_column(String(30), unique=True)


class QueryBook(Model):
    __tablename__ = "query_book"
    __table_args__ = (
        Index("query_book_price_id", "price", "id"),
        Index("query_book_pages_id", "pages", "id"),
        {"info": {"search": ["title", "notes"]}},
    )

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    title: Mapped[str] = mapped_column(String(100))
    notes: Mapped[str | None] = mapped_column(Text)
    price: Mapped[Decimal | None] = mapped_column(Numeric(8, 2))
    pages: Mapped[int] = mapped_column(Integer, default=100)
    status: Mapped[Status] = mapped_column(default=Status.LIVE)
    sort: Mapped[int] = mapped_column(default=0)
    published_at: Mapped[dt.datetime | None]
    author_id: Mapped[int | None] = mapped_column(ForeignKey("query_author.id"))
    sequel_of_id: Mapped[int | None] = mapped_column(ForeignKey("query_book.id"))
    author: Mapped[QueryAuthor | None] = relationship(back_populates="books")
    sequel_of: Mapped["QueryBook | None"] = relationship(remote_side="QueryBook.id")
    tags: Mapped[list[QueryTag]] = relationship(secondary=query_book_tag, order_by=QueryTag.label)


class QuerySeat(Model):
    """With a key of two columns, and every kind of value that an order may have."""

    __tablename__ = "query_seat"
    __table_args__ = ({"info": {"search": ["text"]}},)

    hall: Mapped[str] = mapped_column(String(10), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str | None] = mapped_column(String(20))
    whole: Mapped[int | None]
    double: Mapped[float | None] = mapped_column(Double)
    single: Mapped[float | None] = mapped_column(Float(24))
    decimal: Mapped[Decimal | None] = mapped_column(Numeric(12, 3))
    flag: Mapped[bool | None]
    status: Mapped[Status | None]
    colour: Mapped[str | None] = mapped_column(Enum("red", "blue", name="query_colour"))
    instant: Mapped[dt.datetime | None]
    day: Mapped[dt.date | None]
    time: Mapped[dt.time | None]
    span: Mapped[dt.timedelta | None]
    uid: Mapped[uuid.UUID | None]
    needed: Mapped[int] = mapped_column(default=0)
    document: Mapped[dict[str, Any] | None]
    raw: Mapped[bytes | None] = mapped_column(LargeBinary)


class QueryRevised(Model):
    __tablename__ = "query_revised"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    text: Mapped[str] = mapped_column(String(20))
    version: Mapped[int] = mapped_column()
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012  # as SQLAlchemy has it


CLASSES: tuple[Any, ...] = (QueryCountry, QueryAuthor, QueryTag, QueryBook, QuerySeat, QueryRevised)
TABLES = [*(each.__table__ for each in CLASSES), query_book_tag]
