"""On a base of their own, so that no other test makes these tables."""

from sqlalchemy import Column, ForeignKey, MetaData, String, Table, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from trivet.models.base import NAMING_CONVENTION
from trivet.models.versioned import Versioned


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING_CONVENTION)


labelling = Table(
    "bookshop_labelling",
    Base.metadata,
    Column("novel_id", ForeignKey("bookshop_novel.id"), primary_key=True),
    Column("label_id", ForeignKey("bookshop_label.id"), primary_key=True),
)


class Label(Base):
    __tablename__ = "bookshop_label"
    id: Mapped[int] = mapped_column(primary_key=True)
    word: Mapped[str] = mapped_column(String(20), unique=True)


class Novel(Versioned, Base):
    """A novel that is for sale."""

    __tablename__ = "bookshop_novel"
    __table_args__ = (UniqueConstraint("isbn", name="uq_novel_isbn"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(40), index=True)
    isbn: Mapped[str] = mapped_column(String(13))
    sold: Mapped[bool] = mapped_column(default=False)
    labels: Mapped[list[Label]] = relationship(secondary=labelling)


class Shelf(Base):
    """One whose key is a text, and not an easy one."""

    __tablename__ = "bookshop_shelf"
    mark: Mapped[str] = mapped_column(String(20), primary_key=True)
    room: Mapped[str] = mapped_column(String(20))
