"""On a base of their own, so that no other test makes these tables."""

from sqlalchemy import ForeignKey, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from trivet.models.base import NAMING_CONVENTION


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class Academy(Base):
    """A tenant."""

    __tablename__ = "campus_academy"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))


class Enrolment(Base):
    """Who belongs to which academy. It belongs to that academy itself."""

    __tablename__ = "campus_enrolment"
    id: Mapped[int] = mapped_column(primary_key=True)
    academy_id: Mapped[int] = mapped_column(ForeignKey(Academy.id), index=True)
    person: Mapped[int]


class Lecture(Base):
    __tablename__ = "campus_lecture"
    id: Mapped[int] = mapped_column(primary_key=True)
    academy_id: Mapped[int] = mapped_column(ForeignKey(Academy.id), index=True)
    title: Mapped[str] = mapped_column(String(20))
    kind: Mapped[str] = mapped_column(String(10), default="lecture")
    academy: Mapped[Academy] = relationship()
    handouts: Mapped[list["Handout"]] = relationship(
        back_populates="lecture", cascade="all, delete-orphan"
    )
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "lecture"}  # noqa: RUF012  # SQLAlchemy has its type


class Seminar(Lecture):
    """A lecture, continued in a table of its own."""

    __tablename__ = "campus_seminar"
    id: Mapped[int] = mapped_column(ForeignKey(Lecture.id), primary_key=True)
    seats: Mapped[int] = mapped_column(default=5)
    __mapper_args__ = {"polymorphic_identity": "seminar"}  # noqa: RUF012  # the same


class Handout(Base):
    """It reaches its academy through its lecture."""

    __tablename__ = "campus_handout"
    id: Mapped[int] = mapped_column(primary_key=True)
    lecture_id: Mapped[int] = mapped_column(ForeignKey(Lecture.id), index=True)
    text: Mapped[str] = mapped_column(String(40))
    lecture: Mapped[Lecture] = relationship(back_populates="handouts")


TABLES = (Academy, Enrolment, Lecture, Seminar, Handout)
