"""The sentence about a row that others refer to, in the words of the others."""

import pytest
from sqlalchemy import Column, ForeignKey, Table
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from trivet.data.violation import Violation


class Base(DeclarativeBase):
    pass


class Category(Base):
    __tablename__ = "pantry_category"

    id: Mapped[int] = mapped_column(primary_key=True)


class Box(Base):
    __tablename__ = "pantry_box"

    id: Mapped[int] = mapped_column(primary_key=True)


box_labels = Table(
    "pantry_box_labels",
    Base.metadata,
    Column("box_id", ForeignKey(Box.id), primary_key=True),
)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (Category.__table__, "Categories still refer to this."),
        (Box.__table__, "Boxes still refer to this."),
        (box_labels, "Pantry box labels still refer to this."),
        (None, "Something still refers to this."),
    ],
)
def test_it_names_what_refers(other: Table | None, words: str) -> None:
    violation = Violation("referred", Category.__table__, (), other=other)  # type: ignore[arg-type]  # a mapped table is one
    assert violation.error().detail == words
