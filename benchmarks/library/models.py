"""Large tables as an application has them: stock types, foreign keys, a many-to-many relation."""

import datetime as dt
from decimal import Decimal

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Numeric, String, Table
from sqlalchemy.orm import Mapped, mapped_column, relationship

from trivet import Model

book_subject = Table(
    "library_book_subjects",
    Model.metadata,
    Column("book_id", ForeignKey("library_book.id"), primary_key=True),
    Column("subject_id", ForeignKey("library_subject.id"), primary_key=True, index=True),
)


class Author(Model):
    __tablename__ = "library_author"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    name: Mapped[str] = mapped_column(String(80))

    def __str__(self) -> str:
        return self.name


class Shelf(Model):
    __tablename__ = "library_shelf"
    __table_args__ = ({"info": {"verbose_name_plural": "shelves"}},)

    code: Mapped[str] = mapped_column(String(10), primary_key=True)
    room: Mapped[str] = mapped_column(String(40))

    def __str__(self) -> str:
        return self.code


class Subject(Model):
    __tablename__ = "library_subject"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    name: Mapped[str] = mapped_column(String(40))

    def __str__(self) -> str:
        return self.name


class Book(Model):
    __tablename__ = "library_book"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    title: Mapped[str] = mapped_column(String(120))
    isbn: Mapped[str] = mapped_column(String(13), unique=True)
    author_id: Mapped[int] = mapped_column(ForeignKey(Author.id), index=True)
    shelf_code: Mapped[str] = mapped_column(ForeignKey(Shelf.code), index=True)
    pages: Mapped[int]
    price: Mapped[Decimal] = mapped_column(Numeric(8, 2))
    lent_out: Mapped[bool] = mapped_column(default=False)
    added: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    author: Mapped[Author] = relationship()
    shelf: Mapped[Shelf] = relationship()
    subjects: Mapped[list[Subject]] = relationship(secondary=book_subject)
    loans: Mapped[list["Loan"]] = relationship(cascade="all, delete-orphan")

    def __str__(self) -> str:
        return self.title


class Loan(Model):
    __tablename__ = "library_loan"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    reader: Mapped[str] = mapped_column(String(60))
    since: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    book_id: Mapped[int] = mapped_column(ForeignKey(Book.id), index=True)

    def __str__(self) -> str:
        return self.reader
